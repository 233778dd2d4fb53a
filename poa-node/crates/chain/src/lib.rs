//! The middle of the node: blocks come in, the best branch becomes the head, and everybody reads it.
//!
//! ```text
//! SealedBlock ─verify─▶ ─recover─▶ ─execute─▶ ─commit─▶ ─store─▶ ─adopt─▶ Head, HeadChange, pool
//!             rules of  senders    permissions, root     fsync    score,        │
//!             the engine           EVM          agrees            finality      └─▶ persist (own thread): final blocks
//!                                                                                   into flat state, history and index
//!
//! everything outside ─▶ Gate ─Grant<Read>─▶ View: blocks, transactions, state, logs, calls, engine
//!                            ─Grant<Submit>─▶ pool
//! ```
//!
//! A block is durable before it can be head. A restart reads the persisted tip with its engine state and sends the stored
//! blocks above it through the same pipeline again, so the head comes back from disk alone.
//!
//! The crate does not know the network, JSON-RPC, or when it is our turn to seal.

mod adopt;
mod authoring;
mod batch;
mod certify;
mod chain;
mod commit;
mod doorkeeper;
mod empty_steps;
mod epochs;
mod error;
mod execute;
mod gate;
mod head;
mod node_permission;
mod observe;
mod open;
mod persist;
mod pipeline;
mod reader;
mod readers;
mod recent;
mod recover;
mod replay;
mod rewind;
mod sightings;
mod snapshot;
pub mod state_snapshot;
mod uncles;
mod verify;
pub mod view;

pub use aurum_aura::certificate;
pub use aurum_evm::dev::{Development, Edit};
pub use aurum_evm::{
    BlockEnv, BlockTraces, CallOutcome, CallRequest, Cancel, Denial, NodePermission, ParityCall, Reward, RewardKind,
    SimulatedCall, SimulationMode, TraceError, TraceLimits, Which,
};
pub use aurum_pool::SubmitError;
pub use aurum_storage::{AccountProof, History, Options as StorageOptions};

pub use self::{
    authoring::{Authoring, Built},
    chain::{Chain, ChainConfig, Imported},
    empty_steps::EmptyStepError,
    error::{ChainError, Fault, ImportError, Invalid, ReadError},
    gate::{Admin, Denied, Gate, Grant, GrantKind, Identity, Read, Submit},
    head::{BlockRef, Head, HeadChange},
    node_permission::NodeDecision,
    observe::{Observation, Observer, Seen},
    rewind::{Checkpoint, RewindError},
    view::View,
};
