//! Letting go what the database has, oldest first, so that a trie's nodes in memory stay within a budget.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    mpt::{Grown, StateTrie},
    node::{Held, Link, Node},
};

/// About how many bytes of memory the nodes of a trie take, from what the last look at them found and what was made and
/// replaced since.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrieMemory(usize);

impl TrieMemory {
    /// The trie grew.
    pub(crate) fn grow(&mut self, grown: &Grown) {
        self.0 = (self.0 + grown.created).saturating_sub(grown.replaced);
    }

    /// Lets nodes of `trie`, whose memory this is, go where they may take more than `granted`. Looking at all of them takes
    /// long, so a quarter goes at once.
    pub(crate) fn keep_within(&mut self, trie: &StateTrie, granted: usize) {
        if self.0 > granted {
            self.0 = shrink(trie, granted - granted / 4);
        }
    }
}

/// Lets nodes go until those that remain take about `budget` bytes: those not saved, the root, and of the rest what was
/// written last. A node is never younger than one above it, so what goes are whole subtries. Returns about how many bytes
/// remain.
pub(crate) fn shrink(trie: &StateTrie, budget: usize) -> usize {
    let Some(Link::Held(root)) = trie.root() else { return 0 };
    let mut by_age = BTreeMap::new();
    weigh(root, &mut by_age);
    let (mut kept, mut oldest) = (0, 0);
    for (born, bytes) in by_age.iter().rev() {
        if kept + bytes > budget {
            oldest = born + 1;
            break;
        }
        kept += bytes;
    }
    if oldest > 0 {
        cut(root, oldest);
    }
    kept
}

fn weigh(held: &Arc<Held>, by_age: &mut BTreeMap<u64, usize>) {
    let Some(node) = held.node() else { return };
    *by_age.entry(held.born()).or_default() += node.footprint();
    each_below(&node, |below| weigh(below, by_age));
}

fn cut(held: &Arc<Held>, oldest: u64) {
    let Some(node) = held.node() else { return };
    each_below(&node, |below| {
        if below.is_saved() && below.born() < oldest {
            below.let_go();
        } else {
            cut(below, oldest);
        }
    });
}

fn each_below(node: &Node, mut each: impl FnMut(&Arc<Held>)) {
    match node {
        Node::Leaf { below, .. } => below.iter().for_each(each),
        Node::Extension { child: Link::Held(child), .. } => each(child),
        Node::Extension { .. } => {}
        Node::Branch(children) => children.iter().for_each(|child| match child {
            Some(Link::Held(child)) => each(child),
            Some(Link::Leaf(_, leaf)) => {
                if let Node::Leaf { below: Some(below), .. } = &**leaf {
                    each(below);
                }
            }
            _ => {}
        }),
    }
}
