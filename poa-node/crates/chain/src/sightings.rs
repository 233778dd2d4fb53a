//! Who was seen to seal which block in which step: two different ones are a double vote.

use std::collections::{BTreeMap, VecDeque};

use alloy::primitives::Address;
use aurum_types::Step;

use crate::{BlockRef, view::Equivocation};

/// Steps that are remembered.
const STEPS: usize = 4096;
/// Double votes that are remembered.
const EQUIVOCATIONS: usize = 256;

/// The latest (step, author) pairs with the block first seen for them, and the double votes found.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    first: BTreeMap<(Step, Address), BlockRef>,
    equivocations: VecDeque<Equivocation>,
}

impl Sightings {
    /// Notes a block; returns the double vote if its author had sealed another one in the same step. Such a block is as
    /// valid as its sibling (OpenEthereum `authority_round`: sibling detection reports, and accepts).
    pub(crate) fn note(&mut self, author: Address, step: Step, block: BlockRef) -> Option<Equivocation> {
        let first = *self.first.entry((step, author)).or_insert(block);
        while self.first.len() > STEPS {
            self.first.pop_first();
        }
        if first == block {
            return None;
        }
        let found = Equivocation { author, step, first, second: block };
        if self.equivocations.contains(&found) {
            return None;
        }
        self.equivocations.push_back(found);
        while self.equivocations.len() > EQUIVOCATIONS {
            self.equivocations.pop_front();
        }
        Some(found)
    }

    /// Double votes, oldest first.
    pub(crate) fn equivocations(&self) -> impl Iterator<Item = Equivocation> {
        self.equivocations.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    #[test]
    fn two_blocks_in_one_step_are_a_double_vote_and_one_block_twice_is_not() {
        let author = Address::repeat_byte(1);
        let block = |byte| BlockRef { number: 7, hash: B256::repeat_byte(byte) };
        let mut sightings = Sightings::default();
        assert_eq!(sightings.note(author, Step(9), block(1)), None);
        assert_eq!(sightings.note(author, Step(9), block(1)), None);
        assert_eq!(sightings.note(author, Step(10), block(3)), None);
        assert_eq!(sightings.note(Address::repeat_byte(2), Step(9), block(4)), None);
        let found = sightings.note(author, Step(9), block(2)).expect("a second block in step 9");
        assert_eq!((found.first, found.second), (block(1), block(2)));
        assert_eq!(sightings.note(author, Step(9), block(2)), None, "noted once");
        assert_eq!(sightings.equivocations().count(), 1);
    }
}
