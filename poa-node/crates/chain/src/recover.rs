//! Stage 2: who sent each transaction? The pool has recovered most of them already; the others in parallel.

use alloy::primitives::{Address, B256, map::HashMap};
use aurum_evm::dev::Development;
use aurum_pool::Pool;
use aurum_types::{RecoveredBlock, VerifiedBlock};

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
    let impersonated: HashMap<B256, Address> = development.map_or_else(HashMap::default, |development| {
        let transactions = block.sealed().block().transactions.iter();
        transactions.filter_map(|tx| Some((*tx.tx_hash(), development.impersonated(tx)?))).collect()
    });
    Ok(block.recover(|hash| {
        let by_name = impersonated.get(hash).copied();
        by_name.or_else(|| pool.and_then(|pool| pool.sender_of(hash)))
    })?)
}
