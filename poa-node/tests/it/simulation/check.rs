//! What must hold of every run, written once more and as simply as possible: epochs and rolling finality with OpenEthereum's
//! own queue ([`crate::simulation::branch`]), fork choice in four lines, and what nodes may never do.
//!
//! That a block has one state root needs no line here: every node computes it, and refuses a block with another, which is
//! [`Violation::HonestBlockRefused`]. That the root is of what the contracts should hold is [`Violation::State`].

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use alloy::primitives::{Address, B256};
use aurum_aura::EngineState;
use aurum_chain::BlockRef;
use aurum_types::{BlockNumber, Score, SealedBlock, Step};

use crate::simulation::{
    branch::Branch,
    contracts::Contracts,
    kit::Kit,
    replica::{Certified, Standing},
};

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
    /// An honest node accepted a block of whoever's turn it was not.
    NotProposer { node: usize, number: BlockNumber, author: Address },
    /// The validators of a node's head, or those that are to come, are not those that its blocks make.
    Epoch { node: usize, number: BlockNumber, is: Vec<Address>, expected: Vec<Address> },
    /// The engine's state after one block is not the same on two nodes.
    Engine { node: usize, number: BlockNumber },
    /// What the contracts hold on a node after its head is not what the blocks make them hold.
    State { node: usize, number: BlockNumber },
    /// A certificate is not what makes a block final, or contradicts another node's.
    Certificate { node: usize, number: BlockNumber, reason: String },
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

struct Known {
    parent: B256,
    number: BlockNumber,
    score: Score,
    branch: Branch,
    /// The engine's state as the first node had it.
    engine: Option<Vec<u8>>,
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
    pub(crate) fn new(kit: &Kit, nodes: usize, genesis: &SealedBlock, conflicts_end_the_run: bool) -> Self {
        let at = BlockRef { number: 0, hash: genesis.hash() };
        let known = Known {
            parent: B256::ZERO,
            number: 0,
            score: Score(genesis.header().difficulty),
            branch: Branch::genesis(kit, at),
            engine: None,
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

    /// An honest authority used a step for this block, or empty step.
    pub(crate) fn used(&mut self, author: Address, step: Step, what: B256) -> Result<(), Violation> {
        match self.sealed.insert((author, step), what) {
            Some(before) if before != what => Err(Violation::SealedTwice { author, step }),
            _ => Ok(()),
        }
    }

    /// The contracts after the head of `node`.
    pub(crate) fn contracts(&self, node: usize) -> &Contracts {
        self.blocks[&self.nodes[node].head].branch.contracts()
    }

    /// The validators that seal on the head of `node`.
    pub(crate) fn validators(&self, node: usize) -> &[Address] {
        self.blocks[&self.nodes[node].head].branch.validators()
    }

    /// An honest node accepted a block, its own or another's, and stands where it stands now.
    pub(crate) fn accepted(
        &mut self,
        kit: &Kit,
        node: usize,
        block: &SealedBlock,
        standing: &Standing,
    ) -> Result<(), Violation> {
        let (hash, number) = (block.hash(), block.number());
        let parent = &self.blocks[&block.header().parent_hash];
        if kit.creations_in(block) > 0 && !parent.branch.contracts().may_create {
            return Err(Violation::NotPermitted { node, number });
        }
        let (author, step) = (block.header().author, block.header().step().unwrap_or_default());
        if parent.branch.proposer(step) != Some(author) {
            return Err(Violation::NotProposer { node, number, author });
        }
        let is_new = !self.blocks.contains_key(&hash);
        let known = is_new.then(|| {
            let score = parent.score.plus(block.header().difficulty);
            let (parent_hash, branch) = (block.header().parent_hash, parent.branch.child(block, kit));
            Known { parent: parent_hash, number, score, branch, engine: None }
        });
        if let Some(known) = known {
            self.blocks.insert(hash, known);
        }
        self.engine(kit, node, standing)?;
        if kit.features.certificates {
            return self.certified(node, standing);
        }

        let before = self.nodes[node].clone();
        if standing.finalized.number < before.finalized.number || !self.contains(standing.head.hash, before.finalized) {
            return Err(Violation::Reverted { node, finalized: before.finalized });
        }
        let mut expected = before.clone();
        if self.blocks[&hash].score > self.blocks[&before.head].score && self.contains(hash, before.finalized) {
            expected.head = hash;
            let by_branch = self.blocks[&hash].branch.finalized();
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

    /// The engine, and the contracts, after a node's head are what its branch makes them, on all nodes alike.
    fn engine(&mut self, kit: &Kit, node: usize, standing: &Standing) -> Result<(), Violation> {
        let BlockRef { number, hash } = standing.head;
        let Some(known) = self.blocks.get_mut(&hash).filter(|known| known.number > 0) else { return Ok(()) };
        if known.engine.get_or_insert_with(|| standing.engine.clone()) != &standing.engine {
            return Err(Violation::Engine { node, number });
        }
        let engine = EngineState::decode(&kit.spec, &standing.engine).expect("what a node stores can be read");
        let pending =
            |change: Option<aurum_aura::PendingChange>| change.map(|change| change.validators.as_slice().to_vec());
        let (is, expected) = (engine.child_validators().as_slice().to_vec(), known.branch.validators().to_vec());
        if is != expected {
            return Err(Violation::Epoch { node, number, is, expected });
        }
        let (is, expected) = (pending(engine.pending_change()), known.branch.waiting().map(<[Address]>::to_vec));
        if is != expected {
            let (is, expected) = (is.unwrap_or_default(), expected.unwrap_or_default());
            return Err(Violation::Epoch { node, number, is, expected });
        }
        let held = known.branch.contracts();
        match &standing.contracts {
            Some((current, may_create)) if *current != held.current || *may_create != held.may_create => {
                Err(Violation::State { node, number })
            }
            _ => Ok(()),
        }
    }

    /// A node may stand elsewhere because it heard votes.
    pub(crate) fn moved(&mut self, kit: &Kit, node: usize, standing: &Standing) -> Result<(), Violation> {
        self.engine(kit, node, standing)?;
        self.certified(node, standing)
    }

    /// A certificate is of what is final to everybody, and signed by two thirds of who seals on the block.
    pub(crate) fn certificate(&self, node: usize, certified: &Certified) -> Result<(), Violation> {
        let BlockRef { number, hash } = certified.block;
        let refuse = |reason: &str| Err(Violation::Certificate { node, number, reason: reason.to_owned() });
        if self.finalized.get(&number).is_none_or(|(first, _)| *first != hash) {
            return refuse("of a block that is not final to all");
        }
        let validators = self.blocks[&hash].branch.validators();
        let signers = validators.iter().filter(|one| certified.signers.contains(one)).count();
        if signers * 3 <= validators.len() * 2 { refuse("without a quorum") } else { Ok(()) }
    }

    /// Where certificates say what is final: it is on the head's branch, never goes back, and is the same for all.
    fn certified(&mut self, node: usize, standing: &Standing) -> Result<(), Violation> {
        let before = self.nodes[node].finalized;
        if standing.finalized.number < before.number || !self.contains(standing.head.hash, before) {
            return Err(Violation::Reverted { node, finalized: before });
        }
        self.nodes[node] = Expected { head: standing.head.hash, finalized: standing.finalized };
        self.note_final(node, before, standing.finalized)
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
