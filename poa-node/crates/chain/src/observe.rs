//! What the import sees of the authorities: told at once to whoever watches them.

use std::{fmt, time::Duration};

use alloy::primitives::{Address, B256};
use aurum_aura::{EngineState, Offence};
use aurum_types::{BlockNumber, Header, Step};

use crate::view::Equivocation;

/// One block that somebody sent or we made, on a parent that is here. Its seal was made by `header.author`.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The block's header.
    pub header: &'a Header,
    /// The block's hash.
    pub hash: B256,
    /// The parent's header.
    pub parent: &'a Header,
    /// The engine after the parent: whose turn it was, and to whom offences are reported.
    pub engine: &'a EngineState,
    /// When it came, by our clock since the Unix epoch, if it was told on its own or came before its time; `None` for
    /// other blocks that were asked for to catch up, and for our own.
    pub arrived: Option<Duration>,
    /// How long the import took, from the block's turn until it was durable and adopted, or refused.
    pub took: Duration,
    /// What became of it.
    pub seen: Seen,
}

impl Observation<'_> {
    /// The step of the block.
    pub fn step(&self) -> Step {
        self.header.step().unwrap_or_default()
    }
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is part of the tree.
    Imported {
        /// Whether this node made it.
        ours: bool,
        /// Another block of the author for the same step, which was there before.
        sibling: Option<Equivocation>,
    },
    /// Its author sealed what breaks a rule that is reported.
    Refused(Offence),
    /// It came before its time, and may come again.
    Early,
}

/// Watches the authorities. Called while the import is held up: it must be quick, and must not call the chain.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A block was seen.
    fn observed(&self, observation: &Observation<'_>);

    /// `signer` let `step` pass on the block `parent`, with the message kept for a block at height `number`.
    fn saw_empty_step(&self, _signer: Address, _step: Step, _number: BlockNumber, _parent: B256) {}
}
