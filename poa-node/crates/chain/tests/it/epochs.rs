//! The validator set in a contract: signalled in one block, in force after its finality, across restarts.

use std::num::NonZeroUsize;

use crate::kit::{Kit, import_all, key, standing, transaction, transfer};
use alloy::{
    primitives::{Address, TxKind},
    sol_types::SolCall,
};
use aurum_aura::Signer;
use aurum_chain::{Chain, ChainConfig};
use aurum_contracts::{
    ValidatorSet,
    genesis::{VALIDATOR_SET, validator_set},
};
use aurum_evm::Parallel;
use serde_json::json;

/// Three authorities by contract; key 0 governs.
fn kit() -> Kit {
    Kit::with(3, |spec| {
        let validators: Vec<_> = (0..3).map(|index| key(index).address()).collect();
        for (address, account) in validator_set(&validators, key(0).address()).expect("a valid genesis") {
            spec["accounts"][address.to_string()] =
                json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
        }
        spec["engine"]["authorityRound"]["params"]["validators"] = json!({ "contract": VALIDATOR_SET });
    })
}

fn add(nonce: u64, validator: Address) -> aurum_types::Transaction {
    let call = ValidatorSet::addValidatorCall { validator }.abi_encode();
    transaction(&key(0), nonce, TxKind::Call(VALIDATOR_SET), 0, call.into())
}

#[test]
fn a_validator_added_at_run_time_seals_after_finality_and_not_before() {
    let kit = kit();
    let (mut node, mut peer) = (kit.node(), kit.node());
    let newcomer = key(3).address();
    let old: Vec<_> = (0..3).map(|index| key(index).address()).collect();
    let mut blocks = kit.mine_many(&node, &old, 3);
    blocks.push(kit.mine(&node, &[add(0, newcomer)]));
    let signalled = blocks.last().unwrap().number();
    let pending = node.view().engine().unwrap().pending_change.expect("signalled");
    assert_eq!(pending.signalled_in.number, signalled);
    assert_eq!(pending.validators.last(), Some(&newcomer));
    assert_eq!(node.view().engine().unwrap().validators, old, "not in force yet");

    // A restart between signal and finality loses nothing.
    node.reopen(&kit);
    assert!(node.view().engine().unwrap().pending_change.is_some());

    while node.view().engine().unwrap().validators.len() == 3 {
        blocks.push(kit.mine(&node, &[]));
        assert!(blocks.len() < 20, "the change comes with finality");
    }
    assert!(node.head().finalized.number >= signalled);
    node.reopen(&kit);
    let status = node.view().engine().unwrap();
    assert_eq!(status.validators.last(), Some(&newcomer));
    assert!(status.pending_change.is_none());

    let sealed = kit.mine_by(&node, &[newcomer], &[]);
    assert_eq!(sealed.header().author, newcomer);
    blocks.push(sealed);
    blocks.extend(kit.mine_many(&node, &[old, vec![newcomer]].concat(), 12));

    // A late node syncs across the change in batches, and remembers it.
    for batch in blocks.chunks(5) {
        import_all(&peer, batch);
    }
    assert_eq!(standing(&peer), standing(&node));
    peer.reopen(&kit);
    assert_eq!(standing(&peer), standing(&node));
    assert_eq!(peer.view().engine().unwrap().validators.len(), 4);
}

#[test]
fn immediate_transitions_use_the_contracts_word_at_the_parent() {
    let mut spec_kit = Kit::with(3, |spec| {
        let validators: Vec<_> = (0..3).map(|index| key(index).address()).collect();
        for (address, account) in validator_set(&validators, key(0).address()).expect("a valid genesis") {
            spec["accounts"][address.to_string()] =
                json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
        }
        spec["engine"]["authorityRound"]["params"]["validators"] = json!({ "contract": VALIDATOR_SET });
        spec["engine"]["authorityRound"]["params"]["immediateTransitions"] = json!(true);
    });
    spec_kit.validators.truncate(3);
    let (node, peer) = (spec_kit.node(), spec_kit.node());
    let blocks = spec_kit.mine_many(&node, &spec_kit.validators, 5);
    import_all(&peer, &blocks);
    assert_eq!(peer.head().latest, node.head().latest);
    assert_eq!(peer.head().finalized.number, 0, "several authorities and no finality");
}

#[test]
fn epochs_whose_blocks_run_in_parallel_are_those_of_blocks_that_run_one_by_one() {
    let kit = kit();
    let (author, newcomer) = (kit.node(), key(3).address());
    let old: Vec<_> = (0..3).map(|index| key(index).address()).collect();
    let pay = |from: usize, nonce, to: u8| transfer(&key(from), nonce, Address::repeat_byte(to), 1);
    let mut blocks = kit.mine_many(&author, &old, 2);
    blocks.push(kit.mine(&author, &[pay(1, 0, 1), add(0, newcomer), pay(1, 1, 2)]));
    for turn in 1..10 {
        blocks.push(kit.mine(&author, &[pay(0, turn, 1), pay(1, 2 * turn, 2), pay(1, 2 * turn + 1, 3)]));
    }
    assert_eq!(author.view().engine().unwrap().validators.last(), Some(&newcomer), "an epoch began on the way");
    let parallel = Parallel { threads: NonZeroUsize::new(2).unwrap(), least_gas: 0, least_mean_gas: 0 };
    for at_once in [1, 5, blocks.len()] {
        let dir = tempfile::TempDir::new().unwrap();
        let chain = Chain::open(ChainConfig { parallel: Some(parallel), ..kit.config(dir.path()) }).unwrap();
        blocks.chunks(at_once).for_each(|blocks| import_all(&chain, blocks));
        assert_eq!(standing(&chain), standing(&author));
        assert_eq!(chain.view().engine().unwrap().validators, author.view().engine().unwrap().validators);
    }
}
