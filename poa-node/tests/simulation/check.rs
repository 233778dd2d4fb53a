//! What must hold of every run, written once more and as simply as possible: rolling finality with OpenEthereum's own queue
//! (`finality.rs`, `RollingFinality::push_hash`), fork choice in four lines, and what nodes may never do.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
};

use alloy::primitives::{Address, B256};
use aurum_chain::BlockRef;
use aurum_types::{BlockNumber, Score, SealedBlock, Step};

use crate::{kit::Kit, replica::Standing};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Two honest nodes call different blocks of one height final.
    TwoFinal { number: BlockNumber, nodes: [usize; 2] },
    /// A node left a block that was final to it.
    Reverted { node: usize, finalized: BlockRef },
    /// A node's final block is not the one that its blocks make final.
    Finality { node: usize, is: BlockRef, expected: BlockRef },
    /// A node's head is not the heaviest, first seen, that contains its final block.
    ForkChoice { node: usize, is: BlockRef, expected: B256 },
    /// An honest authority sealed two blocks in one step.
    SealedTwice { author: Address, step: Step },
    /// An honest node accepted a block with what the permission contract forbids.
    NotPermitted { node: usize, number: BlockNumber },
    /// An honest node refused an honest block for good.
    HonestBlockRefused { node: usize, number: BlockNumber, reason: String },
    /// A node came back from a restart another: how it stood before and after.
    Restart { node: usize, stood: Box<[Standing; 2]> },
    /// A pool took what is forbidden, or refused what is not.
    Pool { node: usize },
    /// Reunited for so many steps, the honest nodes do not agree, or finality does not advance.
    NotLive { steps: u64, heads: Vec<BlockNumber>, finalized: Vec<BlockNumber> },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// OpenEthereum's queue after one block.
#[derive(Clone, Debug)]
struct Queue {
    blocks: VecDeque<(BlockRef, Address)>,
    finalized: BlockRef,
}

impl Queue {
    fn push(&self, block: BlockRef, author: Address, kit: &Kit) -> Self {
        let mut next = self.clone();
        next.blocks.push_back((block, author));
        loop {
            let signers = kit.validators.iter().filter(|one| next.blocks.iter().any(|(_, author)| author == *one));
            if !kit.is_enough(signers.count()) {
                return next;
            }
            let Some((front, _)) = next.blocks.pop_front() else { return next };
            next.finalized = front;
        }
    }
}

struct Known {
    parent: B256,
    number: BlockNumber,
    score: Score,
    queue: Queue,
}

/// Where a node has to stand.
#[derive(Clone, Debug)]
struct Expected {
    head: B256,
    finalized: BlockRef,
}

/// What all honest nodes did so far.
pub(crate) struct Check {
    blocks: HashMap<B256, Known>,
    nodes: Vec<Expected>,
    finalized: BTreeMap<BlockNumber, (B256, usize)>,
    sealed: BTreeMap<(Address, Step), B256>,
    /// Heights with two final blocks, where the run goes on after one.
    pub(crate) conflicts: usize,
    conflicts_end_the_run: bool,
}

impl Check {
    /// `genesis` is what every node begins with. A conflict of final blocks is a violation or, where rolling finality does
    /// not promise that there is none, counted.
    pub(crate) fn new(nodes: usize, genesis: &SealedBlock, conflicts_end_the_run: bool) -> Self {
        let at = BlockRef { number: 0, hash: genesis.hash() };
        let known = Known {
            parent: B256::ZERO,
            number: 0,
            score: Score(genesis.header().difficulty),
            queue: Queue { blocks: VecDeque::new(), finalized: at },
        };
        Self {
            blocks: [(at.hash, known)].into(),
            nodes: vec![Expected { head: at.hash, finalized: at }; nodes],
            finalized: BTreeMap::new(),
            sealed: BTreeMap::new(),
            conflicts: 0,
            conflicts_end_the_run,
        }
    }

    /// An honest authority made a block.
    pub(crate) fn sealed(&mut self, block: &SealedBlock) -> Result<(), Violation> {
        let (author, step) = (block.header().author, block.header().step().unwrap_or_default());
        match self.sealed.insert((author, step), block.hash()) {
            Some(before) if before != block.hash() => Err(Violation::SealedTwice { author, step }),
            _ => Ok(()),
        }
    }

    /// An honest node accepted a block, its own or another's, and stands where it stands now.
    pub(crate) fn accepted(
        &mut self,
        kit: &Kit,
        node: usize,
        block: &SealedBlock,
        standing: &Standing,
    ) -> Result<(), Violation> {
        if kit.is_forbidden(block) {
            return Err(Violation::NotPermitted { node, number: block.number() });
        }
        let hash = block.hash();
        if !self.blocks.contains_key(&hash) {
            let parent = &self.blocks[&block.header().parent_hash];
            let at = BlockRef { number: block.number(), hash };
            let queue = parent.queue.push(at, block.header().author, kit);
            let score = parent.score.plus(block.header().difficulty);
            self.blocks.insert(hash, Known { parent: block.header().parent_hash, number: at.number, score, queue });
        }

        let before = self.nodes[node].clone();
        if standing.finalized.number < before.finalized.number || !self.contains(standing.head.hash, before.finalized) {
            return Err(Violation::Reverted { node, finalized: before.finalized });
        }
        let mut expected = before.clone();
        if self.blocks[&hash].score > self.blocks[&before.head].score && self.contains(hash, before.finalized) {
            expected.head = hash;
            let by_branch = self.blocks[&hash].queue.finalized;
            if by_branch.number > expected.finalized.number {
                expected.finalized = by_branch;
            }
        }
        if standing.head.hash != expected.head {
            return Err(Violation::ForkChoice { node, is: standing.head, expected: expected.head });
        }
        if standing.finalized != expected.finalized {
            return Err(Violation::Finality { node, is: standing.finalized, expected: expected.finalized });
        }
        self.nodes[node] = expected;
        self.note_final(node, before.finalized, standing.finalized)
    }

    /// Every block from above `from` to `to` is final to `node`.
    fn note_final(&mut self, node: usize, from: BlockRef, to: BlockRef) -> Result<(), Violation> {
        let mut at = to;
        while at.number > from.number {
            let (hash, first) = *self.finalized.entry(at.number).or_insert((at.hash, node));
            if hash != at.hash {
                if self.conflicts_end_the_run {
                    return Err(Violation::TwoFinal { number: at.number, nodes: [first, node] });
                }
                self.conflicts += 1;
            }
            at = BlockRef { number: at.number - 1, hash: self.blocks[&at.hash].parent };
        }
        Ok(())
    }

    /// Whether the branch that ends in `hash` contains `block`.
    fn contains(&self, mut hash: B256, block: BlockRef) -> bool {
        while let Some(known) = self.blocks.get(&hash).filter(|known| known.number > block.number) {
            hash = known.parent;
        }
        hash == block.hash
    }
}
