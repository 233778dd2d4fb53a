//! Where nodes are read from: decoded ones in memory first, then whatever holds their bytes.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::primitives::{B256, Bytes};
use lru::LruCache;

use super::node::{Link, Node};
use crate::StorageError;

/// Holds the bytes of nodes by their hash: the database with the unpersisted blocks above it, or a map.
pub trait NodeSource: Send + Sync {
    /// The node's RLP, or `None` where it is not held.
    ///
    /// # Errors
    /// When the disk fails.
    fn node(&self, hash: B256) -> Result<Option<Bytes>, StorageError>;
}

/// A node source that holds nothing: what a genesis is built on.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNodes;

impl NodeSource for NoNodes {
    fn node(&self, _hash: B256) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }
}

/// Locks taken per cache: rayon's workers read at once.
const SHARDS: usize = 16;
/// Decoded nodes kept, in all shards together; a branch takes about 700 bytes, a leaf 200.
const CACHED_NODES: usize = 24_576;

/// Reads nodes, remembering the last ones decoded. A node's hash names its content for ever, so an entry is never stale.
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

    /// The node behind a link.
    pub(crate) fn load(&self, link: &Link) -> Result<Arc<Node>, StorageError> {
        let hash = match link {
            Link::Inline(node) => return Ok(Arc::clone(node)),
            Link::Hash(hash) => *hash,
        };
        if let Some(node) = self.shard(hash).get(&hash) {
            return Ok(Arc::clone(node));
        }
        let rlp = self.source.node(hash)?.ok_or(StorageError::MissingNode { hash })?;
        let node =
            Node::decode(&rlp).ok_or_else(|| StorageError::corrupt("Nodes", format!("node {hash} malformed")))?;
        let node = Arc::new(node);
        self.remember(hash, Arc::clone(&node));
        Ok(node)
    }

    /// Keeps a decoded node.
    pub(crate) fn remember(&self, hash: B256, node: Arc<Node>) {
        self.shard(hash).put(hash, node);
    }

    fn shard(&self, hash: B256) -> std::sync::MutexGuard<'_, LruCache<B256, Arc<Node>>> {
        // A panic while holding the lock leaves a usable cache: each operation on it is complete in itself.
        self.cache[usize::from(hash[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
