//! What is on disk and not in memory: brought back when a branch needs it, and at opening.

use std::sync::Arc;

use alloy::primitives::B256;
use aurum_storage::{ExecutedRecord, Writer};
use aurum_types::{BlockError, BlockNumber, CommittedBlock, ExecutionOutcome, SealedBlock, StateChanges, StateReader};

use crate::{
    BlockRef, Fault, ImportError, Invalid, adopt, persist::Persist, reader::Reader, recent::Link, snapshot::Snapshot,
};

/// The stored blocks that stand between the tree and `parent` (the last of them), ascending; none if the tree has it. If
/// their branch starts below the tree, the tree is made to reach down to it, and pinned.
///
/// # Errors
/// [`ImportError::UnknownParent`] when the branch does not connect to what is stored, [`ImportError::Invalid`] when it
/// leaves the chain below a final block.
pub(crate) fn missing_ancestors(
    reader: &Reader,
    persist: &Persist,
    parent: B256,
    child: &SealedBlock,
) -> Result<Vec<SealedBlock>, ImportError> {
    let reverts = || {
        let (number, hash, finalized) = (child.number(), child.hash(), reader.head().finalized);
        Err(Invalid::RevertsFinalized { number, hash, finalized }.into())
    };
    let anchor = reader.recent().anchor().at();
    let mut missing = Vec::new();
    let mut cursor = parent;
    loop {
        if reader.recent().node(cursor).is_some() {
            break;
        }
        let Some(header) = reader.database.header(cursor)? else { return Err(ImportError::UnknownParent(parent)) };
        if header.number < anchor.number || (header.number == anchor.number && cursor != anchor.hash) {
            return reverts();
        }
        if reader.canonical_hash(header.number)? == Some(cursor) {
            reach_down(reader, persist, header.number)?;
            break;
        }
        missing.push(cursor);
        cursor = header.parent_hash;
    }
    missing
        .into_iter()
        .rev()
        .map(|hash| {
            let block = reader.database.block(hash)?;
            let block = block.ok_or_else(|| Fault::Inconsistent(format!("block {hash} has a header and no body")))?;
            Ok(SealedBlock::seal_slow(block))
        })
        .collect()
}

/// Makes the tree hold the canonical links from `number` on: from the anchor up, each is its parent's engine state
/// advanced by the stored header and receipts.
fn reach_down(reader: &Reader, persist: &Persist, number: BlockNumber) -> Result<(), ImportError> {
    // While the writer is held, the persist thread does not move the tree's lower end.
    let _writer = persist.writer();
    let (anchor, low) = {
        let recent = reader.recent();
        (Arc::clone(recent.anchor()), recent.low())
    };
    let links = links_above(reader, &anchor, low, number)?;
    let mut recent = reader.recent_mut();
    recent.reach_down(links);
    recent.pin(number);
    Ok(())
}

/// Links of the canonical blocks from the anchor up to and without `end`, of which those from `from` on are returned.
pub(crate) fn links_above(
    reader: &Reader,
    anchor: &Link,
    end: BlockNumber,
    from: BlockNumber,
) -> Result<Vec<Link>, ImportError> {
    let mut links = Vec::new();
    let mut last = anchor.clone();
    for number in anchor.header.number..end {
        if number > anchor.header.number {
            last = next_link(reader, &last, number)?;
        }
        if number >= from {
            links.push(last.clone());
        }
    }
    Ok(links)
}

fn next_link(reader: &Reader, parent: &Link, number: BlockNumber) -> Result<Link, ImportError> {
    let database = &reader.database;
    let hash = database.canonical_hash(number)?.ok_or_else(|| gap(number))?;
    let header = database.header(hash)?.ok_or_else(|| gap(number))?;
    let receipts = database.receipts(hash)?.ok_or_else(|| gap(number))?;
    let state =
        || -> Result<Arc<dyn StateReader>, ImportError> { Ok(reader.state_at(hash)?.ok_or_else(|| gap(number))?) };
    adopt::link(reader, parent, &header, hash, &receipts, state)
}

fn gap(number: BlockNumber) -> Fault {
    Fault::Inconsistent(format!("the persisted chain has a gap at block {number}"))
}

/// Takes the persisted tip back to `fork`, which the tree holds.
///
/// # Errors
/// What the database says.
pub(crate) fn unwind(reader: &Reader, writer: &mut Writer, fork: BlockRef) -> Result<(), Fault> {
    let snapshot = {
        let recent = reader.recent();
        let link = recent.link(fork.hash).ok_or_else(|| gap(fork.number))?;
        Snapshot::of(link, recent.anchor()).encode()
    };
    writer.unwind_to(fork.number, &snapshot)?;
    Ok(())
}

/// A block that was persisted, as the value it once was, without its changes (nobody needs them: its state is history).
///
/// # Errors
/// When the database does not hold it whole.
pub(crate) fn reload(reader: &Reader, hash: B256) -> Result<Arc<CommittedBlock>, Fault> {
    let stored = reader.database.executed(hash)?;
    let ExecutedRecord { block, senders, receipts } =
        stored.ok_or_else(|| Fault::Inconsistent(format!("persisted block {hash} is not whole")))?;
    // Each check was passed before the block was persisted; those that cost little are passed again.
    let again = || -> Result<CommittedBlock, BlockError> {
        let sealed = SealedBlock::seal_slow(block);
        let (gas_used, root) = (sealed.header().gas_used, sealed.header().state_root);
        let by_hash: std::collections::HashMap<B256, _> =
            sealed.block().transactions.iter().map(|tx| *tx.tx_hash()).zip(senders).collect();
        sealed
            .verify::<BlockError>(|_| Ok(()))?
            .recover(|hash| by_hash.get(hash).copied())?
            .execute::<BlockError>(|_| Ok(ExecutionOutcome { receipts, gas_used, changes: StateChanges::default() }))?
            .commit(root)
    };
    again().map(Arc::new).map_err(|error| Fault::Inconsistent(format!("persisted block {hash}: {error}")))
}
