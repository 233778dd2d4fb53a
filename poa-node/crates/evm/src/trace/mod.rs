//! What happened inside transactions and calls: geth's tracers and Parity's traces, by running them again.
//!
//! A replay takes the road of an import ([`crate::block::BlockRunner`]): code rewrites, `finalizeChange()`, then the block's
//! transactions up to the one that is asked for; what each has used must be what its receipt says. System calls and what
//! the permission contract is asked are not part of any trace. The recording itself is revm-inspectors'.

mod access_list;
mod before;
mod call;
mod geth;
mod parity;
mod replay;

use std::sync::Arc;

use alloy::primitives::Address;
use aurum_types::{Receipt, StateReader, Transaction};

pub use self::parity::{BlockTraces, ParityCall};
pub(crate) use self::replay::stopped;
pub use crate::inspect::TraceLimits;
use crate::{BlockEnv, EvmError};

/// A block of the chain, to be run again.
#[derive(Clone)]
pub struct Replay<'a> {
    /// The parent's state.
    pub parent: Arc<dyn StateReader>,
    /// The parent's header, as execution sees it.
    pub parent_env: BlockEnv,
    /// The block's.
    pub env: BlockEnv,
    /// The validator contract whose `finalizeChange()` starts the block, if it begins an epoch.
    pub begin: Option<Address>,
    /// The block's transactions.
    pub transactions: &'a [Transaction],
    /// Their senders.
    pub senders: &'a [Address],
    /// Their receipts.
    pub receipts: &'a [Receipt],
}

impl std::fmt::Debug for Replay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("env", &self.env).finish_non_exhaustive()
    }
}

/// Which of a block's transactions are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Each, and the rewards after them.
    All,
    /// The one at this place.
    One(usize),
}

impl Which {
    const fn includes(self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == index,
        }
    }
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It took longer than allowed. geth's words.
    #[error("execution timeout")]
    Timeout,
    /// Nobody wants it any more ([`TraceLimits::cancel`]).
    #[error("the trace was given up")]
    Cancelled,
    /// There is more to record than allowed.
    #[error("the trace is larger than this node records at once; ask for less (disableStack, disableStorage, limit)")]
    TooLarge,
    /// There is no such tracer, or it has no such setting.
    #[error("{0}")]
    Tracer(String),
    /// What was to be traced cannot run.
    #[error(transparent)]
    Evm(#[from] EvmError),
}

impl From<aurum_types::StateError> for TraceError {
    fn from(error: aurum_types::StateError) -> Self {
        Self::Evm(error.into())
    }
}
