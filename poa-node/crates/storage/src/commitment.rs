//! The seam behind which the state is committed to. What lies behind it can be exchanged; nobody else sees a trie.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, StateChanges};

use crate::StorageError;

/// Commits to states. Only computes: what it made new is returned, and stored by whoever keeps the block.
pub trait Commitment: Send + Sync {
    /// The root after `changes` on top of the state with root `parent`.
    ///
    /// # Errors
    /// When the parent's state is not held, or the disk fails.
    fn apply(&self, parent: B256, changes: &StateChanges) -> Result<Committed, StorageError>;

    /// Proves an account and some of its slots, present or absent, against `root` (EIP-1186).
    ///
    /// # Errors
    /// When the state is not held, or the disk fails.
    fn prove(&self, root: B256, address: Address, slots: &[U256]) -> Result<AccountProof, StorageError>;
}

/// A block's state root, with what must be kept so that the next block's can be computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The root after the block.
    pub root: B256,
    /// Goes to [`crate::StateTree::insert`] with the block.
    pub nodes: TrieNodes,
}

/// What a commitment added for one block: records by hash of their bytes, opaque to everyone else. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieNodes(Arc<[(B256, Bytes)]>);

impl TrieNodes {
    /// Wraps records.
    pub fn new(nodes: Vec<(B256, Bytes)>) -> Self {
        Self(nodes.into())
    }

    /// The records.
    pub fn iter(&self) -> impl Iterator<Item = &(B256, Bytes)> {
        self.0.iter()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the block left the commitment as it was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
