//! A chain whose spec switches on all EIPs of a fork, one by one, runs every program as revm runs that fork: to the unit of
//! gas and the last account. The programs are random and look at what forks change: prices by gas left, refunds, missing,
//! empty, created and destroyed accounts, cold and warm ones, precompiles.

use std::collections::BTreeMap;

use crate::common::{programs::*, *};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use aurum_types::{AccountChange, StateReader};
use proptest::{prelude::*, strategy::ValueTree};
use revm::{
    Database, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext,
    context::TxEnv,
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};

/// One case: code of three contracts, and a transaction that starts them.
#[derive(Clone, Debug)]
struct Case {
    code: [Bytes; 3],
    create: bool,
    value: u64,
    gas: u64,
    data: Bytes,
}

fn cases() -> impl Strategy<Value = Case> {
    let gas = prop_oneof![25_000_u64..80_000, 80_000_u64..600_000, Just(3_000_000)];
    let data = prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..70);
    ([programs(), programs(), programs()], prop::bool::weighted(0.2), 0_u64..4, gas, data).prop_map(
        |(code, create, value, gas, data)| {
            // Enough for what a creation costs before it runs.
            let gas = if create { gas.max(150_000) } else { gas };
            let data = if create { code[0].clone() } else { data.into() };
            Case { code, create, value, gas, data }
        },
    )
}

/// Balance, nonce, code hash and slots that are not zero.
type Seen = (U256, u64, B256, BTreeMap<U256, U256>);

/// What a run did: success, gas used, logs, and all accounts.
#[derive(Debug, PartialEq)]
struct Outcome {
    success: bool,
    gas_used: u64,
    logs: Vec<alloy::primitives::Log>,
    accounts: BTreeMap<Address, Seen>,
}

fn world(case: &Case) -> World {
    World::new()
        .account(key(1).address, 1_000)
        .account(RICH, 9)
        .account(EMPTY, 0)
        .account(MAIN, 5)
        .contract(MAIN, &case.code[0], &[(0, 1), (1, 2)])
        .account(OTHER, 3)
        .contract(OTHER, &case.code[1], &[(2, 1), (3, 3)])
        .contract(THIRD, &case.code[2], &[(1, 1)])
}

fn ours(fork: SpecId, case: &Case) -> Outcome {
    let mut chain = Chain::new(fork_spec(fork), world(case).build());
    let to = if case.create { TxKind::Create } else { call(MAIN) };
    let tx = key(1).legacy(0, to, case.value, case.gas, 0, case.data.clone());
    let outcome = chain.advance(&[tx]);
    let mut accounts = BTreeMap::new();
    for address in chain.state.accounts().map(|(address, _)| address) {
        let account = chain.state.account(address).unwrap().unwrap();
        let slots = chain.state.slots(address).collect();
        accounts.insert(address, (account.balance, account.nonce, account.code_hash, slots));
    }
    let receipt = &outcome.receipts[0];
    Outcome { success: receipt.succeeded(), gas_used: outcome.gas_used, logs: receipt.logs.clone(), accounts }
}

fn reference(fork: SpecId, case: &Case) -> Outcome {
    let mut db = CacheDB::new(EmptyDB::default());
    let changes = world(case).into_changes();
    for (address, AccountChange { account, storage, .. }) in &changes.accounts {
        let account = account.unwrap();
        let code = changes.code.get(&account.code_hash).map(|code| Bytecode::new_raw(code.clone()));
        let info = AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code,
            ..AccountInfo::default()
        };
        db.insert_account_info(*address, info);
        for (slot, value) in storage {
            db.insert_account_storage(*address, *slot, *value).unwrap();
        }
    }
    let difficulty = (U256::ONE << 128) - U256::from(2);
    let context = revm::Context::mainnet()
        .with_db(db)
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(fork);
            cfg.chain_id = CHAIN_ID;
        })
        .modify_block_chained(|block| {
            block.number = U256::ONE;
            block.timestamp = U256::from(1_002);
            block.beneficiary = AUTHOR;
            block.gas_limit = GAS_LIMIT;
            block.difficulty = difficulty;
            block.prevrandao = Some(difficulty.into());
        });
    let mut evm = context.build_mainnet();
    let tx = TxEnv {
        caller: key(1).address,
        gas_limit: case.gas,
        gas_price: 0,
        kind: if case.create { TxKind::Create } else { call(MAIN) },
        value: U256::from(case.value),
        data: case.data.clone(),
        chain_id: Some(CHAIN_ID),
        ..TxEnv::default()
    };
    let result = evm.transact(tx).unwrap();
    let mut db = evm.ctx.journaled_state.database;
    // What the database makes of the journal's flags is not revm's affair: EIP-161 d.
    let cleared: Vec<Address> = result
        .state
        .iter()
        .filter(|(_, account)| account.is_touched() && account.is_empty() && !account.is_created())
        .filter(|_| fork.is_enabled_in(SpecId::SPURIOUS_DRAGON))
        .map(|(address, _)| *address)
        .collect();
    db.commit(result.state);
    let mut accounts = BTreeMap::new();
    let addresses: Vec<_> = db.cache.accounts.keys().copied().collect();
    for address in addresses {
        let Some(info) = db.basic(address).unwrap().filter(|_| !cleared.contains(&address)) else { continue };
        let slots = db.cache.accounts[&address].storage.iter().filter(|(_, value)| !value.is_zero());
        let slots = slots.map(|(slot, value)| (*slot, *value)).collect();
        accounts.insert(address, (info.balance, info.nonce, info.code_hash, slots));
    }
    let result = result.result;
    Outcome { success: result.is_success(), gas_used: result.tx_gas_used(), logs: result.into_logs(), accounts }
}

proptest! {
    // PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(1_500)))]

    #[test]
    fn all_eips_of_a_fork_are_that_fork(fork in prop::sample::select(FORKS.to_vec()), case in cases()) {
        let (ours, reference) = (ours(fork, &case), reference(fork, &case));
        prop_assert_eq!(ours, reference, "{:?}", fork);
    }
}

#[test]
fn the_programs_of_this_test_reach_what_forks_change() {
    // A generator that only made programs which fail at once would prove nothing.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut succeeded, mut wrote) = (0, 0);
    for _ in 0..200 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let outcome = reference(SpecId::PRAGUE, &case);
        succeeded += u32::from(outcome.success);
        wrote += u32::from(outcome.accounts.len() > 6);
    }
    assert!(succeeded > 60 && wrote > 5, "{succeeded} succeeded, {wrote} made accounts");
}
