//! Reading a trie along one key: lookups, proofs, and what is at a path.

use std::sync::Arc;

use alloy::primitives::{B256, Bytes};
use alloy_trie::Nibbles;

use super::{
    node::{Held, Link, Node},
    store::{NodeStore, Owner},
};
use crate::StorageError;

/// What a leaf holds.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// RLP of the value.
    pub(crate) value: Box<[u8]>,
    /// [`Node::Leaf`]'s `below`.
    pub(crate) below: Option<Arc<Held>>,
}

/// The leaf under a (hashed) key.
pub(crate) fn lookup(
    store: &NodeStore,
    owner: Owner,
    root: Option<&Link>,
    key: &B256,
) -> Result<Option<Found>, StorageError> {
    walk(store, owner, root, key, |_| ())
}

/// The leaf under a (hashed) key, and the RLP of the nodes from the root to it or to where it would be. Nodes embedded
/// in their parent are not listed again (EIP-1186, as go-ethereum).
pub(crate) fn prove(
    store: &NodeStore,
    owner: Owner,
    root: Option<&Link>,
    key: &B256,
) -> Result<(Option<Found>, Vec<Bytes>), StorageError> {
    let mut proof = Vec::new();
    let value = walk(store, owner, root, key, |node| proof.push(node.encode().into()))?;
    Ok((value, proof))
}

/// Whether the database has a record for exactly `path` once it has the trie: for the root, and for every other node with a
/// hash of its own that is no leaf.
pub(crate) fn has_record_at(
    store: &NodeStore,
    owner: Owner,
    root: Option<&Link>,
    path: &Nibbles,
) -> Result<bool, StorageError> {
    let mut link = root.cloned();
    let mut done = 0;
    while let Some(next) = link {
        if done == path.len() {
            return Ok(next.has_record());
        }
        let node = store.load(&next, owner, || path.slice(..done))?;
        link = match &*node {
            Node::Leaf { .. } => None,
            Node::Extension { path: shared, child } => {
                if !path.slice(done..).starts_with(shared) {
                    return Ok(false);
                }
                done += shared.len();
                Some(child.clone())
            }
            Node::Branch(children) => {
                let nibble = path.get_unchecked(done);
                done += 1;
                children[usize::from(nibble)].clone()
            }
        };
    }
    Ok(false)
}

fn walk(
    store: &NodeStore,
    owner: Owner,
    root: Option<&Link>,
    key: &B256,
    mut visit: impl FnMut(&Node),
) -> Result<Option<Found>, StorageError> {
    let Some(mut link) = root.cloned() else { return Ok(None) };
    let key = Nibbles::unpack_array(&key.0);
    let mut rest = key;
    loop {
        let node = store.load(&link, owner, || key.slice(..key.len() - rest.len()))?;
        if link.hash().is_some() {
            visit(&node);
        }
        link = match &*node {
            Node::Leaf { path, value, below } => {
                return Ok((*path == rest).then(|| Found { value: value.clone(), below: below.clone() }));
            }
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
