//! What of a trie the database does not have yet.

use std::sync::Arc;

use alloy_trie::Nibbles;

use super::{
    mpt::{StateTrie, owner_of},
    node::{Held, Link, Node},
    store::{Owner, table},
};
use crate::StorageError;

/// Nodes to be marked when they are in the database.
#[derive(Debug, Default)]
pub(crate) struct Unsaved(Vec<Arc<Held>>);

impl Unsaved {
    /// To be called when every node that was shown is in the database.
    pub(crate) fn set_saved(self) {
        self.0.iter().for_each(|held| held.set_saved());
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

/// Shows every node that is not in the database with its place and its record.
///
/// # Errors
/// [`StorageError::Corrupt`] for a node that was let go before it was saved, which would be a bug.
pub(crate) fn unsaved(
    trie: &StateTrie,
    mut show: impl FnMut(Owner, &Nibbles, Vec<u8>),
) -> Result<Unsaved, StorageError> {
    let mut found = Unsaved::default();
    if let Some(Link::Held(root)) = trie.root() {
        visit(root, None, &Nibbles::new(), &mut |owner, path, held, node| {
            show(owner, path, node.to_record());
            found.0.push(Arc::clone(held));
        })?;
    }
    Ok(found)
}

/// Memory of the nodes that are not in the database, in bytes.
///
/// # Errors
/// As [`unsaved`].
pub(crate) fn unsaved_bytes(trie: &StateTrie) -> Result<usize, StorageError> {
    let mut bytes = 0;
    if let Some(Link::Held(root)) = trie.root() {
        visit(root, None, &Nibbles::new(), &mut |_, _, _, node| bytes += node.footprint())?;
    }
    Ok(bytes)
}

fn visit(
    held: &Arc<Held>,
    owner: Owner,
    path: &Nibbles,
    each: &mut impl FnMut(Owner, &Nibbles, &Arc<Held>, &Node),
) -> Result<(), StorageError> {
    // What is saved has everything below it saved.
    if held.is_saved() {
        return Ok(());
    }
    let lost = || StorageError::corrupt(table(owner), format!("node {} was let go unsaved", held.hash()));
    let node = held.node().ok_or_else(lost)?;
    each(owner, path, held, &node);
    match &*node {
        Node::Leaf { .. } => visit_below(path, &node, each),
        Node::Extension { path: rest, child: Link::Held(child) } => visit(child, owner, &path.join(rest), each),
        // An embedded node is too short to name another one by its hash.
        Node::Extension { .. } => Ok(()),
        Node::Branch(children) => {
            for (nibble, child) in (0u8..).zip(children.iter()) {
                let mut path = *path;
                path.push(nibble);
                match child {
                    Some(Link::Held(child)) => visit(child, owner, &path, each)?,
                    Some(Link::Leaf(_, leaf)) => visit_below(&path, leaf, each)?,
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

/// Visits the storage trie of an account's leaf.
fn visit_below(
    path: &Nibbles,
    leaf: &Node,
    each: &mut impl FnMut(Owner, &Nibbles, &Arc<Held>, &Node),
) -> Result<(), StorageError> {
    let Node::Leaf { path: rest, below: Some(below), .. } = leaf else { return Ok(()) };
    visit(below, Some(owner_of(path, rest)), &Nibbles::new(), each)
}
