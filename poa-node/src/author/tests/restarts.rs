//! Reports over restarts: none is lost, and none is made twice.

use super::*;

/// Has `node` hear two blocks of authority 1 for one step; gives the step.
fn hear_two(spec: &Arc<ChainSpec>, node: &Node) -> Step {
    let (one, two) = (Node::new(spec, 1, EmptyBlocks::Always), Node::new(spec, 1, EmptyBlocks::Always));
    let step = node.step_of(1, 3);
    two.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    node.hear(&one.seal(step).unwrap());
    node.hear(&two.seal(step).unwrap());
    step
}

/// Hashes of the reports that wait in the pool.
fn pooled_reports(node: &Node) -> Vec<B256> {
    let content = node.chain.pool().content();
    let to_contract = content.pending.values().flatten().filter(|tx| tx.transaction().to() == Some(CONTRACT));
    to_contract.map(|tx| *tx.transaction().tx_hash()).collect()
}

fn expected() -> Bytes {
    calls::report_malicious(key(1).address(), 1)
}

/// The report of the step between the siblings' and that of authority 0.
fn skipped() -> Bytes {
    calls::report_benign(key(2).address(), 2)
}

#[test]
fn a_report_that_was_not_sent_is_sent_after_a_restart_and_only_once() {
    let spec = reporting_spec(json!({}), Vec::new());
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let step = hear_two(&spec, &node);
    // Killed before it was sent.
    let node = node.restart();
    node.author().send_reports().unwrap();
    assert_eq!(node.pooled_calls(), [expected()]);
    let sent = pooled_reports(&node);

    // Killed before it was in a block: the same transaction comes again, and no other.
    let node = node.restart();
    assert!(node.pooled_calls().is_empty());
    node.author().send_reports().unwrap();
    node.author().send_reports().unwrap();
    assert_eq!(pooled_reports(&node), sent);

    // Once it is on the chain, it is over. The block skips a step, and that is what is left to report.
    let block = node.seal(Step(step.0 + 2)).unwrap();
    assert_eq!(block.block().transactions.len(), 1);
    let mut node = node;
    for _ in 0..2 {
        node = node.restart();
        node.author().send_reports().unwrap();
        assert_eq!(node.pooled_calls(), [skipped()]);
    }
    let state = node.chain.view().state(BlockId::latest()).unwrap().unwrap();
    // finalizeChange() at block 1 was the first call, the report the second.
    assert_eq!(state.storage(CONTRACT, U256::ZERO).unwrap(), U256::from(2));
}

#[test]
fn a_report_whose_nonce_was_used_otherwise_is_signed_anew() {
    let spec = reporting_spec(json!({}), Vec::new());
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let step = hear_two(&spec, &node);
    node.author().send_reports().unwrap();
    let first = pooled_reports(&node);
    let node = node.restart();
    node.chain.pool().add(transfer(&key(0), 0), Origin::Local).unwrap();
    assert_eq!(node.seal(Step(step.0 + 2)).unwrap().block().transactions.len(), 1);
    node.author().send_reports().unwrap();
    assert_eq!(node.pooled_calls(), [expected(), skipped()]);
    assert!(!pooled_reports(&node).contains(&first[0]));
    let block = node.seal(Step(step.0 + 5)).unwrap();
    assert_eq!(block.block().transactions[0].nonce(), 1);
}

#[test]
fn malice_that_the_contract_still_wants_to_hear_is_in_our_blocks_after_a_restart() {
    let (callable, should_report) = (no([0x3d, 0x3b, 0x54, 0x58]), yes([0xcb, 0xd2, 0xd5, 0x28]));
    let spec = reporting_spec(json!({ "posdaoTransition": 0 }), vec![callable, should_report]);
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let step = hear_two(&spec, &node);
    node.author().send_reports().unwrap();
    let node = node.restart();
    node.author().send_reports().unwrap();
    let block = node.seal(Step(step.0 + 2)).unwrap();
    assert_eq!(block.block().transactions[0].input(), &expected());
}

#[test]
fn a_benign_report_is_not_repeated_by_a_block_that_is_heard_again() {
    let spec = reporting_spec(json!({}), Vec::new());
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let other = Node::new(&spec, 1, EmptyBlocks::Always);
    let step = node.step_of(1, 3);
    let good = other.seal(step).unwrap();
    let mut early = good.block().clone();
    let late = Step(step.0 + 1);
    early.header.difficulty = aurum_aura::difficulty(Step(0), late, 0);
    let mut seal = AuraSeal { step: late, signature: [0; 65], empty_steps: None };
    early.header.seal = seal.to_fields();
    seal.signature = key(1).sign(early.header.seal_hash(&spec.header_format())).unwrap();
    early.header.seal = seal.to_fields();
    let out_of_turn = SealedBlock::seal_slow(early);
    node.at(late);
    assert!(node.chain.import(out_of_turn.clone()).is_err());
    node.author().send_reports().unwrap();
    assert_eq!(node.pooled_calls(), [calls::report_benign(key(1).address(), 1)]);
    let sent = pooled_reports(&node);
    // A refused block is not stored: only the book knows.
    let node = node.restart();
    assert!(node.chain.import(out_of_turn).is_err());
    node.author().send_reports().unwrap();
    assert_eq!(pooled_reports(&node), sent);
}
