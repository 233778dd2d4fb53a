//! Writing to a trie: many keys in one descent, each touched node hashed once.
//!
//! The descent returns a changed node *unhashed* to its parent. Only when the parent has decided to keep it as a child
//! is it encoded, hashed and recorded; a branch that lost all children but one merges with that one instead
//! (yellow paper, appendix D: no branch with a single child, no extension above a leaf or an extension).

use std::sync::Arc;

use alloy::primitives::{B256, Bytes, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use rayon::prelude::*;

use super::{
    node::{Children, Link, Node},
    store::NodeStore,
};
use crate::StorageError;

/// Below a branch with at least this many writes the children are updated in parallel.
const PARALLEL_WRITES: usize = 256;

/// One key's new value, `None` to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    /// The (hashed) key.
    pub(crate) key: B256,
    /// RLP of the value.
    pub(crate) value: Option<Vec<u8>>,
}

/// A node that did not exist before an update.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    /// keccak256 of its RLP.
    pub(crate) hash: B256,
    /// Its RLP.
    pub(crate) rlp: Bytes,
    /// Itself.
    pub(crate) node: Arc<Node>,
}

/// What became of a subtrie.
enum Outcome {
    Same,
    Gone,
    New(Node),
}

/// A child of a branch being put together.
enum Child {
    None,
    Kept(Link),
    New(Node),
}

/// Applies `writes`, sorted by key and without duplicates, to the trie with this root: the new root and the nodes that
/// it needs and the old one did not.
pub(crate) fn update(store: &NodeStore, root: B256, writes: &[Write]) -> Result<(B256, Vec<Fresh>), StorageError> {
    debug_assert!(writes.is_sorted_by(|a, b| a.key < b.key), "writes are sorted and unique");
    let link = (root != EMPTY_ROOT_HASH).then_some(Link::Hash(root));
    let mut fresh = Vec::new();
    let root = match apply(store, link.as_ref(), 0, writes, &mut fresh)? {
        Outcome::Same => root,
        Outcome::Gone => EMPTY_ROOT_HASH,
        Outcome::New(node) => {
            // The root is named by its hash even where its RLP is short.
            let rlp = Bytes::from(node.encode());
            let hash = keccak256(&rlp);
            fresh.push(Fresh { hash, rlp, node: Arc::new(node) });
            hash
        }
    };
    Ok((root, fresh))
}

fn apply(
    store: &NodeStore,
    link: Option<&Link>,
    depth: usize,
    writes: &[Write],
    fresh: &mut Vec<Fresh>,
) -> Result<Outcome, StorageError> {
    if writes.is_empty() {
        return Ok(Outcome::Same);
    }
    let Some(link) = link else {
        let entries: Vec<_> = writes.iter().filter_map(entry).collect();
        return Ok(if entries.is_empty() { Outcome::Same } else { Outcome::New(build(depth, &entries, fresh)) });
    };
    match &*store.load(link)? {
        Node::Leaf { path, value } => Ok(apply_to_leaf(path, value, depth, writes, fresh)),
        Node::Extension { path, child } => apply_to_extension(store, path, child, depth, writes, fresh),
        Node::Branch(children) => apply_to_branch(store, children, depth, writes, fresh),
    }
}

fn apply_to_leaf(path: &Nibbles, value: &[u8], depth: usize, writes: &[Write], fresh: &mut Vec<Fresh>) -> Outcome {
    let mut key = B256::ZERO;
    // All keys below this place share the nibbles above it.
    nibbles(&writes[0].key).slice(..depth).join(path).pack_to(&mut key[..]);
    let mut entries: Vec<_> = writes.iter().filter_map(entry).collect();
    if let Err(place) = writes.binary_search_by_key(&key, |write| write.key) {
        let before = writes[..place].iter().filter(|write| write.value.is_some()).count();
        entries.insert(before, (&key, value));
    }
    match entries.as_slice() {
        [] => Outcome::Gone,
        [(only, same)] if **only == key && *same == value => Outcome::Same,
        _ => Outcome::New(build(depth, &entries, fresh)),
    }
}

fn apply_to_extension(
    store: &NodeStore,
    path: &Nibbles,
    child: &Link,
    depth: usize,
    writes: &[Write],
    fresh: &mut Vec<Fresh>,
) -> Result<Outcome, StorageError> {
    // How much of the path all inserted keys share; a removed key that leaves the path was never here.
    let shared = writes
        .iter()
        .filter(|write| write.value.is_some())
        .map(|write| nibbles(&write.key).slice(depth..).common_prefix_length(path))
        .min()
        .unwrap_or(path.len());
    let below = depth + shared;
    let writes = along(writes, depth, &path.slice(..shared));
    if shared == path.len() {
        return Ok(match apply(store, Some(child), below, writes, fresh)? {
            Outcome::New(node) => Outcome::New(prepend(path, node, fresh)),
            unchanged_or_gone => unchanged_or_gone,
        });
    }
    // The path splits: a branch where the first inserted key leaves it, the rest of the extension as one of its children.
    let turn = path.get_unchecked(shared);
    let rest = path.slice(shared + 1..);
    let mut children = [const { Child::None }; 16];
    for (nibble, writes) in by_nibble(writes, below) {
        children[usize::from(nibble)] = if nibble != turn {
            match apply(store, None, below + 1, writes, fresh)? {
                Outcome::New(node) => Child::New(node),
                Outcome::Same | Outcome::Gone => Child::None,
            }
        } else if rest.is_empty() {
            match apply(store, Some(child), below + 1, writes, fresh)? {
                Outcome::New(node) => Child::New(node),
                Outcome::Same => Child::Kept(child.clone()),
                Outcome::Gone => Child::None,
            }
        } else {
            match apply_to_extension(store, &rest, child, below + 1, writes, fresh)? {
                Outcome::New(node) => Child::New(node),
                Outcome::Same => Child::New(Node::Extension { path: rest, child: child.clone() }),
                Outcome::Gone => Child::None,
            }
        };
    }
    if by_nibble(writes, below).all(|(nibble, _)| nibble != turn) {
        children[usize::from(turn)] = if rest.is_empty() {
            Child::Kept(child.clone())
        } else {
            Child::New(Node::Extension { path: rest, child: child.clone() })
        };
    }
    Ok(match assemble(store, children, fresh)? {
        Outcome::New(node) if shared > 0 => Outcome::New(prepend(&path.slice(..shared), node, fresh)),
        outcome => outcome,
    })
}

fn apply_to_branch(
    store: &NodeStore,
    old: &Children,
    depth: usize,
    writes: &[Write],
    fresh: &mut Vec<Fresh>,
) -> Result<Outcome, StorageError> {
    let mut children: [Child; 16] = std::array::from_fn(|nibble| old[nibble].clone().map_or(Child::None, Child::Kept));
    let outcomes: Vec<(u8, Outcome)> = if writes.len() >= PARALLEL_WRITES {
        let slices: Vec<_> = by_nibble(writes, depth).collect();
        let parts = slices
            .into_par_iter()
            .map(|(nibble, writes)| {
                let mut fresh = Vec::new();
                let outcome = apply(store, old[usize::from(nibble)].as_ref(), depth + 1, writes, &mut fresh)?;
                Ok((nibble, outcome, fresh))
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        parts
            .into_iter()
            .map(|(nibble, outcome, mut part)| {
                fresh.append(&mut part);
                (nibble, outcome)
            })
            .collect()
    } else {
        by_nibble(writes, depth)
            .map(|(nibble, writes)| {
                Ok((nibble, apply(store, old[usize::from(nibble)].as_ref(), depth + 1, writes, fresh)?))
            })
            .collect::<Result<_, StorageError>>()?
    };
    let mut changed = false;
    for (nibble, outcome) in outcomes {
        let child = match outcome {
            Outcome::Same => continue,
            Outcome::Gone => Child::None,
            Outcome::New(node) => Child::New(node),
        };
        children[usize::from(nibble)] = child;
        changed = true;
    }
    if changed { assemble(store, children, fresh) } else { Ok(Outcome::Same) }
}

/// A branch of these children, or what is left when they are fewer than two.
fn assemble(store: &NodeStore, children: [Child; 16], fresh: &mut Vec<Fresh>) -> Result<Outcome, StorageError> {
    let count = children.iter().filter(|child| !matches!(child, Child::None)).count();
    if count >= 2 {
        let links = children.map(|child| match child {
            Child::None => None,
            Child::Kept(link) => Some(link),
            Child::New(node) => Some(place(node, fresh)),
        });
        return Ok(Outcome::New(Node::Branch(Box::new(links))));
    }
    for (nibble, child) in (0u8..).zip(children) {
        let step = Nibbles::from_nibbles([nibble]);
        return Ok(Outcome::New(match child {
            Child::None => continue,
            Child::New(node) => prepend(&step, node, fresh),
            Child::Kept(link) => match &*store.load(&link)? {
                Node::Branch(_) => Node::Extension { path: step, child: link },
                short => prepend(&step, short.clone(), fresh),
            },
        }));
    }
    Ok(Outcome::Gone)
}

/// `node` reached by `path` more: merged into a leaf or an extension, as a new extension above a branch.
fn prepend(path: &Nibbles, node: Node, fresh: &mut Vec<Fresh>) -> Node {
    match node {
        Node::Leaf { path: rest, value } => Node::Leaf { path: path.join(&rest), value },
        Node::Extension { path: rest, child } => Node::Extension { path: path.join(&rest), child },
        branch @ Node::Branch(_) => Node::Extension { path: *path, child: place(branch, fresh) },
    }
}

/// The smallest trie of these entries, which are sorted, unique and at least one, below a place `depth` nibbles down.
fn build(depth: usize, entries: &[(&B256, &[u8])], fresh: &mut Vec<Fresh>) -> Node {
    let (first, last) = (entries[0], entries[entries.len() - 1]);
    if entries.len() == 1 {
        return Node::Leaf { path: nibbles(first.0).slice(depth..), value: first.1.to_vec() };
    }
    let fork = nibbles(first.0).common_prefix_length(&nibbles(last.0));
    let mut children = Children::default();
    for group in entries.chunk_by(|a, b| nibble_at(a.0, fork) == nibble_at(b.0, fork)) {
        let child = build(fork + 1, group, fresh);
        children[usize::from(nibble_at(group[0].0, fork))] = Some(place(child, fresh));
    }
    let branch = Node::Branch(Box::new(children));
    if fork > depth { prepend(&nibbles(first.0).slice(depth..fork), branch, fresh) } else { branch }
}

/// Makes a node somebody's child for good.
fn place(node: Node, fresh: &mut Vec<Fresh>) -> Link {
    let rlp = node.encode();
    let node = Arc::new(node);
    let link = Link::to(&node, &rlp);
    if let Link::Hash(hash) = link {
        fresh.push(Fresh { hash, rlp: rlp.into(), node });
    }
    link
}

fn entry(write: &Write) -> Option<(&B256, &[u8])> {
    write.value.as_deref().map(|value| (&write.key, value))
}

fn nibbles(key: &B256) -> Nibbles {
    Nibbles::unpack_array(&key.0)
}

fn nibble_at(key: &B256, place: usize) -> u8 {
    let byte = key[place / 2];
    if place.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

/// The writes, grouped by their nibble at `depth`.
fn by_nibble(writes: &[Write], depth: usize) -> impl Iterator<Item = (u8, &[Write])> {
    writes
        .chunk_by(move |a, b| nibble_at(&a.key, depth) == nibble_at(&b.key, depth))
        .map(move |group| (nibble_at(&group[0].key, depth), group))
}

/// The writes whose keys follow `path` from `depth` on: neighbours, since the writes are sorted.
fn along<'a>(writes: &'a [Write], depth: usize, path: &Nibbles) -> &'a [Write] {
    let part = |write: &Write| nibbles(&write.key).slice(depth..depth + path.len());
    let start = writes.partition_point(|write| part(write) < *path);
    let end = writes.partition_point(|write| part(write) <= *path);
    &writes[start..end]
}
