//! The blocks above the persisted tip, on every fork, in memory.
//!
//! Each block's layer holds, besides its own changes, those of some blocks before it merged into one map: the layer at
//! height n covers as many blocks as the lowest set bit of n says, up to 16 (a Fenwick tree over the chain). A read
//! through 128 blocks looks into at most a dozen maps instead of 128, and a block's changes are copied about three
//! times.

use std::sync::Arc;

use alloy::primitives::{
    B256,
    map::{HashMap, HashSet},
};
use aurum_types::{BlockNumber, CommittedBlock, StateChanges};

use crate::{
    StorageError, Tip, TrieNodes,
    trie::{Grown, StateTrie, TrieMemory, Vacated},
};

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
    trie: TipTrie,
    /// How many check-points were saved since opening. A trie that was made in an earlier era and whose block does not
    /// stand on the last check-point's may expect other nodes in the tables than there are.
    era: u64,
    layers: HashMap<B256, Layer>,
}

/// The persisted tip's trie.
#[derive(Clone, Debug, Default)]
pub(crate) struct TipTrie {
    /// Itself.
    pub(crate) trie: StateTrie,
    /// Every place at which the trie in the tables has a node and this one has none, and perhaps others.
    pub(crate) vacated: Vec<Vacated>,
    /// Memory of the nodes made for it since this was last set to zero, in bytes.
    pub(crate) created: usize,
    /// The memory of its nodes.
    pub(crate) memory: TrieMemory,
    /// Height of the check-point.
    pub(crate) saved: BlockNumber,
}

impl TipTrie {
    /// What was made of it.
    pub(crate) fn grow(&mut self, grown: &Grown) {
        self.trie = grown.trie.clone();
        self.vacated.extend_from_slice(&grown.vacated);
        self.created += grown.created;
        self.memory.grow(grown);
    }
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

impl Slice {
    /// Whether this is one of the blocks whose changes [`Self::spans`] hold.
    pub(crate) fn holds(&self, block: Tip) -> bool {
        let back = self.number.checked_sub(block.number).and_then(|back| usize::try_from(back).ok());
        back.and_then(|back| self.hashes.get(back)) == Some(&block.hash)
    }
}

impl Overlay {
    pub(crate) fn new(tip: Option<Tip>) -> Self {
        Self { tip, trie: TipTrie::default(), era: 0, layers: HashMap::default() }
    }

    pub(crate) const fn era(&self) -> u64 {
        self.era
    }

    pub(crate) const fn trie(&self) -> &TipTrie {
        &self.trie
    }

    pub(crate) const fn trie_mut(&mut self) -> &mut TipTrie {
        &mut self.trie
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

    /// Gives a layer its trie, computed in this era, if it has none.
    pub(crate) fn set_nodes(&mut self, hash: B256, nodes: TrieNodes) {
        if let Some(layer) = self.layers.get_mut(&hash)
            && layer.nodes.get().is_none()
            && nodes.get().is_some_and(|nodes| nodes.era == self.era)
        {
            layer.nodes = nodes;
        }
    }

    /// A check-point of the tip was saved. The tries of blocks that do not stand on it go, and are returned.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn saved(&mut self, tip: Tip) -> Vec<TrieNodes> {
        self.era += 1;
        self.trie.vacated = Vec::new();
        self.trie.saved = tip.number;
        let standing = self.standing_on(tip);
        let stale = self.layers.iter_mut().filter(|(hash, _)| !standing.contains(*hash));
        stale.map(|(_, layer)| std::mem::take(&mut layer.nodes)).collect()
    }

    /// A check-point of `tip`, an older block than the last one's, was saved. Every trie goes, and is returned.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn all_stale(&mut self, tip: Tip) -> Vec<TrieNodes> {
        let mut gone = self.saved(tip);
        gone.extend(self.layers.values_mut().map(|layer| std::mem::take(&mut layer.nodes)));
        gone
    }

    /// The layers whose chain leads to `tip`.
    fn standing_on(&self, tip: Tip) -> HashSet<B256> {
        let mut ascending: Vec<_> = self
            .layers
            .iter()
            .map(|(hash, layer)| (layer.block.header().number, *hash, layer.block.header().parent_hash))
            .collect();
        ascending.sort_unstable();
        let mut standing: HashSet<B256> = HashSet::from_iter([tip.hash]);
        for (number, hash, parent) in ascending {
            if number > tip.number && standing.contains(&parent) {
                standing.insert(hash);
            }
        }
        standing
    }

    /// Adds a block on another layer, or on a persisted block (`on_persisted`).
    pub(crate) fn insert(
        &mut self,
        block: Arc<CommittedBlock>,
        nodes: TrieNodes,
        on_persisted: bool,
    ) -> Result<(), StorageError> {
        let parent = block.header().parent_hash;
        if self.layers.contains_key(&block.hash()) {
            return Ok(());
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
        let nodes = if nodes.get().is_some_and(|nodes| nodes.era == self.era) { nodes } else { TrieNodes::default() };
        self.layers.insert(block.hash(), Layer { block, nodes, merged, span, below });
        Ok(())
    }

    /// Moves the tip up over `persisted` (ascending), whose layers go; with them those that do not stand on it.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn flatten(&mut self, tip: Tip, persisted: &[B256]) -> Vec<TrieNodes> {
        let mut gone = self.flatten_keeping_forks(tip, persisted);
        let standing = self.standing_on(tip);
        gone.extend(self.layers.extract_if(|hash, _| !standing.contains(hash)).map(|(_, layer)| layer.nodes));
        gone
    }

    /// Moves the tip up over `persisted` (ascending), whose layers go; forks stay where they are.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn flatten_keeping_forks(&mut self, tip: Tip, persisted: &[B256]) -> Vec<TrieNodes> {
        self.tip = Some(tip);
        let gone = self.remove(persisted);
        gone.iter().filter_map(TrieNodes::get).for_each(|nodes| self.trie.grow(&nodes.grown));
        gone
    }

    /// Moves the tip down; the layers that stand on one of the `unwound` blocks go.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn reset_keeping_forks(&mut self, tip: Tip, grown: &Grown, unwound: &HashSet<B256>) -> Vec<TrieNodes> {
        self.tip = Some(tip);
        self.trie.grow(grown);
        let on_unwound = |hash: &B256| self.slice(*hash).is_none_or(|slice| unwound.contains(&slice.root));
        let gone: Vec<_> = self.layers.keys().copied().filter(on_unwound).collect();
        self.remove(&gone)
    }

    /// Removes layers; their children are to be removed with them, or persisted.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn remove(&mut self, hashes: &[B256]) -> Vec<TrieNodes> {
        hashes.iter().filter_map(|hash| self.layers.remove(hash)).map(|layer| layer.nodes).collect()
    }

    /// Moves the tip down; every layer goes.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn reset(&mut self, tip: Tip, grown: &Grown) -> Vec<TrieNodes> {
        self.tip = Some(tip);
        self.trie.grow(grown);
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
