//! Rolling finality (aura.md §1.10) as a value.
//!
//! OpenEthereum keeps a queue of blocks with their signers and a count per signer; the front is final once enough
//! distinct signers stand behind it. The same answer follows from the *last* block each authority signed: a signer is
//! in the queue from the front on iff its last signature is not older than the front.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256};
use aurum_types::{BlockNumber, ValidatorSet};

/// Hashes of the blocks that are not final yet, newest first. A child shares its parent's list.
#[derive(Debug)]
struct Node {
    hash: B256,
    older: Option<Arc<Self>>,
}

impl Drop for Node {
    /// Unlinks one by one: while finality stalls the list grows by thousands, and the derived drop would recurse.
    fn drop(&mut self) {
        let mut next = self.older.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.older.take();
        }
    }
}

/// The finality of one epoch as it stands after one block.
#[derive(Clone, Debug)]
pub(crate) struct Finality {
    /// The oldest block of the epoch that is not final; the next block's number when all are.
    front: BlockNumber,
    /// How many blocks from `front` on there are.
    len: u64,
    newest: Option<Arc<Node>>,
    /// The newest block each authority has signed or approved in this epoch.
    last_signed: Arc<BTreeMap<Address, BlockNumber>>,
}

/// How many distinct signers make a block final.
pub(crate) fn needed(validators: usize, number: BlockNumber, two_thirds_from: Option<BlockNumber>) -> usize {
    if two_thirds_from.is_some_and(|from| number >= from) { validators * 2 / 3 + 1 } else { validators / 2 + 1 }
}

impl Finality {
    /// An epoch whose first block is `first`.
    pub(crate) fn blank(first: BlockNumber) -> Self {
        Self { front: first, len: 0, newest: None, last_signed: Arc::default() }
    }

    /// Puts together what [`Self::front`], [`Self::unfinalized`] and [`Self::last_signed`] gave.
    pub(crate) fn from_parts(
        front: BlockNumber,
        unfinalized: impl IntoIterator<Item = B256>,
        last_signed: BTreeMap<Address, BlockNumber>,
    ) -> Self {
        let mut finality = Self { front, len: 0, newest: None, last_signed: Arc::new(last_signed) };
        for hash in unfinalized {
            finality.link(hash);
        }
        finality
    }

    /// The state after one more block. `approving` are the authorities whose empty steps it carries: they approve its
    /// parent. Gives the blocks that are final now, in ascending order. Both signers must be of the set (that is
    /// verified before); one that is not counts for nothing.
    pub(crate) fn push(
        &self,
        hash: B256,
        author: Address,
        approving: impl IntoIterator<Item = Address>,
        validators: &ValidatorSet,
        two_thirds_from: Option<BlockNumber>,
    ) -> (Self, Vec<(BlockNumber, B256)>) {
        let mut next = self.clone();
        let number = self.front + self.len;
        let last_signed = Arc::make_mut(&mut next.last_signed);
        let mut sign = |signer: Address, block: BlockNumber| {
            if validators.contains(signer) {
                let last = last_signed.entry(signer).or_insert(block);
                *last = block.max(*last);
            }
        };
        if self.len > 0 {
            approving.into_iter().for_each(|signer| sign(signer, number - 1));
        }
        sign(author, number);
        next.link(hash);

        let mut front = next.front;
        while front <= number && next.signers_from(front).count() >= needed(validators.len(), front, two_thirds_from) {
            front += 1;
        }
        if front == next.front {
            return (next, Vec::new());
        }
        // Everything but the front's part is linked anew, so that final blocks are let go.
        let blocks: Vec<_> = (next.front..).zip(next.unfinalized()).collect();
        let (last_final, rest) = blocks.split_at(usize::try_from(front - next.front).unwrap_or(blocks.len()));
        next.front = front;
        next.len = 0;
        next.newest = None;
        rest.iter().for_each(|(_, hash)| next.link(*hash));
        (next, last_final.to_vec())
    }

    /// The oldest block that is not final.
    pub(crate) const fn front(&self) -> BlockNumber {
        self.front
    }

    /// Hashes of the blocks from [`Self::front`] on, ascending.
    pub(crate) fn unfinalized(&self) -> Vec<B256> {
        let mut hashes = Vec::new();
        let mut next = self.newest.as_ref();
        while let Some(node) = next {
            hashes.push(node.hash);
            next = node.older.as_ref();
        }
        hashes.reverse();
        hashes
    }

    /// The newest block each authority has signed.
    pub(crate) fn last_signed(&self) -> &BTreeMap<Address, BlockNumber> {
        &self.last_signed
    }

    /// The authorities that signed `number` or a later block.
    pub(crate) fn signers_from(&self, number: BlockNumber) -> impl Iterator<Item = Address> + '_ {
        self.last_signed.iter().filter(move |(_, last)| **last >= number).map(|(signer, _)| *signer)
    }

    fn link(&mut self, hash: B256) {
        self.newest = Some(Arc::new(Node { hash, older: self.newest.take() }));
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(n: u8) -> ValidatorSet {
        ValidatorSet::new((0..n).map(Address::repeat_byte).collect())
    }

    /// Pushes blocks 1, 2, … with these authors; gives which blocks became final at each.
    fn run(n: u8, two_thirds: Option<BlockNumber>, authors: impl IntoIterator<Item = u8>) -> Vec<Vec<BlockNumber>> {
        let validators = set(n);
        let mut finality = Finality::blank(1);
        let mut all = Vec::new();
        for (author, id) in authors.into_iter().zip(1u8..) {
            let (next, newly) =
                finality.push(B256::repeat_byte(id), Address::repeat_byte(author), [], &validators, two_thirds);
            for (number, hash) in &newly {
                assert_eq!(*hash, B256::repeat_byte(u8::try_from(*number).expect("few blocks")));
            }
            all.push(newly.into_iter().map(|(number, _)| number).collect());
            finality = next;
        }
        all
    }

    #[test]
    fn a_majority_behind_the_front_finalizes_it() {
        // OpenEthereum finality.rs finalize_multiple: six authorities, 0 1 2 0 1 2, then 4.
        let finalized = run(6, None, [0, 1, 2, 0, 1, 2, 4]);
        assert!(finalized[..6].iter().all(Vec::is_empty));
        assert_eq!(finalized[6], [1, 2, 3, 4]);
    }

    #[test]
    fn the_unfinalized_tail_in_round_robin() {
        // Nethermind's finalization tests; formula_vectors.json "finality".
        for (n, two_thirds, tail) in
            [(1, None, 0), (2, None, 1), (3, None, 1), (4, None, 2), (2, Some(0), 1), (3, Some(0), 2), (10, Some(0), 6)]
        {
            let finalized: usize = run(n, two_thirds, (0..3 * n).map(|i| i % n)).iter().map(Vec::len).sum();
            assert_eq!(3 * usize::from(n) - finalized, tail, "{n} authorities, two thirds {two_thirds:?}");
        }
    }

    #[test]
    fn the_two_thirds_rule_goes_by_the_fronts_number() {
        // Three authorities, two thirds from block 3: blocks 1 and 2 need two signers, 3 on need three.
        let finalized = run(3, Some(3), [0, 1, 0, 1, 2]);
        assert_eq!(finalized, [vec![], vec![1], vec![2], vec![], vec![3]]);
    }

    #[test]
    fn empty_steps_approve_the_parent() {
        let validators = set(6);
        let (one, none) = Finality::blank(1).push(B256::ZERO, Address::repeat_byte(0), [], &validators, None);
        assert!(none.is_empty());
        let approving = [1, 2].map(Address::repeat_byte);
        let (two, finalized) = one.push(B256::repeat_byte(2), Address::repeat_byte(3), approving, &validators, None);
        assert_eq!(finalized, [(1, B256::ZERO)]);
        assert_eq!(two.front(), 2);
        assert_eq!(two.signers_from(2).collect::<Vec<_>>(), [Address::repeat_byte(3)]);
    }

    #[test]
    fn an_unknown_signer_counts_for_nothing() {
        assert!(run(1, None, [7]).concat().is_empty());
    }

    #[test]
    fn a_long_stall_neither_overflows_the_stack_nor_shares_less() {
        let validators = set(4);
        let mut finality = Finality::blank(1);
        for _ in 0..200_000 {
            finality = finality.push(B256::ZERO, Address::repeat_byte(0), [], &validators, None).0;
        }
        let kept = finality.clone();
        assert_eq!(kept.unfinalized().len(), 200_000);
        drop(finality);
        drop(kept);
    }
}
