//! Reading what is persisted: blocks and their places.

use std::{path::Path, sync::Arc};

use alloy::primitives::{Address, B256, Bytes};
use aurum_types::{Block, BlockNumber, Header, Receipt, Score};

use crate::{
    StateTree, StorageError, Writer,
    codec::{Key, NumberHash},
    core::{Core, names},
    outcome, tables, tx_index,
};

/// The newest block whose state is in the flat tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: B256,
}

/// How far back states can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// To genesis.
    #[default]
    Archive,
    /// This many blocks behind the tip; fewer than [`Self::LEAST`] count as that.
    Last(u64),
}

impl History {
    /// What is always kept, so that the persisted chain can be unwound while finality stalls.
    pub const LEAST: u64 = 128;
}

/// How a database is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How far back states can be read.
    pub history: History,
    /// Bytes of memory for trie nodes that are on disk too.
    pub trie_memory: usize,
    /// A check-point of the state trie is saved when its newer nodes take this many bytes of memory, ...
    pub checkpoint_bytes: usize,
    /// ... or it is this many blocks behind the tip. Both bound what is made again after a crash.
    pub checkpoint_blocks: u64,
}

impl Default for Options {
    /// The trie of a million slots fits into the memory granted; small states take what they need.
    fn default() -> Self {
        Self { history: History::Archive, trie_memory: 512 << 20, checkpoint_bytes: 128 << 20, checkpoint_blocks: 1024 }
    }
}

/// A block that is stored, on whichever branch, and perhaps not persisted: then its state is to be computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: B256,
    /// Total difficulty, as it was stored with it.
    pub score: Score,
    /// Its place in the order in which blocks were first stored.
    pub arrival: u64,
}

/// A persisted canonical block with what executing it gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedRecord {
    /// Header and body.
    pub block: Block,
    /// Senders in the transactions' order.
    pub senders: Vec<Address>,
    /// Receipts in the transactions' order.
    pub receipts: Vec<Receipt>,
}

/// The node's database, for reading. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    core: Arc<Core>,
}

impl Database {
    /// Opens a directory, or makes it. Whatever moment the last process died at, what is found is consistent: the tip
    /// with its state, and in [`Self::unpersisted`] every block that was stored above it.
    ///
    /// # Errors
    /// [`StorageError::InUse`], [`StorageError::OtherSchema`], and whatever the disk says.
    pub fn open(path: &Path) -> Result<(Self, Writer), StorageError> {
        Self::open_with(path, Options::default())
    }

    /// As [`Self::open`], choosing how the database is kept from now on.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(path: &Path, options: Options) -> Result<(Self, Writer), StorageError> {
        let core = Core::open(path)?;
        Ok((Self { core: Arc::clone(&core) }, Writer::new(core, options)))
    }

    pub(crate) fn rocks(&self) -> &crate::rocks::Rocks {
        &self.core.rocks
    }

    /// Makes another database of everything written until now, which opens like one after a crash at this moment. Files are
    /// shared where they can be: it takes little room and time. `path` must not exist and lie on the same disk.
    ///
    /// # Errors
    /// When the disk fails or something is at `path`.
    pub fn copy_to(&self, path: &Path) -> Result<(), StorageError> {
        self.core.rocks.copy_to(path)
    }

    /// The states of this database.
    pub fn state_tree(&self) -> StateTree {
        StateTree::new(Arc::clone(&self.core))
    }

    /// Hash of block 0; `None` before genesis was written.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn genesis(&self) -> Result<Option<B256>, StorageError> {
        self.core.canonical_hash(0)
    }

    /// The persisted tip; `None` before genesis.
    pub fn persisted(&self) -> Option<Tip> {
        self.core.overlay().tip()
    }

    /// The consensus engine's snapshot that belongs to the persisted tip.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn engine(&self) -> Result<Option<Bytes>, StorageError> {
        self.persisted().map_or(Ok(None), |tip| self.core.rocks.get::<tables::Engines>(&tip.number))
    }

    /// A stored header, canonical or not.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn header(&self, hash: B256) -> Result<Option<Header>, StorageError> {
        Ok(self.core.rocks.get::<tables::Headers>(&hash)?.map(|header| header.0))
    }

    /// A stored block, canonical or not.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn block(&self, hash: B256) -> Result<Option<Block>, StorageError> {
        let Some(header) = self.header(hash)? else { return Ok(None) };
        let body = self.core.rocks.get::<tables::Bodies>(&NumberHash { number: header.number, hash })?;
        let body = body.ok_or_else(|| StorageError::corrupt("Bodies", format!("header without body: {hash}")))?;
        Ok(Some(Block { header, transactions: body.transactions, uncles: body.uncles }))
    }

    /// Total difficulty of the chain that ends in a stored block.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn score(&self, hash: B256) -> Result<Option<Score>, StorageError> {
        let Some(header) = self.header(hash)? else { return Ok(None) };
        let arrival = self.core.rocks.get::<tables::Arrivals>(&NumberHash { number: header.number, hash })?;
        Ok(arrival.map(|arrival| arrival.score))
    }

    /// A persisted canonical block with its senders and receipts.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn executed(&self, hash: B256) -> Result<Option<ExecutedRecord>, StorageError> {
        let Some((block, record)) = self.outcome(hash)? else { return Ok(None) };
        let outcome = outcome::decode(&record, &block.transactions);
        let (senders, receipts) = outcome.ok_or_else(|| malformed(hash))?;
        Ok(Some(ExecutedRecord { block, senders, receipts }))
    }

    fn outcome(&self, hash: B256) -> Result<Option<(Block, Vec<u8>)>, StorageError> {
        let Some(block) = self.block(hash)? else { return Ok(None) };
        let record =
            self.core.rocks.get_bytes::<tables::Outcomes>(&NumberHash { number: block.header.number, hash })?;
        Ok(record.map(|record| (block, record)))
    }

    /// Receipts of a persisted block. [`Self::executed`] gives the block with them at no more cost.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn receipts(&self, hash: B256) -> Result<Option<Vec<Receipt>>, StorageError> {
        Ok(self.executed(hash)?.map(|executed| executed.receipts))
    }

    /// Senders of a persisted block's transactions, in their order. [`Self::executed`] gives the block with them.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn senders(&self, hash: B256) -> Result<Option<Vec<Address>>, StorageError> {
        let Some((block, record)) = self.outcome(hash)? else { return Ok(None) };
        outcome::decode_senders(&record, block.transactions.len()).map(Some).ok_or_else(|| malformed(hash))
    }

    /// Hash of the persisted canonical block at a height.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn canonical_hash(&self, number: BlockNumber) -> Result<Option<B256>, StorageError> {
        self.core.canonical_hash(number)
    }

    /// Block and index of a transaction in the persisted canonical chain.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn tx_location(&self, tx_hash: B256) -> Result<Option<(B256, usize)>, StorageError> {
        let Some((block, place)) = tx_index::locate(&self.core.rocks, tx_hash)? else { return Ok(None) };
        let index = usize::try_from(place.index)
            .map_err(|_| StorageError::corrupt("Transactions", "index beyond this machine's words"))?;
        Ok(Some((block, index)))
    }

    /// Every record of [`Appender::put_epoch`](crate::Appender::put_epoch) with its block, ascending by height.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn epochs(&self) -> Result<Vec<(Tip, Bytes)>, StorageError> {
        let records = self.core.rocks.scan::<tables::Epochs>(&[], &[]);
        records.map(|record| record.map(|(NumberHash { number, hash }, epoch)| (Tip { number, hash }, epoch))).collect()
    }

    /// The certificate of the lowest block at or above `number` that has one, with that block's height.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn certificate_from(&self, number: BlockNumber) -> Result<Option<(BlockNumber, Bytes)>, StorageError> {
        self.core.rocks.scan::<tables::Certificates>(&number.to_bytes(), &[]).next().transpose()
    }

    /// The certificate of the highest block that has one.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn newest_certificate(&self) -> Result<Option<(BlockNumber, Bytes)>, StorageError> {
        self.core.rocks.last::<tables::Certificates>()
    }

    /// What [`Appender::put_meta`](crate::Appender::put_meta) stored.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let key = format!("{}{key}", names::USER);
        Ok(self.core.rocks.get::<tables::Meta>(&key)?.map(|bytes| bytes.to_vec()))
    }

    /// The first block whose state can be read.
    pub fn history_from(&self) -> BlockNumber {
        self.core.history_floor()
    }

    /// Every stored block that continues the persisted tip, parents before children, of one height the first seen first:
    /// what is run again after opening.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn unpersisted(&self) -> Result<Vec<StoredBlock>, StorageError> {
        let Some(tip) = self.persisted() else { return Ok(Vec::new()) };
        let mut known = std::collections::HashSet::from([tip.hash]);
        let mut blocks = Vec::new();
        for block in self.stored_from(tip.number + 1)? {
            let hash = block.hash;
            let header = self.header(hash)?;
            let header = header.ok_or_else(|| StorageError::corrupt("Headers", format!("no header of {hash}")))?;
            if known.contains(&header.parent_hash) {
                known.insert(hash);
                blocks.push(block);
            }
        }
        Ok(blocks)
    }

    /// Every stored block of any branch from height `number` on, ascending, of one height the first seen first.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn stored_from(&self, number: BlockNumber) -> Result<Vec<StoredBlock>, StorageError> {
        let arrivals = self.core.rocks.scan::<tables::Arrivals>(&number.to_bytes(), &[]);
        let stored = arrivals.map(|arrival| {
            let (NumberHash { number, hash }, arrival) = arrival?;
            Ok(StoredBlock { number, hash, score: arrival.score, arrival: arrival.order })
        });
        let mut blocks = stored.collect::<Result<Vec<_>, StorageError>>()?;
        blocks.sort_unstable_by_key(|block| (block.number, block.arrival));
        Ok(blocks)
    }
}

fn malformed(hash: B256) -> StorageError {
    StorageError::corrupt("Outcomes", format!("malformed record of block {hash}"))
}
