//! Stage 1: is it a block of this chain? Body roots, seal, proposer, step, time, limits.

use std::time::Duration;

use aurum_aura::{Rejected, Rules};
use aurum_types::{Header, SealedBlock, ValidatorSet, VerifiedBlock};

use crate::ImportError;

impl From<Rejected> for ImportError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Invalid(invalid) => Self::Invalid(invalid.into()),
            Rejected::TemporarilyInvalid(early) => Self::TemporarilyInvalid(early),
        }
    }
}

/// Checks a block against its parent's header and the set that the parent's engine state gives to its children.
///
/// # Errors
/// [`ImportError::Invalid`], [`ImportError::TemporarilyInvalid`].
pub(crate) fn verify(
    rules: &Rules,
    block: SealedBlock,
    parent: &Header,
    validators: &ValidatorSet,
    now: Duration,
) -> Result<VerifiedBlock, ImportError> {
    block.verify(|block| Ok(rules.verify(block.header(), parent, validators, now)?))
}

/// A clock for blocks that were accepted before: never behind the block, so that a clock that went back makes no stored
/// block early.
pub(crate) fn not_before(rules: &Rules, header: &Header, now: Duration) -> Duration {
    let step = header.step().map_or(Duration::ZERO, |step| rules.steps().start_of(step));
    let step = if step == Duration::MAX { Duration::ZERO } else { step };
    now.max(Duration::from_secs(header.timestamp)).max(step)
}
