//! Where nodes are read from: those in memory first, then whatever holds their bytes by place.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{
    hex,
    primitives::{B256, Bytes, keccak256},
};
use alloy_trie::Nibbles;
use lru::LruCache;

use super::node::{Link, Node};
use crate::StorageError;

/// Whose trie: the hashed address of the account for a storage trie, `None` for the trie of accounts.
pub(crate) type Owner = Option<B256>;

/// Holds the bytes of nodes by their place: the database, or a map.
pub(crate) trait NodeSource: Send + Sync {
    /// The record of the node at this path ([`Node::to_record`]), or `None` where there is none.
    ///
    /// # Errors
    /// When the disk fails.
    fn node(&self, owner: Owner, path: &Nibbles) -> Result<Option<Bytes>, StorageError>;
}

/// A node source that holds nothing: what a genesis is built on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoNodes;

impl NodeSource for NoNodes {
    fn node(&self, _owner: Owner, _path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }
}

/// Locks taken per cache: rayon's workers read at once.
const SHARDS: usize = 16;
/// Decoded nodes kept, in all shards together, so that looking an account up and then writing it reads it once; a branch
/// takes about a kilobyte, with leaves two or three.
const CACHED_NODES: usize = 4_096;

/// Reads nodes, remembering the last ones read. A node's hash names its content for ever, so an entry is never stale.
pub(crate) struct NodeStore {
    source: Arc<dyn NodeSource>,
    cache: [Mutex<LruCache<B256, Arc<Node>>>; SHARDS],
}

impl fmt::Debug for NodeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeStore").finish_non_exhaustive()
    }
}

impl NodeStore {
    pub(crate) fn new(source: Arc<dyn NodeSource>) -> Self {
        let capacity = NonZeroUsize::new(CACHED_NODES / SHARDS).expect("a constant above zero");
        Self { source, cache: std::array::from_fn(|_| Mutex::new(LruCache::new(capacity))) }
    }

    /// The node behind a link, whose place is asked for only where it is to be read.
    ///
    /// # Errors
    /// [`StorageError::MissingNode`] or [`StorageError::Corrupt`] where the source has nothing or another node at that
    /// place; when the disk fails.
    pub(crate) fn load(
        &self,
        link: &Link,
        owner: Owner,
        path: impl FnOnce() -> Nibbles,
    ) -> Result<Arc<Node>, StorageError> {
        let hash = match link {
            Link::Inline(node) | Link::Leaf(_, node) => return Ok(Arc::clone(node)),
            Link::Held(held) => match held.node() {
                Some(node) => return Ok(node),
                None => held.hash(),
            },
            Link::Stored(hash) => *hash,
        };
        if let Some(node) = self.shard(hash).get(&hash) {
            return Ok(Arc::clone(node));
        }
        let path = path();
        let table = table(owner);
        let place = || match owner {
            Some(owner) => format!("{owner}/{}", hex::encode(path.to_vec())),
            None => hex::encode(path.to_vec()),
        };
        let record = self.source.node(owner, &path)?;
        let record = record.ok_or_else(|| StorageError::MissingNode { table, path: place(), hash })?;
        let node = Node::decode(&record)
            .ok_or_else(|| StorageError::corrupt(table, format!("malformed node at {}, not {hash}", place())))?;
        let found = keccak256(node.encode());
        if found != hash {
            let what = format!("node at {} has hash {found}, its parent says {hash}", place());
            return Err(StorageError::corrupt(table, what));
        }
        let node = Arc::new(node);
        self.shard(hash).put(hash, Arc::clone(&node));
        Ok(node)
    }

    fn shard(&self, hash: B256) -> std::sync::MutexGuard<'_, LruCache<B256, Arc<Node>>> {
        // A panic while holding the lock leaves a usable cache: each operation on it is complete in itself.
        self.cache[usize::from(hash[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The table that holds the nodes of such a trie.
pub(crate) const fn table(owner: Owner) -> &'static str {
    if owner.is_some() { "StorageNodes" } else { "AccountNodes" }
}
