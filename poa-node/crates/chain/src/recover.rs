//! Stage 2: who sent each transaction? The pool has recovered most of them already; the others in parallel.

use aurum_pool::Pool;
use aurum_types::{RecoveredBlock, VerifiedBlock};

use crate::ImportError;

/// Finds every sender.
///
/// # Errors
/// [`ImportError::Invalid`] for a transaction without a valid signature.
pub(crate) fn recover(block: VerifiedBlock, pool: Option<&Pool>) -> Result<RecoveredBlock, ImportError> {
    Ok(block.recover(|hash| pool.and_then(|pool| pool.sender_of(hash)))?)
}
