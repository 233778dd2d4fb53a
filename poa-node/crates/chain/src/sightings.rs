//! Who was seen to seal which block in which step: two different ones are a double vote.
//!
//! Double votes are evidence and outlive the process: they are in the database before they are told to anybody. Which block
//! was seen first needs no record of its own: every block that may still get a sibling, one that is not final, is stored and
//! read again at opening. A crash between a block and its evidence is healed the same way.

use std::collections::{BTreeMap, VecDeque};

use alloy::primitives::{Address, B256};
use alloy_rlp::{Decodable as _, RlpDecodable, RlpEncodable};
use aurum_storage::Database;
use aurum_types::Step;

use crate::{BlockRef, Fault, view::Equivocation};

/// Steps that are remembered.
const STEPS: usize = 4096;
/// Double votes that are remembered, the newest; one an author and step, so that many siblings drive nothing out.
const EQUIVOCATIONS: usize = 256;
/// Under which name the database keeps them.
const NAME: &str = "equivocations";

/// The latest (step, author) pairs with the block first seen for them, and the double votes found.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    first: BTreeMap<(Step, Address), BlockRef>,
    equivocations: VecDeque<Equivocation>,
}

/// A double vote on disk.
#[derive(RlpEncodable, RlpDecodable)]
struct Record {
    author: Address,
    step: u64,
    first: At,
    second: At,
}

#[derive(RlpEncodable, RlpDecodable)]
struct At {
    number: u64,
    hash: B256,
}

impl From<BlockRef> for At {
    fn from(block: BlockRef) -> Self {
        Self { number: block.number, hash: block.hash }
    }
}

impl From<At> for BlockRef {
    fn from(at: At) -> Self {
        Self { number: at.number, hash: at.hash }
    }
}

impl Sightings {
    /// What the last process had found. Blocks that are not final are to be [noted](Self::note) again.
    ///
    /// # Errors
    /// When the disk fails, or holds something else.
    pub(crate) fn load(database: &Database) -> Result<Self, Fault> {
        let Some(bytes) = database.meta(NAME)? else { return Ok(Self::default()) };
        let records = Vec::<Record>::decode(&mut &bytes[..])
            .map_err(|error| Fault::Inconsistent(format!("the record of double votes: {error}")))?;
        Ok(Self { first: BTreeMap::new(), equivocations: records.into_iter().map(Into::into).collect() })
    }

    /// Notes a block; returns the double vote if it is the first to show that its author had sealed another one in the same
    /// step. Such a block is as valid as its sibling (OpenEthereum `authority_round`: sibling detection reports, and accepts).
    pub(crate) fn note(&mut self, author: Address, step: Step, block: BlockRef) -> Option<Equivocation> {
        let first = *self.first.entry((step, author)).or_insert(block);
        while self.first.len() > STEPS {
            self.first.pop_first();
        }
        if first == block || self.equivocations.iter().any(|known| (known.author, known.step) == (author, step)) {
            return None;
        }
        let found = Equivocation { author, step, first, second: block };
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

    /// Name and bytes under which the database keeps the double votes for [`Self::load`].
    pub(crate) fn record(&self) -> (&'static str, Vec<u8>) {
        (NAME, alloy_rlp::encode(self.equivocations.iter().map(|found| Record::from(*found)).collect::<Vec<_>>()))
    }
}

impl From<Equivocation> for Record {
    fn from(found: Equivocation) -> Self {
        let Equivocation { author, step, first, second } = found;
        Self { author, step: step.0, first: At::from(first), second: At::from(second) }
    }
}

impl From<Record> for Equivocation {
    fn from(record: Record) -> Self {
        let Record { author, step, first, second } = record;
        Self { author, step: Step(step), first: first.into(), second: second.into() }
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
        assert_eq!(sightings.note(author, Step(9), block(5)), None, "a third block proves nothing new");
        assert_eq!(sightings.equivocations().count(), 1);
    }

    #[test]
    fn double_votes_are_bounded_and_come_back_as_they_were() {
        let folder = tempfile::tempdir().expect("a folder");
        let block = |number, byte| BlockRef { number, hash: B256::repeat_byte(byte) };
        let mut sightings = Sightings::default();
        for step in 0..300 {
            for byte in 1..4 {
                sightings.note(Address::repeat_byte(7), Step(step), block(step, byte));
            }
        }
        assert_eq!(
            sightings.equivocations().map(|found| found.step.0).collect::<Vec<_>>(),
            (44..300).collect::<Vec<_>>()
        );
        let (database, writer) = Database::open(folder.path()).expect("a database");
        assert_eq!(Sightings::load(&database).expect("nothing is there").equivocations().count(), 0);
        let (name, record) = sightings.record();
        writer.appender().put_meta(name, &record).expect("the disk takes it");
        let mut again = Sightings::load(&database).expect("what was saved");
        assert!(again.equivocations().eq(sightings.equivocations()));
        assert_eq!(again.note(Address::repeat_byte(7), Step(299), block(299, 1)), None);
        assert_eq!(again.note(Address::repeat_byte(7), Step(299), block(299, 2)), None, "known from the last process");

        writer.appender().put_meta(NAME, b"nonsense").expect("the disk takes it");
        assert!(Sightings::load(&database).is_err());
    }
}
