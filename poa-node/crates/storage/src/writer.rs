//! The one hand that changes state.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes};
use aurum_types::{Block, CommittedBlock, Header, Receipt, Score, StateChanges};

use crate::{
    Appender, History, Options, StorageError, Tip, TrieNodes,
    appender::put_block,
    checkpoint::put_checkpoint,
    codec::{Arrival, NumberHash, Place},
    core::{Core, names, put_tip},
    flat::FlatBatch,
    outcome,
    overlay::{Overlay, TipTrie},
    rocks::Batch,
    tables,
    trie::{StateTrie, unsaved_bytes},
    tx_index::TxIndexBatch,
};

/// Engine snapshots are kept for tips this many blocks back: as far as the chain can be unwound.
pub(crate) const KEPT_ENGINES: u64 = 1024;
/// Blocks whose history one call to [`Writer::advance`] deletes besides twice as many as it adds: history that was kept
/// before pruning was turned on goes little by little, since a block may have written hundreds of thousands of keys.
const PRUNED_AT_ONCE: u64 = 4;

/// Everything that changes the tip, its state and history. There is one per open database.
#[derive(Debug)]
pub struct Writer {
    pub(crate) core: Arc<Core>,
    options: Options,
}

impl Drop for Writer {
    /// A clean end saves a check-point and empties the log, so that the next start has nothing to catch up with.
    fn drop(&mut self) {
        let due = {
            let overlay = self.core.overlay();
            overlay.tip().is_some_and(|tip| tip.number > overlay.trie().saved)
        };
        // What a failing disk did not take is made again from the log and the check-point before.
        let saved = if due { self.checkpoint() } else { Ok(()) };
        if let Err(error) = saved.and_then(|()| self.core.rocks.flush()) {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

impl Writer {
    pub(crate) const fn new(core: Arc<Core>, options: Options) -> Self {
        Self { core, options }
    }

    /// Writes block 0 and its state into an empty database; in one that holds this genesis already it does nothing.
    /// Durable. Returns the tip.
    ///
    /// # Errors
    /// [`StorageError::OtherGenesis`], [`StorageError::GenesisRoot`], and when the disk fails.
    pub fn init_genesis(
        &mut self,
        header: &Header,
        changes: &StateChanges,
        engine: &[u8],
    ) -> Result<Tip, StorageError> {
        let expected = header.hash_slow();
        if let Some(tip) = self.core.overlay().tip() {
            let found = self.core.canonical_hash(0)?.ok_or_else(|| StorageError::corrupt("Canonical", "no block 0"))?;
            if found != expected {
                return Err(StorageError::OtherGenesis { path: self.core.rocks.path().to_owned(), found, expected });
            }
            return Ok(tip);
        }
        let grown = self.core.commitment.apply(&StateTrie::default(), changes)?;
        let computed = grown.trie.root_hash();
        if computed != header.state_root {
            return Err(StorageError::GenesisRoot { computed, header: header.state_root });
        }
        let tip = Tip { number: header.number, hash: expected };
        let mut batch = Batch::new(&self.core.rocks);
        let mut flat = FlatBatch::new(&self.core.rocks);
        flat.apply_genesis(changes, &mut batch);
        flat.finish(&mut batch);
        let saving = self.core.saving();
        let unsaved = put_checkpoint(&self.core, tip, &grown.trie, &[], &mut batch)?;
        let block = Block { header: header.clone(), transactions: Vec::new(), uncles: Vec::new() };
        put_block(&mut batch, &block, expected, Arrival { score: Score::default().plus(header.difficulty), order: 0 });
        put_canonical(&mut batch, &mut TxIndexBatch::new(&self.core.rocks), tip, &block, (&[], &[]))?;
        batch.put::<tables::Engines>(&tip.number, &Bytes::copy_from_slice(engine));
        put_tip(&mut batch, tip);
        batch.write_durably()?;
        unsaved.set_saved();
        let mut overlay = self.core.overlay_mut();
        overlay.trie_mut().grow(&grown);
        let gone = (overlay.flatten(tip, &[]), overlay.saved(tip));
        drop((overlay, saving));
        drop(gone);
        Ok(tip)
    }

    /// The handle that stores what arrives, beside this one.
    pub fn appender(&self) -> Appender {
        Appender::new(Arc::clone(&self.core))
    }

    /// Moves unpersisted blocks, which continue the tip in this order, into the tables: state with its history, index,
    /// receipts, tip and the engine's snapshot after the last of them, in one write. Blocks of other forks leave the tree.
    /// The state trie follows at the next check-point. Returns the new tip.
    ///
    /// Survives the end of the process as a whole or not at all. Not fsynced: after a power failure the tip may be an
    /// older one, and the blocks, which [`Appender::put_block`] made durable, are in [`crate::Database::unpersisted`].
    ///
    /// # Errors
    /// [`StorageError::NotNext`] for blocks that do not continue the tip, [`StorageError::MissingState`] for blocks that
    /// are not in the tree, and when the disk fails.
    pub fn advance(&mut self, blocks: &[Arc<CommittedBlock>], engine: &[u8]) -> Result<Tip, StorageError> {
        self.advance_and(blocks, engine, Overlay::flatten)
    }

    /// [`Self::advance`], but blocks of other forks stay in the tree until [`crate::StateTree::forget`] names them: for
    /// a tip that is not final.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn advance_keeping_forks(
        &mut self,
        blocks: &[Arc<CommittedBlock>],
        engine: &[u8],
    ) -> Result<Tip, StorageError> {
        self.advance_and(blocks, engine, Overlay::flatten_keeping_forks)
    }

    fn advance_and(
        &mut self,
        blocks: &[Arc<CommittedBlock>],
        engine: &[u8],
        flatten: impl FnOnce(&mut Overlay, Tip, &[B256]) -> Vec<TrieNodes>,
    ) -> Result<Tip, StorageError> {
        let core = Arc::clone(&self.core);
        let old = core.overlay().tip().ok_or(StorageError::NoGenesis)?;
        let mut tip = old;
        let mut batch = Batch::new(&core.rocks);
        let mut flat = FlatBatch::new(&core.rocks);
        let mut index = TxIndexBatch::new(&core.rocks);
        for block in blocks {
            let header = block.header();
            if header.parent_hash != tip.hash || header.number != tip.number + 1 {
                return Err(StorageError::NotNext { hash: block.hash(), tip_number: tip.number, tip_hash: tip.hash });
            }
            if core.overlay().block(block.hash()).is_none() {
                return Err(StorageError::MissingState { block: block.hash() });
            }
            // Every layer that goes has its trie, and so says what became vacant, and what was before.
            core.on_trie(block.hash(), |_| Ok(()))?;
            let nodes = core.overlay().nodes(block.hash()).cloned().unwrap_or_default();
            let grown = nodes.get().ok_or(StorageError::MissingState { block: block.hash() })?;
            tip = Tip { number: header.number, hash: block.hash() };
            flat.apply(tip.number, block.changes(), &grown.grown.before, &mut batch)?;
            let outcome = (block.senders(), block.receipts());
            put_canonical(&mut batch, &mut index, tip, block.sealed().block(), outcome)?;
        }
        if blocks.is_empty() {
            return Ok(tip);
        }
        flat.finish(&mut batch);
        index.finish(&mut batch);
        batch.put::<tables::Engines>(&tip.number, &Bytes::copy_from_slice(engine));
        for number in old.number.saturating_sub(KEPT_ENGINES)..tip.number.saturating_sub(KEPT_ENGINES) {
            batch.delete::<tables::Engines>(&number);
        }
        put_tip(&mut batch, tip);
        self.prune_history(old, tip, &mut batch)?;

        core.set_flat(tip);
        batch.write()?;
        let persisted: Vec<_> = blocks.iter().map(|block| block.hash()).collect();
        let gone = flatten(&mut core.overlay_mut(), tip, &persisted);
        drop(gone);
        if self.is_checkpoint_due(tip)? {
            self.checkpoint()?;
        }
        Ok(tip)
    }

    fn is_checkpoint_due(&self, tip: Tip) -> Result<bool, StorageError> {
        let (trie, created, saved) = {
            let overlay = self.core.overlay();
            let TipTrie { trie, created, saved, .. } = overlay.trie();
            (trie.clone(), *created, *saved)
        };
        if tip.number.saturating_sub(saved) >= self.options.checkpoint_blocks {
            return Ok(true);
        }
        // Much of what was made is replaced already: look at the trie itself, now and then.
        if created < self.options.checkpoint_bytes / 2 {
            return Ok(false);
        }
        self.core.overlay_mut().trie_mut().created = 0;
        Ok(unsaved_bytes(&trie)? >= self.options.checkpoint_bytes)
    }

    /// Saves the tip's state trie, in one write that is not fsynced, and lets nodes go that are too much for the memory
    /// granted. Until it has returned without an error the trie in the tables is the former one.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn checkpoint(&mut self) -> Result<(), StorageError> {
        let core = &self.core;
        let (tip, TipTrie { trie, vacated, mut memory, .. }) = {
            let overlay = core.overlay();
            (overlay.tip().ok_or(StorageError::NoGenesis)?, overlay.trie().clone())
        };
        let _stage = tracing::trace_span!("checkpoint", number = tip.number).entered();
        let saving = core.saving();
        let mut batch = Batch::new(&core.rocks);
        let unsaved = put_checkpoint(core, tip, &trie, &vacated, &mut batch)?;
        let nodes = unsaved.len();
        batch.write()?;
        unsaved.set_saved();
        let stale = core.overlay_mut().saved(tip);
        drop(saving);
        drop(stale);
        memory.keep_within(&trie, self.options.trie_memory);
        core.overlay_mut().trie_mut().memory = memory;
        tracing::debug!(number = tip.number, nodes, ?memory, "state trie saved");
        Ok(())
    }

    /// Deletes the history that is no longer kept, and announces it first.
    fn prune_history(&self, old: Tip, tip: Tip, batch: &mut Batch<'_>) -> Result<(), StorageError> {
        let History::Last(keep) = self.options.history else { return Ok(()) };
        let floor = self.core.history_floor();
        let wanted = tip.number.saturating_sub(keep.max(History::LEAST));
        // The records of blocks above the old tip are still in this batch.
        // The records of blocks above the check-point bring its trie to the tip.
        let saved = self.core.overlay().trie().saved;
        let most = PRUNED_AT_ONCE + 2 * tip.number.saturating_sub(old.number);
        let raised = wanted.min(old.number).min(saved).min(floor + most);
        if raised <= floor {
            return Ok(());
        }
        let _stage = tracing::trace_span!("prune", floor = raised).entered();
        for number in floor + 1..=raised {
            FlatBatch::forget(&self.core.rocks, number, batch)?;
        }
        let bytes = Bytes::copy_from_slice(&raised.to_be_bytes());
        batch.put::<tables::Meta>(&names::HISTORY_FLOOR.to_owned(), &bytes);
        self.core.set_history_floor(raised);
        Ok(())
    }

    /// Brings the files into the form that takes the least room, reading and writing most of them. For operators and
    /// measurements; reading and writing may go on.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn compact(&mut self) -> Result<(), StorageError> {
        self.core.rocks.compact()
    }

    /// Reads the whole state trie in the tables: every node of the check-point's trie is there, with its hash, and nothing
    /// else. For operators and tests.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`], [`StorageError::MissingNode`]; when the disk fails.
    pub fn check_trie(&self) -> Result<(), StorageError> {
        let saved = self.core.overlay().trie().saved;
        crate::checkpoint::check_trie(&self.core, saved)
    }

    /// Hashes the whole flat state anew: the root it has, to be compared with the tip's header. Reads everything; for
    /// operators and tests.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn recompute_root(&self) -> Result<B256, StorageError> {
        crate::flat::recompute_root(&self.core.rocks)
    }
}

/// Puts a block into the canonical chain; `senders` and `receipts` have one element for each of its transactions.
pub(crate) fn put_canonical(
    batch: &mut Batch<'_>,
    index: &mut TxIndexBatch<'_>,
    tip: Tip,
    block: &Block,
    (senders, receipts): (&[Address], &[Receipt]),
) -> Result<(), StorageError> {
    batch.put::<tables::Canonical>(&tip.number, &tip.hash);
    let key = NumberHash { number: tip.number, hash: tip.hash };
    batch.put_encoded::<tables::Outcomes>(&key, &outcome::encode(&block.transactions, senders, receipts));
    for (place, tx) in (0u32..).zip(&block.transactions) {
        index.add(*tx.tx_hash(), Place { block: tip.number, index: place })?;
    }
    Ok(())
}
