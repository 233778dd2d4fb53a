//! Logs by filter.

use alloy::{
    primitives::{B256, BlockNumber},
    rpc::types::{Filter, FilterBlockOption},
};
use aurum_evm::Cancel;
use aurum_types::{Header, Receipt, Transaction};

use super::View;
use crate::ReadError;

/// A log with its place, as `eth_getLogs` gives it.
pub type LogView = alloy::rpc::types::Log;

/// Most blocks in one query.
pub const MAX_LOG_BLOCKS: u64 = 100_000;
/// Most logs in one answer.
pub const MAX_LOGS: usize = 20_000;

/// The logs of one block that match `filter` (block bounds are not looked at), in order. Looks at the bloom first.
pub(crate) fn block_logs(
    hash: B256,
    header: &Header,
    transactions: &[Transaction],
    receipts: &[Receipt],
    filter: &Filter,
) -> Vec<LogView> {
    if !filter.matches_bloom(header.logs_bloom) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut log_index = 0;
    for (index, (transaction, receipt)) in transactions.iter().zip(receipts).enumerate() {
        for log in &receipt.logs {
            if filter.matches(log) {
                found.push(LogView {
                    inner: log.clone(),
                    block_hash: Some(hash),
                    block_number: Some(header.number),
                    block_timestamp: Some(header.timestamp),
                    transaction_hash: Some(*transaction.tx_hash()),
                    transaction_index: Some(index as u64),
                    log_index: Some(log_index),
                    removed: false,
                });
            }
            log_index += 1;
        }
    }
    found
}

impl View {
    /// Logs of the canonical chain that match `filter`, oldest first. Without bounds: of the latest block. A `to` above
    /// the head means the head. Reads headers and skips blocks whose bloom excludes the filter.
    ///
    /// # Errors
    /// [`ReadError::Range`] for a reversed range or one over [`MAX_LOG_BLOCKS`], [`ReadError::TooManyResults`] over
    /// [`MAX_LOGS`] (saying up to which block the answer fits), [`ReadError::UnknownBlock`] for an unknown block hash.
    pub fn logs(&self, filter: &Filter) -> Result<Vec<LogView>, ReadError> {
        self.logs_within(filter, MAX_LOG_BLOCKS, &Cancel::default())
    }

    /// As [`Self::logs`], of at most `blocks` blocks, which is no more than [`MAX_LOG_BLOCKS`], and until `cancel` says that
    /// nobody wants them any more.
    ///
    /// # Errors
    /// As [`Self::logs`], and [`ReadError::Cancelled`].
    pub fn logs_within(&self, filter: &Filter, blocks: u64, cancel: &Cancel) -> Result<Vec<LogView>, ReadError> {
        match &filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let block = self.block((*hash).into())?.ok_or(ReadError::UnknownBlock)?;
                Ok(block_logs(block.hash(), block.header(), block.transactions(), block.receipts(), filter))
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let latest = self.head().latest.number;
                let bound = |tag: &Option<_>, default| match tag {
                    Some(tag) => self.number_of(*tag),
                    None => Ok(default),
                };
                let from = bound(from_block, latest)?;
                let to = bound(to_block, latest)?;
                self.logs_between((from, to, latest), blocks.clamp(1, MAX_LOG_BLOCKS), filter, cancel)
            }
        }
    }

    fn logs_between(
        &self,
        (from, to, latest): (BlockNumber, BlockNumber, BlockNumber),
        limit: u64,
        filter: &Filter,
        cancel: &Cancel,
    ) -> Result<Vec<LogView>, ReadError> {
        if from > to || to.min(latest).saturating_sub(from) >= limit {
            return Err(ReadError::Range { from, to, limit });
        }
        let mut found = Vec::new();
        for number in from..=to.min(latest) {
            if cancel.is_cancelled() {
                return Err(ReadError::Cancelled);
            }
            let Some(hash) = self.reader().canonical_hash(number)? else { break };
            let Some(header) = self.reader().header(hash)? else { break };
            if !filter.matches_bloom(header.logs_bloom) {
                continue;
            }
            let Some(block) = self.reader().block(hash)? else { break };
            let logs = block_logs(hash, &header, block.transactions(), block.receipts(), filter);
            if found.len() + logs.len() > MAX_LOGS && number > from {
                return Err(ReadError::TooManyResults { limit: MAX_LOGS, from, reached: number - 1 });
            }
            found.extend(logs);
        }
        Ok(found)
    }
}
