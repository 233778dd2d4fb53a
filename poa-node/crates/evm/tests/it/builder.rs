//! A block that was built executes to the same outcome, whatever was tried while building it.

use std::collections::BTreeMap;

use crate::common::{self, *};
use alloy::primitives::{Address, Bytes, TxKind, U256};
use aurum_types::{Recovered, StateChanges, Transaction, state_root_slow};
use proptest::prelude::*;

const PERMISSIONS: Address = Address::repeat_byte(0x99);
const STORE: Address = Address::repeat_byte(0x71);
const DESTROYED: Address = Address::repeat_byte(0x72);
const SENDERS: u8 = 4;

/// One transaction to try: who, what, and by how much its nonce is off.
#[derive(Clone, Debug)]
struct Attempt {
    sender: u8,
    action: u8,
    value: u64,
    price: u128,
    nonce_off: u64,
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let attempt = (0..SENDERS, 0_u8..9, 0_u64..50, 0_u128..4, prop_oneof![9 => Just(0_u64), 1 => 1_u64..3]);
    let attempt = attempt.prop_map(|(sender, action, value, price, nonce_off)| Attempt {
        sender,
        action,
        value,
        price,
        nonce_off,
    });
    prop::collection::vec(attempt, 0..40)
}

fn transaction(attempt: &Attempt, nonces: &[u64]) -> Recovered<Transaction> {
    let sender = key(attempt.sender);
    let nonce = nonces[usize::from(attempt.sender)] + attempt.nonce_off;
    let Attempt { value, price, .. } = *attempt;
    let other = key((attempt.sender + 1) % SENDERS);
    let word = Bytes::copy_from_slice(&U256::from(value).to_be_bytes::<32>());
    match attempt.action {
        0 => sender.legacy(nonce, call(other.address), value, 21_000, price, Bytes::new()),
        1 => sender.legacy(nonce, call(STORE), 0, 60_000, price, word),
        2 => sender.eip1559(nonce, call(STORE), value, 60_000, (price, 0), word),
        3 => sender.legacy(nonce, TxKind::Create, value, 150_000, price, creation(&asm("NUMBER 0x01 SSTORE"))),
        4 => sender.legacy(nonce, TxKind::Create, value, 150_000, price, asm("CALLER SELFDESTRUCT")),
        5 => sender.legacy(nonce, call(DESTROYED), value, 60_000, price, Bytes::new()),
        6 => sender.eip7702(nonce, STORE, other, nonces[usize::from((attempt.sender + 1) % SENDERS)], STORE),
        7 => sender.legacy(nonce, call(STORE), value, 25_000, price, Bytes::from(vec![0xff; 40])),
        _ => sender.legacy(nonce, call(Address::with_last_byte(4)), 0, 30_000, price, word),
    }
}

fn chain() -> Chain {
    let mut spec = spec();
    spec.params.eip_timestamps.remove(&6780);
    spec.params.transaction_permission_contract = Some(PERMISSIONS);
    spec.engine.block_reward = BTreeMap::from([(0, U256::from(3))]);
    // Version 4, cacheable: everybody has basic and call; creation only where the last bit of the address is set.
    let permissions = asm("0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x04 CALLDATALOAD 0x01 AND 0x04 MUL 0x03 ADD 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN \
         version: 0x04 0x00 MSTORE 0x20 0x00 RETURN");
    // Slot by the first word of the input (0 clears), a log; reverts for 0xff….
    let store = asm("0x00 CALLDATALOAD DUP1 0xff SHR @bad JUMPI DUP1 0x07 AND SSTORE 0x20 0x00 LOG0 STOP \
         bad: 0x00 0x00 REVERT");
    let mut world = World::new()
        .contract(PERMISSIONS, &permissions, &[])
        .contract(STORE, &store, &[(1, 1), (2, 2)])
        .account(DESTROYED, 5)
        .contract(DESTROYED, &asm("CALLER SELFDESTRUCT"), &[(1, 1)]);
    for n in 0..SENDERS {
        world = world.account(key(n).address, 200_000);
    }
    let mut chain = Chain::new(spec, world.build());
    chain.base_fee = Some(0);
    chain
}

/// The whole state after changes, as a root.
fn root_after(chain: &Chain, changes: &StateChanges) -> alloy::primitives::B256 {
    let mut state = chain.state.clone();
    state.apply(changes);
    let mut whole = StateChanges::default();
    for (address, account) in state.accounts() {
        let change = whole.accounts.entry(address).or_default();
        change.account = Some(account);
        change.storage = state.slots(address).collect();
    }
    state_root_slow(&whole)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn executing_a_built_block_gives_what_building_it_gave(list in attempts()) {
        let mut chain = chain();
        for block in list.chunks(15) {
            let env = aurum_evm::BlockEnv { gas_limit: 600_000, ..chain.next_env() };
            let begin = (chain.parent.number == 0).then_some(STORE);
            let mut builder = chain.evm.builder(chain.reader(), &chain.parent, env.clone(), begin).unwrap();
            let mut nonces: Vec<u64> = (0..SENDERS).map(|n| chain.nonce(key(n).address)).collect();
            let mut included = Vec::new();
            for attempt in block {
                let tx = transaction(attempt, &nonces);
                let left = builder.gas_left();
                match builder.push(&tx) {
                    Ok(pushed) => {
                        prop_assert_eq!(left - pushed.gas_used, builder.gas_left());
                        nonces[usize::from(attempt.sender)] += 1;
                        if attempt.action == 6 {
                            // The authority's nonce moves too, if the authorization held.
                            nonces[usize::from((attempt.sender + 1) % SENDERS)] += 1;
                        }
                        included.push(tx);
                    }
                    Err(_) => prop_assert_eq!(left, builder.gas_left()),
                }
            }
            prop_assert_eq!(builder.len(), included.len());
            let built = builder.finish().unwrap();
            let executed = chain.execute_in(&env, &included, begin).unwrap();
            prop_assert_eq!(&built.receipts, &executed.receipts);
            prop_assert_eq!(built.gas_used, executed.gas_used);
            prop_assert_eq!(&built.changes, &executed.changes);
            let again = chain.execute_in(&env, &included, begin).unwrap();
            prop_assert_eq!(&again.changes, &executed.changes, "execution is a function of the block");
            prop_assert_eq!(root_after(&chain, &built.changes), root_after(&chain, &again.changes));
            chain.adopt(env, &built);
        }
    }
}

#[test]
fn receipts_before_eip658_carry_the_root_after_each_transaction() {
    let mut spec = free_spec();
    spec.params.eip658_transition = None;
    let chain = Chain::new(spec, World::new().contract(STORE, &asm("0x00 CALLDATALOAD 0x01 SSTORE"), &[]).build());
    let store = |nonce, value: u64| {
        let word = Bytes::copy_from_slice(&U256::from(value).to_be_bytes::<32>());
        key(1).legacy(nonce, call(STORE), 0, 60_000, 0, word)
    };
    let txs = [store(0, 5), store(1, 6)];
    let mut roots = Vec::new();
    let mut root = |changes: &StateChanges| {
        let root = root_after(&chain, changes);
        roots.push(root);
        Ok(root)
    };
    let env = chain.next_env();
    let block = block(&env, &txs);
    let outcome = chain.evm.execute_with_roots(chain.reader(), &chain.parent, &block, None, &mut root).unwrap();
    let got: Vec<_> = outcome.receipts.iter().map(|receipt| receipt.outcome).collect();
    let expected: Vec<_> = roots.iter().map(|root| aurum_types::ReceiptOutcome::StateRoot(*root)).collect();
    assert_eq!(got, expected);
    let one = chain.evm.execute_with_roots(
        chain.reader(),
        &chain.parent,
        &common::block(&env, &txs[..1]),
        None,
        &mut |changes| Ok(root_after(&chain, changes)),
    );
    assert_eq!(one.unwrap().receipts[0].outcome, expected[0]);
    assert_ne!(expected[0], expected[1]);
    assert!(matches!(chain.execute(&txs, None), Err(aurum_evm::EvmError::Fault(_))), "without the commitment: refused");
}
