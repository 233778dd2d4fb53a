//! What the node's author tells JSON-RPC.

use alloy::primitives::Address;
use aurum_chain::BlockRef;
use aurum_types::Step;

/// What an authority did last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingView {
    /// Whose key seals.
    pub address: Address,
    /// Its last block, and the step of it; `None` before the first one of this run.
    pub last_sealed: Option<(Step, BlockRef)>,
    /// Why the last step that was its own, or none of whose could be, gave no block; `None` after a block.
    pub no_block: Option<NoBlockView>,
    /// The step and block (of an empty step: its parent) at which another node was seen to use this key. Nothing is
    /// sealed then until an operator says that it is stopped.
    pub key_elsewhere: Option<(Step, BlockRef)>,
    /// By how many milliseconds our clock is ahead of the other authorities' (behind, if negative), the time that blocks
    /// take on the way included; `None` before a block was announced to us.
    pub clock_offset_ms: Option<i64>,
}

/// A step without a block of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoBlockView {
    /// The step.
    pub step: Step,
    /// Stable word for programs, such as `not_a_validator`.
    pub code: &'static str,
    /// The same for people.
    pub reason: String,
    /// Whether it is as it should be: there was nothing to seal, or an empty step was broadcast instead.
    pub intended: bool,
}

/// The author as JSON-RPC sees it. Implemented by the program; calls return at once.
pub trait SealingApi: Send + Sync + 'static {
    /// Whose key seals this node's blocks.
    fn address(&self) -> Address;
    /// What it did last. May wait for a block that is being built.
    fn status(&self) -> SealingView;
}
