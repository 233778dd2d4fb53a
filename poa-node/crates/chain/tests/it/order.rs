//! The head does not depend on the order in which blocks come, but for ties.

use std::collections::BTreeMap;

use crate::kit::{Kit, Node};
use aurum_chain::{Chain, ImportError};
use aurum_types::SealedBlock;
use proptest::prelude::*;

/// Where each new block goes: on which earlier block (by index, modulo), sealed how many steps later.
type Plan = Vec<(prop::sample::Index, u64)>;

/// A random tree: one node per tip grows its own branch. Only two of four authorities seal, so nothing becomes final.
fn grow(kit: &Kit, plan: &Plan) -> Vec<SealedBlock> {
    let mut tree: Vec<SealedBlock> = Vec::new();
    for (parent, skip) in plan {
        let node: Node = kit.node();
        let mut path = Vec::new();
        if !tree.is_empty() {
            let mut cursor = Some(&tree[parent.index(tree.len())]);
            while let Some(block) = cursor {
                path.push(block.clone());
                cursor = tree.iter().find(|parent| parent.hash() == block.header().parent_hash);
            }
        }
        path.reverse();
        crate::kit::import_all(&node, &path);
        let mut step = kit.next_step(&node, &kit.validators[..2]);
        for _ in 0..*skip {
            step = next_of(kit, step);
        }
        let (block, _) = kit.build(&node, step, &[]);
        tree.push(block);
    }
    tree
}

fn next_of(kit: &Kit, step: aurum_types::Step) -> aurum_types::Step {
    let mut step = step.next();
    while !kit.validators[..2].contains(&kit.validators[usize::try_from(step.0 % 4).unwrap()]) {
        step = step.next();
    }
    step
}

/// Offers blocks in this order; those that came before their parent again and again until it is there.
fn offer(chain: &Chain, blocks: &[SealedBlock]) {
    let mut waiting: Vec<_> = blocks.to_vec();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|block| matches!(chain.import(block.clone()), Err(ImportError::UnknownParent(_))));
        assert!(waiting.len() < before, "every block finds its parent");
    }
}

/// The best scores of the tree, by plain addition.
fn winners(tree: &[SealedBlock]) -> Vec<alloy::primitives::B256> {
    let mut scores: BTreeMap<_, alloy::primitives::U256> = BTreeMap::new();
    for block in tree {
        let parent = scores.get(&block.header().parent_hash).copied().unwrap_or_default();
        scores.insert(block.hash(), parent + block.header().difficulty);
    }
    let best = scores.values().max().copied().unwrap_or_default();
    scores.into_iter().filter(|(_, score)| *score == best).map(|(hash, _)| hash).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_best_branch_wins_in_any_order_of_arrival(
        plan in prop::collection::vec((any::<prop::sample::Index>(), 0u64..3), 1..10),
        order in prop::collection::vec(any::<prop::sample::Index>(), 10),
    ) {
        let kit = Kit::new(4);
        let tree = grow(&kit, &plan);
        let winners = winners(&tree);
        let mut shuffled = tree.clone();
        for (index, with) in (0..shuffled.len()).zip(&order) {
            let with = with.index(shuffled.len());
            shuffled.swap(index, with);
        }
        for blocks in [&tree, &shuffled] {
            let mut node = kit.node();
            offer(&node, blocks);
            prop_assert!(winners.contains(&node.head().latest.hash));
            let before = crate::kit::standing(&node);
            node.reopen(&kit);
            prop_assert_eq!(crate::kit::standing(&node), before, "and stays over a restart");
        }
    }
}
