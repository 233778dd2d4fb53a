//! The state trie in the database: that of the last check-point, by place. The flat tables may be ahead of it.
//!
//! Invariant: history floor ≤ check-point ≤ persisted tip, and the check-point's block is canonical. So the undo records
//! always list what was written between it and the tip: opening brings its trie to the tip with the values in the flat
//! tables, and unwinding below it saves the trie of the landing in the same write.

use std::sync::Arc;

use alloy::primitives::{B256, Bytes, U256};
use alloy_trie::Nibbles;
use aurum_types::{BlockNumber, StateChanges};

use crate::{
    StorageError, Tip,
    codec::{Key, NumberHash, StoragePath, TriePath},
    core::{Core, names},
    flat::undo_record,
    persisted::PersistedState,
    rocks::{Batch, Rocks},
    tables,
    trie::{Census, Commitment, Grown, NodeSource, Owner, StateTrie, Unsaved, Vacated, unsaved},
};

impl NodeSource for Rocks {
    fn node(&self, owner: Owner, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        match owner {
            None => self.get::<tables::AccountNodes>(&TriePath(*path)),
            Some(owner) => self.get::<tables::StorageNodes>(&StoragePath { owner, path: *path }),
        }
    }
}

/// Writes into a batch what turns the trie in the tables into `trie`, as the check-point of block `at`. Every place at
/// which the one has a node and the other has none must be among `vacated`.
///
/// # Errors
/// Where a node that is needed is not in the database; when the disk fails.
pub(crate) fn put_checkpoint(
    core: &Core,
    at: Tip,
    trie: &StateTrie,
    vacated: &[Vacated],
    batch: &mut Batch<'_>,
) -> Result<Unsaved, StorageError> {
    let unsaved = put_trie(&core.rocks, &core.commitment, trie, vacated, batch)?;
    let bytes = NumberHash { number: at.number, hash: at.hash }.to_bytes();
    batch.put::<tables::Meta>(&names::CHECKPOINT.to_owned(), &Bytes::from(bytes));
    Ok(unsaved)
}

/// [`put_checkpoint`] without its name.
///
/// # Errors
/// As there.
pub(crate) fn put_trie(
    rocks: &Rocks,
    commitment: &Commitment,
    trie: &StateTrie,
    vacated: &[Vacated],
    batch: &mut Batch<'_>,
) -> Result<Unsaved, StorageError> {
    for place in vacated {
        match place {
            Vacated::Path(owner, path) => {
                if !commitment.has_record_at(trie, *owner, path)? {
                    match *owner {
                        None => batch.delete::<tables::AccountNodes>(&TriePath(*path)),
                        Some(owner) => batch.delete::<tables::StorageNodes>(&StoragePath { owner, path: *path }),
                    }
                }
            }
            Vacated::Storage(owner) => {
                for record in rocks.scan::<tables::StorageNodes>(owner.as_slice(), owner.as_slice()) {
                    let (key, _) = record?;
                    if !commitment.has_record_at(trie, Some(*owner), &key.path)? {
                        batch.delete::<tables::StorageNodes>(&key);
                    }
                }
            }
        }
    }
    unsaved(trie, |owner, path, record| match owner {
        None => batch.put_encoded::<tables::AccountNodes>(&TriePath(*path), &record),
        Some(owner) => batch.put_encoded::<tables::StorageNodes>(&StoragePath { owner, path: *path }, &record),
    })
}

/// The block of the check-point in the database.
///
/// # Errors
/// [`StorageError::Corrupt`] for one that breaks the invariant; when the disk fails.
pub(crate) fn read_checkpoint(rocks: &Rocks, tip: Tip, floor: BlockNumber) -> Result<Tip, StorageError> {
    let bytes = rocks.get::<tables::Meta>(&names::CHECKPOINT.to_owned())?;
    let name = bytes.and_then(|bytes| NumberHash::from_bytes(&bytes));
    let name = name.ok_or_else(|| StorageError::corrupt("Meta", "no check-point of the state trie"))?;
    let at = Tip { number: name.number, hash: name.hash };
    let canonical = rocks.get::<tables::Canonical>(&at.number)?;
    if at.number < floor || at.number > tip.number || canonical != Some(at.hash) {
        let what = format!("state trie of block {} ({}) is not between {floor} and {}", at.number, at.hash, tip.number);
        return Err(StorageError::corrupt("Meta", what));
    }
    Ok(at)
}

/// The tip's trie from the check-point's: what the blocks between wrote, with the values in the flat tables.
///
/// # Errors
/// [`StorageError::Corrupt`] where the outcome is not the root in the tip's header; when the disk fails.
pub(crate) fn catch_up(core: &Arc<Core>, checkpoint: Tip, tip: Tip) -> Result<Grown, StorageError> {
    let start = StateTrie::stored(core.header_root(checkpoint.hash)?);
    if checkpoint == tip {
        return Ok(Grown { trie: start, ..Grown::default() });
    }
    let unwinds = *core.unwinds();
    let grown = core.moved(&start, (checkpoint.number, tip.number), tip, unwinds)?;
    tracing::info!(from = checkpoint.number, to = tip.number, "state trie brought from its check-point to the tip");
    Ok(grown)
}

impl Core {
    /// The trie after `to`, one end of `range`, from that of the other end: every key that the blocks in `range` (without
    /// the lower, with the higher end) wrote gets its value after `to`.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] where the outcome is not the root in the header of `to`; when the disk fails.
    pub(crate) fn moved(
        self: &Arc<Self>,
        from: &StateTrie,
        range: (BlockNumber, BlockNumber),
        to: Tip,
        unwinds: u64,
    ) -> Result<Grown, StorageError> {
        let state = PersistedState::new(Arc::clone(self), to, unwinds);
        let changes = self.changed_in(range, &state)?;
        let grown = self.commitment.apply(from, &changes)?;
        let expected = self.header_root(to.hash)?;
        if grown.trie.root_hash() != expected {
            let what = format!("block {} has state root {expected}, its trie {}", to.number, grown.trie.root_hash());
            return Err(StorageError::corrupt("AccountNodes", what));
        }
        Ok(grown)
    }

    /// What the persisted blocks above `low` up to `high` wrote, with the values it has in `state`.
    fn changed_in(
        &self,
        (low, high): (BlockNumber, BlockNumber),
        state: &PersistedState,
    ) -> Result<StateChanges, StorageError> {
        let mut changes = StateChanges::default();
        for block in low + 1..=high {
            let changed = undo_record(&self.rocks, block)?;
            for address in changed.accounts {
                changes.accounts.entry(address).or_default();
            }
            for key in changed.slots {
                changes.accounts.entry(key.address).or_default().storage.insert(key.slot, U256::ZERO);
            }
        }
        for (address, change) in &mut changes.accounts {
            change.account = state.read_account(*address)?;
            for (slot, value) in &mut change.storage {
                *value = state.read_slot(*address, *slot)?;
            }
        }
        Ok(changes)
    }

    /// The state root in a stored header.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] where there is none; when the disk fails.
    pub(crate) fn header_root(&self, hash: B256) -> Result<B256, StorageError> {
        let header = self.rocks.get::<tables::Headers>(&hash)?;
        let header = header.ok_or_else(|| StorageError::corrupt("Headers", format!("no header of {hash}")))?;
        Ok(header.0.state_root)
    }
}

/// Reads the whole trie in the tables, which is that of the block `checkpoint`.
///
/// # Errors
/// [`StorageError::Corrupt`] where it is not whole, or more than it stands there; when the disk fails.
pub(crate) fn check_trie(core: &Core, checkpoint: BlockNumber) -> Result<(), StorageError> {
    let hash = core.canonical_hash(checkpoint)?;
    let hash = hash.ok_or_else(|| StorageError::corrupt("Canonical", format!("no block {checkpoint}")))?;
    let needed = core.commitment.census(&StateTrie::stored(core.header_root(hash)?))?;
    let mut found = Census::default();
    for record in core.rocks.scan::<tables::AccountNodes>(&[], &[]) {
        record?;
        found.accounts += 1;
    }
    for record in core.rocks.scan::<tables::StorageNodes>(&[], &[]) {
        record?;
        found.storage += 1;
    }
    if found != needed {
        let what = format!("{found:?}, the trie of block {checkpoint} has {needed:?}");
        return Err(StorageError::corrupt("AccountNodes", what));
    }
    Ok(())
}
