//! One block through revm: system calls, permission checks, transactions, rewards.
//!
//! Everything here is a function of a parent state and a block; nothing is written anywhere. The only crate that names
//! revm, so that its yearly half-dozen of major versions stay behind this border.
//!
//! ```text
//!                    ┌────────────── BlockRunner ──────────────┐
//! parent state ────▶ │ rewriteBytecode → finalizeChange →      │ ──▶ ExecutionOutcome { receipts, gas, changes }
//! execute / builder  │ transactions → rewards                  │
//!                    └──────┬──────────────────────────────────┘
//!                           ├─ Machine: revm with our precompiles, fees and database (machine.rs, database.rs)
//!                           └─ permission, certifier: read-only calls on the parent's state (permission/, service.rs)
//! ```
//!
//! Where a node asks for it ([`Parallel`]), transactions are also guessed at ahead of their turn, on other threads
//! (parallel/). Guesses only save the runner work; it takes none that is not what it would have done itself.
//!
//! What the spec file says about a block becomes a [`Rules`] value first ([`rules`]); everything after it asks the rules,
//! never the spec. A spec whose rules cannot be reproduced exactly is refused by [`check_rules`].
//!
//! Cryptography: revm's `secp256k1` feature already selects libsecp256k1 for `ecrecover`, so nothing is installed with
//! `install_crypto` here.

#[cfg(test)]
extern crate self as aurum_evm;

mod abi;
mod block;
mod builder;
mod call;
mod cancel;
mod database;
pub mod dev;
mod engine;
mod env;
mod error;
mod estimate;
mod executor;
mod explain;
mod genesis;
mod halt;
mod inspect;
mod machine;
mod node_permission;
mod parallel;
mod permission;
mod posdao;
mod precompiles;
mod read_only;
mod rewards;
pub mod rules;
mod service;
mod simulate;
mod system_call;
mod trace;
mod transaction;

pub use builder::{BlockBuilder, PushError, Pushed};
pub use call::{CallOutcome, CallRequest};
pub use cancel::Cancel;
pub use engine::Evm;
pub use env::BlockEnv;
pub use error::{EvmError, InvalidExecution, TxInvalid};
pub use explain::PermissionAnswer;
pub use node_permission::NodePermission;
pub use parallel::{Parallel, Profile, Schedule};
pub use permission::{Denial, DenialReason, PermissionRequest, Right};
pub use posdao::{RandomnessError, RandomnessPhase, calls};
pub use rewards::{Reward, RewardKind};
pub use rules::{Rules, UnsupportedRule, UnsupportedRules, check_rules};
pub use service::ZeroPrice;
pub use simulate::{SimulatedCall, SimulationError, SimulationMode, Simulator};
pub use system_call::SYSTEM_ADDRESS;
pub use trace::{BlockTraces, ParityCall, Replay, TraceError, TraceLimits, Which};
pub use transaction::IntrinsicGas;
