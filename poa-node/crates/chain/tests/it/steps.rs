//! What every observer can see of the last steps.

use std::time::Duration;

use aurum_chain::view::{StepOutcome, StepReport};
use aurum_types::Step;

use crate::kit::{Kit, Node};

fn steps(node: &Node, count: u64) -> Vec<StepReport> {
    node.view().recent_steps(count).unwrap()
}

#[test]
fn each_step_has_its_block_or_names_who_let_it_pass() {
    let kit = Kit::new(3);
    let node = kit.node();
    let absent = kit.validators[2];
    let blocks = kit.mine_many(&node, &kit.validators[..2], 5);
    let first = blocks[0].header().step().unwrap();
    let last = blocks[4].header().step().unwrap();

    // One step and a bit after the head.
    kit.clock.set(kit.schedule().start_of(Step(last.0 + 2)) + Duration::from_millis(10));
    let seen = steps(&node, 100);
    assert_eq!((seen[0].step, seen.last().unwrap().step), (first, Step(last.0 + 2)));
    assert!(seen.windows(2).all(|pair| pair[1].step == pair[0].step.next()), "no step twice, none left out");
    for report in &seen {
        assert_eq!(report.proposer, kit.validators[usize::try_from(report.step.0 % 3).unwrap()]);
        let sealed = blocks.iter().find(|block| block.header().step() == Some(report.step));
        match (report.outcome, sealed) {
            (StepOutcome::Sealed(at), Some(block)) => assert_eq!(at.hash, block.hash()),
            (StepOutcome::Missed, None) => assert!(report.step > last || report.proposer == absent),
            (StepOutcome::Open, None) => assert_eq!(report.step, Step(last.0 + 2)),
            other => panic!("step {}: {other:?}", report.step),
        }
    }
    assert_eq!(seen.iter().filter(|report| matches!(report.outcome, StepOutcome::Sealed(_))).count(), 5);

    let few = steps(&node, 4);
    assert_eq!(few, seen[seen.len() - 4..], "as many as asked for");
}

#[test]
fn a_chain_without_blocks_shows_only_steps_without_blocks() {
    let kit = Kit::new(2);
    let node = kit.node();
    let seen = steps(&node, 6);
    assert_eq!(seen.len(), 6);
    assert!(seen[..5].iter().all(|report| report.outcome == StepOutcome::Missed));
    assert_eq!(seen[5].outcome, StepOutcome::Open);
}

#[test]
fn a_chain_that_stood_still_for_years_is_told_in_so_many_steps_as_were_asked_for() {
    let kit = Kit::new(2);
    let node = kit.node();
    kit.mine_many(&node, &kit.validators, 2);
    kit.clock.set(aurum_aura::Clock::now(&*kit.clock) + Duration::from_secs(100_000_000));
    assert_eq!(steps(&node, u64::MAX).len(), 1_024);
}
