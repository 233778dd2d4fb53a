//! What readers see: logs, proofs, calls, receipts, fees, at any block.

use std::time::Duration;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, TxKind, U256, address, b256, keccak256},
    rpc::types::Filter,
};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use aurum_aura::Signer;
use aurum_chain::{CallOutcome, CallRequest, Cancel, ReadError};
use aurum_types::Step;

use crate::kit::{Kit, key, standing, transaction, transfer};

/// Writes its input word to slot 0 and logs it with topic `TOPIC`; returns slot 0.
const LOGGER: Address = address!("00000000000000000000000000000000000000c0");
const TOPIC: B256 = b256!("00000000000000000000000000000000000000000000000000000000000000aa");
/// PUSH1 0 CALLDATALOAD DUP1 PUSH1 0 SSTORE PUSH1 0 MSTORE, LOG1(0, 32, 0xaa), return SLOAD(0).
const CODE: &str = "0x6000358060005560005260aa60206000a160005460005260206000f3";

fn kit() -> Kit {
    Kit::with(3, |spec| {
        spec["accounts"][LOGGER.to_string()] = serde_json::json!({ "nonce": "0x1", "code": CODE });
    })
}

fn log(nonce: u64, word: u64) -> aurum_types::Transaction {
    let input = B256::from(U256::from(word)).0.to_vec();
    transaction(&key(0), nonce, TxKind::Call(LOGGER), 0, input.into())
}

#[test]
fn logs_are_found_by_range_hash_address_and_topic_and_only_there() {
    let kit = kit();
    let node = kit.node();
    let first = kit.mine(&node, &[log(0, 1), log(1, 2)]);
    kit.mine(&node, &[]);
    kit.mine(&node, &[log(2, 3)]);
    // Old enough to be persisted.
    kit.mine_many(&node, &kit.validators, 6);
    let view = node.view();
    let all = Filter::new().from_block(0).to_block(BlockNumberOrTag::Latest);
    let found = view.logs(&all.clone().address(LOGGER)).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found.iter().map(|log| log.log_index.unwrap()).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(found[1].transaction_hash, Some(*log(1, 2).tx_hash()));
    assert_eq!(found[1].transaction_index, Some(1));
    assert_eq!(view.logs(&all.clone().event_signature(TOPIC)).unwrap().len(), 3);
    assert_eq!(view.logs(&all.address(Address::ZERO)).unwrap().len(), 0);
    assert_eq!(view.logs(&Filter::new().at_block_hash(first.hash())).unwrap().len(), 2);
    assert_eq!(view.logs(&Filter::new().from_block(2).to_block(3)).unwrap().len(), 1);
    assert!(matches!(view.logs(&Filter::new().from_block(3).to_block(2)), Err(ReadError::Range { .. })));
    assert!(matches!(view.logs(&Filter::new().at_block_hash(TOPIC)), Err(ReadError::UnknownBlock)));
}

#[test]
fn a_search_for_logs_ends_when_nobody_waits_for_it() {
    let kit = kit();
    let node = kit.node();
    kit.mine(&node, &[log(0, 1)]);
    let (all, cancel) = (Filter::new().from_block(0).to_block(BlockNumberOrTag::Latest), Cancel::default());
    assert_eq!(node.view().logs_within(&all, 10, &cancel).unwrap().len(), 1);
    cancel.cancel();
    assert!(matches!(node.view().logs_within(&all, 10, &cancel), Err(ReadError::Cancelled)));
}

#[test]
fn a_reorganisation_reports_removed_logs_newest_first() {
    let kit = kit();
    let (left, right) = (kit.node(), kit.node());
    let mut events = left.events();
    kit.mine_by(&left, &kit.validators[..1], &[log(0, 1), log(1, 2)]);
    let winner = [
        kit.mine_by(&right, &kit.validators[1..2], &[log(0, 7)]),
        kit.mine_by(&right, &kit.validators[1..2], &[]),
        kit.mine_by(&right, &kit.validators[1..2], &[]),
    ];
    crate::kit::import_all(&left, &winner);
    let filter = Filter::new().address(LOGGER);
    let mut seen = Vec::new();
    while let Ok(change) = events.try_recv() {
        seen.extend(change.logs(&filter).into_iter().map(|log| (log.removed, U256::from_be_slice(&log.data().data))));
    }
    let word = |word: u64| U256::from(word);
    assert_eq!(seen, [(false, word(1)), (false, word(2)), (true, word(2)), (true, word(1)), (false, word(7))]);
    assert_eq!(standing(&left), standing(&right));
}

#[test]
fn state_calls_and_proofs_are_of_the_block_asked_for() {
    let kit = kit();
    let node = kit.node();
    for word in 1..=9 {
        kit.mine(&node, &[log(word - 1, word)]);
    }
    let view = node.view();
    for number in 0..=9u64 {
        let id = BlockId::number(number);
        let state = view.state(id).unwrap().unwrap();
        assert_eq!(state.storage(LOGGER, U256::ZERO).unwrap(), U256::from(number));
        assert_eq!(state.account(key(0).address()).unwrap().nonce, number);

        let proof = view.proof(id, LOGGER, &[U256::ZERO]).unwrap();
        let root = view.header(id).unwrap().unwrap().1.state_root;
        let account = proof.account.unwrap();
        let leaf = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: proof.storage_root,
            code_hash: account.code_hash,
        };
        let path = Nibbles::unpack(keccak256(LOGGER));
        verify_proof(root, path, Some(alloy::rlp::encode(leaf)), &proof.proof).expect("the account is proven");
        let value = (number > 0).then(|| alloy::rlp::encode(U256::from(number)));
        let path = Nibbles::unpack(keccak256(B256::ZERO));
        verify_proof(proof.storage_root, path, value, &proof.storage[0].proof).expect("the slot is proven");
    }
    let request = CallRequest {
        to: TxKind::Call(LOGGER),
        data: Bytes::copy_from_slice(B256::from(U256::from(77)).as_slice()),
        ..CallRequest::default()
    };
    match view.call(BlockId::number(3), &request).unwrap() {
        CallOutcome::Success { output, logs, .. } => {
            assert_eq!((U256::from_be_slice(&output), logs.len()), (U256::from(77), 1));
        }
        other => panic!("{other:?}"),
    }
    let gas = view.estimate_gas(BlockId::pending(), &request).unwrap().unwrap();
    assert!((21_000..100_000).contains(&gas), "{gas}");
    assert!(matches!(view.call(BlockId::number(99), &request), Err(ReadError::UnknownBlock)));
}

#[test]
fn tags_hashes_and_places_resolve() {
    let kit = kit();
    let node = kit.node();
    let tx = transfer(&key(0), 0, Address::repeat_byte(5), 3);
    kit.mine(&node, std::slice::from_ref(&tx));
    kit.mine_many(&node, &kit.validators, 9);
    let view = node.view();
    let head = view.head();
    for (id, number) in [
        (BlockId::earliest(), 0),
        (BlockId::latest(), head.latest.number),
        (BlockId::pending(), head.latest.number),
        (BlockId::safe(), head.finalized.number),
        (BlockId::finalized(), head.finalized.number),
        (BlockId::hash(head.latest.hash), head.latest.number),
    ] {
        assert_eq!(view.resolve(id).unwrap().unwrap().number, number, "{id:?}");
        assert_eq!(view.block(id).unwrap().unwrap().number(), number);
    }
    assert!(view.block(BlockId::number(head.latest.number + 1)).unwrap().is_none());
    let place = view.transaction(*tx.tx_hash()).unwrap().unwrap().place.unwrap();
    assert_eq!((place.block_number, place.index), (1, 0));
    let receipt = view.receipt(*tx.tx_hash()).unwrap().unwrap();
    assert_eq!((receipt.gas_used, receipt.effective_gas_price, receipt.contract_address), (21_000, 0, None));
    let block = view.block(BlockId::number(1)).unwrap().unwrap();
    assert!(block.is_canonical());
    assert_eq!(block.senders(), [key(0).address()]);
    assert_eq!(view.next_nonce(key(0).address()).unwrap(), 1);
    let history = view.fee_history(4, BlockNumberOrTag::Latest, &[50.0]).unwrap();
    assert_eq!((history.base_fee_per_gas.len(), history.gas_used_ratio.len()), (5, 4));
    assert!(view.fee_history(4, BlockNumberOrTag::Latest, &[50.0, 20.0]).is_err());
}

#[test]
fn the_engines_status_names_who_missed_a_turn_and_who_signed() {
    let kit = kit();
    let node = kit.node();
    kit.mine_many(&node, &kit.validators, 3);
    let absent = kit.validators[2];
    kit.mine_many(&node, &kit.validators[..2], 4);
    let status = node.view().engine().unwrap();
    assert_eq!(status.validators, kit.validators);
    assert_eq!(status.missed.iter().filter(|missed| missed.validator == absent).count(), status.missed.len());
    assert!(!status.missed.is_empty());
    assert_eq!(status.finality.needed, 3, "more than two thirds of three");
    assert!(!status.finality.signers.contains(&absent));
    assert_eq!(status.head_step, node.authoring().unwrap().parent().step().unwrap());
    kit.clock.set(kit.schedule().start_of(Step(status.head_step.0 + 1)) + Duration::from_millis(10));
    assert_eq!(node.view().engine().unwrap().step, Step(status.head_step.0 + 1));
}
