//! Logs with their place.

use alloy::rpc::types::Log;
use aurum_chain::view::ReceiptView;

/// The logs of one receipt, numbered within their block.
pub(crate) fn receipt_logs(view: &ReceiptView) -> Vec<Log> {
    let place = view.place();
    let hash = *view.transaction.transaction.inner().tx_hash();
    view.receipt
        .logs
        .iter()
        .enumerate()
        .map(|(index, log)| Log {
            inner: log.clone(),
            block_hash: Some(place.block_hash),
            block_number: Some(place.block_number),
            block_timestamp: Some(place.timestamp),
            transaction_hash: Some(hash),
            transaction_index: Some(place.index as u64),
            log_index: Some((view.first_log_index + index) as u64),
            removed: false,
        })
        .collect()
}
