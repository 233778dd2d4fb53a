//! The extensions `restrictInternalCreationTransition` and `restrictInternalCallsTransition`: what a contract does on
//! behalf of a sender needs the sender's right.

use crate::common::*;
use alloy::{
    primitives::{Address, Bytes, TxKind, U256},
    sol_types::{Revert, SolError},
};
use aurum_evm::{CallOutcome, CallRequest};
use aurum_types::ChainSpec;

const PERMISSIONS: Address = Address::repeat_byte(0x99);
const FACTORY: Address = Address::repeat_byte(0x71);
const CALLER: Address = Address::repeat_byte(0x72);
const TARGET: Address = Address::repeat_byte(0x73);
const FORBIDDEN: Address = Address::repeat_byte(0x74);

/// Slot 0: what CREATE gave. Slot 1: how much data came back. Slot 2: gas it cost. The input is the creation code.
fn factory(create: &str) -> Bytes {
    asm(&format!(
        "CALLDATASIZE 0x00 0x00 CALLDATACOPY GAS {create} 0x00 SSTORE RETURNDATASIZE 0x01 SSTORE \
         GAS SWAP1 SUB 0x02 SSTORE STOP"
    ))
}

/// Calls the address in its input. Slot 0: whether it succeeded. Slot 1: how much data came back.
fn caller(instruction: &str, with_value: bool) -> Bytes {
    let value = if with_value { "0x00" } else { "" };
    asm(&format!(
        "0x00 0x00 0x00 0x00 {value} 0x00 CALLDATALOAD GAS {instruction} 0x01 ADD 0x00 SSTORE RETURNDATASIZE 0x01 SSTORE STOP"
    ))
}

/// Version 2. Cacheable: everybody has the mask in slot 0.
fn by_sender() -> Bytes {
    asm("0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x00 SLOAD 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN \
         version: 0x02 0x00 MSTORE 0x20 0x00 RETURN")
}

/// Version 2. Everything is allowed, by anybody, but to or at `FORBIDDEN`.
fn by_target() -> Bytes {
    asm(&format!(
        "0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x24 CALLDATALOAD {FORBIDDEN} EQ ISZERO 0x07 MUL 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN \
         version: 0x02 0x00 MSTORE 0x20 0x00 RETURN"
    ))
}

fn chain(permissions: &Bytes, mask: u64, contracts: &[(Address, Bytes)], change: impl FnOnce(&mut ChainSpec)) -> Chain {
    let mut spec = free_spec();
    spec.params.transaction_permission_contract = Some(PERMISSIONS);
    change(&mut spec);
    let mut world = World::new().account(key(1).address, 1_000).contract(PERMISSIONS, permissions, &[(0, mask)]);
    for (address, code) in contracts {
        world = world.contract(*address, code, &[]);
    }
    Chain::new(spec, world.build())
}

fn creation_from(spec: &mut ChainSpec) {
    spec.params.restrict_internal_creation_transition = Some(2);
}

fn calls(spec: &mut ChainSpec) {
    spec.params.restrict_internal_calls_transition = Some(0);
}

fn send(chain: &mut Chain, to: Address, data: Bytes) -> bool {
    let nonce = chain.nonce(key(1).address);
    let tx = key(1).legacy(nonce, call(to), 0, 500_000, 0, data);
    chain.advance(&[tx]).receipts[0].succeeded()
}

fn refusal(right: &str) -> Bytes {
    let reason = format!("not permitted: the sender of the transaction lacks the right \"{right}\"");
    Revert::from(reason).abi_encode().into()
}

#[test]
fn from_its_block_contracts_create_only_for_senders_with_the_right() {
    for create in ["CALLDATASIZE 0x00 0x00 CREATE", "0x07 CALLDATASIZE 0x00 0x00 CREATE2"] {
        let contracts = [(FACTORY, factory(create))];
        // Basic and call, no creation.
        let mut chain = chain(&by_sender(), 3, &contracts, creation_from);
        assert!(send(&mut chain, FACTORY, creation(&asm("STOP"))));
        assert_ne!(chain.slot(FACTORY, 0), U256::ZERO, "block 1: not yet restricted");
        let nonce = chain.nonce(FACTORY);
        assert!(send(&mut chain, FACTORY, creation(&asm("STOP"))), "the caller goes on");
        assert_eq!(chain.slot(FACTORY, 0), U256::ZERO, "block 2: nothing is created");
        assert_eq!(chain.slot(FACTORY, 1), U256::from(refusal("create").len()), "and it is said why");
        assert_eq!(chain.nonce(FACTORY), nonce, "the frame never started");
        // CREATE's own price and what is paid for the code's words, but none of the gas it was given.
        assert!(chain.slot(FACTORY, 2) < U256::from(60_000), "{}", chain.slot(FACTORY, 2));

        let mut chain = self::chain(&by_sender(), 7, &contracts, creation_from);
        chain.advance(&[]);
        assert!(send(&mut chain, FACTORY, creation(&asm("STOP"))));
        assert_ne!(chain.slot(FACTORY, 0), U256::ZERO, "with the right");
    }
}

#[test]
fn without_the_extensions_contracts_do_what_they_like() {
    let mut chain = chain(&by_sender(), 3, &[(FACTORY, factory("CALLDATASIZE 0x00 0x00 CREATE"))], |_| {});
    assert!(send(&mut chain, FACTORY, creation(&asm("STOP"))));
    assert_ne!(chain.slot(FACTORY, 0), U256::ZERO);
}

#[test]
fn creation_code_that_creates_is_restricted_too() {
    // The sender may create, by a contract that says so only about what has no value; the creation code creates with one.
    let no_value = asm("0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x44 CALLDATALOAD ISZERO 0x07 MUL 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN \
         version: 0x02 0x00 MSTORE 0x20 0x00 RETURN");
    let mut chain = chain(&no_value, 0, &[], creation_from);
    chain.advance(&[]);
    let init = asm("0x00 0x00 0x01 CREATE 0x05 SSTORE 0x00 0x00 0x00 CREATE 0x06 SSTORE 0x00 0x00 RETURN");
    let tx = key(1).legacy(0, TxKind::Create, 0, 500_000, 0, init);
    chain.state.apply(&World::new().account(key(1).address.create(0), 10).into_changes());
    assert!(chain.advance(&[tx]).receipts[0].succeeded());
    let created = key(1).address.create(0);
    assert_eq!(chain.slot(created, 5), U256::ZERO);
    assert_ne!(chain.slot(created, 6), U256::ZERO);
}

#[test]
fn a_restricted_call_names_the_account_whose_code_runs_and_fails_like_any_other() {
    for (instruction, with_value) in
        [("CALL", true), ("CALLCODE", true), ("DELEGATECALL", false), ("STATICCALL", false)]
    {
        let contracts = [
            (CALLER, caller(instruction, with_value)),
            (TARGET, asm("0x20 0x00 RETURN")),
            (FORBIDDEN, asm("0x20 0x00 RETURN")),
        ];
        let mut chain = chain(&by_target(), 0, &contracts, calls);
        assert!(send(&mut chain, CALLER, TARGET.into_word().into()));
        assert_eq!((chain.slot(CALLER, 0), chain.slot(CALLER, 1)), (U256::from(2), U256::from(32)), "{instruction}");
        assert!(send(&mut chain, CALLER, FORBIDDEN.into_word().into()), "the caller goes on");
        let length = U256::from(refusal("call").len());
        assert_eq!((chain.slot(CALLER, 0), chain.slot(CALLER, 1)), (U256::ONE, length), "{instruction}");
    }
}

#[test]
fn an_account_without_code_needs_basic_and_precompiles_need_nothing() {
    let contracts = [(CALLER, caller("CALL", true)), (TARGET, asm("STOP"))];
    // Call and create, not basic.
    let mut chain = chain(&by_sender(), 6, &contracts, calls);
    assert!(send(&mut chain, CALLER, TARGET.into_word().into()));
    assert_eq!(chain.slot(CALLER, 0), U256::from(2), "call is granted");
    assert!(send(&mut chain, CALLER, AUTHOR.into_word().into()));
    assert_eq!(chain.slot(CALLER, 0), U256::ONE, "basic is not");
    assert!(send(&mut chain, CALLER, Address::with_last_byte(4).into_word().into()));
    assert_eq!(chain.slot(CALLER, 0), U256::from(2), "identity is nobody's account");
}

#[test]
fn a_mask_that_is_the_senders_own_holds_for_the_frames_of_that_transaction() {
    // Cacheable, though by the value of the asking transaction: the transaction's own answer is used for its frames.
    let dishonest = asm("0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x44 CALLDATALOAD 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN \
         version: 0x02 0x00 MSTORE 0x20 0x00 RETURN");
    let contracts = [(FACTORY, factory("CALLDATASIZE 0x00 0x00 CREATE"))];
    let mut chain = chain(&dishonest, 0, &contracts, creation_from);
    chain.advance(&[]);
    let send = |nonce, value| key(1).legacy(nonce, call(FACTORY), value, 500_000, 0, creation(&asm("STOP")));
    chain.advance(&[send(0, 7)]);
    assert_ne!(chain.slot(FACTORY, 0), U256::ZERO, "7 has create");
    chain.advance(&[send(1, 3)]);
    assert_eq!(chain.slot(FACTORY, 0), U256::ZERO, "3 has not");
    // Building and executing agree about which answer that is.
    let txs = [send(2, 3), send(3, 7)];
    let env = chain.next_env();
    let mut builder = chain.evm.builder(chain.reader(), &chain.parent, env.clone(), None).unwrap();
    for tx in &txs {
        builder.push(tx).unwrap();
    }
    let built = builder.finish().unwrap();
    let executed = chain.execute_in(&env, &txs, None).unwrap();
    assert_eq!((built.changes, built.receipts), (executed.changes, executed.receipts));
}

#[test]
fn calls_of_a_sender_run_as_its_transaction_would_and_questions_of_nobody_are_free() {
    let contracts = [(FACTORY, asm("0x00 0x00 0x00 CREATE 0x00 MSTORE 0x20 0x00 RETURN"))];
    let mut chain = chain(&by_sender(), 3, &contracts, creation_from);
    chain.advance(&[]);
    chain.advance(&[]);
    let ask = |from| {
        let request = CallRequest { from, to: call(FACTORY), ..CallRequest::default() };
        match chain.evm.call(chain.reader(), &chain.parent, &request).unwrap() {
            CallOutcome::Success { output, .. } => U256::from_be_slice(&output),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(key(1).address), U256::ZERO);
    assert_ne!(ask(Address::ZERO), U256::ZERO);
}

#[test]
fn the_chains_own_calls_are_not_restricted() {
    // finalizeChange() of this validator contract creates; nobody has any right.
    let contracts = [(FACTORY, factory("CALLDATASIZE 0x00 0x00 CREATE"))];
    let mut chain = chain(&by_sender(), 0, &contracts, |spec| {
        spec.params.restrict_internal_creation_transition = Some(0);
        calls(spec);
    });
    chain.advance_with(&[], Some(FACTORY));
    assert_ne!(chain.slot(FACTORY, 0), U256::ZERO);
}
