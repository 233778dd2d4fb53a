//! Whose votes count for a link, and how the validators came to be who they are.

use std::sync::Arc;

use alloy::primitives::{Address, B256, keccak256};
use aurum_types::{BlockNumber, ValidatorSet};

use super::Checkpoint;

/// More than two thirds of `members`: ⌊2n/3⌋ + 1. Two quorums share more than a third.
pub const fn quorum(members: usize) -> usize {
    members * 2 / 3 + 1
}

/// Every validator set in force between the last certified block and the block before a link's target: a quorum of
/// *each* is needed.
///
/// Usually one set. After a change of validators it is the old set and the new one until both have certified a block
/// that the new set follows; only then the old one is released. So whichever block of the hand-over a node has seen
/// certified, what it counts next shares a set with what any other node counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Electorate(Vec<Arc<ValidatorSet>>);

impl Electorate {
    /// An electorate of these sets.
    pub const fn new(sets: Vec<Arc<ValidatorSet>>) -> Self {
        Self(sets)
    }

    /// The sets, the oldest first.
    pub fn sets(&self) -> &[Arc<ValidatorSet>] {
        &self.0
    }

    /// Whether `address` has a vote.
    pub fn contains(&self, address: Address) -> bool {
        self.0.iter().any(|set| set.contains(address))
    }

    /// Whether these signers, each named once, are a quorum of every set. No set at all, or an empty one, has none.
    pub fn approves(&self, signed: impl Fn(Address) -> bool) -> bool {
        !self.0.is_empty() && self.0.iter().all(|set| counted(set, &signed).is_ok())
    }
}

/// Members of the set that signed, or how many did and how many are needed. A member listed twice counts once.
pub(super) fn counted(set: &ValidatorSet, signed: impl Fn(Address) -> bool) -> Result<usize, (usize, usize)> {
    let mut members = set.as_slice().to_vec();
    members.sort_unstable();
    members.dedup();
    let needed = quorum(members.len());
    let count = members.iter().filter(|member| signed(**member)).count();
    if count >= needed && !members.is_empty() { Ok(count) } else { Err((count, needed)) }
}

/// A hash chain over every validator set a branch has had: `keccak256(before ‖ keccak256(set))` at each block that
/// recorded one, with zero before genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValidatorHistory(pub B256);

impl ValidatorHistory {
    /// The history of a chain that begins with this set.
    pub fn first(set: &ValidatorSet) -> Self {
        Self::default().then(set)
    }

    /// The history after `set` was recorded.
    #[must_use]
    pub fn then(self, set: &ValidatorSet) -> Self {
        let mut words = Vec::with_capacity(set.len() * 32);
        for address in set.as_slice() {
            // As Solidity's `abi.encodePacked(address[])`: a word each, no length.
            words.extend_from_slice(address.into_word().as_slice());
        }
        let mut both = [0; 64];
        both[..32].copy_from_slice(self.0.as_slice());
        both[32..].copy_from_slice(keccak256(words).as_slice());
        Self(keccak256(both))
    }
}

/// What counting votes needs to know of the blocks. `None` stands for a block that is not there (yet).
pub trait Branches {
    /// When the blocks cannot be read.
    type Error;

    /// The ancestor of `block`, or the block itself, at a height. `None` for an unknown block or a height above it.
    ///
    /// # Errors
    /// When the blocks cannot be read.
    fn ancestor(&self, block: Checkpoint, number: BlockNumber) -> Result<Option<B256>, Self::Error>;

    /// The validator sets in force after the blocks from `root` up to and with `last`, a descendant of it: each once, the
    /// oldest first. Where certificates begin above `root`, from that block on.
    ///
    /// # Errors
    /// When the blocks cannot be read.
    fn electorate(&self, root: Checkpoint, last: Checkpoint) -> Result<Option<Electorate>, Self::Error>;

    /// The history after `block`.
    ///
    /// # Errors
    /// When the blocks cannot be read.
    fn history(&self, block: Checkpoint) -> Result<Option<ValidatorHistory>, Self::Error>;

    /// Whether `block` is known and `ancestor` on its branch (or the block itself).
    ///
    /// # Errors
    /// When the blocks cannot be read.
    fn descends(&self, block: Checkpoint, ancestor: Checkpoint) -> Result<bool, Self::Error> {
        Ok(self.ancestor(block, ancestor.number)? == Some(ancestor.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: impl IntoIterator<Item = u8>) -> Arc<ValidatorSet> {
        Arc::new(ValidatorSet::new(ids.into_iter().map(Address::repeat_byte).collect()))
    }

    fn signed(ids: &[u8]) -> impl Fn(Address) -> bool + '_ {
        move |address| ids.iter().any(|id| Address::repeat_byte(*id) == address)
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        for n in 1..100 {
            assert!(3 * quorum(n) > 2 * n && 3 * (quorum(n) - 1) <= 2 * n, "{n}");
        }
    }

    #[test]
    fn every_set_of_a_hand_over_must_approve() {
        let both = Electorate::new(vec![set(1..=4), set(3..=6)]);
        assert!(!both.approves(signed(&[1, 2, 3])), "the old set alone");
        assert!(!both.approves(signed(&[4, 5, 6])), "the new set alone");
        assert!(both.approves(signed(&[2, 3, 4, 5])));
        assert!(!Electorate::default().approves(|_| true));
        assert!(!Electorate::new(vec![set([])]).approves(|_| true));
    }

    #[test]
    fn a_key_listed_twice_has_one_vote() {
        let twice = Electorate::new(vec![set([1, 1, 1, 2])]);
        assert!(!twice.approves(signed(&[1])));
        assert!(twice.approves(signed(&[1, 2])));
    }

    #[test]
    fn the_history_depends_on_sets_and_their_order() {
        let (a, b) = (set([1]), set([2]));
        let history = ValidatorHistory::first(&a).then(&b);
        assert_ne!(history, ValidatorHistory::first(&b).then(&a));
        assert_ne!(history, ValidatorHistory::first(&a));
    }
}
