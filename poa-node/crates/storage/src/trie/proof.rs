//! Reading a trie along one key: lookups and proofs.

use alloy::primitives::{B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

use super::{
    node::{Link, Node},
    store::NodeStore,
};
use crate::StorageError;

/// The value under a (hashed) key.
pub(crate) fn lookup(store: &NodeStore, root: B256, key: &B256) -> Result<Option<Vec<u8>>, StorageError> {
    walk(store, root, key, |_| ())
}

/// The value under a (hashed) key, and the RLP of the nodes from the root to it or to where it would be. Nodes embedded
/// in their parent are not listed again (EIP-1186, as go-ethereum).
pub(crate) fn prove(store: &NodeStore, root: B256, key: &B256) -> Result<(Option<Vec<u8>>, Vec<Bytes>), StorageError> {
    let mut proof = Vec::new();
    let value = walk(store, root, key, |node| proof.push(node.encode().into()))?;
    Ok((value, proof))
}

fn walk(
    store: &NodeStore,
    root: B256,
    key: &B256,
    mut visit: impl FnMut(&Node),
) -> Result<Option<Vec<u8>>, StorageError> {
    if root == EMPTY_ROOT_HASH {
        return Ok(None);
    }
    let mut link = Link::Hash(root);
    let mut rest = Nibbles::unpack_array(&key.0);
    loop {
        let node = store.load(&link)?;
        if matches!(link, Link::Hash(_)) {
            visit(&node);
        }
        link = match &*node {
            Node::Leaf { path, value } => return Ok((*path == rest).then(|| value.clone())),
            Node::Extension { path, child } => {
                if !rest.starts_with(path) {
                    return Ok(None);
                }
                rest = rest.slice(path.len()..);
                child.clone()
            }
            Node::Branch(children) => {
                let Some(nibble) = rest.first() else { return Ok(None) };
                rest = rest.slice(1..);
                match &children[usize::from(nibble)] {
                    Some(child) => child.clone(),
                    None => return Ok(None),
                }
            }
        };
    }
}
