//! One key, one node: notices when our key seals elsewhere, and then keeps this node from sealing.
//!
//! A block by our key is another node's if this process did not make it and no earlier run of this node can have made it.
//! An earlier run can have used steps up to the one the clock showed at the start, or up to the last step on record
//! where the clock was set back since; blocks of those steps prove nothing. That also covers a wiped disk: what its
//! former self sealed is of steps before the start. Blocks of later steps are ours only if their hashes are remembered,
//! which happens before they are shown to anybody.
//!
//! Both nodes notice, and both stop: which of them is the right one is for people to say. The finding is on disk before
//! the next step and outlives restarts, until an operator says that the other node is gone.

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::{Address, B256};
use aurum_types::{BlockNumber, Step};

use super::{KeyElsewhere, LastSealed};

/// Blocks and steps of ours that are remembered.
const REMEMBERED: usize = 1_024;

/// Knows what this node made with its key.
#[derive(Debug)]
pub(super) struct KeyGuard {
    address: Address,
    path: PathBuf,
    /// Up to this step an earlier run of this node can have used the key.
    baseline: Step,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    blocks: VecDeque<B256>,
    empty_steps: BTreeSet<Step>,
    elsewhere: Option<KeyElsewhere>,
}

impl KeyGuard {
    /// A guard for the key of `address`, from the step `started` on.
    pub(super) fn new(address: Address, record: &LastSealed, started: Step) -> Self {
        let baseline = record.step().map_or(started, |last| last.max(started));
        let made = Mutex::new(Made { elsewhere: record.elsewhere(), ..Made::default() });
        Self { address, path: record.alarm_path(), baseline, made }
    }

    /// Where our key was seen at work by another node.
    pub(super) fn elsewhere(&self) -> Option<KeyElsewhere> {
        self.made().elsewhere
    }

    /// Remembers a block of ours, before anybody sees it.
    pub(super) fn made_block(&self, hash: B256) {
        let mut made = self.made();
        if made.blocks.len() == REMEMBERED {
            made.blocks.pop_front();
        }
        made.blocks.push_back(hash);
    }

    /// Remembers an empty step of ours, before anybody sees it.
    pub(super) fn made_empty_step(&self, step: Step) {
        let mut made = self.made();
        if made.empty_steps.len() == REMEMBERED {
            made.empty_steps.pop_first();
        }
        made.empty_steps.insert(step);
    }

    /// Looks at a valid block by `author`.
    pub(super) fn saw_block(&self, author: Address, step: Step, number: BlockNumber, hash: B256) {
        let mut made = self.made();
        if author == self.address && step > self.baseline && !made.blocks.contains(&hash) {
            self.raise(&mut made, KeyElsewhere { step, number, hash });
        }
    }

    /// Looks at an empty step by `signer` on top of a block.
    pub(super) fn saw_empty_step(&self, signer: Address, step: Step, number: BlockNumber, parent: B256) {
        let mut made = self.made();
        if signer == self.address && step > self.baseline && !made.empty_steps.contains(&step) {
            self.raise(&mut made, KeyElsewhere { step, number, hash: parent });
        }
    }

    fn raise(&self, made: &mut Made, found: KeyElsewhere) {
        if made.elsewhere.is_some() {
            return;
        }
        made.elsewhere = Some(found);
        let KeyElsewhere { step, number, hash } = found;
        tracing::error!(
            address = %self.address, %step, number, %hash,
            "another node seals with our key: this one stops sealing; stop the other, then restart with --resume-sealing"
        );
        if let Err(error) = found.write(&self.path) {
            tracing::error!(%error, path = %self.path.display(), "this could not be noted: a restart would seal again");
        }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const US: Address = Address::repeat_byte(1);

    fn guard(folder: &tempfile::TempDir, started: u64) -> KeyGuard {
        let record = LastSealed::open(&folder.path().join("last_sealed")).unwrap();
        KeyGuard::new(US, &record, Step(started))
    }

    #[test]
    fn a_block_that_no_run_of_this_node_can_have_made_is_another_nodes() {
        let folder = tempfile::tempdir().unwrap();
        let guard = guard(&folder, 100);
        let ours = B256::repeat_byte(1);
        guard.made_block(ours);
        guard.saw_block(US, Step(101), 5, ours);
        guard.saw_block(US, Step(100), 4, B256::repeat_byte(2));
        guard.saw_block(Address::repeat_byte(9), Step(102), 6, B256::repeat_byte(3));
        assert_eq!(guard.elsewhere(), None);
        guard.saw_block(US, Step(101), 5, B256::repeat_byte(4));
        let found = KeyElsewhere { step: Step(101), number: 5, hash: B256::repeat_byte(4) };
        assert_eq!(guard.elsewhere(), Some(found));
        guard.saw_block(US, Step(103), 7, B256::repeat_byte(5));
        assert_eq!(guard.elsewhere(), Some(found), "the first finding stays");
        // As after a restart.
        assert_eq!(LastSealed::open(&folder.path().join("last_sealed")).unwrap().elsewhere(), Some(found));
    }

    #[test]
    fn a_clock_that_went_back_makes_no_block_of_an_earlier_run_another_nodes() {
        let folder = tempfile::tempdir().unwrap();
        LastSealed::open(&folder.path().join("last_sealed")).unwrap().use_step(Step(120)).unwrap();
        let guard = guard(&folder, 100);
        guard.saw_block(US, Step(120), 5, B256::repeat_byte(1));
        assert_eq!(guard.elsewhere(), None);
        guard.saw_block(US, Step(121), 6, B256::repeat_byte(2));
        assert!(guard.elsewhere().is_some());
    }

    #[test]
    fn an_empty_step_that_is_not_ours_is_another_nodes() {
        let folder = tempfile::tempdir().unwrap();
        let guard = guard(&folder, 100);
        guard.made_empty_step(Step(105));
        guard.saw_empty_step(US, Step(105), 7, B256::ZERO);
        guard.saw_empty_step(US, Step(99), 7, B256::ZERO);
        assert_eq!(guard.elsewhere(), None);
        guard.saw_empty_step(US, Step(106), 7, B256::ZERO);
        assert_eq!(guard.elsewhere().unwrap().step, Step(106));
    }
}
