//! What can go wrong, split by whose fault it is.

use alloy::primitives::{Address, B256};
use aurum_aura::{InvalidBlock, TemporarilyInvalid};
use aurum_evm::{Denial, EvmError, InvalidExecution, TraceError};
use aurum_pool::OpenError;
use aurum_storage::StorageError;
use aurum_types::{BlockError, BlockNumber, StateError};

use crate::BlockRef;

/// Why a block is bad, for everybody and for ever. Whoever sent it is to be punished.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Invalid {
    /// The block contradicts its own header.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Seal, proposer, step, time, limits: the rules of the engine.
    #[error(transparent)]
    Engine(#[from] InvalidBlock),
    /// A transaction's sender lacks a right at the parent's state. Nothing else about the block was found wrong.
    #[error("transaction {index} in block: {denial}")]
    NotPermitted {
        /// Place in the block.
        index: usize,
        /// Who decided, and what is missing.
        denial: Denial,
    },
    /// It cannot be run.
    #[error(transparent)]
    Execution(InvalidExecution),
    /// It contradicts a block that is final here.
    #[error("block {number} {hash} is on a branch without the final block {finalized:?}")]
    RevertsFinalized {
        /// Its height.
        number: BlockNumber,
        /// Its hash.
        hash: B256,
        /// The final block it would revert.
        finalized: BlockRef,
    },
    /// The spec allows one block at this height, and it is another.
    #[error("block {number} is {hash}, the spec's forkCanonHash is {pinned}")]
    NotPinned {
        /// Its height, `forkBlock`.
        number: BlockNumber,
        /// Its hash.
        hash: B256,
        /// `forkCanonHash`.
        pinned: B256,
    },
    /// It was found bad before.
    #[error("block {hash} is known to be bad: {reason}")]
    KnownBad {
        /// Its hash.
        hash: B256,
        /// What was found then.
        reason: String,
    },
    /// Its parent was found bad before.
    #[error("parent {parent} is known to be bad: {reason}")]
    BadParent {
        /// The parent.
        parent: B256,
        /// What was found then.
        reason: String,
    },
}

impl Invalid {
    /// Whether only we find the block bad: it contradicts what is final here, or our clock is far behind it. It is not
    /// remembered as bad, nobody is blamed for it, and it may be offered again.
    pub const fn is_our_view(&self) -> bool {
        match self {
            Self::RevertsFinalized { .. } => true,
            Self::Engine(rule) => rule.depends_on_clock(),
            _ => false,
        }
    }

    /// Whether only the body is wrong, which the block's hash does not cover: with another body the block may be good.
    pub(crate) const fn is_of_body(&self) -> bool {
        matches!(self, Self::Block(BlockError::TransactionsRoot { .. } | BlockError::UnclesHash { .. }))
    }
}

/// Our own disk, memory or mistake. The node cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database.
    #[error("storage: {0}")]
    Storage(String),
    /// The database holds what cannot be.
    #[error("database is inconsistent: {0}")]
    Inconsistent(String),
    /// A thread of the chain ended before its time.
    #[error("the {0} thread has ended")]
    ThreadEnded(&'static str),
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error.to_string())
    }
}

/// Why a block was not imported.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// The block is bad.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It comes too early by our clock. Not remembered as bad: it may be offered again.
    #[error(transparent)]
    TemporarilyInvalid(TemporarilyInvalid),
    /// Its parent (this hash) is not here. Offer the parent first.
    #[error("unknown parent {0}")]
    UnknownParent(B256),
    /// Ours. Stop.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<BlockError> for ImportError {
    fn from(error: BlockError) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<StorageError> for ImportError {
    fn from(error: StorageError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<StateError> for ImportError {
    fn from(error: StateError) -> Self {
        Self::Fault(error.into())
    }
}

/// Why the chain could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The spec asks for rules that cannot be executed exactly.
    #[error(transparent)]
    Rules(#[from] aurum_evm::UnsupportedRules),
    /// The genesis state of the spec could not be built.
    #[error("genesis: {0}")]
    Genesis(EvmError),
    /// The spec states another root than its accounts give.
    #[error("the spec's genesis state root is {stated}, its accounts give {computed}")]
    GenesisRoot {
        /// In the spec.
        stated: B256,
        /// From the accounts.
        computed: B256,
    },
    /// The folder holds another chain.
    #[error("the database belongs to the chain with genesis {stored}, the spec's genesis is {spec}")]
    OtherChain {
        /// In the database.
        stored: B256,
        /// By the spec.
        spec: B256,
    },
    /// The pool's journal.
    #[error("pool: {0}")]
    Pool(OpenError),
    /// Reading what is stored.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why something could not be read or simulated.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such block.
    #[error("block not found")]
    UnknownBlock,
    /// The block is known and not canonical, and the caller insisted that it be.
    #[error("block {0} is not canonical")]
    NotCanonical(B256),
    /// The block's state is not kept.
    #[error("state of block {0} is not available")]
    NoState(B256),
    /// A range of blocks that is reversed or too long.
    #[error("block range {from}..={to} is not allowed: at most {limit} blocks, ascending")]
    Range {
        /// First.
        from: BlockNumber,
        /// Last.
        to: BlockNumber,
        /// Most blocks in one query.
        limit: u64,
    },
    /// More logs than one answer may hold.
    #[error("query returned more than {limit} results; the blocks {from}..={reached} fit")]
    TooManyResults {
        /// Most results in one answer.
        limit: usize,
        /// Start of the query.
        from: BlockNumber,
        /// Last block whose logs still fit.
        reached: BlockNumber,
    },
    /// An account has more storage slots than are looked at for one answer.
    #[error("account {address} has more than {limit} storage slots, which are not listed at once")]
    TooManySlots {
        /// The account.
        address: Address,
        /// Most slots looked at.
        limit: usize,
    },
    /// Nobody waits for the answer any more.
    #[error("the request was given up")]
    Cancelled,
    /// Nothing is ever final on this chain.
    #[error("there is no finality on a chain with immediateTransitions: the tags safe and finalized mean no block")]
    NoFinality,
    /// The arguments make no sense.
    #[error("{0}")]
    Arguments(String),
    /// The call cannot be run as asked.
    #[error("{0}")]
    Call(InvalidExecution),
    /// A simulation makes no sense; the code of execution-apis, and why.
    #[error("{1}")]
    Simulation(i32, String),
    /// There is no trace.
    #[error(transparent)]
    Trace(TraceError),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<TraceError> for ReadError {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Evm(error) => error.into(),
            TraceError::Cancelled => Self::Cancelled,
            other => Self::Trace(other),
        }
    }
}

impl From<StateError> for ReadError {
    fn from(error: StateError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::MissingState { block } => Self::NoState(block),
            other => Self::Fault(other.into()),
        }
    }
}

impl From<EvmError> for ReadError {
    fn from(error: EvmError) -> Self {
        match error {
            EvmError::Invalid(invalid) => Self::Call(invalid),
            EvmError::Fault(fault) => fault.into(),
        }
    }
}
