//! What the engine is doing: whose turn it is, who missed theirs, what is pending.

use alloy::primitives::Address;
use aurum_types::{BlockNumber, Step};

use super::View;
use crate::{BlockRef, ReadError};

/// The engine at the head, for people and monitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    /// The step by our clock.
    pub step: Step,
    /// Unix milliseconds at which the step began.
    pub step_started_ms: u64,
    /// The step of the latest block.
    pub head_step: Step,
    /// Authorities that seal the next block, in order.
    pub validators: Vec<Address>,
    /// Whose turn the current step is; `None` with an empty set.
    pub proposer: Option<Address>,
    /// The block with which this set came; it seals from the next one on.
    pub epoch_recorded_at: BlockNumber,
    /// Finality of the head's branch.
    pub finality: FinalityStatus,
    /// A validator change that was signalled and is not yet in force.
    pub pending_change: Option<PendingChangeStatus>,
    /// Turns missed in the steps between recent blocks, oldest first.
    pub missed: Vec<MissedStep>,
    /// Blocks seen where one author sealed two for one step, oldest first.
    pub equivocations: Vec<Equivocation>,
}

/// How far the oldest block that is not final has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalityStatus {
    /// Whether blocks become final at all: not with `immediateTransitions`.
    pub exists: bool,
    /// The newest final block.
    pub finalized: BlockRef,
    /// Blocks between it and the head.
    pub lag: u64,
    /// Different authorities that have built on the oldest block that is not final (with its author).
    pub signers: Vec<Address>,
    /// How many different authorities make it final.
    pub needed: usize,
}

/// A validator change on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChangeStatus {
    /// The block that signalled it; the change comes when this block is final.
    pub signalled_in: BlockRef,
    /// The new set, in order.
    pub validators: Vec<Address>,
    /// Different authorities that have built on the signalling block (with its author).
    pub signers: Vec<Address>,
    /// How many different authorities make it final.
    pub needed: usize,
}

/// A step in which nobody sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissedStep {
    /// The step.
    pub step: Step,
    /// Whose turn it was, by the set in force at the head.
    pub validator: Address,
    /// The first block after it.
    pub before_block: BlockNumber,
}

/// Two blocks of one author for one step. Both are accepted (aura.md §1.8); one of them is a double vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Equivocation {
    /// Who.
    pub author: Address,
    /// In which step.
    pub step: Step,
    /// The block seen first.
    pub first: BlockRef,
    /// The block seen later.
    pub second: BlockRef,
}

impl View {
    /// The engine at the head.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn engine(&self) -> Result<EngineStatus, ReadError> {
        self.reader().engine_status()
    }
}
