//! Going back behind the persisted tip, for a reorganisation deeper than what was kept in memory.

use std::sync::Arc;

use alloy::primitives::{B256, Bytes, map::HashSet};
use aurum_types::BlockNumber;

use crate::{
    StorageError, Tip, TrieNodes, Writer,
    checkpoint::put_checkpoint,
    codec::{Key, NumberHash, Place},
    core::put_tip,
    flat::FlatBatch,
    overlay::{Overlay, TipTrie},
    rocks::Batch,
    tables,
    trie::{Grown, Unsaved},
    tx_index::TxIndexBatch,
};

impl Writer {
    /// Takes persisted blocks off until the tip is `to`, or below it the next block with an engine snapshot (one at which
    /// [`Self::advance`] once stopped); returns that tip. Flat state, index and lookups become what they were; the
    /// blocks themselves stay stored, and the state tree is empty. Durable. Readers of states that are gone get errors.
    ///
    /// # Errors
    /// [`StorageError::UnwindTooDeep`] where history or engine snapshots do not reach, and when the disk fails.
    pub fn unwind(&mut self, to: BlockNumber) -> Result<Tip, StorageError> {
        let core = Arc::clone(&self.core);
        let old = core.overlay().tip().ok_or(StorageError::NoGenesis)?;
        let landing = self.landing(to.min(old.number))?;
        if landing == old {
            return Ok(old);
        }
        let mut batch = Batch::new(&core.rocks);
        self.take_off(old, landing, &mut batch)?;
        self.land(old, landing, batch, |overlay, grown| overlay.reset(landing, grown))?;
        Ok(landing)
    }

    /// Takes persisted blocks off until the tip is `to`, for whose engine state the caller vouches with a snapshot. Forks
    /// that start at or below `to` stay in the tree. Otherwise as [`Self::unwind`].
    ///
    /// # Errors
    /// [`StorageError::UnwindTooDeep`] where history does not reach, and when the disk fails.
    pub fn unwind_to(&mut self, to: BlockNumber, engine: &[u8]) -> Result<Tip, StorageError> {
        let core = Arc::clone(&self.core);
        let old = core.overlay().tip().ok_or(StorageError::NoGenesis)?;
        if to >= old.number {
            return Ok(old);
        }
        let oldest = core.history_floor();
        if to < oldest {
            return Err(StorageError::UnwindTooDeep { to, oldest });
        }
        let landing = Tip { number: to, hash: self.canonical(to)? };
        let mut batch = Batch::new(&core.rocks);
        let unwound = self.take_off(old, landing, &mut batch)?;
        batch.put::<tables::Engines>(&to, &Bytes::copy_from_slice(engine));

        self.land(old, landing, batch, |overlay, grown| overlay.reset_keeping_forks(landing, grown, &unwound))?;
        Ok(landing)
    }

    /// Takes persisted blocks off until the tip is `to`, for whose engine state the caller vouches with a snapshot, and
    /// forgets that any block above it was ever accepted: [`crate::Database::unpersisted`] does not list them again. One
    /// write, durable. The state tree is empty. Only for chains that may be rewritten.
    ///
    /// # Errors
    /// [`StorageError::UnwindTooDeep`] where history does not reach, and when the disk fails.
    pub fn rewind_to(&mut self, to: BlockNumber, engine: &[u8]) -> Result<Tip, StorageError> {
        let core = Arc::clone(&self.core);
        let old = core.overlay().tip().ok_or(StorageError::NoGenesis)?;
        let oldest = core.history_floor();
        if to < oldest {
            return Err(StorageError::UnwindTooDeep { to, oldest });
        }
        if to >= old.number {
            return Ok(old);
        }
        let landing = Tip { number: to, hash: self.canonical(to)? };
        let mut batch = Batch::new(&core.rocks);
        self.take_off(old, landing, &mut batch)?;
        batch.put::<tables::Engines>(&to, &Bytes::copy_from_slice(engine));
        for record in core.rocks.scan::<tables::Arrivals>(&(to + 1).to_bytes(), &[]) {
            let (key, _) = record?;
            batch.delete::<tables::Arrivals>(&key);
        }
        self.land(old, landing, batch, |overlay, grown| overlay.reset(landing, grown))?;
        Ok(landing)
    }

    /// Writes a batch that takes the blocks above `landing` off, with the trie of `landing` where the one in the tables is
    /// of a block above it, and moves the tip.
    fn land(
        &self,
        old: Tip,
        landing: Tip,
        mut batch: Batch<'_>,
        reset: impl FnOnce(&mut Overlay, &Grown) -> Vec<TrieNodes>,
    ) -> Result<(), StorageError> {
        let _stage = tracing::trace_span!("unwind", from = old.number, to = landing.number).entered();
        let core = &self.core;
        let (trie, mut vacated, saved) = {
            let overlay = core.overlay();
            let TipTrie { trie, vacated, saved, .. } = overlay.trie();
            (trie.clone(), vacated.clone(), *saved)
        };
        let unwinds = *core.unwinds();
        let grown = core.moved(&trie, (landing.number, old.number), landing, unwinds)?;
        let saves = landing.number < saved;
        let saving = core.saving();
        let unsaved = if saves {
            vacated.extend_from_slice(&grown.vacated);
            put_checkpoint(core, landing, &grown.trie, &vacated, &mut batch)?
        } else {
            Unsaved::default()
        };

        let mut unwinds = core.unwinds_mut();
        batch.write_durably()?;
        *unwinds += 1;
        core.set_flat(landing);
        unsaved.set_saved();
        let mut overlay = core.overlay_mut();
        let gone = reset(&mut overlay, &grown);
        let stale = if saves { overlay.all_stale(landing) } else { Vec::new() };
        drop((overlay, unwinds, saving));
        drop((gone, stale));
        Ok(())
    }

    /// Writes the undoing of the blocks above `landing` into a batch; returns their hashes.
    fn take_off(&self, old: Tip, landing: Tip, batch: &mut Batch<'_>) -> Result<HashSet<B256>, StorageError> {
        let core = &self.core;
        let mut unwound = HashSet::default();
        let mut flat = FlatBatch::new(&core.rocks);
        let mut index = TxIndexBatch::new(&core.rocks);
        for number in (landing.number + 1..=old.number).rev() {
            flat.revert(number, batch)?;
            let hash = self.canonical(number)?;
            self.forget_canonical(number, hash, &mut index, batch)?;
            unwound.insert(hash);
        }
        flat.finish(batch);
        index.finish(batch);
        put_tip(batch, landing);
        Ok(unwound)
    }

    /// The highest block at or below `to` that can be returned to.
    fn landing(&self, to: BlockNumber) -> Result<Tip, StorageError> {
        let floor = self.core.history_floor();
        let mut oldest = None;
        let mut landing = None;
        for record in self.core.rocks.scan::<tables::Engines>(&floor.to_bytes(), &[]) {
            let (number, _) = record?;
            oldest = oldest.or(Some(number));
            if number > to {
                break;
            }
            landing = Some(number);
        }
        let oldest = oldest.ok_or_else(|| StorageError::corrupt("Engines", "no snapshot"))?;
        let number = landing.ok_or(StorageError::UnwindTooDeep { to, oldest })?;
        Ok(Tip { number, hash: self.canonical(number)? })
    }

    fn canonical(&self, number: BlockNumber) -> Result<B256, StorageError> {
        let hash = self.core.canonical_hash(number)?;
        hash.ok_or_else(|| StorageError::corrupt("Canonical", format!("no block {number}")))
    }

    fn forget_canonical(
        &self,
        number: BlockNumber,
        hash: B256,
        index: &mut TxIndexBatch<'_>,
        batch: &mut Batch<'_>,
    ) -> Result<(), StorageError> {
        let key = NumberHash { number, hash };
        let body = self.core.rocks.get::<tables::Bodies>(&key)?;
        let body = body.ok_or_else(|| StorageError::corrupt("Bodies", format!("no body of {hash}")))?;
        for (place, tx) in (0u32..).zip(&body.transactions) {
            index.remove(*tx.tx_hash(), Place { block: number, index: place })?;
        }
        batch.delete::<tables::Canonical>(&number);
        batch.delete::<tables::Outcomes>(&key);
        batch.delete::<tables::Engines>(&number);
        Ok(())
    }
}
