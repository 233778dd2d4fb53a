//! The trie of any state that can be read: of unpersisted blocks, of the tip, and of the past.

use std::sync::Arc;

use alloy::primitives::B256;

use crate::{
    StorageError, TrieNodes,
    core::Core,
    trie::{Grown, StateTrie},
};

impl Core {
    /// Runs `work` on the trie after `block`; returns also the era for what it made of it.
    ///
    /// A check-point saved meanwhile puts nodes in the tables where a trie on another fork expects others. That shows as
    /// corruption, and is gone when the trie is made anew.
    ///
    /// # Errors
    /// [`StorageError::MissingState`] where the block's state is not held; what `work` says; when the disk fails.
    pub(crate) fn on_trie<T>(
        self: &Arc<Self>,
        block: B256,
        work: impl Fn(&StateTrie) -> Result<T, StorageError>,
    ) -> Result<(T, u64), StorageError> {
        loop {
            let era = self.overlay().era();
            match self.trie_of(block).and_then(|trie| work(&trie)) {
                Err(error) if error.is_corrupt() => {
                    self.wait_for_checkpoint();
                    if self.overlay().era() == era {
                        return Err(error);
                    }
                }
                outcome => return outcome.map(|made| (made, era)),
            }
        }
    }

    /// The trie after `block`. What has to be computed for it is kept with the layers, but for the past's.
    pub(crate) fn trie_of(self: &Arc<Self>, block: B256) -> Result<StateTrie, StorageError> {
        // Before the chain is looked at, so that an unwinding shows.
        let unwinds = *self.unwinds();
        let (mut trie, era, missing) = {
            let overlay = self.overlay();
            let mut missing = Vec::new();
            let mut cursor = block;
            let trie = loop {
                let Some(layer) = overlay.block(cursor) else {
                    break (overlay.tip().is_some_and(|tip| tip.hash == cursor)).then(|| overlay.trie().trie.clone());
                };
                if let Some(nodes) = overlay.nodes(cursor).and_then(TrieNodes::get) {
                    break Some(nodes.grown.trie.clone());
                }
                cursor = layer.header().parent_hash;
                missing.push(Arc::clone(layer));
            };
            let era = overlay.era();
            drop(overlay);
            let trie = match trie {
                Some(trie) => trie,
                None => self.past_trie(block, cursor, unwinds)?,
            };
            (trie, era, missing)
        };
        for layer in missing.into_iter().rev() {
            let grown = self.commitment.apply(&trie, layer.changes())?;
            let expected = layer.header().state_root;
            if grown.trie.root_hash() != expected {
                let what = format!("block {} has state root {expected}, its trie another", layer.hash());
                return Err(StorageError::corrupt("AccountNodes", what));
            }
            trie = grown.trie.clone();
            self.overlay_mut().set_nodes(layer.hash(), TrieNodes::new(grown, era));
        }
        Ok(trie)
    }

    /// The trie after a persisted block below the tip, on which `block` stands.
    fn past_trie(self: &Arc<Self>, block: B256, base: B256, unwinds: u64) -> Result<StateTrie, StorageError> {
        let missing = StorageError::MissingState { block };
        let Some(base) = self.persisted(base)? else { return Err(missing) };
        if base.number < self.history_floor() {
            return Err(missing);
        }
        let (tip, trie) = {
            let overlay = self.overlay();
            (overlay.tip().ok_or(StorageError::NoGenesis)?, overlay.trie().trie.clone())
        };
        match self.moved(&trie, (base.number, tip.number), base, unwinds) {
            Ok(Grown { trie, .. }) => Ok(trie),
            // What was to be read went while it was read.
            Err(_) if *self.unwinds() != unwinds || base.number < self.history_floor() => Err(missing),
            Err(error) => Err(error),
        }
    }
}
