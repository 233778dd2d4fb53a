//! Authority Round as functions over values. No input or output, no threads, no chain: what the protocol needs from
//! the state is handed down as a [`ValidatorSet`](aurum_types::ValidatorSet).
//!
//! ```text
//! StepSchedule ── now ──▶ Step ──┐
//! EngineState(parent) ─ validators ─┴▶ whose turn ─▶ AuraSeal ─▶ sealed header
//! Rules::verify(header, parent, validators, now)   is it a block of this chain?
//! EngineState(parent).advance(header, receipts) ─▶ EngineState(block) + what became final
//! ```
//!
//! [`EngineState`] is the consensus state *after* one block: an immutable value that is cheap to clone. A
//! reorganisation uses another block's value; nothing is ever rolled back. OpenEthereum 3.3.5 is the reference for
//! every rule; `crates/ethcore/src/engines/authority_round` there.

pub mod certificate;
mod clock;
mod codec;
pub mod ecies;
mod empty_steps;
mod engine_state;
mod fees;
mod finality;
mod reject;
mod rules;
mod schedule;
mod score;
mod seal;
mod signal;
mod signer;
mod source;
mod uncles;

pub use clock::{Clock, ManualClock, SystemClock};
pub use codec::DecodeError;
pub use empty_steps::{EmptyStepMessage, EmptyStepRefused, EmptySteps};
pub use engine_state::{EngineState, EngineStatus, PendingChange};
pub use fees::next_base_fee;
pub use reject::{InvalidBlock, InvalidSeal, Offence, Rejected, TemporarilyInvalid};
pub use rules::{ACCEPTED_STEP_DRIFT, Rules};
pub use schedule::StepSchedule;
pub use score::{MAX_DIFFICULTY, difficulty, skipped_proposers, skipped_to_report};
pub use seal::{AuraSeal, EmptyStep, recover_sealer};
pub use signal::initiate_change;
pub use signer::{KeySigner, Signer, SignerError};
pub use source::{Source, validators_source};
pub use uncles::{Ancestor, MAX_UNCLE_AGE};
