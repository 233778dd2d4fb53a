//! An empty database filled from a snapshot instead of from genesis on.

use std::{path::Path, sync::Arc};

use alloy::primitives::{Address, B256, Bytes};
use aurum_types::{Block, BlockNumber, EMPTY_CODE_HASH, Header, Receipt, Score, StateChanges};

use crate::{
    StorageError, Tip,
    appender::put_block,
    checkpoint::{put_checkpoint, put_trie},
    codec::{Arrival, Key as _},
    core::{Core, names, put_tip},
    flat::FlatBatch,
    rocks::Batch,
    tables,
    trie::{StateTrie, TrieMemory},
    tx_index::TxIndexBatch,
    writer::put_canonical,
};

/// A block below or at the restored tip, as it is to be read later.
#[derive(Clone, Debug)]
pub struct RestoredBlock {
    /// Header and body.
    pub block: Block,
    /// The block's hash.
    pub hash: B256,
    /// Total difficulty of its chain.
    pub score: Score,
    /// Receipts in order.
    pub receipts: Vec<Receipt>,
    /// Senders in the transactions' order.
    pub senders: Vec<Address>,
}

/// Fills an empty database. Until [`Self::finish`] returns the database has no tip: nobody takes it for a chain.
#[derive(Debug)]
pub struct Restore {
    core: Arc<Core>,
    trie: StateTrie,
    memory: TrieMemory,
}

/// Bytes of memory granted to the nodes of the trie being filled.
const TRIE_MEMORY: usize = 64 << 20;

impl Restore {
    /// Makes a database in an empty folder.
    ///
    /// # Errors
    /// [`StorageError::NotEmpty`] where there is one already; when the disk fails.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let core = Core::open(path)?;
        let used = core.overlay().tip().is_some() || core.rocks.scan::<tables::Accounts>(&[], &[]).next().is_some();
        if used {
            return Err(StorageError::NotEmpty { path: path.to_owned() });
        }
        Ok(Self { core, trie: StateTrie::default(), memory: TrieMemory::default() })
    }

    /// The root of the state so far.
    pub fn root(&self) -> B256 {
        self.trie.root_hash()
    }

    /// Puts more of the state in: its code first. An account that is too large for one call comes again with more slots.
    /// Returns the root of the state so far.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] for an account whose code did not come; when the disk fails.
    pub fn add(&mut self, changes: &StateChanges) -> Result<B256, StorageError> {
        let _stage = tracing::trace_span!("restore").entered();
        for account in changes.accounts.values().filter_map(|change| change.account) {
            let hash = account.code_hash;
            let known = hash == EMPTY_CODE_HASH
                || changes.code.contains_key(&hash)
                || self.core.rocks.get::<tables::Code>(&hash)?.is_some();
            if !known {
                return Err(StorageError::corrupt("Code", format!("no code with hash {hash}")));
            }
        }
        let grown = self.core.commitment.apply(&self.trie, changes)?;
        let mut batch = Batch::new(&self.core.rocks);
        let mut flat = FlatBatch::new(&self.core.rocks);
        flat.apply_genesis(changes, &mut batch);
        flat.finish(&mut batch);
        let unsaved = put_trie(&self.core.rocks, &self.core.commitment, &grown.trie, &grown.vacated, &mut batch)?;
        batch.write()?;
        unsaved.set_saved();
        self.memory.grow(&grown);
        self.trie = grown.trie;
        self.memory.keep_within(&self.trie, TRIE_MEMORY);
        Ok(self.root())
    }

    /// Puts code in.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn add_code(&mut self, hash: B256, code: &Bytes) -> Result<(), StorageError> {
        let mut batch = Batch::new(&self.core.rocks);
        batch.put::<tables::Code>(&hash, code);
        batch.write()
    }

    /// Puts the genesis header and the blocks up to the tip in (ascending, the last one is the tip) with the engine's
    /// snapshot after it. The states before the tip are not there, and readers are told so. All of it is on disk when this
    /// returns, and the database is closed.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the state's root is not the tip's; when the disk fails.
    pub fn finish(self, genesis: &Header, blocks: &[RestoredBlock], engine: &[u8]) -> Result<Tip, StorageError> {
        let _stage = tracing::trace_span!("restore", blocks = blocks.len()).entered();
        let last = blocks.last().ok_or(StorageError::NoGenesis)?;
        if last.block.header.state_root != self.root() {
            let what =
                format!("state has root {}, block {} says {}", self.root(), last.hash, last.block.header.state_root);
            return Err(StorageError::corrupt("Accounts", what));
        }
        let mut batch = Batch::new(&self.core.rocks);
        let mut index = TxIndexBatch::new(&self.core.rocks);
        let genesis_hash = genesis.hash_slow();
        if genesis.number != last.block.header.number {
            let block = Block { header: genesis.clone(), transactions: Vec::new(), uncles: Vec::new() };
            let score = Score::default().plus(genesis.difficulty);
            put_block(&mut batch, &block, genesis_hash, Arrival { score, order: 0 });
            let tip = Tip { number: genesis.number, hash: genesis_hash };
            put_canonical(&mut batch, &mut index, tip, &block, (&[], &[]))?;
        }
        let mut tip = Tip { number: genesis.number, hash: genesis_hash };
        for (order, restored) in (1..).zip(blocks) {
            let RestoredBlock { block, hash, score, receipts, senders } = restored;
            tip = Tip { number: block.header.number, hash: *hash };
            put_block(&mut batch, block, *hash, Arrival { score: *score, order });
            if receipts.len() != block.transactions.len() || senders.len() != block.transactions.len() {
                let what = format!("block {hash} has not one sender and one receipt for each transaction");
                return Err(StorageError::corrupt("Outcomes", what));
            }
            put_canonical(&mut batch, &mut index, tip, block, (senders, receipts))?;
        }
        index.finish(&mut batch);
        let floor: BlockNumber = tip.number;
        batch.put::<tables::Meta>(&names::HISTORY_FLOOR.to_owned(), &Bytes::from(floor.to_bytes()));
        batch.put::<tables::Engines>(&tip.number, &Bytes::copy_from_slice(engine));
        put_tip(&mut batch, tip);
        put_checkpoint(&self.core, tip, &self.trie, &[], &mut batch)?.set_saved();
        // One sync makes durable what was logged before it, too.
        batch.write_durably()?;
        Ok(tip)
    }
}
