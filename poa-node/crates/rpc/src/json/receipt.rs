//! Receipts.

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256, Bloom, U8, U64, U128},
    rpc::types::Log,
};
use aurum_chain::view::ReceiptView;
use aurum_types::ReceiptOutcome;
use serde::Serialize;

use super::receipt_logs;

/// A receipt, with `status` or, before EIP-658, `root`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptJson {
    r#type: U8,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<U8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<B256>,
    transaction_hash: B256,
    transaction_index: U64,
    block_hash: B256,
    block_number: U64,
    from: Address,
    to: Option<Address>,
    cumulative_gas_used: U64,
    gas_used: U64,
    effective_gas_price: U128,
    contract_address: Option<Address>,
    logs: Vec<Log>,
    logs_bloom: Bloom,
}

impl ReceiptJson {
    pub(crate) fn new(view: &ReceiptView) -> Self {
        let place = view.place();
        let tx = &view.transaction.transaction;
        let (status, root) = match view.receipt.outcome {
            ReceiptOutcome::Status(succeeded) => (Some(U8::from(succeeded as u8)), None),
            ReceiptOutcome::StateRoot(root) => (None, Some(root)),
            ReceiptOutcome::Unknown => (None, None),
        };
        Self {
            r#type: U8::from(view.receipt.tx_type as u8),
            status,
            root,
            transaction_hash: *tx.inner().tx_hash(),
            transaction_index: U64::from(place.index),
            block_hash: place.block_hash,
            block_number: U64::from(place.block_number),
            from: tx.signer(),
            to: tx.to(),
            cumulative_gas_used: U64::from(view.receipt.cumulative_gas_used),
            gas_used: U64::from(view.gas_used),
            effective_gas_price: U128::from(view.effective_gas_price),
            contract_address: view.contract_address,
            logs: receipt_logs(view),
            logs_bloom: view.receipt.bloom(),
        }
    }
}
