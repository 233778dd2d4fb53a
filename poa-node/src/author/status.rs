//! What the author did, and the answer to "why is there no block?".

use alloy::primitives::Address;
use aurum_chain::{BlockRef, Fault};
use aurum_types::{BlockNumber, Step};

use super::KeyElsewhere;

/// Why a step of the clock gave no block of ours.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoBlock {
    /// It is another's turn: as it should be.
    #[error("it is the turn of {proposer}")]
    NotOurStep {
        /// Whose it is.
        proposer: Address,
    },
    /// Our key is not an authority's at the head.
    #[error("this node's signer is not among the validators")]
    NotAValidator,
    /// The validator contract answered with an empty list.
    #[error("the validator set is empty")]
    NoValidators,
    /// We have used the step, before a restart perhaps.
    #[error("step {last} was used already")]
    StepUsed {
        /// The last one used.
        last: Step,
    },
    /// There is no record of used steps, and an earlier run of this node may have used this one.
    #[error("no record of used steps: waiting for the step after {started}, in which this node started")]
    NoRecord {
        /// The step of the start.
        started: Step,
    },
    /// The head is of this step or a later one.
    #[error("the head has step {step}")]
    HeadHasStep {
        /// The head's step.
        step: Step,
    },
    /// The validators have just changed; the old set may own this step as well.
    #[error("the validators have just changed, waiting for the next step")]
    EpochJustChanged,
    /// A peer is far ahead.
    #[error("catching up: a peer is at block {best}")]
    CatchingUp {
        /// Its height.
        best: BlockNumber,
    },
    /// No transactions: an empty step was broadcast instead of a block (aura.md §1.3). As it should be.
    #[error("no transactions: an empty step was broadcast, on top of {collected} collected before")]
    EmptyStep {
        /// Empty steps collected on the head before ours.
        collected: usize,
    },
    /// Another node seals with our key.
    #[error(
        "our key sealed at step {} elsewhere (block {}, {}): stop the other node, then restart this one with --resume-sealing",
        .0.step, .0.number, .0.hash
    )]
    KeyElsewhere(KeyElsewhere),
    /// No transactions, and empty blocks are suppressed.
    #[error("there is nothing to seal and empty blocks are suppressed")]
    NothingToSeal,
    /// It went wrong, and may go right at the next step.
    #[error("{reason}")]
    Failed {
        /// What went wrong.
        reason: String,
    },
    /// Our disk or a bug: the node stops.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl NoBlock {
    /// A stable word for metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOurStep { .. } => "not_our_step",
            Self::NotAValidator => "not_a_validator",
            Self::NoValidators => "no_validators",
            Self::StepUsed { .. } => "step_used",
            Self::NoRecord { .. } => "no_record",
            Self::HeadHasStep { .. } => "head_has_step",
            Self::EpochJustChanged => "epoch_changed",
            Self::CatchingUp { .. } => "catching_up",
            Self::EmptyStep { .. } => "empty_step",
            Self::KeyElsewhere(_) => "key_elsewhere",
            Self::NothingToSeal => "nothing_to_seal",
            Self::Failed { .. } => "failed",
            Self::Fault(_) => "fault",
        }
    }
}

/// What the author did last.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The step it looked at last.
    pub step: Step,
    /// Where our key was seen at work by another node: then nothing is sealed.
    pub key_elsewhere: Option<KeyElsewhere>,
    /// By how many milliseconds our clock is ahead of the other authorities' (behind, if negative), the time that blocks
    /// take on the way included; `None` before a block was announced to us.
    pub clock_offset_ms: Option<i64>,
    /// Its last block and the step of it.
    pub last_sealed: Option<(Step, BlockRef)>,
    /// Why the last step that was ours, or none of whose could be, gave no block; `None` after a block.
    pub no_block: Option<(Step, NoBlock)>,
}

impl Status {
    /// Notes what became of `step`, and logs it when it is news.
    pub(super) fn note(&mut self, step: Step, result: &Result<BlockRef, NoBlock>) {
        self.step = step;
        match result {
            Ok(block) => {
                self.last_sealed = Some((step, *block));
                self.no_block = None;
            }
            Err(NoBlock::NotOurStep { .. }) => {}
            Err(reason) => {
                let before = self.no_block.as_ref().map(|(_, before)| before.code());
                let news = before != Some(reason.code());
                match reason {
                    NoBlock::Failed { .. } | NoBlock::Fault(_) => {
                        tracing::error!(%step, %reason, "no block at our step");
                    }
                    NoBlock::NothingToSeal | NoBlock::EmptyStep { .. } => {}
                    _ if news => tracing::warn!(%step, %reason, "no block"),
                    _ => {}
                }
                self.no_block = Some((step, reason.clone()));
            }
        }
    }
}
