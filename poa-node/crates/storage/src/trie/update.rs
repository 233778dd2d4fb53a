//! Writing to a trie: many keys in one descent, each touched node hashed once.
//!
//! The descent returns a changed node *unhashed* to its parent. Only when the parent has decided to keep it as a child
//! is it encoded and hashed; a branch that lost all children but one merges with that one instead
//! (yellow paper, appendix D: no branch with a single child, no extension above a leaf or an extension).
//!
//! Nothing is changed in place: old and new trie share what the writes did not touch.

use std::sync::Arc;

use alloy::primitives::{B256, keccak256};
use alloy_trie::Nibbles;
use rayon::prelude::*;

use super::{
    node::{Children, Held, Link, Node},
    store::{NodeStore, Owner},
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
    /// [`Node::Leaf`]'s `below`.
    pub(crate) below: Option<Arc<Held>>,
}

/// Which trie is written, when, and from where its old nodes are read.
pub(crate) struct Target<'a> {
    /// Old nodes.
    pub(crate) store: &'a NodeStore,
    /// The account whose storage trie it is; `None` for the trie of accounts.
    pub(crate) owner: Owner,
    /// The generation of the new nodes.
    pub(crate) born: u64,
}

impl Target<'_> {
    fn load(&self, link: &Link, path: impl FnOnce() -> Nibbles) -> Result<Arc<Node>, StorageError> {
        self.store.load(link, self.owner, path)
    }
}

/// What an update did besides making a new root.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Every path at which there was a node with a record of its own and is none now, perhaps with some at which there was
    /// none, or is one still.
    pub(crate) vacated: Vec<Nibbles>,
    /// What stood under the keys written where something did, in the keys' order.
    pub(crate) before: Vec<(B256, Box<[u8]>)>,
    /// Memory of the new nodes, in bytes.
    pub(crate) created: usize,
    /// Memory of the nodes that were in memory and are not in the new trie, in bytes; those of a storage that was wiped,
    /// and of a child that took its parent's place, are not counted.
    pub(crate) replaced: usize,
}

impl Trace {
    pub(crate) fn add(&mut self, mut other: Self) {
        self.vacated.append(&mut other.vacated);
        self.before.append(&mut other.before);
        self.created += other.created;
        self.replaced += other.replaced;
    }
}

/// A leaf to be.
#[derive(Clone, Copy)]
struct Entry<'a> {
    key: &'a B256,
    value: &'a [u8],
    below: Option<&'a Arc<Held>>,
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

/// Applies `writes`, sorted by key and without duplicates, to the trie with this root (`None`: the empty one). Returns the
/// new root, always a link with a hash.
pub(crate) fn update(
    target: &Target<'_>,
    root: Option<&Link>,
    writes: &[Write],
    trace: &mut Trace,
) -> Result<Option<Link>, StorageError> {
    debug_assert!(writes.is_sorted_by(|a, b| a.key < b.key), "writes are sorted and unique");
    Ok(match apply(target, root, 0, writes, trace)? {
        Outcome::Same => root.cloned(),
        Outcome::Gone => None,
        Outcome::New(node) => {
            // The root is named by its hash even where its RLP is short.
            trace.created += node.footprint();
            Some(Link::Held(Arc::new(Held::new(keccak256(node.encode()), node, target.born))))
        }
    })
}

fn apply(
    target: &Target<'_>,
    link: Option<&Link>,
    depth: usize,
    writes: &[Write],
    trace: &mut Trace,
) -> Result<Outcome, StorageError> {
    if writes.is_empty() {
        return Ok(Outcome::Same);
    }
    let Some(link) = link else {
        let entries: Vec<_> = writes.iter().filter_map(entry).collect();
        return Ok(if entries.is_empty() {
            Outcome::Same
        } else {
            Outcome::New(build(target, depth, &entries, trace))
        });
    };
    // All keys here share the nibbles above this place.
    let path = || nibbles(&writes[0].key).slice(..depth);
    let is_held = link.is_held();
    let old = target.load(link, path)?;
    let outcome = match &*old {
        Node::Leaf { path, value, below } => apply_to_leaf(target, (path, value, below.as_ref()), depth, writes, trace),
        Node::Extension { path, child } => apply_to_extension(target, path, child, depth, writes, trace)?,
        Node::Branch(children) => apply_to_branch(target, children, depth, writes, trace)?,
    };
    // A leaf is in its parent's record, but for the root.
    let had_record = depth == 0 || !matches!(*old, Node::Leaf { .. });
    if had_record && matches!(outcome, Outcome::Gone | Outcome::New(Node::Leaf { .. })) {
        trace.vacated.push(path());
    }
    if is_held && !matches!(outcome, Outcome::Same) {
        trace.replaced += old.footprint();
    }
    Ok(outcome)
}

fn apply_to_leaf(
    target: &Target<'_>,
    (path, value, below): (&Nibbles, &[u8], Option<&Arc<Held>>),
    depth: usize,
    writes: &[Write],
    trace: &mut Trace,
) -> Outcome {
    let mut key = B256::ZERO;
    // All keys below this place share the nibbles above it.
    nibbles(&writes[0].key).slice(..depth).join(path).pack_to(&mut key[..]);
    let mut entries: Vec<_> = writes.iter().filter_map(entry).collect();
    match writes.binary_search_by_key(&key, |write| write.key) {
        Ok(_) => trace.before.push((key, value.into())),
        Err(place) => {
            let smaller = writes[..place].iter().filter(|write| write.value.is_some()).count();
            entries.insert(smaller, Entry { key: &key, value, below });
        }
    }
    match entries.as_slice() {
        [] => Outcome::Gone,
        [only] if *only.key == key && only.value == value => Outcome::Same,
        _ => Outcome::New(build(target, depth, &entries, trace)),
    }
}

fn apply_to_extension(
    target: &Target<'_>,
    path: &Nibbles,
    child: &Link,
    depth: usize,
    writes: &[Write],
    trace: &mut Trace,
) -> Result<Outcome, StorageError> {
    let at = nibbles(&writes[0].key).slice(..depth);
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
        return Ok(match apply(target, Some(child), below, writes, trace)? {
            Outcome::New(node) => Outcome::New(prepend(target, &at, path, node, trace)),
            unchanged_or_gone => unchanged_or_gone,
        });
    }
    // The path splits: a branch where the first inserted key leaves it, the rest of the extension as one of its children.
    let turn = path.get_unchecked(shared);
    let rest = path.slice(shared + 1..);
    let mut children = [const { Child::None }; 16];
    for (nibble, writes) in by_nibble(writes, below) {
        children[usize::from(nibble)] = if nibble != turn {
            match apply(target, None, below + 1, writes, trace)? {
                Outcome::New(node) => Child::New(node),
                Outcome::Same | Outcome::Gone => Child::None,
            }
        } else if rest.is_empty() {
            match apply(target, Some(child), below + 1, writes, trace)? {
                Outcome::New(node) => Child::New(node),
                Outcome::Same => Child::Kept(child.clone()),
                Outcome::Gone => Child::None,
            }
        } else {
            match apply_to_extension(target, &rest, child, below + 1, writes, trace)? {
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
    let shared = path.slice(..shared);
    Ok(match assemble(target, &at.join(&shared), children, trace)? {
        Outcome::New(node) if !shared.is_empty() => Outcome::New(prepend(target, &at, &shared, node, trace)),
        outcome => outcome,
    })
}

fn apply_to_branch(
    target: &Target<'_>,
    old: &Children,
    depth: usize,
    writes: &[Write],
    trace: &mut Trace,
) -> Result<Outcome, StorageError> {
    let mut children: [Child; 16] = std::array::from_fn(|nibble| old[nibble].clone().map_or(Child::None, Child::Kept));
    let outcomes: Vec<(u8, Outcome)> = if writes.len() >= PARALLEL_WRITES {
        let slices: Vec<_> = by_nibble(writes, depth).collect();
        let parts = slices
            .into_par_iter()
            .map(|(nibble, writes)| {
                let mut trace = Trace::default();
                let outcome = apply(target, old[usize::from(nibble)].as_ref(), depth + 1, writes, &mut trace)?;
                Ok((nibble, outcome, trace))
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        parts
            .into_iter()
            .map(|(nibble, outcome, part)| {
                trace.add(part);
                (nibble, outcome)
            })
            .collect()
    } else {
        by_nibble(writes, depth)
            .map(|(nibble, writes)| {
                Ok((nibble, apply(target, old[usize::from(nibble)].as_ref(), depth + 1, writes, trace)?))
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
    if !changed {
        return Ok(Outcome::Same);
    }
    assemble(target, &nibbles(&writes[0].key).slice(..depth), children, trace)
}

/// A branch at `at` of these children, or what is left when they are fewer than two.
fn assemble(
    target: &Target<'_>,
    at: &Nibbles,
    children: [Child; 16],
    trace: &mut Trace,
) -> Result<Outcome, StorageError> {
    let count = children.iter().filter(|child| !matches!(child, Child::None)).count();
    if count >= 2 {
        let mut links = Children::default();
        for (nibble, child) in (0u8..).zip(children) {
            links[usize::from(nibble)] = match child {
                Child::None => None,
                Child::Kept(link) => Some(link),
                Child::New(node) => Some(place(target, node, || at.join(&step(nibble)), trace)),
            };
        }
        return Ok(Outcome::New(Node::Branch(Box::new(links))));
    }
    for (nibble, child) in (0u8..).zip(children) {
        let step = step(nibble);
        return Ok(Outcome::New(match child {
            Child::None => continue,
            Child::New(node) => prepend(target, at, &step, node, trace),
            Child::Kept(link) => match &*target.load(&link, || at.join(&step))? {
                Node::Branch(_) => Node::Extension { path: step, child: link },
                short => prepend(target, at, &step, short.clone(), trace),
            },
        }));
    }
    Ok(Outcome::Gone)
}

/// `node`, reached from `at` by `path`, as a node at `at`: merged into a leaf or an extension, as a new extension above a
/// branch.
fn prepend(target: &Target<'_>, at: &Nibbles, path: &Nibbles, node: Node, trace: &mut Trace) -> Node {
    if matches!(node, Node::Extension { .. }) {
        trace.vacated.push(at.join(path));
    }
    match node {
        Node::Leaf { path: rest, value, below } => Node::Leaf { path: path.join(&rest), value, below },
        Node::Extension { path: rest, child } => Node::Extension { path: path.join(&rest), child },
        branch @ Node::Branch(_) => {
            Node::Extension { path: *path, child: place(target, branch, || at.join(path), trace) }
        }
    }
}

/// The smallest trie of these entries, which are sorted, unique and at least one, below a place `depth` nibbles down.
fn build(target: &Target<'_>, depth: usize, entries: &[Entry<'_>], trace: &mut Trace) -> Node {
    let (first, last) = (entries[0], entries[entries.len() - 1]);
    if entries.len() == 1 {
        let path = nibbles(first.key).slice(depth..);
        return Node::Leaf { path, value: first.value.into(), below: first.below.cloned() };
    }
    let fork = nibbles(first.key).common_prefix_length(&nibbles(last.key));
    let mut children = Children::default();
    for group in entries.chunk_by(|a, b| nibble_at(a.key, fork) == nibble_at(b.key, fork)) {
        let child = build(target, fork + 1, group, trace);
        let path = || nibbles(group[0].key).slice(..=fork);
        children[usize::from(nibble_at(group[0].key, fork))] = Some(place(target, child, path, trace));
    }
    let branch = Node::Branch(Box::new(children));
    if fork == depth {
        return branch;
    }
    let path = nibbles(first.key);
    prepend(target, &path.slice(..depth), &path.slice(depth..fork), branch, trace)
}

/// Makes a node somebody's child, at `path`.
fn place(target: &Target<'_>, node: Node, path: impl FnOnce() -> Nibbles, trace: &mut Trace) -> Link {
    let (footprint, is_leaf) = (node.footprint(), matches!(node, Node::Leaf { .. }));
    let link = Link::to(node, target.born);
    if matches!(link, Link::Held(_)) {
        trace.created += footprint;
    }
    if matches!(link, Link::Inline(_)) && !is_leaf {
        trace.vacated.push(path());
    }
    link
}

fn entry(write: &Write) -> Option<Entry<'_>> {
    let value = write.value.as_deref()?;
    Some(Entry { key: &write.key, value, below: write.below.as_ref() })
}

fn step(nibble: u8) -> Nibbles {
    Nibbles::from_nibbles_unchecked([nibble])
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
