//! What the database's readers, its writer and the state tree share.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy::primitives::{B256, Bytes};
use aurum_types::BlockNumber;

use crate::{
    StorageError, Tip,
    checkpoint::{catch_up, read_checkpoint},
    codec::{Key, NumberHash},
    overlay::Overlay,
    rocks::{Batch, Rocks},
    tables,
    trie::Commitment,
};

/// Names in table Meta. What other crates keep there lies under `user/`.
pub(crate) mod names {
    pub(crate) const SCHEMA: &str = "schema";
    pub(crate) const TIP: &str = "tip";
    pub(crate) const CHECKPOINT: &str = "checkpoint";
    pub(crate) const HISTORY_FLOOR: &str = "history-floor";
    pub(crate) const USER: &str = "user/";
}

/// Shared by `Arc`; see [`Self::unwinds`] for the one lock whose order matters.
pub(crate) struct Core {
    pub(crate) rocks: Arc<Rocks>,
    pub(crate) commitment: Commitment,
    overlay: RwLock<Overlay>,
    /// How often the persisted chain was unwound. Held shared while flat state and history are read together, alone
    /// while they go backwards. Taken before `overlay` wherever both are.
    unwinds: RwLock<u64>,
    /// The flat tables hold no writes of blocks above this one. Raised *before* such writes are made.
    flat: RwLock<Tip>,
    /// States before this block can no longer be read. Raised *before* their history is deleted.
    history_floor: AtomicU64,
    /// Held while the trie in the tables is another than [`Overlay::era`] says.
    saving: Mutex<()>,
    /// Held while something that arrived is looked up and stored.
    appending: Mutex<()>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("rocks", &self.rocks).field("tip", &self.overlay().tip()).finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, StorageError> {
        let rocks = Arc::new(Rocks::open(path)?);
        check_schema(&rocks)?;
        let tip = match rocks.get::<tables::Meta>(&names::TIP.to_owned())? {
            Some(bytes) => {
                let tip = NumberHash::from_bytes(&bytes);
                tip.map(|tip| Tip { number: tip.number, hash: tip.hash })
                    .map(Some)
                    .ok_or_else(|| StorageError::corrupt("Meta", "malformed tip"))?
            }
            None => None,
        };
        let floor = rocks.get::<tables::Meta>(&names::HISTORY_FLOOR.to_owned())?;
        let floor = floor.map_or(Some(0), |bytes| BlockNumber::from_bytes(&bytes));
        let floor = floor.ok_or_else(|| StorageError::corrupt("Meta", "malformed history floor"))?;
        let core = Arc::new(Self {
            commitment: Commitment::new(Arc::clone(&rocks) as _),
            rocks,
            overlay: RwLock::new(Overlay::new(tip)),
            unwinds: RwLock::new(0),
            flat: RwLock::new(tip.unwrap_or(Tip { number: 0, hash: B256::ZERO })),
            history_floor: AtomicU64::new(floor),
            saving: Mutex::new(()),
            appending: Mutex::new(()),
        });
        if let Some(tip) = tip {
            let checkpoint = read_checkpoint(&core.rocks, tip, floor)?;
            let grown = catch_up(&core, checkpoint, tip)?;
            let mut overlay = core.overlay_mut();
            overlay.trie_mut().grow(&grown);
            overlay.trie_mut().saved = checkpoint.number;
        }
        Ok(core)
    }

    /// To be held from before the trie in the tables is written until the era says so.
    pub(crate) fn saving(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held from the look whether something is stored to the end of its write.
    pub(crate) fn appending(&self) -> MutexGuard<'_, ()> {
        self.appending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while a check-point is being saved.
    pub(crate) fn wait_for_checkpoint(&self) {
        drop(self.saving());
    }

    /// A panic under these locks cannot leave them half-changed: writers only replace whole values.
    pub(crate) fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn overlay_mut(&self) -> RwLockWriteGuard<'_, Overlay> {
        self.overlay.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unwinds(&self) -> RwLockReadGuard<'_, u64> {
        self.unwinds.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unwinds_mut(&self) -> RwLockWriteGuard<'_, u64> {
        self.unwinds.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block whose state the flat tables are, or, while they are being written, will be.
    pub(crate) fn flat(&self) -> Tip {
        *self.flat.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_flat(&self, tip: Tip) {
        *self.flat.write().unwrap_or_else(PoisonError::into_inner) = tip;
    }

    pub(crate) fn history_floor(&self) -> BlockNumber {
        self.history_floor.load(Ordering::SeqCst)
    }

    pub(crate) fn set_history_floor(&self, number: BlockNumber) {
        self.history_floor.store(number, Ordering::SeqCst);
    }

    /// Hash of the persisted canonical block at `number`.
    pub(crate) fn canonical_hash(&self, number: BlockNumber) -> Result<Option<B256>, StorageError> {
        self.rocks.get::<tables::Canonical>(&number)
    }

    /// The persisted canonical block with this hash.
    pub(crate) fn persisted(&self, hash: B256) -> Result<Option<Tip>, StorageError> {
        let Some(header) = self.rocks.get::<tables::Headers>(&hash)? else { return Ok(None) };
        let number = header.0.number;
        let canonical = self.canonical_hash(number)? == Some(hash);
        Ok(canonical.then_some(Tip { number, hash }))
    }
}

/// Writes the tip's name into a batch.
pub(crate) fn put_tip(batch: &mut Batch<'_>, tip: Tip) {
    let bytes = NumberHash { number: tip.number, hash: tip.hash }.to_bytes();
    batch.put::<tables::Meta>(&names::TIP.to_owned(), &Bytes::from(bytes));
}

fn check_schema(rocks: &Rocks) -> Result<(), StorageError> {
    let key = names::SCHEMA.to_owned();
    let expected = tables::SCHEMA_VERSION;
    let Some(found) = rocks.get::<tables::Meta>(&key)? else {
        let mut batch = Batch::new(rocks);
        batch.put::<tables::Meta>(&key, &Bytes::from(expected.to_bytes()));
        return batch.write_durably();
    };
    let found = u64::from_bytes(&found).ok_or_else(|| StorageError::corrupt("Meta", "malformed schema version"))?;
    if found != expected {
        return Err(StorageError::OtherSchema { path: rocks.path().to_owned(), found, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_schema_version_is_refused_with_both_versions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        drop(Core::open(&path).unwrap());
        drop(Core::open(&path).expect("its own version"));
        let rocks = Rocks::open(&path).unwrap();
        let mut batch = Batch::new(&rocks);
        batch.put::<tables::Meta>(&names::SCHEMA.to_owned(), &Bytes::from(99u64.to_bytes()));
        batch.write_durably().unwrap();
        drop(rocks);
        let expected = StorageError::OtherSchema { path: path.clone(), found: 99, expected: tables::SCHEMA_VERSION };
        assert_eq!(Core::open(&path).unwrap_err(), expected);
    }
}
