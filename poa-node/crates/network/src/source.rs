//! How the network reads and feeds the chain.

use alloy::primitives::{B256, Bytes};
use aurum_types::{BlockNumber, Score, SealedBlock};

use crate::{SnapshotOffer, Topic};

/// Where the chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainStatus {
    /// Hash of block 0.
    pub genesis: B256,
    /// Height of the head.
    pub number: BlockNumber,
    /// Hash of the head.
    pub hash: B256,
    /// Total difficulty of the chain that ends in the head.
    pub score: Score,
}

/// What became of a block that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid and new; part of the chain or of a side branch now.
    Imported,
    /// Was there already.
    Known,
    /// Cannot be judged: its parent is not there.
    UnknownParent,
    /// Not valid yet, such as one from the future: nobody's fault, may be offered again.
    TemporarilyInvalid(String),
    /// Contradicts what is final here, or cannot be judged by us for another reason of our own: not taken, and nobody's
    /// fault.
    Refused(String),
    /// Breaks a rule; who sent it did not check it.
    Invalid(String),
    /// Our own disk or a bug; says nothing about the block or its sender.
    Fault(String),
}

/// The chain, as the network sees it. All calls may block; none is made on an async worker but [`Self::status`] and
/// [`Self::contains`], which must be quick.
pub trait BlockSource: Send + Sync + 'static {
    /// Genesis and head.
    fn status(&self) -> ChainStatus;

    /// Whether the block is there, on any branch.
    fn contains(&self, hash: B256) -> bool;

    /// Hash of the canonical block at a height.
    fn hash_at(&self, number: BlockNumber) -> Option<B256>;

    /// A block of any branch, encoded as [`aurum_types::Block::encode`] does.
    fn block(&self, hash: B256) -> Option<Bytes>;

    /// Offers a block. Blocks until the verdict.
    fn import(&self, block: SealedBlock) -> Verdict;

    /// Offers a message of the engine that a peer passed on; it goes to the other peers if it is [`Verdict::Imported`].
    /// Blocks until the verdict.
    fn hear(&self, _topic: Topic, _body: &[u8]) -> Verdict {
        Verdict::Known
    }

    /// Proofs of finality that lead somebody whose final block is at `number` to ours, ascending.
    fn proofs_above(&self, _number: BlockNumber) -> Vec<Bytes> {
        Vec::new()
    }

    /// The snapshot held for nodes that begin.
    fn snapshot(&self) -> Option<SnapshotOffer> {
        None
    }

    /// Bytes of a snapshot that was offered, from an offset on: `most`, or as many as there are. Empty when it is gone.
    fn snapshot_part(&self, _digest: B256, _offset: u64, _most: u64) -> Bytes {
        Bytes::new()
    }

    /// Offers consecutive blocks and returns how many are there now, and the first verdict that was neither
    /// [`Verdict::Imported`] nor [`Verdict::Known`].
    fn import_range(&self, blocks: Vec<SealedBlock>) -> (usize, Option<Verdict>) {
        let mut done = 0;
        for block in blocks {
            match self.import(block) {
                Verdict::Imported | Verdict::Known => done += 1,
                other => return (done, Some(other)),
            }
        }
        (done, None)
    }
}
