//! The states that can be read and built upon: the persisted tip, every unpersisted block above it, and the past.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, BlockNumber, CommittedBlock, StateChanges, StateError, StateReader};

use crate::{
    AccountProof, Committed, StorageError, Tip, TrieNodes, core::Core, overlay::Slice, persisted::PersistedState,
};

/// States by block, linked by parent hash. Cheap to clone; all clones are one tree.
///
/// ```text
///   past ◀── persisted tip ◀── layer ◀── layer          each layer: what one block changed, and its trie nodes
///   history   flat tables  ◀── layer (fork)             advance: layers move into the tables, other forks go
/// ```
#[derive(Clone, Debug)]
pub struct StateTree {
    core: Arc<Core>,
}

impl StateTree {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The persisted tip; `None` before genesis.
    pub fn tip(&self) -> Option<Tip> {
        self.core.overlay().tip()
    }

    /// The state after `block`, or `None` where it is not held: unknown, on a fork that was given up, or pruned.
    ///
    /// The reader is a value: it stays right while blocks are added, persisted and given up. Only when the persisted
    /// chain is unwound below its block does it answer with an error.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn state_at(&self, block: B256) -> Result<Option<Arc<dyn StateReader>>, StorageError> {
        let found = self.found(block)?;
        Ok(found.map(|(slice, base)| match slice {
            Some(slice) => Arc::new(OverlayState { slice, base }) as Arc<dyn StateReader>,
            None => Arc::new(base),
        }))
    }

    /// The unpersisted part of the state after `block`, if it has one, and the persisted state below.
    pub(crate) fn found(&self, block: B256) -> Result<Option<(Option<Slice>, PersistedState)>, StorageError> {
        let unwinds = self.core.unwinds();
        let (slice, tip) = {
            let overlay = self.core.overlay();
            (overlay.slice(block), overlay.tip())
        };
        let Some(tip) = tip else { return Ok(None) };
        let root = slice.as_ref().map_or(block, |slice| slice.root);
        let root = if root == tip.hash { Some(tip) } else { self.core.persisted(root)? };
        let root = root.filter(|root| root.number >= self.core.history_floor());
        Ok(root.map(|root| (slice, PersistedState::new(Arc::clone(&self.core), root, *unwinds))))
    }

    /// The root after `changes` on top of the state after `parent`. Computes only; nothing is kept.
    ///
    /// # Errors
    /// [`StorageError::MissingState`] for an unknown parent; when the disk fails.
    pub fn commit(&self, parent: B256, changes: &StateChanges) -> Result<Committed, StorageError> {
        let (grown, era) = self.core.on_trie(parent, |trie| self.core.commitment.apply(trie, changes))?;
        Ok(Committed { root: grown.trie.root_hash(), nodes: TrieNodes::new(grown, era) })
    }

    /// Adds a block whose parent is persisted or in the tree, with the nodes [`Self::commit`] gave. Adding it again does
    /// nothing. A fork that starts below the tip lives on history; [`crate::Writer::advance`] drops it,
    /// [`crate::Writer::advance_keeping_forks`] does not.
    ///
    /// # Errors
    /// [`StorageError::MissingState`] for an unknown parent.
    pub fn insert(&self, block: Arc<CommittedBlock>, nodes: TrieNodes) -> Result<(), StorageError> {
        // All under one lock: a block leaves the overlay once it is persisted, which may be at any moment else.
        let mut overlay = self.core.overlay_mut();
        if overlay.block(block.hash()).is_some() || self.core.persisted(block.hash())?.is_some() {
            return Ok(());
        }
        let parent = block.header().parent_hash;
        let on_persisted = overlay.block(parent).is_none() && self.core.persisted(parent)?.is_some();
        overlay.insert(block, nodes, on_persisted)
    }

    /// Drops unpersisted blocks that nobody will build on. Whoever names a block names the blocks on it too.
    pub fn forget(&self, blocks: &[B256]) {
        // Dropped without the lock: much may hang on it.
        let gone = self.core.overlay_mut().remove(blocks);
        drop(gone);
    }

    /// An unpersisted block.
    pub fn block(&self, hash: B256) -> Option<Arc<CommittedBlock>> {
        self.core.overlay().block(hash).cloned()
    }

    /// The unpersisted blocks from above the tip up to and with `hash`, ascending: what [`crate::Writer::advance`]
    /// takes. Empty where `hash` is not unpersisted.
    pub fn path(&self, hash: B256) -> Vec<Arc<CommittedBlock>> {
        self.core.overlay().path(hash).unwrap_or_default()
    }

    /// How many unpersisted blocks are held, on all forks.
    pub fn len(&self) -> usize {
        self.core.overlay().len()
    }

    /// Whether every known block is persisted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Proves an account and some slots against the state root of `block` (EIP-1186); `None` where that block's state is
    /// not held. For a block far below the tip the trie is made first, from all that was written since.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn prove(&self, block: B256, address: Address, slots: &[U256]) -> Result<Option<AccountProof>, StorageError> {
        match self.core.on_trie(block, |trie| self.core.commitment.prove(trie, address, slots)) {
            Ok((proof, _)) => Ok(Some(proof)),
            Err(StorageError::MissingState { block: missing }) if missing == block => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The state after an unpersisted block.
#[derive(Debug)]
struct OverlayState {
    slice: Slice,
    base: PersistedState,
}

impl StateReader for OverlayState {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        for span in &self.slice.spans {
            if let Some(change) = span.accounts.get(&address) {
                return Ok(change.account);
            }
        }
        Ok(self.base.account_under(Some(&self.slice), address)?)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        for span in &self.slice.spans {
            let Some(change) = span.accounts.get(&address) else { continue };
            if change.account.is_none() {
                return Ok(U256::ZERO);
            }
            if let Some(value) = change.storage.get(&slot) {
                return Ok(*value);
            }
            if change.storage_wiped {
                return Ok(U256::ZERO);
            }
        }
        Ok(self.base.slot_under(Some(&self.slice), address, slot)?)
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        let held = self.slice.spans.iter().find_map(|span| span.code.get(&hash));
        held.map_or_else(|| self.base.code(hash), |code| Ok(code.clone()))
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        let Some(back) = self.slice.number.checked_sub(number) else { return Ok(None) };
        let held = usize::try_from(back).ok().and_then(|back| self.slice.hashes.get(back));
        held.map_or_else(|| self.base.block_hash(number), |hash| Ok(Some(*hash)))
    }
}
