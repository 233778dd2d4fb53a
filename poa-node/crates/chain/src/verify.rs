//! Stage 1: is it a block of this chain? Body roots, seal, proposer, step, time, limits.

use std::time::Duration;

use alloy::primitives::B256;
use aurum_aura::{Rejected, Rules};
use aurum_types::{BlockNumber, Header, SealedBlock, ValidatorSet, VerifiedBlock};

use crate::{ImportError, Invalid};

impl From<Rejected> for ImportError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Invalid(invalid) => Self::Invalid(invalid.into()),
            Rejected::TemporarilyInvalid(early) => Self::TemporarilyInvalid(early),
        }
    }
}

/// Checks a block against its parent's header and the set that the parent's engine state gives to its children. `pinned` is
/// the one block that the spec allows at a height (`forkBlock`, `forkCanonHash`). OpenEthereum asks each peer for it and
/// leaves those with another (`ChainSync::on_peer_fork_header`); here another one is of another chain, wherever it comes from.
///
/// # Errors
/// [`ImportError::Invalid`], [`ImportError::TemporarilyInvalid`].
pub(crate) fn verify(
    rules: &Rules,
    block: SealedBlock,
    parent: &Header,
    validators: &ValidatorSet,
    pinned: Option<(BlockNumber, B256)>,
    now: Duration,
) -> Result<VerifiedBlock, ImportError> {
    let _stage = tracing::trace_span!("verify", number = block.number()).entered();
    if let Some((number, hash)) = pinned.filter(|(number, hash)| block.number() == *number && block.hash() != *hash) {
        return Err(Invalid::NotPinned { number, hash: block.hash(), pinned: hash }.into());
    }
    block.verify(|block| Ok(rules.verify(block.header(), parent, validators, now)?))
}

/// A clock for blocks that were accepted before: never behind the block, so that a clock that went back makes no stored
/// block early.
pub(crate) fn not_before(rules: &Rules, header: &Header, now: Duration) -> Duration {
    let step = header.step().map_or(Duration::ZERO, |step| rules.steps().start_of(step));
    let step = if step == Duration::MAX { Duration::ZERO } else { step };
    now.max(Duration::from_secs(header.timestamp)).max(step)
}
