//! The blocks above the persisted tip, on every fork, in memory.
//!
//! Each block's layer holds, besides its own changes, those of some blocks before it merged into one map: the layer at
//! height n covers as many blocks as the lowest set bit of n says, up to 16 (a Fenwick tree over the chain). A read
//! through 128 blocks looks into at most a dozen maps instead of 128, and a block's changes are copied about three
//! times.

use std::sync::{Arc, PoisonError, RwLock};

use alloy::primitives::{
    B256, Bytes,
    map::{Entry, HashMap, HashSet},
};
use aurum_types::{BlockNumber, CommittedBlock, StateChanges};

use crate::{NodeSource, StorageError, Tip, TrieNodes, rocks::Rocks, tables};

/// Most blocks merged into one map.
const WIDEST_SPAN: u64 = 16;

/// One unpersisted block.
#[derive(Debug)]
struct Layer {
    block: Arc<CommittedBlock>,
    nodes: TrieNodes,
    /// What the blocks of this layer's span changed, the newest winning.
    merged: Arc<StateChanges>,
    /// How many blocks that is.
    span: u64,
    /// The block below the span.
    below: B256,
}

/// The tip and the layers above it.
#[derive(Debug)]
pub(crate) struct Overlay {
    tip: Option<Tip>,
    layers: HashMap<B256, Layer>,
}

/// What a state on top of the overlay reads, newest first.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Changes, each map covering one or several blocks.
    pub(crate) spans: Vec<Arc<StateChanges>>,
    /// Hashes of the blocks from the state's own down to the lowest unpersisted one.
    pub(crate) hashes: Vec<B256>,
    /// The persisted block the lowest of them stands on: the tip, or an older one for a fork that starts below it.
    pub(crate) root: B256,
    /// Height of the state's block.
    pub(crate) number: BlockNumber,
}

impl Overlay {
    pub(crate) fn new(tip: Option<Tip>) -> Self {
        Self { tip, layers: HashMap::default() }
    }

    /// The persisted tip.
    pub(crate) const fn tip(&self) -> Option<Tip> {
        self.tip
    }

    pub(crate) fn len(&self) -> usize {
        self.layers.len()
    }

    pub(crate) fn block(&self, hash: B256) -> Option<&Arc<CommittedBlock>> {
        self.layers.get(&hash).map(|layer| &layer.block)
    }

    pub(crate) fn nodes(&self, hash: B256) -> Option<&TrieNodes> {
        self.layers.get(&hash).map(|layer| &layer.nodes)
    }

    /// Blocks from above the tip up to `hash`, ascending; `None` where `hash` is not in the overlay.
    pub(crate) fn path(&self, hash: B256) -> Option<Vec<Arc<CommittedBlock>>> {
        let mut path = vec![Arc::clone(self.block(hash)?)];
        while let Some(block) = path.last().and_then(|block| self.block(block.header().parent_hash)) {
            path.push(Arc::clone(block));
        }
        path.reverse();
        Some(path)
    }

    /// What the state after `hash` reads before it asks the persisted state.
    pub(crate) fn slice(&self, hash: B256) -> Option<Slice> {
        let number = self.block(hash)?.header().number;
        let mut spans = Vec::new();
        let mut cursor = hash;
        while let Some(layer) = self.layers.get(&cursor) {
            spans.push(Arc::clone(&layer.merged));
            cursor = layer.below;
        }
        let mut hashes = Vec::new();
        let mut cursor = hash;
        while let Some(block) = self.block(cursor) {
            hashes.push(cursor);
            cursor = block.header().parent_hash;
        }
        Some(Slice { spans, hashes, root: cursor, number })
    }

    /// Adds a block on another layer, or on a persisted block (`on_persisted`). False: it was there already.
    pub(crate) fn insert(
        &mut self,
        block: Arc<CommittedBlock>,
        nodes: TrieNodes,
        on_persisted: bool,
    ) -> Result<bool, StorageError> {
        let parent = block.header().parent_hash;
        if self.layers.contains_key(&block.hash()) {
            return Ok(false);
        }
        if !on_persisted && !self.layers.contains_key(&parent) {
            return Err(StorageError::MissingState { block: parent });
        }
        let widest = (1 << block.header().number.trailing_zeros().min(63)).min(WIDEST_SPAN);
        let (mut span, mut below) = (1, parent);
        let mut newest_first = vec![Arc::clone(block.changes())];
        while span < widest
            && let Some(layer) = self.layers.get(&below)
        {
            newest_first.push(Arc::clone(&layer.merged));
            span += layer.span;
            below = layer.below;
        }
        let merged = merge(newest_first);
        self.layers.insert(block.hash(), Layer { block, nodes, merged, span, below });
        Ok(true)
    }

    /// Moves the tip to a persisted block; the layers that do not stand on it go, and are returned.
    #[must_use = "their nodes are to be released"]
    pub(crate) fn flatten(&mut self, tip: Tip) -> Vec<TrieNodes> {
        self.tip = Some(tip);
        let mut ascending: Vec<_> = self
            .layers
            .iter()
            .map(|(hash, layer)| (layer.block.header().number, *hash, layer.block.header().parent_hash))
            .collect();
        ascending.sort_unstable();
        let mut kept: HashSet<B256> = HashSet::from_iter([tip.hash]);
        for (number, hash, parent) in ascending {
            if number > tip.number && kept.contains(&parent) {
                kept.insert(hash);
            }
        }
        kept.remove(&tip.hash);
        self.layers.extract_if(|hash, _| !kept.contains(hash)).map(|(_, layer)| layer.nodes).collect()
    }

    /// Moves the tip up over `persisted`, whose layers go and are returned; forks stay where they are.
    #[must_use = "their nodes are to be released"]
    pub(crate) fn flatten_keeping_forks(&mut self, tip: Tip, persisted: &[B256]) -> Vec<TrieNodes> {
        self.tip = Some(tip);
        self.remove(persisted)
    }

    /// Moves the tip down; the layers that stand on one of the `unwound` blocks go, and are returned.
    #[must_use = "their nodes are to be released"]
    pub(crate) fn reset_keeping_forks(&mut self, tip: Tip, unwound: &HashSet<B256>) -> Vec<TrieNodes> {
        self.tip = Some(tip);
        let on_unwound = |hash: &B256| self.slice(*hash).is_none_or(|slice| unwound.contains(&slice.root));
        let gone: Vec<_> = self.layers.keys().copied().filter(on_unwound).collect();
        self.remove(&gone)
    }

    /// Removes layers; their children are to be removed with them, or persisted.
    #[must_use = "their nodes are to be released"]
    pub(crate) fn remove(&mut self, hashes: &[B256]) -> Vec<TrieNodes> {
        hashes.iter().filter_map(|hash| self.layers.remove(hash)).map(|layer| layer.nodes).collect()
    }

    /// Moves the tip anywhere; every layer goes, and its nodes are returned.
    #[must_use = "their nodes are to be released"]
    pub(crate) fn reset(&mut self, tip: Tip) -> Vec<TrieNodes> {
        self.tip = Some(tip);
        self.layers.drain().map(|(_, layer)| layer.nodes).collect()
    }
}

/// One map of several blocks' changes, given newest first.
fn merge(mut newest_first: Vec<Arc<StateChanges>>) -> Arc<StateChanges> {
    let Some(oldest) = newest_first.pop() else { return Arc::default() };
    if newest_first.is_empty() {
        return oldest;
    }
    let mut merged = Arc::unwrap_or_clone(oldest);
    for newer in newest_first.iter().rev() {
        for (address, change) in &newer.accounts {
            let Some(older) = merged.accounts.get_mut(address) else {
                merged.accounts.insert(*address, change.clone());
                continue;
            };
            if change.storage_wiped || older.account.is_none() {
                older.storage_wiped = true;
                older.storage.clear();
            }
            older.account = change.account;
            older.storage.extend(&change.storage);
        }
        merged.code.extend(newer.code.iter().map(|(hash, code)| (*hash, code.clone())));
    }
    Arc::new(merged)
}

/// Nodes of unpersisted blocks, each counted by how many layers brought it, in front of those in the database.
#[derive(Debug)]
pub(crate) struct PendingNodes {
    rocks: Arc<Rocks>,
    nodes: RwLock<HashMap<B256, (usize, Bytes)>>,
}

impl PendingNodes {
    pub(crate) fn new(rocks: Arc<Rocks>) -> Self {
        Self { rocks, nodes: RwLock::default() }
    }

    pub(crate) fn hold(&self, nodes: &TrieNodes) {
        let mut held = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, rlp) in nodes.iter() {
            held.entry(*hash).or_insert_with(|| (0, rlp.clone())).0 += 1;
        }
    }

    /// To be called when the layer's nodes are in the database, or nobody needs them any more.
    pub(crate) fn release(&self, nodes: &TrieNodes) {
        let mut held = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, _) in nodes.iter() {
            if let Entry::Occupied(mut place) = held.entry(*hash) {
                place.get_mut().0 -= 1;
                if place.get().0 == 0 {
                    place.remove();
                }
            }
        }
    }
}

impl NodeSource for PendingNodes {
    fn node(&self, hash: B256) -> Result<Option<Bytes>, StorageError> {
        // In this order: a node leaves memory only after it was written to the database.
        let held = self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(&hash).map(|(_, rlp)| rlp.clone());
        held.map_or_else(|| self.rocks.get::<tables::Nodes>(&hash), |rlp| Ok(Some(rlp)))
    }
}
