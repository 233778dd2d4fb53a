//! What the chain does by itself in a block: code rewrites, `finalizeChange`, rewards.

use std::collections::BTreeMap;

use crate::common::*;
use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    rlp::{Encodable, Header as RlpHeader},
};
use aurum_evm::{BlockEnv, EvmError, InvalidExecution, SYSTEM_ADDRESS};
use aurum_types::spec::RewardContract;

const CONTRACT: Address = Address::repeat_byte(0x99);

/// Stores caller, origin, gas price, calldata's selector; logs; ends in what `end` says.
fn recorder(end: &str) -> Bytes {
    asm(&format!(
        "CALLER 0x01 SSTORE ORIGIN 0x02 SSTORE GASPRICE 0x03 SSTORE 0x00 CALLDATALOAD 0xe0 SHR 0x04 SSTORE \
         CALLVALUE 0x05 SSTORE 0x00 0x00 LOG0 {end}"
    ))
}

#[test]
fn finalize_change_runs_first_as_the_system_and_leaves_its_account() {
    let sender = key(1);
    let mut chain = Chain::new(free_spec(), World::new().contract(CONTRACT, &recorder("STOP"), &[(3, 7)]).build());
    // The transaction sees what finalizeChange stored.
    let reader = Address::repeat_byte(0x55);
    let copy = asm(&format!(
        "0x00 0x00 0x00 0x00 0x00 0x{} GAS CALL POP 0x01 0x01 SSTORE",
        alloy::hex::encode(SYSTEM_ADDRESS)
    ));
    chain.state.apply(&World::new().contract(reader, &copy, &[]).into_changes());
    let outcome = chain.advance_with(&[], Some(CONTRACT));
    assert!(outcome.receipts.is_empty(), "a system call has no receipt, and its logs are dropped");
    assert_eq!(outcome.gas_used, 0);
    let system = U256::from_be_slice(SYSTEM_ADDRESS.as_slice());
    assert_eq!(chain.slot(CONTRACT, 1), system);
    assert_eq!(chain.slot(CONTRACT, 2), system);
    assert_eq!(chain.slot(CONTRACT, 3), U256::ZERO);
    assert_eq!(chain.slot(CONTRACT, 4), U256::from(0x7528_6211));
    assert_eq!(chain.nonce(SYSTEM_ADDRESS), 0);
    assert!(chain.exists(SYSTEM_ADDRESS), "OpenEthereum creates it, empty");

    let outcome = chain.advance(&[sender.legacy(0, call(CONTRACT), 0, 200_000, 0, Bytes::new())]);
    assert!(outcome.receipts[0].succeeded());
    assert!(chain.exists(SYSTEM_ADDRESS), "nobody touched it");
    chain.advance_with(&[], Some(CONTRACT));
    assert!(chain.exists(SYSTEM_ADDRESS), "further system calls do not clean it up");
    chain.advance(&[sender.legacy(1, call(reader), 0, 200_000, 0, Bytes::new())]);
    assert!(!chain.exists(SYSTEM_ADDRESS), "an ordinary transaction that touches it does (EIP-161)");
}

#[test]
fn a_reverting_system_call_is_no_failure_and_a_halting_one_is() {
    let mut chain =
        Chain::new(free_spec(), World::new().contract(CONTRACT, &recorder("0x00 0x00 REVERT"), &[]).build());
    let outcome = chain.advance_with(&[], Some(CONTRACT));
    assert!(outcome.changes.is_empty(), "all is rolled back, the system's account included");

    let chain = Chain::new(free_spec(), World::new().contract(CONTRACT, &recorder("INVALID"), &[]).build());
    let error = chain.execute(&[], Some(CONTRACT)).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::SystemCall { contract: CONTRACT, .. })), "{error}");

    let mut chain = Chain::new(free_spec(), World::new().build());
    chain.advance_with(&[], Some(CONTRACT));
    assert!(chain.exists(SYSTEM_ADDRESS), "a contract without code answers nothing");
    assert!(!chain.exists(CONTRACT));
}

#[test]
fn selfdestruct_in_a_system_call_moves_the_balance_and_destroys_nothing() {
    let heir = Address::repeat_byte(0x11);
    let code = asm(&format!("0x01 0x01 SSTORE 0x{} SELFDESTRUCT", alloy::hex::encode(heir)));
    let mut old = free_spec();
    old.params.eip_timestamps.clear();
    let mut chain = Chain::new(old, World::new().account(CONTRACT, 9).contract(CONTRACT, &code, &[]).build());
    chain.advance_with(&[], Some(CONTRACT));
    assert_eq!(chain.balance(heir), U256::from(9));
    assert_eq!(chain.code(CONTRACT), code);
    assert_eq!(chain.slot(CONTRACT, 1), U256::ONE);
}

#[test]
fn bytecode_is_rewritten_before_anything_runs() {
    let missing = Address::repeat_byte(0x44);
    let mut spec = free_spec();
    let new_code = recorder("STOP");
    let rewrite = BTreeMap::from([(CONTRACT, new_code.clone()), (missing, new_code.clone())]);
    spec.engine.rewrite_bytecode = BTreeMap::from([(2, rewrite)]);
    let world = World::new().account(CONTRACT, 3).contract(CONTRACT, &asm("INVALID"), &[(9, 9)]);
    let mut chain = Chain::new(spec, world.build());
    chain.advance(&[]);
    assert_eq!(chain.code(CONTRACT), asm("INVALID"));
    chain.advance_with(&[], Some(CONTRACT));
    assert_eq!(chain.code(CONTRACT), new_code);
    assert_eq!(chain.code(missing), new_code);
    assert_eq!(chain.slot(CONTRACT, 4), U256::from(0x7528_6211), "the new code ran");
    assert_eq!((chain.slot(CONTRACT, 9), chain.balance(CONTRACT)), (U256::from(9), U256::from(3)));
}

#[test]
fn static_rewards_follow_the_map() {
    let mut spec = free_spec();
    spec.engine.block_reward = BTreeMap::from([(2, U256::from(100)), (3, U256::from(7))]);
    let mut chain = Chain::new(spec, World::new().build());
    chain.advance(&[]);
    assert!(!chain.exists(AUTHOR), "adding nothing creates nobody");
    chain.advance(&[]);
    assert_eq!(chain.balance(AUTHOR), U256::from(100));
    chain.advance(&[]);
    assert_eq!(chain.balance(AUTHOR), U256::from(107));
}

/// The env with empty steps signed by these keys at steps 10, 11, ….
fn with_empty_steps(env: &BlockEnv, signers: &[Key]) -> BlockEnv {
    let mut entries = Vec::new();
    for (step, signer) in (10_u64..).zip(signers) {
        let mut message = Vec::new();
        RlpHeader { list: true, payload_length: step.length() + env.parent_hash.length() }.encode(&mut message);
        step.encode(&mut message);
        env.parent_hash.encode(&mut message);
        let signature = Bytes::copy_from_slice(&signer.sign_bytes(keccak256(message)));
        RlpHeader { list: true, payload_length: signature.length() + step.length() }.encode(&mut entries);
        signature.encode(&mut entries);
        step.encode(&mut entries);
    }
    let mut list = Vec::new();
    RlpHeader { list: true, payload_length: entries.len() }.encode(&mut list);
    list.extend(entries);
    BlockEnv { empty_steps: list.into(), ..env.clone() }
}

#[test]
fn signers_of_empty_steps_get_the_full_reward_each() {
    let mut spec = free_spec();
    spec.engine.block_reward = BTreeMap::from([(0, U256::from(10))]);
    let mut chain = Chain::new(spec, World::new().build());
    let env = with_empty_steps(&chain.next_env(), &[key(1), key(2), key(1)]);
    let outcome = chain.execute_in(&env, &[], None).unwrap();
    chain.adopt(env, &outcome);
    assert_eq!(chain.balance(key(1).address), U256::from(20));
    assert_eq!(chain.balance(key(2).address), U256::from(10));
    assert_eq!(chain.balance(AUTHOR), U256::from(10));
}

/// `reward(benefactors, kinds)` that answers: benefactors as they came, and kind + 1 as the amount of each. Both arrays
/// have the same number of words, so the calldata is the answer but for the amounts.
fn reward_code() -> Bytes {
    asm("0x04 CALLDATASIZE SUB 0x04 0x00 CALLDATACOPY \
         0x20 MLOAD DUP1 MLOAD 0x20 MUL ADD \
         loop: DUP1 0x20 MLOAD EQ @done JUMPI \
         DUP1 MLOAD 0x01 ADD DUP2 MSTORE 0x20 SWAP1 SUB @loop JUMP \
         done: 0x04 CALLDATASIZE SUB 0x00 RETURN")
}

#[test]
fn a_reward_contract_decides_who_gets_what() {
    for deployed in [true, false] {
        let mut spec = free_spec();
        let contract = if deployed { RewardContract::Address(CONTRACT) } else { RewardContract::Code(reward_code()) };
        spec.engine.block_reward = BTreeMap::from([(0, U256::from(10))]);
        spec.engine.block_reward_contracts = BTreeMap::from([(1, contract)]);
        let mut chain = Chain::new(spec, World::new().contract(CONTRACT, &reward_code(), &[]).build());
        let env = with_empty_steps(&chain.next_env(), &[key(1), key(2)]);
        let outcome = chain.execute_in(&env, &[], None).unwrap();
        chain.adopt(env, &outcome);
        assert_eq!(chain.balance(key(1).address), U256::from(3), "kind 2, empty step");
        assert_eq!(chain.balance(key(2).address), U256::from(3));
        assert_eq!(chain.balance(AUTHOR), U256::from(1), "kind 0, author");
        assert_eq!(chain.exists(SYSTEM_ADDRESS), deployed, "code without an account is a static call");
    }
}

#[test]
fn a_reward_contract_without_an_answer_makes_the_block_invalid() {
    let mut spec = free_spec();
    spec.engine.block_reward_contracts = BTreeMap::from([(0, RewardContract::Address(CONTRACT))]);
    for code in [None, Some(asm("0x20 0x00 RETURN")), Some(asm("0x00 0x00 REVERT"))] {
        let world = World::new();
        let world = match &code {
            Some(code) => world.contract(CONTRACT, code, &[]),
            None => world,
        };
        let error = Chain::new(spec.clone(), world.build()).execute(&[], None).unwrap_err();
        assert!(matches!(error, EvmError::Invalid(InvalidExecution::Rewards { contract: CONTRACT, .. })), "{error}");
    }
}

#[test]
fn validators_are_read_with_much_gas_and_without_trace() {
    let list = asm("0x20 0x00 MSTORE 0x02 0x20 MSTORE 0x11 0x40 MSTORE 0x22 0x60 MSTORE 0x80 0x00 RETURN");
    let chain = Chain::new(spec(), World::new().contract(CONTRACT, &list, &[]).build());
    let env = BlockEnv { gas_limit: 5_000, ..chain.parent.clone() };
    let set = chain.evm.validators(chain.reader(), &env, CONTRACT).unwrap();
    assert_eq!(set.as_slice(), [Address::with_last_byte(0x11), Address::with_last_byte(0x22)]);
    let error = chain.evm.validators(chain.reader(), &env, Address::repeat_byte(1)).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::Validators { .. })), "{error}");
    let limit = asm("0x010000 0x00 MSTORE 0x20 0x00 RETURN");
    let chain = Chain::new(spec(), World::new().contract(CONTRACT, &limit, &[]).build());
    let read = |contract| chain.evm.block_gas_limit(chain.reader(), &env, contract).unwrap();
    assert_eq!(read(CONTRACT), Some(U256::from(0x10000)));
    assert_eq!(read(AUTHOR), None);
}

#[test]
fn before_eip161_a_system_call_makes_its_callee() {
    // OpenEthereum: the nothing that is sent creates both ends (CleanupMode::ForceCreate).
    let missing = Address::repeat_byte(0x44);
    for (abc, made) in [(Some(0), false), (None, true)] {
        let mut spec = spec();
        spec.params.eip161abc_transition = abc;
        if abc.is_none() {
            spec.params.eip_timestamps.retain(|eip, _| !matches!(eip, 6780 | 7702));
        }
        spec.params.account_start_nonce = if made { 3 } else { 0 };
        let mut chain = Chain::new(spec, World::new().build());
        chain.advance_with(&[], Some(missing));
        assert_eq!((chain.exists(missing), chain.exists(SYSTEM_ADDRESS)), (made, true));
        assert_eq!(chain.nonce(SYSTEM_ADDRESS), if made { 3 } else { 0 });
    }
}
