//! What a commitment gives to others: roots, what to keep of them, and proofs. Nobody else sees a trie.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, StateChanges};

use crate::{
    StorageError,
    trie::{self, Grown},
};

/// A block's state root, with what must be kept so that the next block's can be computed.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// The root after the block.
    pub root: B256,
    /// Goes to [`crate::StateTree::insert`] with the block.
    pub nodes: TrieNodes,
}

/// The state trie after one block, opaque to everyone else. Cheap to clone; shares with the parent's what the block did
/// not write. An empty one (the default) is computed again when it is needed.
#[derive(Clone, Debug, Default)]
pub struct TrieNodes(Option<Arc<BlockTrie>>);

/// What [`TrieNodes`] holds.
#[derive(Debug)]
pub(crate) struct BlockTrie {
    pub(crate) grown: Grown,
    /// [`crate::overlay::Overlay::era`] before the parent's trie was read. In another one the tables may hold other nodes
    /// than this trie expects there.
    pub(crate) era: u64,
}

impl TrieNodes {
    pub(crate) fn new(grown: Grown, era: u64) -> Self {
        Self(Some(Arc::new(BlockTrie { grown, era })))
    }

    pub(crate) fn get(&self) -> Option<&BlockTrie> {
        self.0.as_deref()
    }
}

/// A whole state's root from nothing, without a database: what a genesis header states.
///
/// # Errors
/// Never in practice; the signature is the commitment's.
pub fn genesis_root(changes: &StateChanges) -> Result<B256, StorageError> {
    trie::genesis_root_of(changes)
}

/// What `eth_getProof` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// Whose account.
    pub address: Address,
    /// The account; `None` where the proof is one of absence.
    pub account: Option<Account>,
    /// Root of its storage trie; the empty trie's where there is no account.
    pub storage_root: B256,
    /// RLP of the nodes from the state root down.
    pub proof: Vec<Bytes>,
    /// The slots asked for, in that order.
    pub storage: Vec<StorageProof>,
}

/// One slot of an [`AccountProof`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot, not hashed.
    pub slot: U256,
    /// Its value; zero where the proof is one of absence.
    pub value: U256,
    /// RLP of the nodes from the storage root down.
    pub proof: Vec<Bytes>,
}
