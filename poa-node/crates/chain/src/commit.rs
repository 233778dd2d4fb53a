//! Stage 4: the state root of the block's changes is the header's.

use aurum_storage::{Committed, StateTree};
use aurum_types::{CommittedBlock, ExecutedBlock};

use crate::ImportError;

/// Applies the changes to the parent's commitment (unless building the block gave the result already) and compares.
///
/// # Errors
/// [`ImportError::Invalid`] for another root.
pub(crate) fn commit(
    tree: &StateTree,
    block: ExecutedBlock,
    known: Option<Committed>,
) -> Result<(CommittedBlock, Committed), ImportError> {
    let _stage = tracing::trace_span!("commit", number = block.sealed().number()).entered();
    let committed = match known {
        Some(committed) => committed,
        None => tree.commit(block.sealed().header().parent_hash, block.changes())?,
    };
    let block = block.commit(committed.root)?;
    Ok((block, committed))
}
