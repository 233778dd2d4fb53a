//! Blocks that begin an epoch: the validator contract's `finalizeChange()` runs before the first transaction, rewards after the
//! last.

use aurum_contracts::{
    ValidatorSet,
    genesis::{VALIDATOR_SET, validator_set},
};
use aurum_types::{AccountChange, spec::RewardContract};

use super::*;
use crate::SYSTEM_ADDRESS;

const CONTRACT: Address = Address::repeat_byte(0x38);

/// Called by the system it counts in slot 0; called by others it writes that count to the caller's slot.
fn epoch_counter() -> Bytes {
    asm(&format!(
        "{SYSTEM_ADDRESS:?} CALLER EQ @system JUMPI 0x00 SLOAD CALLER SSTORE STOP \
         system: 0x00 SLOAD 0x01 ADD 0x00 SSTORE 0x00 0x00 LOG0 STOP"
    ))
}

fn counting(n: u8, nonce: u64) -> Recovered<Transaction> {
    key(n).legacy(nonce, call(CONTRACT), 0, 100_000, 0, Bytes::new())
}

#[test]
fn what_finalize_change_wrote_is_there_for_guesses() {
    let chain = chain(free_spec(), world(0..4).contract(CONTRACT, &epoch_counter(), &[(0, 6)]));
    let txs: Vec<_> = (0..8).map(|n| counting(n % 4, u64::from(n / 4))).collect();
    let case = Case::new(&chain, &chain.next_env(), &txs).begun_by(CONTRACT);
    let outcome = case.check().unwrap();
    for n in 0..4 {
        let caller = U256::from_be_slice(key(n).address.as_slice());
        assert_eq!(outcome.changes.accounts[&CONTRACT].storage[&caller], U256::from(7), "the new count");
    }
    assert!(outcome.receipts.iter().all(|receipt| receipt.succeeded() && receipt.logs.is_empty()));
    assert!(case.all_before().1 >= 4, "guesses hold");
}

#[test]
fn blocks_of_a_system_call_and_nothing_else() {
    for code in ["STOP", "0x01 0x05 SSTORE STOP", "0x01 0x05 SSTORE 0x00 0x00 REVERT", "CALLER SELFDESTRUCT", "INVALID"]
    {
        for spec in [free_spec(), destructive_spec()] {
            let chain = chain(spec, world(0..2).account(CONTRACT, 9).contract(CONTRACT, &asm(code), &[(5, 3)]));
            let outcome = Case::new(&chain, &chain.next_env(), &[]).begun_by(CONTRACT).check();
            assert_eq!(outcome.is_err(), code == "INVALID", "{code}");
        }
    }
    let chain = chain(free_spec(), world(0..2));
    let missing = Case::new(&chain, &chain.next_env(), &[]).begun_by(CONTRACT).check().unwrap();
    assert!(
        missing.changes.accounts.contains_key(&SYSTEM_ADDRESS),
        "a contract that is not there is called all the same"
    );
    let nothing = Case::new(&chain, &chain.next_env(), &[]).check().unwrap();
    assert!(nothing.changes.is_empty());
}

/// EIP-161 removes the account of the system, which its call made, as soon as a transaction touches it.
#[test]
fn the_systems_own_account_comes_and_goes() {
    let chain = chain(free_spec(), world(0..4).contract(CONTRACT, &epoch_counter(), &[]));
    let touch = |n: u8| key(n).legacy(0, call(SYSTEM_ADDRESS), 0, 21_000, 0, Bytes::new());
    let look = Bytes::copy_from_slice(SYSTEM_ADDRESS.into_word().as_slice());
    let peek = |n: u8| key(n).legacy(0, call(PEEKER), 0, 200_000, 0, look.clone());
    for txs in [[peek(0), touch(1), peek(2), touch(3)], [touch(0), peek(1), touch(2), peek(3)]] {
        let outcome = Case::new(&chain, &chain.next_env(), &txs).begun_by(CONTRACT).check().unwrap();
        assert!(outcome.changes.accounts.get(&SYSTEM_ADDRESS).is_none_or(|change| change.account.is_none()));
    }
}

/// A contract that the system call ends or makes anew is called, and created again, in the same block.
#[test]
fn contracts_that_a_system_call_made_or_ended() {
    let heir = Bytes::copy_from_slice(key(9).address.into_word().as_slice());
    // finalizeChange() creates the child of salt 0 at the factory.
    let creation = creation(&child());
    let stored: Vec<_> = creation
        .chunks(32)
        .enumerate()
        .map(|(place, chunk)| {
            let mut padded = [0; 32];
            padded[..chunk.len()].copy_from_slice(chunk);
            format!("0x{} 0x{:02x} MSTORE", alloy::hex::encode(padded), 32 * (place + 1))
        })
        .collect();
    let length = 32 + creation.len();
    let code = asm(&format!("{} 0x00 0x00 0x{length:02x} 0x00 0x00 {FACTORY:?} GAS CALL POP STOP", stored.join(" ")));
    for spec in [free_spec(), destructive_spec()] {
        let chain = chain(spec, world(0..4).contract(CONTRACT, &code, &[]));
        let txs = [
            key(0).legacy(0, call(child_at(0)), 0, 100_000, 0, Bytes::new()),
            key(1).legacy(0, call(child_at(0)), 0, 100_000, 0, heir.clone()),
            key(2).legacy(0, call(FACTORY), 1, 500_000, 0, make(0)),
            key(3).legacy(0, call(child_at(0)), 0, 100_000, 0, Bytes::new()),
            key(0).legacy(1, call(FACTORY), 1, 500_000, 0, make(0)),
        ];
        let outcome = Case::new(&chain, &chain.next_env(), &txs).begun_by(CONTRACT).check().unwrap();
        let child = &outcome.changes.accounts[&child_at(0)];
        assert!(child.storage.contains_key(&U256::ZERO) || child.account.is_none(), "the child was called");
    }
}

#[test]
fn rewards_of_senders_and_of_contracts_come_after_all_transactions() {
    // Answers with what it was asked: each benefactor gets its kind.
    let reward = asm("0x04 CALLDATASIZE SUB 0x04 0x00 CALLDATACOPY \
         0x20 MLOAD DUP1 MLOAD 0x20 MUL ADD \
         loop: DUP1 0x20 MLOAD EQ @done JUMPI DUP1 MLOAD 0x01 ADD DUP2 MSTORE 0x20 SWAP1 SUB @loop JUMP \
         done: 0x04 CALLDATASIZE SUB 0x00 RETURN");
    for by_contract in [None, Some(RewardContract::Address(MOVER)), Some(RewardContract::Code(reward.clone()))] {
        let mut spec = free_spec();
        spec.engine.block_reward = [(0, U256::from(5))].into();
        spec.engine.block_reward_contracts = by_contract.map(|contract| (1, contract)).into_iter().collect();
        let accounts = world(0..4).contract(CONTRACT, &epoch_counter(), &[]).contract(MOVER, &reward, &[]);
        let chain = chain(spec, accounts);
        // The author sends all it has before it is rewarded.
        let env = BlockEnv { author: key(0).address, ..chain.next_env() };
        let txs = [
            counting(1, 0),
            key(0).legacy(0, call(key(9).address), ether(1), 21_000, 0, Bytes::new()),
            key(2).legacy(0, call(key(0).address), 3, 21_000, 0, Bytes::new()),
            counting(3, 0),
        ];
        let outcome = Case::new(&chain, &env, &txs).begun_by(CONTRACT).check().unwrap();
        let author = outcome.changes.accounts[&key(0).address].account.unwrap();
        assert!(author.balance > U256::from(3), "paid, and rewarded");
        Case::new(&chain, &env, &[]).begun_by(CONTRACT).check().unwrap();
    }
}

/// The project's own contract: epoch after epoch, with changes proposed in the very block in which earlier ones come into
/// force.
#[test]
fn validators_change_in_the_block_that_finalizes_a_change() {
    let governor = key(0);
    let mut state = World::new().into_changes();
    for (address, genesis) in validator_set(&[key(0).address, key(1).address], governor.address).unwrap() {
        let code = genesis.code;
        let account = Account { nonce: 1, balance: U256::ZERO, code_hash: keccak256(&code) };
        let storage = genesis.storage.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect();
        state.code.insert(account.code_hash, code);
        state.accounts.insert(address, AccountChange { account: Some(account), storage, ..AccountChange::default() });
    }
    let mut chain = Chain::new(free_spec(), MemoryState::from_changes(&state));
    chain.state.apply(&world(0..4).into_changes());
    let add = |n: u8| ValidatorSet::addValidatorCall { validator: key(n).address }.abi_encode();
    let remove = |n: u8| ValidatorSet::removeValidatorCall { validator: key(n).address }.abi_encode();
    let list = ValidatorSet::getValidatorsCall {}.abi_encode();
    let mut nonces = [0; 4];
    let mut logs = 0;
    for epoch in 0..4_u8 {
        let mut send = |n: u8, input: &[u8]| {
            let nonce = nonces[usize::from(n)];
            nonces[usize::from(n)] += 1;
            key(n).legacy(nonce, call(VALIDATOR_SET), 0, 800_000, 0, Bytes::copy_from_slice(input))
        };
        let proposals: [Vec<u8>; 2] = [add(10 + epoch), if epoch > 0 { remove(9 + epoch) } else { add(20) }];
        let mut txs = vec![send(1, &list), send(2, &list)];
        for proposal in &proposals {
            // Not everybody governs.
            txs.extend([send(3, proposal), send(0, proposal), send(1, &list)]);
        }
        let case = Case::new(&chain, &chain.next_env(), &txs).begun_by(VALIDATOR_SET);
        let outcome = case.check().unwrap();
        logs += outcome.receipts.iter().map(|receipt| receipt.logs.len()).sum::<usize>();
        chain.adopt(chain.next_env(), &outcome);
        // A block between, without a system call.
        let outcome = Case::new(&chain, &chain.next_env(), &[send(1, &list)]).check().unwrap();
        chain.adopt(chain.next_env(), &outcome);
    }
    assert!(logs >= 4, "changes were initiated: {logs}");
    let last = chain.next_env();
    let outcome = Case::new(&chain, &last, &[]).begun_by(VALIDATOR_SET).check().unwrap();
    chain.adopt(last, &outcome);
    let set = chain.evm.validators(chain.reader(), &chain.parent, VALIDATOR_SET).unwrap();
    assert!(set.as_slice().len() > 2, "{set:?}");
}

/// Rights are the parent's, whatever the block's system call and its transactions make of them.
#[test]
fn rights_that_change_inside_the_block() {
    // Version 2 of the interface, answering with slot 0; others set it, and the system adds to it.
    let contract = asm(&format!(
        "CALLDATASIZE 0x20 EQ @set JUMPI {SYSTEM_ADDRESS:?} CALLER EQ @system JUMPI \
         0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x00 SLOAD 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN \
         set: 0x00 CALLDATALOAD 0x00 SSTORE STOP \
         system: 0x07 0x00 SSTORE STOP \
         version: 0x02 0x00 MSTORE 0x20 0x00 RETURN"
    ));
    let mut found = Vec::new();
    for (rights, calls, creations) in
        [(7, None, None), (7, Some(0), Some(0)), (3, None, Some(0)), (0, Some(0), Some(0))]
    {
        let mut spec = free_spec();
        spec.params.transaction_permission_contract = Some(CONTRACT);
        spec.params.restrict_internal_calls_transition = calls;
        spec.params.restrict_internal_creation_transition = creations;
        let chain = chain(spec, world(0..4).contract(CONTRACT, &contract, &[(0, rights)]));
        let set = |n: u8, nonce, rights| key(n).legacy(nonce, call(CONTRACT), 0, 100_000, 0, word(rights).into());
        let build = |n: u8, nonce, salt| key(n).legacy(nonce, call(FACTORY), 0, 500_000, 0, make(salt));
        let txs =
            [build(0, 0, 1), set(1, 0, 3), build(2, 0, 2), set(3, 0, 7), build(0, 1, 3), set(1, 1, 0), build(2, 1, 4)];
        for begin in [None, Some(CONTRACT)] {
            let case = Case { begin, ..Case::new(&chain, &chain.next_env(), &txs) };
            let made = |outcome: ExecutionOutcome| {
                (1..5).filter(|salt| outcome.changes.accounts.contains_key(&child_at(*salt))).count()
            };
            found.push(case.check().map(made).ok());
        }
    }
    assert_eq!(found, [Some(4), Some(4), Some(4), Some(4), Some(0), Some(0), None, None]);
}
