//! The chain as readers see it: everything JSON-RPC, pages and metrics ask for, at any block.
//!
//! A view holds no snapshot: each call sees the head of its moment. Calls that must agree pass the same block hash.

mod block;
mod engine;
mod fees;
mod finality;
mod logs;
mod pool;
mod simulate;
mod state;
mod steps;
mod storage;
mod trace;

use std::{fmt, sync::Arc};

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256},
};
use aurum_types::{BlockNumber, ChainSpec, Header};
use tokio::sync::{broadcast, watch};

pub(crate) use self::{block::StoredBlock, logs::block_logs};
pub use self::{
    block::{AccountView, BlockView, ReceiptView, TransactionPlace, TransactionView},
    engine::{EngineStatus, Equivocation, FinalityStatus, MissedStep, PendingChangeStatus},
    fees::MAX_FEE_BLOCKS,
    finality::{CertificateStep, CertifiedBlock, MAX_CERTIFIED_HEADERS},
    logs::{LogView, MAX_LOG_BLOCKS, MAX_LOGS},
    pool::PoolView,
    simulate::{SimulatedBlock, Simulation},
    state::StateView,
    steps::{MAX_STEPS, StepOutcome, StepReport},
    storage::{StoragePage, StorageRange, StorageSlot},
    trace::TraceView,
};
use crate::{BlockRef, Chain, Head, HeadChange, ReadError, reader::Reader};

/// Reads of the chain. [`crate::Gate::view`] makes it for the holder of a read grant. Cheap to clone.
#[derive(Clone)]
pub struct View {
    chain: Chain,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

impl View {
    pub(crate) fn new(chain: &Chain) -> Self {
        Self { chain: chain.clone() }
    }

    pub(crate) fn reader(&self) -> &Reader {
        self.chain.reader()
    }

    /// The chain spec.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        self.reader().spec()
    }

    /// Hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.reader().genesis_hash()
    }

    /// Latest, safe and finalized block.
    pub fn head(&self) -> Head {
        self.chain.head()
    }

    /// The head, whenever it moves. Every value was durable before it was sent.
    pub fn watch_head(&self) -> watch::Receiver<Head> {
        self.chain.watch_head()
    }

    /// Every step of the head with the blocks it enacted and retracted ([`HeadChange::logs`] filters their logs). A
    /// receiver that falls behind by 1024 steps sees `Lagged`; it then reads on from [`Self::head`].
    pub fn events(&self) -> broadcast::Receiver<Arc<HeadChange>> {
        self.chain.events()
    }

    /// The pool.
    pub fn pool(&self) -> PoolView {
        PoolView::new(self.chain.pool())
    }

    /// The block a tag, number or hash means. `pending` is the latest block (reads of the state to come:
    /// [`Self::next_nonce`], [`Self::call`]). `None` for a number above the head or an unknown hash.
    ///
    /// # Errors
    /// [`ReadError::NotCanonical`] for a hash with `requireCanonical` that is not.
    pub fn resolve(&self, id: BlockId) -> Result<Option<BlockRef>, ReadError> {
        let hash = match id {
            BlockId::Number(tag) => {
                let number = self.number_of(tag)?;
                return Ok(self.reader().canonical_hash(number)?.map(|hash| BlockRef { number, hash }));
            }
            BlockId::Hash(hash) => hash,
        };
        let Some(header) = self.reader().header(hash.block_hash)? else { return Ok(None) };
        let canonical = self.reader().canonical_hash(header.number)? == Some(hash.block_hash);
        if hash.require_canonical == Some(true) && !canonical {
            return Err(ReadError::NotCanonical(hash.block_hash));
        }
        Ok(Some(BlockRef { number: header.number, hash: hash.block_hash }))
    }

    /// The height a tag means; numbers mean themselves.
    ///
    /// # Errors
    /// [`ReadError::NoFinality`] for `safe` and `finalized` where several authorities seal with `immediateTransitions`.
    pub fn number_of(&self, tag: BlockNumberOrTag) -> Result<BlockNumber, ReadError> {
        let head = self.head();
        if matches!(tag, BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized) && !self.reader().has_finality() {
            return Err(ReadError::NoFinality);
        }
        Ok(match tag {
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head.latest.number,
            BlockNumberOrTag::Safe => head.safe.number,
            BlockNumberOrTag::Finalized => head.finalized.number,
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Number(number) => number,
        })
    }

    /// A header by tag, number or hash, with its hash. Blocks of other branches are found by hash as long as they are kept.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn header(&self, id: BlockId) -> Result<Option<(B256, Header)>, ReadError> {
        let Some(at) = self.resolve(id)? else { return Ok(None) };
        Ok(self.reader().header(at.hash)?.map(|header| (at.hash, header)))
    }

    /// A block with senders and receipts. Of blocks on other branches only recent ones are found.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn block(&self, id: BlockId) -> Result<Option<BlockView>, ReadError> {
        let Some(at) = self.resolve(id)? else { return Ok(None) };
        Ok(self.reader().block(at.hash)?)
    }

    /// A transaction of the canonical chain, or one that waits in the pool.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn transaction(&self, hash: B256) -> Result<Option<TransactionView>, ReadError> {
        if let Some((block, index)) = self.reader().locate(hash)? {
            return Ok(block.transaction(index));
        }
        Ok(self.pool().get(hash).map(|transaction| TransactionView { transaction, place: None }))
    }

    /// The receipt of a transaction of the canonical chain.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn receipt(&self, hash: B256) -> Result<Option<ReceiptView>, ReadError> {
        Ok(self.reader().locate(hash)?.and_then(|(block, index)| block.receipt(index)))
    }

    /// The nonce of this account's next transaction, those in the pool counted (`eth_getTransactionCount` at `pending`).
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn next_nonce(&self, address: Address) -> Result<u64, ReadError> {
        let at_head = self.state(BlockId::latest())?.ok_or(ReadError::UnknownBlock)?.account(address)?.nonce;
        Ok(self.pool().next_nonce(address).map_or(at_head, |pooled| pooled.max(at_head)))
    }
}
