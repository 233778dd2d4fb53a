//! The rules an honest key keeps to. Whoever signs votes keeps this value on disk, written before a vote leaves.

use aurum_types::BlockNumber;

use super::Link;

/// Why a link may not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// A vote for this height, or a higher one, was signed before.
    #[error("target {target} is not above {last}, the highest this key may have voted for")]
    Target {
        /// Height of the target refused.
        target: BlockNumber,
        /// The highest target so far.
        last: BlockNumber,
    },
    /// The link would begin before one that was signed before, and surround it.
    #[error("source {source_number} is below {last}, the source of this key's last vote")]
    Source {
        /// Height of the source refused.
        source_number: BlockNumber,
        /// The highest source so far.
        last: BlockNumber,
    },
    /// Not a link.
    #[error("the target must be above the source")]
    Backwards,
}

/// What one key has signed, as far as its next vote depends on it: targets strictly increase and sources never fall.
///
/// That is stricter than the two conditions of Casper FFG (no two different votes with one target height; no vote within
/// the span of another) and needs only the last vote to be remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    last: Option<Link>,
    floor: BlockNumber,
}

impl Guard {
    /// A key whose last vote was this, and that votes for nothing up to height `floor`.
    pub const fn new(last: Option<Link>, floor: BlockNumber) -> Self {
        Self { last, floor }
    }

    /// A key that may have voted in a life it does not remember, for targets up to `floor`.
    pub const fn forgetful(floor: BlockNumber) -> Self {
        Self { last: None, floor }
    }

    /// The last vote.
    pub const fn last(&self) -> Option<&Link> {
        self.last.as_ref()
    }

    /// Targets up to this height are never voted for, whatever is remembered.
    pub const fn floor(&self) -> BlockNumber {
        self.floor
    }

    /// The highest target that may have been voted for; 0 at the beginning.
    pub fn highest_target(&self) -> BlockNumber {
        self.last.map_or(self.floor, |last| last.target.number.max(self.floor))
    }

    /// The guard after `link` was signed. The last vote itself may be signed again.
    ///
    /// # Errors
    /// [`GuardError`]: it must not be signed.
    pub fn admit(&self, link: &Link) -> Result<Self, GuardError> {
        let (source, target) = (link.source.number, link.target.number);
        if self.last.as_ref() == Some(link) {
            return Ok(*self);
        }
        if target <= source {
            return Err(GuardError::Backwards);
        }
        if target <= self.highest_target() {
            return Err(GuardError::Target { target, last: self.highest_target() });
        }
        if let Some(last) = self.last.filter(|last| source < last.source.number) {
            return Err(GuardError::Source { source_number: source, last: last.source.number });
        }
        Ok(Self { last: Some(*link), floor: self.floor })
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use proptest::prelude::*;

    use super::*;
    use crate::certificate::Checkpoint;

    fn link(source: u64, target: u64, branch: u8) -> Link {
        let hash = |number: u64| B256::left_padding_from(&[branch, number as u8]);
        Link {
            source: Checkpoint { number: source, hash: hash(source) },
            target: Checkpoint { number: target, hash: hash(target) },
            history: B256::ZERO,
        }
    }

    #[test]
    fn the_last_vote_may_be_said_again_and_no_other_at_its_height() {
        let guard = Guard::default().admit(&link(3, 5, 0)).unwrap();
        assert_eq!(guard.admit(&link(3, 5, 0)), Ok(guard));
        assert_eq!(guard.admit(&link(3, 5, 1)), Err(GuardError::Target { target: 5, last: 5 }));
        assert_eq!(guard.admit(&link(4, 5, 0)), Err(GuardError::Target { target: 5, last: 5 }));
        assert_eq!(guard.admit(&link(2, 6, 0)), Err(GuardError::Source { source_number: 2, last: 3 }));
        assert!(guard.admit(&link(3, 6, 1)).is_ok());
    }

    #[test]
    fn a_key_without_memory_votes_above_its_floor_only() {
        let guard = Guard::forgetful(9);
        assert_eq!(guard.admit(&link(3, 9, 0)), Err(GuardError::Target { target: 9, last: 9 }));
        assert!(guard.admit(&link(3, 10, 0)).is_ok());
    }

    proptest! {
        /// Casper's two conditions hold between *any* two votes of a guarded key, whatever it is asked to sign and
        /// however often it forgets all but the guard.
        #[test]
        fn no_two_votes_share_a_height_or_surround_each_other(asked in prop::collection::vec((0..40u64, 1..40u64, 0..3u8), 1..200)) {
            let mut guard = Guard::default();
            let mut signed: Vec<Link> = Vec::new();
            for (source, above, branch) in asked {
                let link = link(source, source + above, branch);
                if let Ok(next) = guard.admit(&link) {
                    guard = Guard::new(next.last().copied(), next.floor());
                    signed.push(link);
                }
            }
            for (i, a) in signed.iter().enumerate() {
                for b in &signed[i + 1..] {
                    prop_assert!(a == b || a.target.number != b.target.number, "{a:?} {b:?}");
                    prop_assert!(!a.surrounds(b) && !b.surrounds(a), "{a:?} {b:?}");
                }
            }
        }
    }
}
