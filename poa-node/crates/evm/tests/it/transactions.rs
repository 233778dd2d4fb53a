//! What single transactions do to the state, and which are refused.

use crate::common::*;
use alloy::primitives::{Address, Bytes, TxKind, U256};
use aurum_evm::{EvmError, InvalidExecution, PushError, TxInvalid};

const TARGET: Address = Address::repeat_byte(0x77);

fn invalid(result: Result<aurum_types::ExecutionOutcome, EvmError>) -> TxInvalid {
    match result {
        Err(EvmError::Invalid(InvalidExecution::Transaction { source, .. })) => source,
        other => panic!("expected an invalid transaction, got {other:?}"),
    }
}

#[test]
fn transfer_moves_value_and_pays_the_author() {
    let sender = key(1);
    let mut chain = Chain::new(spec(), World::new().account(sender.address, ether(1)).build());
    let outcome = chain.advance(&[sender.legacy(0, call(TARGET), 500, 21_000, 3, Bytes::new())]);
    assert_eq!(outcome.gas_used, 21_000);
    assert_eq!(outcome.receipts.len(), 1);
    assert!(outcome.receipts[0].succeeded());
    assert_eq!(outcome.receipts[0].cumulative_gas_used, 21_000);
    assert_eq!(chain.balance(TARGET), U256::from(500));
    assert_eq!(chain.balance(AUTHOR), U256::from(63_000));
    assert_eq!(chain.balance(sender.address), U256::from(ether(1) - 500 - 63_000));
    assert_eq!(chain.nonce(sender.address), 1);
}

#[test]
fn zero_price_is_valid_without_a_base_fee() {
    let sender = key(1);
    let mut chain = Chain::new(spec(), World::new().account(sender.address, 10).build());
    chain.advance(&[
        sender.legacy(0, call(TARGET), 4, 21_000, 0, Bytes::new()),
        sender.eip1559(1, call(TARGET), 6, 21_000, (0, 0), Bytes::new()),
    ]);
    assert_eq!(chain.balance(TARGET), U256::from(10));
    assert!(!chain.exists(AUTHOR), "a tip of zero creates nobody");
}

#[test]
fn creation_deploys_code_and_reverts_keep_their_data() {
    let sender = key(1);
    let mut chain = Chain::new(spec(), World::new().account(sender.address, ether(1)).build());
    let runtime = asm("0x2a 0x00 MSTORE 0x20 0x00 REVERT");
    let created = sender.address.create(0);
    let outcome = chain.advance(&[
        sender.legacy(0, TxKind::Create, 7, 200_000, 1, creation(&runtime)),
        sender.legacy(1, call(created), 0, 100_000, 1, Bytes::new()),
    ]);
    assert_eq!(chain.code(created), runtime);
    assert_eq!(chain.nonce(created), 1);
    assert_eq!(chain.balance(created), U256::from(7));
    assert!(outcome.receipts[0].succeeded());
    assert!(!outcome.receipts[1].succeeded(), "the call reverts");
    assert!(outcome.receipts[1].cumulative_gas_used < 21_000 + 1_000 + outcome.receipts[0].cumulative_gas_used);
}

#[test]
fn unlimited_code_size_unless_the_spec_limits_it() {
    let sender = key(1);
    let big = Bytes::from(vec![0_u8; 40_000]);
    let world = || World::new().account(sender.address, ether(1)).build();
    let tx = || [sender.legacy(0, TxKind::Create, 0, 12_000_000, 1, creation(&big))];
    let mut chain = Chain::new(spec(), world());
    chain.advance(&tx());
    assert_eq!(chain.code(sender.address.create(0)).len(), 40_000);

    let mut limited = spec();
    limited.params.max_code_size = Some(0x6000);
    let mut chain = Chain::new(limited.clone(), world());
    assert!(!chain.advance(&tx()).receipts[0].succeeded());
    assert!(!chain.exists(sender.address.create(0)));

    let huge = Bytes::from(vec![0_u8; 0xc001]);
    let tx = [sender.legacy(0, TxKind::Create, 0, 12_000_000, 1, huge)];
    let error = invalid(Chain::new(limited, world()).execute(&tx, None));
    assert_eq!(error, TxInvalid::InitCodeTooLarge { have: 0xc001, limit: 0xc000 });
}

#[test]
fn selfdestruct_ends_a_contract_only_before_cancun_or_in_its_own_transaction() {
    let sender = key(1);
    let heir = Address::repeat_byte(0x11);
    let code = asm(&format!("0x{} SELFDESTRUCT", alloy::hex::encode(heir)));
    let world = || World::new().account(sender.address, ether(1)).account(TARGET, 9).contract(TARGET, &code, &[(1, 5)]);
    let tx = [sender.legacy(0, call(TARGET), 0, 100_000, 1, Bytes::new())];

    let mut cancun = Chain::new(spec(), world().build());
    cancun.advance(&tx);
    assert_eq!(cancun.balance(heir), U256::from(9));
    assert_eq!(cancun.slot(TARGET, 1), U256::from(5));
    assert_eq!(cancun.code(TARGET), code);

    let mut before = spec();
    before.params.eip_timestamps.clear();
    let mut london = Chain::new(before, world().build());
    let outcome = london.advance(&tx);
    assert_eq!(london.balance(heir), U256::from(9));
    assert!(!london.exists(TARGET));
    assert_eq!(london.slot(TARGET, 1), U256::ZERO);
    assert!(outcome.changes.accounts[&TARGET].storage_wiped);

    let mut cancun = Chain::new(spec(), world().build());
    cancun.advance(&[sender.legacy(0, TxKind::Create, 3, 100_000, 1, code)]);
    assert_eq!(cancun.balance(heir), U256::from(3));
    assert!(!cancun.exists(sender.address.create(0)));
}

#[test]
fn recreation_after_selfdestruct_starts_with_empty_storage() {
    // A factory creates a contract by CREATE2 with storage 1 → 5; called with value it destroys itself.
    let sender = key(1);
    let factory = Address::repeat_byte(0x66);
    let mut before = spec();
    before.params.eip_timestamps.clear();
    // Runtime: with value, SELFDESTRUCT; else slot 2 := slot 1.
    let runtime = asm("CALLVALUE @die JUMPI 0x01 SLOAD 0x02 SSTORE STOP die: CALLER SELFDESTRUCT");
    // Creation: slot 1 := 5 only if calldata of the factory said so is not visible, so always slot 1 := number.
    let len = u8::try_from(runtime.len()).unwrap();
    let mut init = asm(&format!("NUMBER 0x01 SSTORE 0x{len:02x} DUP1 0x0f 0x00 CODECOPY 0x00 RETURN")).to_vec();
    assert!(init.len() <= 0x0f);
    init.resize(0x0f, 0);
    init.extend_from_slice(&runtime);
    let factory_code = asm("CALLDATASIZE 0x00 0x00 CALLDATACOPY 0x00 CALLDATASIZE 0x00 0x00 CREATE2 0x00 SSTORE STOP");
    let world = World::new().account(sender.address, ether(1)).contract(factory, &factory_code, &[]);
    let mut chain = Chain::new(before, world.build());
    let init = Bytes::from(init);
    let child = factory.create2_from_code([0; 32], &init);

    chain.advance(&[sender.legacy(0, call(factory), 0, 500_000, 1, init.clone())]);
    assert_eq!(chain.slot(child, 1), U256::from(1));
    chain.advance(&[sender.legacy(1, call(child), 0, 100_000, 1, Bytes::new())]);
    assert_eq!(chain.slot(child, 2), U256::from(1));
    // Destroyed and created again in one block, by two transactions.
    let outcome = chain.advance(&[
        sender.legacy(2, call(child), 1, 100_000, 1, Bytes::new()),
        sender.legacy(3, call(factory), 0, 500_000, 1, init),
    ]);
    assert!(outcome.receipts.iter().all(aurum_types::Receipt::succeeded));
    assert!(outcome.changes.accounts[&child].storage_wiped);
    assert_eq!(chain.slot(child, 1), U256::from(3));
    assert_eq!(chain.slot(child, 2), U256::ZERO, "what the first contract wrote is gone");
    assert_eq!(chain.code(child), runtime);
}

#[test]
fn touched_empty_accounts_go() {
    let sender = key(1);
    let empty = Address::repeat_byte(0x22);
    let world = World::new().account(sender.address, ether(1)).account(empty, 0);
    let mut chain = Chain::new(spec(), world.build());
    assert!(chain.exists(empty));
    chain.advance(&[sender.legacy(0, call(empty), 0, 21_000, 1, Bytes::new())]);
    assert!(!chain.exists(empty), "EIP-161");
}

#[test]
fn a_gas_free_chain_asks_nothing_of_a_penniless_sender() {
    let (sender, authority) = (key(1), key(2));
    // Stores GASPRICE at 1 and BASEFEE at 2.
    let code = asm("GASPRICE 0x01 SSTORE BASEFEE 0x02 SSTORE 0x01 0x03 SSTORE");
    let mut chain = Chain::new(free_spec(), World::new().contract(TARGET, &code, &[(1, 9), (2, 9)]).build());
    let offered = u128::MAX;
    let outcome = chain.advance(&[
        sender.legacy(0, call(TARGET), 0, 100_000, 0, Bytes::new()),
        sender.legacy(1, call(TARGET), 0, 100_000, offered, Bytes::new()),
        sender.eip1559(2, call(TARGET), 0, 100_000, (0, 0), Bytes::new()),
        sender.eip1559(3, call(TARGET), 0, 100_000, (5, offered), Bytes::new()),
        sender.eip1559(4, TxKind::Create, 0, 200_000, (offered, 0), creation(&code)),
        sender.eip7702(5, TARGET, authority, 0, TARGET),
    ]);
    assert!(outcome.receipts.iter().all(aurum_types::Receipt::succeeded));
    assert_eq!(outcome.receipts.len(), 6);
    assert_eq!(
        (chain.slot(TARGET, 1), chain.slot(TARGET, 2), chain.slot(TARGET, 3)),
        (U256::ZERO, U256::ZERO, U256::ONE)
    );
    assert_eq!(chain.balance(sender.address), U256::ZERO);
    assert!(!chain.exists(AUTHOR), "the author is not paid");
    assert_eq!(chain.code(sender.address.create(4)), code);
    assert_eq!(chain.code(authority.address).len(), 23, "delegated by EIP-7702");
    assert_eq!(chain.nonce(authority.address), 1);
}

#[test]
fn a_gas_free_chain_still_wants_nonce_value_and_gas() {
    let sender = key(1);
    let chain = Chain::new(free_spec(), World::new().account(sender.address, 5).build());
    let one = |tx| invalid(chain.execute(&[tx], None));
    assert_eq!(
        one(sender.legacy(1, call(TARGET), 0, 21_000, 0, Bytes::new())),
        TxInvalid::NonceTooHigh { tx: 1, state: 0 }
    );
    assert_eq!(
        one(sender.legacy(0, call(TARGET), 6, 21_000, 0, Bytes::new())),
        TxInvalid::InsufficientFunds { have: U256::from(5), want: U256::from(6) }
    );
    assert_eq!(
        one(sender.legacy(0, call(TARGET), 0, 20_999, 0, Bytes::new())),
        TxInvalid::IntrinsicGas { have: 20_999, want: 21_000 }
    );
    let error = chain.execute(&[sender.legacy(0, call(TARGET), 0, GAS_LIMIT + 1, 0, Bytes::new())], None).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::GasLimit { index: 0, .. })), "{error}");
}

#[test]
fn a_fixed_base_fee_is_demanded_and_collected() {
    let sender = key(1);
    let collector = Address::repeat_byte(0xcc);
    let mut fixed = spec();
    fixed.params.fixed_base_fee = Some(1_000);
    fixed.params.eip1559_fee_collector = Some(collector);
    fixed.params.eip1559_fee_collector_transition = Some(2);
    let mut chain = Chain::new(fixed, World::new().account(sender.address, ether(1)).build());
    let one = |tx| invalid(chain.execute(&[tx], None));
    let below = TxInvalid::FeeBelowBaseFee { have: 999, base_fee: 1_000 };
    assert_eq!(one(sender.legacy(0, call(TARGET), 0, 21_000, 999, Bytes::new())), below);
    assert_eq!(one(sender.eip1559(0, call(TARGET), 0, 21_000, (999, 0), Bytes::new())), below);
    let free = one(sender.legacy(0, call(TARGET), 0, 21_000, 0, Bytes::new()));
    assert_eq!(free, TxInvalid::FeeBelowBaseFee { have: 0, base_fee: 1_000 }, "a fixed price is not voluntary");

    chain.advance(&[sender.legacy(0, call(TARGET), 0, 21_000, 1_000, Bytes::new())]);
    assert!(!chain.exists(collector), "burnt before the collector's first block");
    chain.advance(&[sender.eip1559(1, call(TARGET), 0, 21_000, (5_000, 7), Bytes::new())]);
    assert_eq!(chain.balance(collector), U256::from(21_000 * 1_000));
    assert_eq!(chain.balance(AUTHOR), U256::from(21_000 * 7));
    let spent = 21_000 * 1_000 + 21_000 * 1_007;
    assert_eq!(chain.balance(sender.address), U256::from(ether(1) - spent));
}

#[test]
fn zero_price_is_exempt_from_a_moving_base_fee() {
    let sender = key(1);
    let mut chain = Chain::new(spec(), World::new().account(sender.address, ether(1)).build());
    chain.base_fee = Some(100);
    chain.advance(&[sender.legacy(0, call(TARGET), 1, 21_000, 0, Bytes::new())]);
    assert_eq!(chain.balance(sender.address), U256::from(ether(1) - 1), "OpenEthereum: service transactions");
    let error = invalid(chain.execute(&[sender.legacy(1, call(TARGET), 0, 21_000, 99, Bytes::new())], None));
    assert_eq!(error, TxInvalid::FeeBelowBaseFee { have: 99, base_fee: 100 });
}

#[test]
fn block_facts_are_those_of_the_header() {
    let sender = key(1);
    let code = asm(
        "PREVRANDAO 0x01 SSTORE COINBASE 0x02 SSTORE TIMESTAMP 0x03 SSTORE NUMBER 0x04 SSTORE GASLIMIT 0x05 SSTORE \
         CHAINID 0x06 SSTORE 0x01 NUMBER SUB BLOCKHASH 0x07 SSTORE 0x02 NUMBER SUB BLOCKHASH 0x08 SSTORE",
    );
    let mut chain = Chain::new(free_spec(), World::new().contract(TARGET, &code, &[]).build());
    chain.advance(&[]);
    let (env, hash) = (chain.next_env(), chain.parent_hash);
    assert!(chain.advance(&[sender.legacy(0, call(TARGET), 0, 500_000, 0, Bytes::new())]).receipts[0].succeeded());
    let slot = |n| chain.slot(TARGET, n);
    assert_eq!(slot(1), env.difficulty);
    assert_eq!(slot(2), U256::from_be_slice(AUTHOR.as_slice()));
    assert_eq!(slot(3), U256::from(env.timestamp));
    assert_eq!(slot(4), U256::from(2));
    assert_eq!(slot(5), U256::from(GAS_LIMIT));
    assert_eq!(slot(6), U256::from(CHAIN_ID));
    assert_eq!(slot(7), U256::from_be_bytes(hash.0));
    assert_eq!(slot(8), U256::from_be_bytes([0xbb; 32]));
}

#[test]
fn only_listed_precompiles_exist() {
    let sender = key(1);
    // Copies 3 bytes through address 4 (listed) and 2 (not listed), keeping the returned sizes.
    let code = asm("0x00 0x00 0x03 0x00 0x04 GAS STATICCALL POP RETURNDATASIZE 0x01 SSTORE \
         0x00 0x00 0x03 0x00 0x02 GAS STATICCALL POP RETURNDATASIZE 0x01 ADD 0x02 SSTORE");
    let mut chain = Chain::new(free_spec(), World::new().contract(TARGET, &code, &[]).build());
    chain.advance(&[sender.legacy(0, call(TARGET), 0, 500_000, 0, Bytes::new())]);
    assert_eq!(chain.slot(TARGET, 1), U256::from(3));
    assert_eq!(chain.slot(TARGET, 2), U256::from(1), "sha256 is no builtin of this chain");
}

#[test]
fn foreign_chain_ids_and_closed_types_are_refused() {
    let sender = key(1);
    let mut other = spec();
    other.params.chain_id = 7;
    let chain = Chain::new(other, World::new().account(sender.address, ether(1)).build());
    let error = invalid(chain.execute(&[sender.legacy(0, call(TARGET), 0, 21_000, 1, Bytes::new())], None));
    assert_eq!(error, TxInvalid::ChainId { have: Some(CHAIN_ID), want: 7 });

    let mut old = spec();
    old.params.eip1559_transition = None;
    old.params.eip3198_transition = None;
    let chain = Chain::new(old, World::new().account(sender.address, ether(1)).build());
    let error = invalid(chain.execute(&[sender.eip1559(0, call(TARGET), 0, 21_000, (1, 1), Bytes::new())], None));
    assert_eq!(error, TxInvalid::UnsupportedType(2));
}

#[test]
fn a_sender_with_code_is_refused_unless_the_code_is_a_delegation() {
    let sender = key(1);
    let world = World::new().account(sender.address, ether(1)).contract(sender.address, &asm("STOP"), &[]).build();
    let error = invalid(
        Chain::new(spec(), world.clone()).execute(&[sender.legacy(1, call(TARGET), 0, 21_000, 1, Bytes::new())], None),
    );
    assert_eq!(error, TxInvalid::SenderHasCode);
    let mut open = spec();
    open.params.eip3607_transition = None;
    Chain::new(open, world).advance(&[sender.legacy(1, call(TARGET), 0, 21_000, 1, Bytes::new())]);

    let mut chain = Chain::new(free_spec(), World::new().build());
    chain.advance(&[key(2).eip7702(0, TARGET, sender, 0, TARGET)]);
    chain.advance(&[sender.legacy(1, call(TARGET), 0, 21_000, 0, Bytes::new())]);
    assert_eq!(chain.nonce(sender.address), 2);
}

#[test]
fn a_failed_push_leaves_no_trace() {
    let sender = key(1);
    let chain = Chain::new(free_spec(), World::new().account(sender.address, 5).build());
    let env = env_with_gas(&chain, 50_000);
    let mut builder = chain.evm.builder(chain.reader(), &chain.parent, env.clone(), None).unwrap();
    let push = |builder: &mut aurum_evm::BlockBuilder, tx| builder.push(&tx);
    let nonce = push(&mut builder, sender.legacy(3, call(TARGET), 0, 21_000, 0, Bytes::new())).unwrap_err();
    assert!(matches!(nonce, PushError::Invalid(TxInvalid::NonceTooHigh { .. })));
    let funds = push(&mut builder, sender.legacy(0, call(TARGET), 6, 21_000, 0, Bytes::new())).unwrap_err();
    assert!(matches!(funds, PushError::Invalid(TxInvalid::InsufficientFunds { .. })));
    let big = push(&mut builder, sender.legacy(0, call(TARGET), 0, 50_001, 0, Bytes::new())).unwrap_err();
    assert!(matches!(big, PushError::DoesNotFit { gas: 50_001, left: 50_000 }));
    let good = sender.legacy(0, call(TARGET), 5, 21_000, 0, Bytes::new());
    assert_eq!(push(&mut builder, good.clone()).unwrap().gas_used, 21_000);
    assert_eq!(builder.gas_left(), 29_000);
    let outcome = builder.finish().unwrap();
    let executed = chain.execute_in(&env, &[good], None).unwrap();
    assert_eq!(outcome.changes, executed.changes);
    assert_eq!(outcome.receipts, executed.receipts);
}

fn env_with_gas(chain: &Chain, gas_limit: u64) -> aurum_evm::BlockEnv {
    aurum_evm::BlockEnv { gas_limit, ..chain.next_env() }
}
