//! The head, finality and the pool come back from disk alone, whatever a process left there.

use std::{fs, path::Path};

use crate::kit::{Kit, import_all, key, standing, transfer};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256},
};
use aurum_aura::Signer;
use aurum_types::SealedBlock;

/// What a killed process leaves: its files, without any of them being closed.
pub(crate) fn crash_copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            crash_copy(&entry.path(), &target);
        } else if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_process_that_dies_between_any_two_blocks_finds_its_head_and_finality_again() {
    let kit = Kit::new(4);
    let (node, other) = (kit.node(), kit.node());
    for round in 0..20u64 {
        match round % 5 {
            // A side branch of one block that never wins.
            3 => {
                let step = kit.next_step(&node, &kit.validators);
                let (side, _) = kit.build(&other, step, &[transfer(&key(1), 0, Address::repeat_byte(3), round)]);
                let main = kit.mine_by(&node, &kit.validators, &[]);
                let _ = node.import(side);
                other.import(main).unwrap();
            }
            _ => {
                let block = kit.mine(&node, &[transfer(&key(0), nonce(&node), Address::repeat_byte(9), 1)]);
                other.import(block).unwrap();
            }
        }
        let copy = tempfile::TempDir::new().unwrap();
        crash_copy(node.dir.path(), copy.path());
        let reopened = kit.open(copy.path());
        assert_eq!(standing(&reopened), standing(&node), "round {round}");
        assert_eq!(reopened.view().engine().unwrap().finality, node.view().engine().unwrap().finality);
        let read = |chain: &aurum_chain::Chain| {
            chain.view().state(BlockId::latest()).unwrap().unwrap().account(Address::repeat_byte(9)).unwrap()
        };
        assert_eq!(read(&reopened), read(&node));
    }
}

fn nonce(chain: &aurum_chain::Chain) -> u64 {
    chain.view().state(BlockId::latest()).unwrap().unwrap().account(key(0).address()).unwrap().nonce
}

#[test]
fn a_tie_falls_the_same_way_after_a_restart() {
    let kit = Kit::new(4);
    let mut nodes = [kit.node(), kit.node()];
    let step = kit.next_step(&nodes[0], &kit.validators);
    let (one, _) = kit.build(&nodes[0], step, &[]);
    let (two, _) = kit.build(&nodes[0], step, &[transfer(&key(0), 0, Address::repeat_byte(1), 1)]);
    for (node, order) in nodes.iter_mut().zip([[&one, &two], [&two, &one]]) {
        for block in order {
            node.import(block.clone()).unwrap();
        }
        assert_eq!(node.head().latest.hash, order[0].hash());
        node.reopen(&kit);
        assert_eq!(node.head().latest.hash, order[0].hash());
    }
}

#[test]
fn accepted_transactions_wait_again_after_a_restart() {
    let kit = Kit::new(1);
    let mut node = kit.node();
    let gate = aurum_chain::Gate::new((*node).clone());
    let grant = gate.grant_submit(&aurum_chain::Identity::Anonymous).unwrap();
    let waiting = transfer(&key(0), 0, Address::repeat_byte(1), 1);
    gate.submit(&grant, waiting.clone()).unwrap();
    drop((gate, grant));
    node.reopen(&kit);
    assert!(node.pool().get(*waiting.tx_hash()).is_some());
    kit.mine(&node, std::slice::from_ref(&waiting));
    node.reopen(&kit);
    assert!(node.pool().get(*waiting.tx_hash()).is_none(), "what is in a block waits no longer");
}

#[test]
fn another_chains_folder_is_refused() {
    let kit = Kit::new(1);
    let node = kit.node();
    let path = node.dir.path().to_owned();
    let config = Kit::with(1, |spec| spec["genesis"]["extraData"] = "0x01".into()).config(&path);
    let dir = node.dir.path().to_owned();
    let copy = tempfile::TempDir::new().unwrap();
    crash_copy(&dir, copy.path());
    let error = aurum_chain::Chain::open(aurum_chain::ChainConfig { path: copy.path().join("db"), ..config });
    assert!(matches!(error, Err(aurum_chain::ChainError::OtherChain { .. })), "{error:?}");
}

#[test]
fn a_spec_that_cannot_be_executed_exactly_opens_nothing() {
    let kit = Kit::with(1, |spec| spec["params"]["eip210Transition"] = serde_json::json!(7));
    let dir = tempfile::TempDir::new().unwrap();
    let error = aurum_chain::Chain::open(kit.config(dir.path())).unwrap_err();
    assert!(matches!(error, aurum_chain::ChainError::Rules(_)), "{error}");
    assert!(error.to_string().contains("params.eip210Transition"), "{error}");
    assert!(!dir.path().join("db").exists());
}

#[test]
fn a_node_that_synced_in_batches_reopens_at_the_same_place() {
    let kit = Kit::new(3);
    let (node, mut late) = (kit.node(), kit.node());
    let blocks = kit.mine_many(&node, &kit.validators, 150);
    for batch in blocks.chunks(40) {
        import_all(&late, batch);
    }
    assert_eq!(standing(&late), standing(&node));
    late.reopen(&kit);
    assert_eq!(standing(&late), standing(&node));
    for number in [0, 1, 17, 75, 149, 150] {
        assert_eq!(late.canonical_hash(number).unwrap(), node.canonical_hash(number).unwrap());
        assert!(late.view().block(BlockId::number(number)).unwrap().is_some(), "block {number}");
        assert!(late.view().state(BlockId::number(number)).unwrap().is_some(), "state {number}");
    }
}

/// Two blocks of one author for one step.
fn siblings(kit: &Kit, on: &crate::kit::Node) -> [SealedBlock; 2] {
    let step = kit.next_step(on, &kit.validators);
    [1, 2].map(|value| kit.build(on, step, &[transfer(&key(0), 0, Address::repeat_byte(1), value)]).0)
}

#[test]
fn a_double_vote_is_remembered_over_restarts() {
    let kit = Kit::new(4);
    let mut node = kit.node();
    for block in siblings(&kit, &node) {
        node.import(block).unwrap();
    }
    let found = node.view().engine().unwrap().equivocations;
    assert_eq!(found.len(), 1);
    let killed = tempfile::tempdir().unwrap();
    crash_copy(node.dir.path(), killed.path());
    assert_eq!(kit.open(killed.path()).view().engine().unwrap().equivocations, found);
    // Also when its blocks are long final.
    kit.mine_many(&node, &kit.validators, 12);
    assert!(node.head().finalized.number > found[0].first.number);
    for _ in 0..2 {
        node.reopen(&kit);
        assert_eq!(node.view().engine().unwrap().equivocations, found);
    }
}

#[test]
fn a_sibling_of_a_block_from_before_the_restart_is_a_double_vote() {
    let kit = Kit::new(4);
    // The first is above the persisted tip; or below it, while finality stalls.
    for stalled in [0, 200] {
        let mut node = kit.node();
        let [first, second] = siblings(&kit, &node);
        node.import(first.clone()).unwrap();
        kit.mine_many(&node, &kit.validators[..2], stalled);
        assert_eq!(node.head().finalized.number, 0, "two of four make nothing final");
        node.reopen(&kit);
        assert_eq!(node.view().engine().unwrap().equivocations, []);
        node.import(second.clone()).unwrap();
        let found = node.view().engine().unwrap().equivocations;
        assert_eq!(found.len(), 1, "{stalled}");
        assert_eq!((found[0].first.hash, found[0].second.hash), (first.hash(), second.hash()));
    }
}

#[test]
fn a_genesis_state_root_that_the_accounts_do_not_give_opens_nothing() {
    let stating = |root: B256| Kit::with(3, |spec| spec["genesis"]["stateRoot"] = root.to_string().into());
    let computed = {
        let node = Kit::new(3).node();
        node.view().header(BlockId::earliest()).unwrap().unwrap().1.state_root
    };
    let folder = tempfile::tempdir().unwrap();
    let wrong = stating(B256::repeat_byte(7));
    let error = aurum_chain::Chain::open(wrong.config(folder.path())).unwrap_err();
    let aurum_chain::ChainError::GenesisRoot { stated, computed: found } = &error else { panic!("{error}") };
    assert_eq!((*stated, *found), (B256::repeat_byte(7), computed));
    assert!(error.to_string().contains(&computed.to_string()), "{error}");

    // It left nothing behind: the right one begins in the same folder, and the wrong one does not go on with it.
    let right = stating(computed);
    let genesis = right.open(folder.path()).genesis_hash();
    assert_eq!(genesis, Kit::new(3).node().genesis_hash(), "stating what is computed changes nothing");
    let error = aurum_chain::Chain::open(wrong.config(folder.path())).unwrap_err();
    assert!(matches!(error, aurum_chain::ChainError::GenesisRoot { .. }), "{error}");
}
