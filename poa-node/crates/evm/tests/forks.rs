//! A chain whose spec switches on all EIPs of a fork, one by one, runs every program as revm runs that fork: to the unit of
//! gas and the last account. The programs are random and look at what forks change: prices by gas left, refunds, missing,
//! empty, created and destroyed accounts, cold and warm ones, precompiles.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use aurum_types::{
    AccountChange, ChainSpec, StateReader,
    spec::{AccountSpec, Builtin, Pricing},
};
use common::*;
use proptest::{prelude::*, strategy::ValueTree};
use revm::{
    Database, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext,
    context::TxEnv,
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};

const MAIN: Address = Address::repeat_byte(0x11);
const OTHER: Address = Address::repeat_byte(0x12);
const THIRD: Address = Address::repeat_byte(0x13);
const RICH: Address = Address::repeat_byte(0x21);
const EMPTY: Address = Address::repeat_byte(0x22);
const MISSING: Address = Address::repeat_byte(0x23);
const FORKS: [SpecId; 11] = [
    SpecId::HOMESTEAD,
    SpecId::TANGERINE,
    SpecId::SPURIOUS_DRAGON,
    SpecId::BYZANTIUM,
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
];

/// The chain spec that says what `fork` is.
fn fork_spec(fork: SpecId) -> ChainSpec {
    let mut spec = spec();
    let from = |first: SpecId| fork.is_enabled_in(first).then_some(0);
    let p = &mut spec.params;
    p.eip150_transition = from(SpecId::TANGERINE);
    (p.eip160_transition, p.eip161abc_transition) = (from(SpecId::SPURIOUS_DRAGON), from(SpecId::SPURIOUS_DRAGON));
    p.eip161d_transition = from(SpecId::SPURIOUS_DRAGON);
    p.max_code_size = from(SpecId::SPURIOUS_DRAGON).map(|_| 0x6000);
    (p.eip140_transition, p.eip211_transition) = (from(SpecId::BYZANTIUM), from(SpecId::BYZANTIUM));
    p.eip214_transition = from(SpecId::BYZANTIUM);
    (p.eip145_transition, p.eip1014_transition) = (from(SpecId::PETERSBURG), from(SpecId::PETERSBURG));
    p.eip1052_transition = from(SpecId::PETERSBURG);
    (p.eip1283_transition, p.eip1706_transition) = (from(SpecId::ISTANBUL), from(SpecId::ISTANBUL));
    (p.eip1344_transition, p.eip1884_transition) = (from(SpecId::ISTANBUL), from(SpecId::ISTANBUL));
    p.eip2028_transition = from(SpecId::ISTANBUL);
    (p.eip2929_transition, p.eip2930_transition) = (from(SpecId::BERLIN), from(SpecId::BERLIN));
    (p.eip1559_transition, p.eip3198_transition) = (from(SpecId::LONDON), from(SpecId::LONDON));
    (p.eip3529_transition, p.eip3541_transition) = (from(SpecId::LONDON), from(SpecId::LONDON));
    p.eip_timestamps.retain(|eip, _| {
        fork.is_enabled_in(match eip {
            3651 | 3855 | 3860 => SpecId::SHANGHAI,
            1153 | 5656 | 6780 => SpecId::CANCUN,
            _ => SpecId::PRAGUE,
        })
    });
    spec.accounts = precompiles(fork);
    spec
}

/// The precompiles of `fork` up to 0x08, as a spec lists them.
fn precompiles(fork: SpecId) -> BTreeMap<Address, AccountSpec> {
    let after = |first: SpecId, late: Pricing, early: Pricing| if fork.is_enabled_in(first) { late } else { early };
    let constant = |price| Pricing::Constant { price };
    let mut list = vec![
        (1, "ecrecover", Pricing::Linear { base: 3_000, word: 0 }),
        (2, "sha256", Pricing::Linear { base: 60, word: 12 }),
        (3, "ripemd160", Pricing::Linear { base: 600, word: 120 }),
        (4, "identity", Pricing::Linear { base: 15, word: 3 }),
    ];
    if fork.is_enabled_in(SpecId::BYZANTIUM) {
        let pairing = |base, pair| Pricing::AltBn128Pairing { base, pair };
        list.extend([
            (5, "modexp", after(SpecId::BERLIN, Pricing::Modexp2565, Pricing::Modexp { divisor: 20 })),
            (6, "alt_bn128_add", after(SpecId::ISTANBUL, constant(150), constant(500))),
            (7, "alt_bn128_mul", after(SpecId::ISTANBUL, constant(6_000), constant(40_000))),
            (8, "alt_bn128_pairing", after(SpecId::ISTANBUL, pairing(45_000, 34_000), pairing(100_000, 80_000))),
        ]);
    }
    let builtin = |name: &str, price| Builtin { name: name.to_owned(), pricing: BTreeMap::from([(0, price)]) };
    list.into_iter()
        .map(|(byte, name, price)| {
            let account = AccountSpec { builtin: Some(builtin(name, price)), ..AccountSpec::default() };
            (Address::with_last_byte(byte), account)
        })
        .collect()
}

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

fn programs() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(fragments(), 1..14).prop_map(|parts| parts.concat().into())
}

fn push(word: &[u8]) -> Vec<u8> {
    let mut code = vec![0x5f + u8::try_from(word.len()).unwrap()];
    code.extend_from_slice(word);
    code
}

fn addresses() -> impl Strategy<Value = Vec<u8>> {
    let accounts = prop::sample::select(vec![MAIN, OTHER, THIRD, RICH, EMPTY, MISSING, AUTHOR, Address::ZERO]);
    prop_oneof![
        5 => accounts.prop_map(|address| push(address.as_slice())),
        2 => (1_u8..9).prop_map(|byte| push(&[byte])),
    ]
}

fn small() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => (0_u8..4).prop_map(|n| push(&[n])), 1 => any::<u8>().prop_map(|n| push(&[n]))]
}

/// Creation code of at most a word.
fn initcode() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        // Returns n bytes of zeros, or of what a byte 0xef begins.
        (0_u8..40).prop_map(|n| vec![0x60, n, 0x60, 0, 0xf3]),
        (1_u8..4).prop_map(|n| vec![0x60, 0xef, 0x60, 0, 0x53, 0x60, n, 0x60, 0, 0xf3]),
        Just(vec![0x60, 7, 0x60, 1, 0x55]),
        Just(vec![0x33, 0xff]),
        Just(vec![0x60, 0, 0x60, 0, 0xfd]),
        Just(vec![0xfe]),
        Just(vec![]),
    ]
}

/// A few instructions that leave the stack as it was, mostly.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let sstore = (small(), small()).prop_map(|(value, slot)| [value, slot, vec![0x55]].concat());
    let remember_gas = (0_u8..4).prop_map(|slot| vec![0x5a, 0x60, 0x40 + slot, 0x55]);
    let sload = small().prop_map(|slot| [slot, vec![0x54, 0x50]].concat());
    // BALANCE, EXTCODESIZE, EXTCODEHASH, and what they say kept.
    let look = (addresses(), prop::sample::select(vec![0x31, 0x3b, 0x3f]), 0_u8..3)
        .prop_map(|(address, opcode, slot)| [address, vec![opcode, 0x60, 0x50 + slot, 0x55]].concat());
    let copy = addresses().prop_map(|address| [vec![0x60, 40, 0x60, 0, 0x60, 8], address, vec![0x3c]].concat());
    // CALL, CALLCODE, DELEGATECALL, STATICCALL: with all gas, or some.
    let calls = (
        addresses(),
        prop::sample::select(vec![0xf1_u8, 0xf1, 0xf2, 0xf4, 0xfa]),
        prop_oneof![Just(vec![0x5a]), (0_u16..6_000).prop_map(|gas| push(&gas.to_be_bytes()))],
        0_u8..3,
        0_u8..97,
    )
        .prop_map(|(address, opcode, gas, value, input)| {
            let mut code = [vec![0x60, 32, 0x60, 64, 0x60, input, 0x60, 0]].concat();
            if opcode < 0xf4 {
                code.extend([0x60, value]);
            }
            code.extend(address);
            code.extend(gas);
            code.extend([opcode, 0x60, 0x60, 0x55]);
            code
        });
    let create = (initcode(), any::<bool>(), 0_u8..3, small()).prop_map(|(init, create2, value, salt)| {
        let length = u8::try_from(init.len()).unwrap();
        let mut code = push(&[init, vec![0; 32 - usize::from(length)]].concat());
        code.extend([0x60, 0, 0x52]);
        if create2 {
            code.extend(salt);
        }
        code.extend([0x60, length, 0x60, 0, 0x60, value, if create2 { 0xf5 } else { 0xf0 }, 0x60, 0x61, 0x55]);
        code
    });
    let selfdestruct = addresses().prop_map(|heir| [heir, vec![0xff]].concat());
    let end = prop::sample::select(vec![0xf3_u8, 0xfd, 0x00, 0xfe]).prop_map(|opcode| vec![0x60, 40, 0x60, 0, opcode]);
    let exp = (small(), prop::collection::vec(any::<u8>(), 1..32))
        .prop_map(|(base, power)| [push(&power), base, vec![0x0a, 0x50]].concat());
    // SHL, SHR, SAR, MCOPY, TSTORE, LOG1 and their like, whether they exist or not.
    let three =
        (prop::sample::select(vec![0x1b_u8, 0x1c, 0x1d, 0x5d, 0x5e, 0x3e, 0x37, 0x39, 0x20, 0xa0, 0xa1]), small())
            .prop_map(|(opcode, n)| [n.clone(), n.clone(), n, vec![opcode]].concat());
    let bare = prop::sample::select(vec![0x46_u8, 0x47, 0x48, 0x5f, 0x3d, 0x44, 0x45, 0x5a, 0x30, 0x58, 0x59])
        .prop_map(|opcode| vec![opcode, 0x60, 0x70, 0x55]);
    let tload = small().prop_map(|slot| [slot, vec![0x5c, 0x60, 0x71, 0x55]].concat());
    // Any byte, but BLOCKHASH (the reference has other hashes) and those of blobs.
    let wild = any::<u8>().prop_map(|byte| vec![if matches!(byte, 0x40 | 0x49 | 0x4a) { 0x5b } else { byte }]);
    prop_oneof![
        5 => sstore, 2 => remember_gas, 2 => sload, 4 => look, 1 => copy, 8 => calls, 4 => create, 1 => selfdestruct,
        1 => end, 1 => exp, 2 => three, 2 => bare, 1 => tload, 1 => wild,
    ]
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
