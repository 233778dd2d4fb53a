//! What the network needs of a node, whichever way it is built.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use aurum_chain::BlockRef;
use aurum_types::{BlockNumber, SealedBlock, Step, Transaction};

use crate::simulation::contracts::Change;

/// What became of a block that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new, and good.
    Accepted,
    /// It was there already.
    Known,
    /// Its parent has to be offered first.
    UnknownParent,
    /// It comes too early by this node's clock, and may be offered again.
    Early,
    /// It is on a branch without a block that is final here.
    RevertsFinal,
    /// It is bad, for this reason.
    Invalid(String),
}

/// All that has to come back after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) head: BlockRef,
    pub(crate) finalized: BlockRef,
    /// The engine after the head, encoded.
    pub(crate) engine: Vec<u8>,
    /// What `getValidators()` says after the head, and whether the restricted client may create contracts then. `None`
    /// without an EVM, or where nobody asks the permission contract.
    pub(crate) contracts: Option<(Vec<Address>, bool)>,
}

/// How an authority uses its step.
#[derive(Clone, Debug)]
pub(crate) enum Used {
    /// A block, which it has imported already.
    Block(Box<SealedBlock>),
    /// An empty step as it travels.
    EmptyStep(Bytes),
}

/// A certificate of a block: which, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certified {
    pub(crate) block: BlockRef,
    pub(crate) signers: Vec<Address>,
}

/// A node without its network: a chain, and an authority's key.
pub(crate) trait Replica {
    /// Sets its clock, to the time since the Unix epoch.
    fn set_clock(&mut self, now: Duration);

    /// Offers it a block of somebody else.
    fn import(&mut self, block: &SealedBlock) -> Verdict;

    /// Offers it an empty step of somebody else; tells whether it is to be passed on.
    fn hear_empty_step(&mut self, message: &[u8]) -> bool;

    /// Lets its author act at `step`, as an honest authority does.
    fn seal(&mut self, step: Step) -> Option<Used>;

    /// Makes a block for `step` on its head with its key, whoever's turn it is and whatever was sealed before, and imports
    /// nothing. Blocks of different variants differ. `forbidden` puts in what the permission contract forbids.
    fn forge(&mut self, step: Step, variant: u8, forbidden: bool) -> SealedBlock;

    /// Hands its pool a transaction; tells whether it was taken. `None` without a pool.
    fn submit(&mut self, transaction: &Transaction) -> Option<bool>;

    /// Tells a node without a pool the governor's change number `index`, to be made after those before it.
    fn wish(&mut self, index: u64, change: Change);

    fn standing(&self) -> Standing;

    /// A block it has, of any branch.
    fn block(&self, hash: B256) -> Option<SealedBlock>;

    /// Stops and starts again from what it has on disk.
    fn restart(&mut self);

    /// Whether `step` is this node's by the validators after its head, and the head's step is past.
    fn is_its_turn(&self, step: Step) -> bool;

    /// The vote it made last, and what it can prove, to be told to others.
    fn ballots(&self) -> Vec<Bytes> {
        Vec::new()
    }

    /// Offers it a vote or a proof; tells whether it is to be passed on.
    fn hear_ballot(&mut self, _: &[u8]) -> bool {
        false
    }

    /// What shows somebody what is final above `number`, as far as there are certificates.
    fn proofs_above(&self, _number: BlockNumber) -> Vec<Bytes> {
        Vec::new()
    }

    /// A block that others vote for and that it lacks; told once.
    fn wanted(&mut self) -> Option<B256> {
        None
    }

    /// The certificate of the lowest block from `number` on that has one.
    fn certificate(&self, _number: BlockNumber) -> Option<Certified> {
        None
    }

    /// The blocks from above `number` up to `hash`, ascending, at most `most` of them: the newest are left out.
    fn path_to(&self, hash: B256, number: BlockNumber, most: usize) -> Vec<SealedBlock> {
        let mut path = Vec::new();
        let mut next = self.block(hash);
        while let Some(block) = next.filter(|block| block.number() > number) {
            next = self.block(block.header().parent_hash);
            path.push(block);
        }
        path.reverse();
        path.truncate(most);
        path
    }
}
