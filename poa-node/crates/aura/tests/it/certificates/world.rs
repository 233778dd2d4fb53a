//! The blocks of all branches, and what each node sees of them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    convert::Infallible,
    ops::Range,
    sync::Arc,
};

use alloy::primitives::{B256, keccak256};
use aurum_aura::{
    KeySigner, Signer as _,
    certificate::{Branches, Checkpoint, Electorate, ValidatorHistory, VoteDomain},
};
use aurum_types::{BlockNumber, ValidatorSet};

/// Place of a block in the world.
pub(crate) type Id = usize;

pub(crate) struct Block {
    pub(crate) number: BlockNumber,
    pub(crate) hash: B256,
    pub(crate) parent: Id,
    /// An ancestor far below, so that any other is found in few jumps.
    skip: Id,
    pub(crate) step: u64,
    /// Who seals its children.
    pub(crate) validators: Arc<ValidatorSet>,
    /// The block that recorded that set: this one or an ancestor.
    epoch: Id,
    history: ValidatorHistory,
}

impl Block {
    pub(crate) const fn at(&self) -> Checkpoint {
        Checkpoint { number: self.number, hash: self.hash }
    }
}

pub(crate) struct World {
    pub(crate) domain: VoteDomain,
    blocks: Vec<Block>,
    by_hash: HashMap<B256, Id>,
    keys: Vec<Arc<KeySigner>>,
    changes: BTreeMap<u64, Arc<ValidatorSet>>,
}

impl World {
    /// A chain whose validators are the first `n` keys.
    pub(crate) fn new(n: usize) -> Self {
        let keys = (0..16u8)
            .map(|id| Arc::new(KeySigner::new(secp256k1::SecretKey::from_byte_array(keccak256([id]).0).unwrap())));
        let mut world = Self {
            domain: VoteDomain::new(17, B256::ZERO),
            blocks: Vec::new(),
            by_hash: HashMap::new(),
            keys: keys.collect(),
            changes: BTreeMap::new(),
        };
        let validators = world.set(0..n);
        let history = ValidatorHistory::first(&validators);
        world.blocks.push(Block {
            number: 0,
            hash: B256::ZERO,
            parent: 0,
            skip: 0,
            step: 0,
            validators,
            epoch: 0,
            history,
        });
        world.by_hash.insert(B256::ZERO, 0);
        world
    }

    /// On every branch, the first block at or after `step` records these keys as the validators.
    pub(crate) fn change_at(&mut self, step: u64, keys: Range<usize>) {
        let set = self.set(keys);
        self.changes.insert(step, set);
    }

    fn set(&self, keys: Range<usize>) -> Arc<ValidatorSet> {
        Arc::new(ValidatorSet::new(keys.map(|key| self.keys[key].address()).collect()))
    }

    pub(crate) fn key(&self, key: usize) -> &Arc<KeySigner> {
        &self.keys[key]
    }

    pub(crate) fn block(&self, id: Id) -> &Block {
        &self.blocks[id]
    }

    pub(crate) fn id(&self, hash: B256) -> Option<Id> {
        self.by_hash.get(&hash).copied()
    }

    /// Whose turn it is on top of a block.
    pub(crate) fn proposer(&self, parent: Id, step: u64) -> alloy::primitives::Address {
        self.blocks[parent].validators.proposer(aurum_types::Step(step)).unwrap()
    }

    /// A new block; `salt` tells the blocks of two nodes with one key apart.
    pub(crate) fn seal(&mut self, parent: Id, step: u64, salt: u64) -> Id {
        let before = &self.blocks[parent];
        let hash = keccak256([before.hash.0.as_slice(), &step.to_be_bytes(), &salt.to_be_bytes()].concat());
        if let Some(known) = self.id(hash) {
            return known;
        }
        let recorded = self.changes.iter().find(|(at, _)| **at <= step && before.step < **at).map(|(_, set)| set);
        let block = Block {
            number: before.number + 1,
            hash,
            parent,
            skip: self.ancestor(parent, skip_height(before.number + 1)).unwrap_or(0),
            step,
            validators: Arc::clone(recorded.unwrap_or(&before.validators)),
            epoch: if recorded.is_some() { self.blocks.len() } else { before.epoch },
            history: recorded.map_or(before.history, |set| before.history.then(set)),
        };
        self.blocks.push(block);
        self.by_hash.insert(hash, self.blocks.len() - 1);
        self.blocks.len() - 1
    }

    /// The ancestor of a block at a height.
    pub(crate) fn ancestor(&self, mut id: Id, number: BlockNumber) -> Option<Id> {
        if number > self.blocks[id].number {
            return None;
        }
        while self.blocks[id].number > number {
            let block = &self.blocks[id];
            id = if self.blocks[block.skip].number >= number { block.skip } else { block.parent };
        }
        Some(id)
    }

    pub(crate) fn descends(&self, id: Id, ancestor: Id) -> bool {
        self.ancestor(id, self.blocks[ancestor].number) == Some(ancestor)
    }
}

/// Whereto a block at a height skips: as Bitcoin's `CBlockIndex::pskip`, so that a search takes logarithmic time.
const fn skip_height(height: BlockNumber) -> BlockNumber {
    const fn invert_lowest_one(n: u64) -> u64 {
        n & n.wrapping_sub(1)
    }
    match height {
        0 | 1 => 0,
        odd if odd % 2 == 1 => invert_lowest_one(invert_lowest_one(odd - 1)) + 1,
        even => invert_lowest_one(even),
    }
}

/// The part of the world that one node has.
pub(crate) struct Seen<'a> {
    pub(crate) world: &'a World,
    pub(crate) known: &'a HashSet<Id>,
}

impl Seen<'_> {
    fn find(&self, block: Checkpoint) -> Option<Id> {
        self.world.id(block.hash).filter(|id| self.known.contains(id) && self.world.block(*id).number == block.number)
    }
}

impl Branches for Seen<'_> {
    type Error = Infallible;

    fn ancestor(&self, block: Checkpoint, number: BlockNumber) -> Result<Option<B256>, Infallible> {
        let found = self.find(block).and_then(|id| self.world.ancestor(id, number));
        Ok(found.map(|id| self.world.block(id).hash))
    }

    fn electorate(&self, root: Checkpoint, last: Checkpoint) -> Result<Option<Electorate>, Infallible> {
        let (Some(root), Some(mut id)) = (self.find(root), self.find(last)) else { return Ok(None) };
        let mut sets = vec![Arc::clone(&self.world.block(id).validators)];
        while self.world.block(self.world.block(id).epoch).number > self.world.block(root).number {
            id = self.world.block(self.world.block(id).epoch).parent;
            sets.push(Arc::clone(&self.world.block(id).validators));
        }
        sets.reverse();
        Ok(Some(Electorate::new(sets)))
    }

    fn history(&self, block: Checkpoint) -> Result<Option<ValidatorHistory>, Infallible> {
        Ok(self.find(block).map(|id| self.world.block(id).history))
    }
}
