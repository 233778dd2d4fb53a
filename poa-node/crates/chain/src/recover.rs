//! Stage 2: who sent each transaction? The pool has recovered most of them already; the others in parallel.

use alloy::primitives::map::B256Map;
use aurum_evm::dev::Development;
use aurum_pool::Pool;
use aurum_types::{RecoveredBlock, Transaction, VerifiedBlock};

use crate::ImportError;

/// Finds every sender. On a development chain some transactions name theirs without a signature.
///
/// # Errors
/// [`ImportError::Invalid`] for a transaction without a valid signature.
pub(crate) fn recover(
    block: VerifiedBlock,
    pool: Option<&Pool>,
    development: Option<Development>,
) -> Result<RecoveredBlock, ImportError> {
    let _stage = tracing::trace_span!("recover", number = block.sealed().number()).entered();
    let transactions = &block.sealed().block().transactions;
    let mut known =
        pool.map_or_else(B256Map::default, |pool| pool.senders_of(transactions.iter().map(Transaction::tx_hash)));
    if let Some(development) = development {
        let by_name = |tx: &Transaction| Some((*tx.tx_hash(), development.impersonated(tx)?));
        known.extend(transactions.iter().filter_map(by_name));
    }
    Ok(block.recover(|hash| known.get(hash).copied())?)
}
