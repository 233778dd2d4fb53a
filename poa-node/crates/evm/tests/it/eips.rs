//! EIPs switched on or off one by one, against the numbers of each EIP (and of the Yellow Paper before it).

use crate::common::*;
use alloy::{
    eips::eip2930::{AccessList, AccessListItem},
    primitives::{Address, B256, Bytes, TxKind, U256},
};
use aurum_evm::{EvmError, InvalidExecution, TxInvalid};
use aurum_types::{ChainSpec, ReceiptOutcome};

const MAIN: Address = Address::repeat_byte(0x11);
const OTHER: Address = Address::repeat_byte(0x12);
const EMPTY: Address = Address::repeat_byte(0x22);
const MISSING: Address = Address::repeat_byte(0x23);
const GAS: u64 = 1_000_000;

/// A spec that names no EIP: EIP-150, 155, 160, 161 and 3607 hold (aura.md §4.2). Receipts have a status, for the tests.
fn oldest() -> ChainSpec {
    let text = r#"{
        "name": "oldest",
        "engine": {"authorityRound": {"params": {"stepDuration": 2, "validators": {"list": ["0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}}}},
        "params": {
            "networkID": 2026, "maximumExtraDataSize": 32, "minGasLimit": 5000, "gasLimitBoundDivisor": 1024,
            "eip658Transition": 0
        },
        "genesis": {"seal": {"generic": "0xc180"}, "difficulty": "0x20000", "gasLimit": "0x1c9c380"}
    }"#;
    ChainSpec::parse(text).unwrap().0
}

/// [`oldest`] with changes.
fn with(change: impl FnOnce(&mut ChainSpec)) -> ChainSpec {
    let mut spec = oldest();
    change(&mut spec);
    spec
}

fn chain(spec: ChainSpec, code: &str, slots: &[(u64, u64)]) -> Chain {
    let world = World::new()
        .account(key(1).address, 1_000)
        .account(EMPTY, 0)
        .account(MAIN, 100)
        .contract(MAIN, &asm(code), slots)
        .contract(OTHER, &asm("0x01 0x00 SSTORE"), &[(0, 1)]);
    Chain::new(spec, world.build())
}

fn call_main() -> aurum_types::Recovered<aurum_types::Transaction> {
    key(1).legacy(0, call(MAIN), 0, GAS, 0, Bytes::new())
}

/// Gas that running `code` used, beyond the transaction's own 21,000 (less than nothing where much is refunded); `None` if
/// it failed.
fn gas_of(spec: ChainSpec, code: &str, slots: &[(u64, u64)]) -> Option<i64> {
    let mut chain = chain(spec, code, slots);
    let outcome = chain.advance(&[call_main()]);
    outcome.receipts[0].succeeded().then(|| signed(outcome.gas_used) - 21_000)
}

fn signed(gas: u64) -> i64 {
    i64::try_from(gas).unwrap()
}

type Switch = (&'static str, fn(&mut ChainSpec), &'static str, i64);

#[test]
fn an_opcode_exists_exactly_where_its_eip_does() {
    let switches: [Switch; 17] = [
        ("145", |s| s.params.eip145_transition = Some(0), "0x01 0x01 SHL", 9),
        ("145", |s| s.params.eip145_transition = Some(0), "0x01 0x01 SHR", 9),
        ("145", |s| s.params.eip145_transition = Some(0), "0x01 0x01 SAR", 9),
        ("211", |s| s.params.eip211_transition = Some(0), "RETURNDATASIZE", 2),
        ("211", |s| s.params.eip211_transition = Some(0), "0x00 0x00 0x00 RETURNDATACOPY", 12),
        ("214", |s| s.params.eip214_transition = Some(0), "0x00 0x00 0x00 0x00 0x23 0x00 STATICCALL", 718),
        ("1014", |s| s.params.eip1014_transition = Some(0), "0x00 0x00 0x00 0x00 CREATE2", 32_012),
        ("1052", |s| s.params.eip1052_transition = Some(0), "0x23 EXTCODEHASH", 403),
        ("1344", |s| s.params.eip1344_transition = Some(0), "CHAINID", 2),
        ("1884", |s| s.params.eip1884_transition = Some(0), "SELFBALANCE", 5),
        ("3198", |s| s.params.eip3198_transition = Some(0), "BASEFEE", 2),
        ("1153", |s| s.params.eip_timestamps.extend([(1153, 0)]), "0x00 TLOAD", 103),
        ("1153", |s| s.params.eip_timestamps.extend([(1153, 0)]), "0x00 0x00 TSTORE", 106),
        ("3855", |s| s.params.eip_timestamps.extend([(3855, 0)]), "PUSH0", 2),
        ("3855", |s| s.params.eip_transitions.extend([(3855, 0)]), "PUSH0", 2),
        ("5656", |s| s.params.eip_timestamps.extend([(5656, 0)]), "0x20 0x00 0x20 MCOPY", 9 + 6 + 6),
        // Static context has an effect: nothing may change in it.
        ("214", |s| s.params.eip214_transition = Some(0), "0x00 0x00 0x00 0x00 0x23 GAS STATICCALL", 717),
    ];
    for (eip, on, code, gas) in switches {
        assert_eq!(gas_of(with(on), code, &[]), Some(gas), "EIP-{eip} on: {code}");
        assert_eq!(gas_of(oldest(), code, &[]), None, "EIP-{eip} off: {code}");
    }
    let reverting = |spec| {
        let outcome = chain(spec, "0x00 0x00 REVERT", &[]).advance(&[call_main()]);
        (outcome.receipts[0].succeeded(), outcome.gas_used)
    };
    assert_eq!(reverting(with(|s| s.params.eip140_transition = Some(0))), (false, 21_006));
    assert_eq!(reverting(oldest()), (false, GAS), "EIP-140 off: an unknown opcode takes all gas");
    for never in ["BLOBHASH", "BLOBBASEFEE"] {
        assert_eq!(gas_of(spec(), &format!("0x00 {never}"), &[]), None, "{never}");
    }
}

#[test]
fn before_eip150_no_other_eip_holds() {
    // OpenEthereum `CommonParams::schedule`: the Homestead schedule as it is.
    let homestead = || {
        let mut spec = spec();
        spec.params.eip_timestamps.clear();
        spec.params.eip1559_transition = None;
        spec.params.eip150_transition = Some(2);
        spec
    };
    for (code, gas) in [
        ("0x00 SLOAD", 53),
        ("0x23 BALANCE", 23),
        ("0x23 EXTCODESIZE", 23),
        ("0x01 0x00 SSTORE", 20_006),
        ("0x0101 0x02 EXP", 10 + 20 + 6),
        // A call of nobody makes an account, for 25,000.
        ("0x00 0x00 0x00 0x00 0x00 0x23 0x00 CALL", 40 + 25_000 + 21),
        ("0x23 SELFDESTRUCT", refunded(3, 24_000, 0, 2)),
    ] {
        assert_eq!(gas_of(homestead(), code, &[]), Some(gas), "{code}");
    }
    for code in ["CHAINID", "0x01 0x01 SHL", "RETURNDATASIZE", "0x00 0x00 REVERT", "SELFBALANCE"] {
        assert_eq!(gas_of(homestead(), code, &[]), None, "{code}");
    }
    // More gas than there is, is asked for in vain; from EIP-150 on, a 64th less than there is, is given.
    let greedy = "0x00 0x00 0x00 0x00 0x00 0x1212121212121212121212121212121212121212 0xffffffff CALL";
    assert_eq!(gas_of(homestead(), greedy, &[]), None);
    assert!(gas_of(oldest(), greedy, &[]).is_some());
    // No limit on code, either, and a contract's nonce starts at 0.
    let mut limited = homestead();
    limited.params.max_code_size = Some(1);
    let mut chain = chain(limited, "", &[]);
    chain.advance(&[key(1).legacy(0, TxKind::Create, 0, GAS, 0, creation(&asm("0x01 0x02 ADD")))]);
    let created = key(1).address.create(0);
    assert_eq!((chain.nonce(created), chain.code(created).len()), (0, 5));
    // One block later all of it holds.
    assert_eq!(chain.advance(&[key(1).legacy(1, call(MAIN), 0, GAS, 0, Bytes::new())]).receipts.len(), 1);
    let outcome = chain.advance(&[key(1).legacy(2, TxKind::Create, 0, GAS, 0, creation(&asm("0x01 0x02 ADD")))]);
    assert!(!outcome.receipts[0].succeeded());
}

#[test]
fn eip160_prices_an_exponent_s_bytes() {
    assert_eq!(gas_of(oldest(), "0x010203 0x02 EXP", &[]), Some(6 + 10 + 3 * 50));
    assert_eq!(gas_of(with(|s| s.params.eip160_transition = None), "0x010203 0x02 EXP", &[]), Some(6 + 10 + 3 * 10));
}

#[test]
fn eip1884_prices_state_reads() {
    let on = || with(|s| (s.params.eip1884_transition, s.params.eip1052_transition) = (Some(0), Some(0)));
    let off = || with(|s| s.params.eip1052_transition = Some(0));
    for (code, before, after) in [
        ("0x00 SLOAD", 200, 800),
        ("0x23 BALANCE", 400, 700),
        ("0x23 EXTCODEHASH", 400, 700),
        ("0x23 EXTCODESIZE", 700, 700),
    ] {
        assert_eq!((gas_of(off(), code, &[]), gas_of(on(), code, &[])), (Some(before + 3), Some(after + 3)), "{code}");
    }
}

#[test]
fn eip2028_prices_calldata() {
    let used = |spec| {
        let data = Bytes::from_static(&[1, 0, 2]);
        chain(spec, "", &[]).advance(&[key(1).legacy(0, call(MAIN), 0, GAS, 0, data)]).gas_used - 21_000
    };
    assert_eq!(used(oldest()), 2 * 68 + 4);
    assert_eq!(used(with(|s| s.params.eip2028_transition = Some(0))), 2 * 16 + 4);
}

/// Gas used by a sequence of writes to slot 0, which starts as `original`. 6 gas of each write are its two pushes.
fn sstores(spec: ChainSpec, original: u64, values: &[u8]) -> i64 {
    let code: String = values.iter().map(|value| format!("0x{value:02x} 0x00 SSTORE ")).collect();
    let slots: &[(u64, u64)] = if original == 0 { &[] } else { &[(0, original)] };
    gas_of(spec, &code, slots).unwrap() - 6 * i64::try_from(values.len()).unwrap()
}

/// After refunds, of which at most 1/`quotient` of all gas counts.
fn refunded(gas: i64, refund: i64, pushes: i64, quotient: i64) -> i64 {
    let all = 21_000 + gas + pushes;
    gas - refund.min(all / quotient)
}

#[test]
fn eip1283_meters_net_changes_without_eip1706() {
    // The table of EIP-1283, "Test Cases".
    let net = || with(|s| s.params.eip1283_transition = Some(0));
    for (original, values, gas, refund) in [
        (0, [0, 0], 400, 0),
        (0, [0, 1], 20_200, 0),
        (0, [1, 0], 20_200, 19_800),
        (0, [1, 2], 20_200, 0),
        (0, [1, 1], 20_200, 0),
        (1, [0, 0], 5_200, 15_000),
        (1, [0, 1], 5_200, 4_800),
        (1, [0, 2], 5_200, 0),
        (1, [2, 0], 5_200, 15_000),
        (1, [2, 3], 5_200, 0),
        (1, [2, 1], 5_200, 4_800),
        (1, [2, 2], 5_200, 0),
        (1, [1, 0], 5_200, 15_000),
        (1, [1, 2], 5_200, 0),
        (1, [1, 1], 400, 0),
    ] {
        assert_eq!(sstores(net(), original, &values), refunded(gas, refund, 12, 2), "{original} {values:?}");
    }
    for (original, values, gas, refund) in [(0, [1, 0, 1], 40_200, 19_800), (1, [0, 1, 0], 10_200, 19_800)] {
        assert_eq!(sstores(net(), original, &values), refunded(gas, refund, 18, 2), "{original} {values:?}");
    }
}

#[test]
fn without_eip1283_every_write_is_charged() {
    for (original, values, gas, refund) in
        [(0, [0, 0], 10_000, 0), (0, [1, 0], 25_000, 15_000), (1, [1, 1], 10_000, 0), (1, [0, 1], 25_000, 15_000)]
    {
        assert_eq!(sstores(oldest(), original, &values), refunded(gas, refund, 12, 2), "{original} {values:?}");
    }
}

#[test]
fn eip1283_goes_off_and_on_again() {
    // xDAI and Sokol: on, off at the disabling block, on again at the re-enabling one.
    let mut spec = oldest();
    let p = &mut spec.params;
    (p.eip1283_transition, p.eip1283_disable_transition, p.eip1283_reenable_transition) = (Some(1), Some(3), Some(5));
    let mut chain = chain(spec, "0x00 0x07 SSTORE", &[]);
    let gas: Vec<u64> = (0..6)
        .map(|nonce| chain.advance(&[key(1).legacy(nonce, call(MAIN), 0, GAS, 0, Bytes::new())]).gas_used - 21_006)
        .collect();
    assert_eq!(gas, [200, 200, 5_000, 5_000, 200, 200]);
    // Bellecour: enabled and disabled in one block is off.
    let off = with(|s| (s.params.eip1283_transition, s.params.eip1283_disable_transition) = (Some(0), Some(0)));
    assert_eq!(sstores(off, 0, &[0, 0]), 10_000);
}

#[test]
fn eip1884_raises_what_eip1283_charges_for_nothing() {
    let both = || with(|s| (s.params.eip1283_transition, s.params.eip1884_transition) = (Some(0), Some(0)));
    assert_eq!(sstores(both(), 0, &[0, 0]), 1_600);
    assert_eq!(sstores(both(), 0, &[1, 2]), 20_800);
    assert_eq!(sstores(both(), 1, &[2, 1]), refunded(5_800, 4_200, 12, 2));
}

#[test]
fn eip1706_alone_refuses_writes_on_a_stipend() {
    // MAIN calls OTHER with 2,300 gas, which writes what is there (200 gas under EIP-1283), and keeps how that ended.
    let code = "0x00 0x00 0x00 0x00 0x00 0x1212121212121212121212121212121212121212 0x08fc CALL 0x05 SSTORE";
    let inner = |spec: ChainSpec| {
        let mut chain = chain(spec, code, &[(5, 9)]);
        assert!(chain.advance(&[call_main()]).receipts[0].succeeded());
        chain.slot(MAIN, 5) == U256::ONE
    };
    let net = |guard| with(|s| (s.params.eip1283_transition, s.params.eip1706_transition) = (Some(0), guard));
    assert!(inner(net(None)), "EIP-1283 alone: a stipend is enough to write nothing new");
    assert!(!inner(net(Some(0))), "with EIP-1706 it is not");
    // Nethermind's key for both.
    let eip2200 = with(|s| s.params.eip_transitions.extend([(2200, 0)]));
    assert!(!inner(eip2200.clone()));
    assert_eq!(sstores(eip2200, 0, &[0, 0]), 400);
    // Without net metering the guard only costs where little gas is left.
    let guard = || with(|s| s.params.eip1706_transition = Some(0));
    assert_eq!(sstores(guard(), 0, &[1]), 20_000);
}

fn berlin_without_london(spec: &mut ChainSpec) {
    (spec.params.eip2929_transition, spec.params.eip1052_transition) = (Some(0), Some(0));
}

#[test]
fn eip2929_without_any_other_prices_cold_and_warm() {
    for (code, gas) in [
        ("0x00 SLOAD", 2_103),
        ("0x00 SLOAD 0x00 SLOAD", 2_103 + 103),
        ("0x23 BALANCE", 2_603),
        ("0x23 BALANCE 0x23 EXTCODEHASH", 2_603 + 103),
        ("0x1111111111111111111111111111111111111111 BALANCE", 103),
        ("COINBASE BALANCE", 2_602),
        ("0x00 0x00 0x00 0x00 0x00 0x23 0x00 CALL", 2_621),
        ("0x23 BALANCE 0x00 0x00 0x00 0x00 0x00 0x23 0x00 CALL", 2_603 + 121),
        ("0x23 SELFDESTRUCT", 3 + 5_000 + 2_600 + 25_000),
        ("0x1111111111111111111111111111111111111111 SELFDESTRUCT", 3 + 5_000),
    ] {
        // SELFDESTRUCT's refund is taken out of the numbers.
        let refund = if code.contains("DESTRUCT") { ((gas + 21_000) / 2).min(24_000) } else { 0 };
        assert_eq!(gas_of(with(berlin_without_london), code, &[]), Some(gas - refund), "{code}");
    }
    // Writes: 2,100 more for a cold slot; net metering comes with it (OpenEthereum `update_schedule`), EIP-1706 does not.
    for (original, values, gas, refund) in [
        (0, vec![1], 22_100, 0),
        (1, vec![2], 5_000, 0),
        (1, vec![2, 3], 5_100, 0),
        (0, vec![1, 0], 22_200, 19_900),
        (1, vec![0], 5_000, 15_000),
        (1, vec![2, 1], 5_100, 2_800),
    ] {
        let pushes = 6 * i64::try_from(values.len()).unwrap();
        let expected = refunded(gas, refund, pushes, 2);
        assert_eq!(sstores(with(berlin_without_london), original, &values), expected, "{original} {values:?}");
    }
}

#[test]
fn eip3529_lowers_refunds_with_or_without_eip2929() {
    let lower = || with(|s| s.params.eip3529_transition = Some(0));
    assert_eq!(sstores(lower(), 1, &[0]), refunded(5_000, 4_800, 6, 5));
    // 20,000 of refunds at most a fifth of what was used.
    let many: String = (0..5).map(|slot| format!("0x00 0x{slot:02x} SSTORE ")).collect();
    let slots: Vec<_> = (0..5).map(|slot| (slot, 1)).collect();
    assert_eq!(gas_of(lower(), &many, &slots), Some(refunded(25_030, 24_000, 0, 5)));
    assert_eq!(gas_of(oldest(), &many, &slots), Some(refunded(25_030, 75_000, 0, 2)));
    assert_eq!(gas_of(lower(), "0x1212121212121212121212121212121212121212 SELFDESTRUCT", &[]), Some(5_003));
    let cold = with(|s| (s.params.eip3529_transition, s.params.eip2929_transition) = (Some(0), Some(0)));
    assert_eq!(sstores(cold, 1, &[0]), refunded(5_000, 4_800, 6, 5));
}

#[test]
fn eip2930_transactions_without_eip2929_cost_nothing_more() {
    let list =
        AccessList(vec![AccessListItem { address: OTHER, storage_keys: vec![B256::ZERO, B256::with_last_byte(1)] }]);
    let send = |spec| {
        let chain = chain(spec, "", &[]);
        let tx = key(1).eip2930(0, MAIN, GAS, list.clone());
        chain.execute(&[tx], None).map(|outcome| outcome.gas_used)
    };
    let invalid = send(oldest()).unwrap_err();
    let expected = InvalidExecution::Transaction { index: 0, source: TxInvalid::UnsupportedType(1) };
    assert!(matches!(invalid, EvmError::Invalid(error) if error == expected));
    assert_eq!(send(with(|s| s.params.eip2930_transition = Some(0))).unwrap(), 21_000);
    let both = with(|s| (s.params.eip2930_transition, s.params.eip2929_transition) = (Some(0), Some(0)));
    assert_eq!(send(both).unwrap(), 21_000 + 2_400 + 2 * 1_900);
}

#[test]
fn before_eip161abc_missing_accounts_are_made_and_paid_for() {
    let call_nobody = "0x00 0x00 0x00 0x00 0x00 0x2323232323232323232323232323232323232323 0x00 CALL";
    let old = || with(|s| s.params.eip161abc_transition = None);
    assert_eq!(gas_of(oldest(), call_nobody, &[]), Some(721));
    assert_eq!(gas_of(old(), call_nobody, &[]), Some(25_721));
    // An empty account is there, and costs nothing extra.
    assert_eq!(gas_of(old(), &call_nobody.replace("23", "22"), &[]), Some(721));
    let mut chain = chain(old(), call_nobody, &[]);
    chain.advance(&[call_main()]);
    assert!(chain.exists(MISSING) && chain.exists(AUTHOR), "nothing is sent, and still it creates");
    assert!(chain.exists(EMPTY));
    // Contracts begin with nonce 0, with every later EIP on too.
    let mut modern = spec();
    modern.params.eip161abc_transition = None;
    modern.params.eip_timestamps.remove(&6780);
    modern.params.eip_timestamps.remove(&7702);
    let mut chain = self::chain(modern, "0x00 0x00 0x00 CREATE", &[]);
    chain.advance(&[
        key(1).legacy(0, TxKind::Create, 0, GAS, 0, Bytes::new()),
        key(1).legacy(1, call(MAIN), 0, GAS, 0, Bytes::new()),
    ]);
    assert!(chain.exists(key(1).address.create(0)) && chain.exists(MAIN.create(1)));
    assert_eq!((chain.nonce(key(1).address.create(0)), chain.nonce(MAIN.create(1)), chain.nonce(MAIN)), (0, 0, 2));
    // An heir that is missing costs 25,000 of SELFDESTRUCT, even of nothing.
    let heir = "0x2323232323232323232323232323232323232323 SELFDESTRUCT";
    let poor = |spec: ChainSpec| {
        let world = World::new().account(key(1).address, 9).contract(MAIN, &asm(heir), &[]);
        Chain::new(spec, world.build()).advance(&[call_main()]).gas_used
    };
    assert_eq!(poor(oldest()), 26_003 - 13_001);
    assert_eq!(poor(old()), 51_003 - 24_000);
}

#[test]
fn eip161d_removes_only_with_abc() {
    let touch = "0x00 0x00 0x00 0x00 0x00 0x2222222222222222222222222222222222222222 0x00 CALL";
    let survives = |spec: ChainSpec| {
        let mut chain = chain(spec, touch, &[]);
        chain.advance(&[call_main()]);
        (chain.exists(EMPTY), chain.exists(AUTHOR))
    };
    assert_eq!(survives(oldest()), (false, false));
    assert_eq!(survives(with(|s| s.params.eip161d_transition = None)), (true, false), "abc without d");
    assert_eq!(survives(with(|s| s.params.eip161abc_transition = None)), (true, true), "d without abc does nothing");
}

#[test]
fn eip3541_alone_decides_about_code_that_begins_with_ef() {
    let deployed = |spec: ChainSpec| {
        let mut chain = chain(spec, "", &[]);
        let outcome =
            chain.advance(&[key(1).legacy(0, TxKind::Create, 0, GAS, 0, creation(&Bytes::from_static(&[0xef, 0, 1])))]);
        (outcome.receipts[0].succeeded(), chain.code(key(1).address.create(0)).len())
    };
    assert_eq!(deployed(oldest()), (true, 3));
    assert_eq!(deployed(with(|s| s.params.eip3541_transition = Some(0))), (false, 0));
    let mut modern = spec();
    modern.params.eip3541_transition = None;
    modern.params.eip_timestamps.remove(&7702);
    assert_eq!(deployed(modern), (true, 3), "without it under every other EIP");
}

#[test]
fn bytes_of_a_delegation_are_one_only_from_eip7702_on() {
    let delegation = |to: Address| Bytes::from([&[0xef, 0x01, 0x00], to.as_slice()].concat());
    let runs = |spec: ChainSpec| {
        let world = World::new().account(key(1).address, 9).contract(MAIN, &delegation(OTHER), &[]).contract(
            OTHER,
            &asm("0x07 0x00 SSTORE"),
            &[],
        );
        let mut chain = Chain::new(spec, world.build());
        chain.advance(&[call_main()]);
        chain.slot(MAIN, 0)
    };
    assert_eq!(runs(oldest()), U256::ZERO);
    assert_eq!(runs(spec()), U256::from(7));
}

#[test]
fn eip3860_prices_and_limits_creation_code() {
    let create = |spec: ChainSpec, length: usize| {
        let tx = key(1).legacy(0, TxKind::Create, 0, 10_000_000, 0, vec![0; length].into());
        chain(spec, "", &[]).execute(&[tx], None).map(|outcome| outcome.gas_used)
    };
    let limit = |s: &mut ChainSpec| s.params.max_code_size = Some(100);
    let metered = |s: &mut ChainSpec| {
        limit(s);
        s.params.eip_timestamps.insert(3860, 0);
    };
    assert_eq!(create(with(limit), 201).unwrap(), 53_000 + 201 * 4);
    assert_eq!(create(with(metered), 200).unwrap(), 53_000 + 200 * 4 + 7 * 2);
    assert!(create(with(metered), 201).is_err());
    // And of CREATE: 64 bytes are two words.
    let code = "0x40 0x00 0x00 CREATE";
    let extra = gas_of(with(metered), code, &[]).unwrap() - gas_of(with(limit), code, &[]).unwrap();
    assert_eq!(extra, 4);
}

#[test]
fn eip170_holds_only_where_the_spec_limits_code_and_from_there() {
    let deployed = |spec: ChainSpec| {
        let mut chain = chain(spec, "", &[]);
        let tx = |nonce| key(1).legacy(nonce, TxKind::Create, 0, 12_000_000, 0, creation(&vec![0; 24_577].into()));
        [0, 1].map(|nonce| chain.advance(&[tx(nonce)]).receipts[0].succeeded())
    };
    assert_eq!(deployed(oldest()), [true, true]);
    assert_eq!(deployed(with(|s| s.params.max_code_size = Some(24_577))), [true, true]);
    assert_eq!(deployed(with(|s| s.params.max_code_size = Some(24_576))), [false, false]);
    let from_two = with(|s| (s.params.max_code_size, s.params.max_code_size_transition) = (Some(24_576), 2));
    assert_eq!(deployed(from_two), [true, false]);
}

#[test]
fn eip3651_warms_the_author_alone() {
    let code = "COINBASE BALANCE";
    let warm = |s: &mut ChainSpec| {
        berlin_without_london(s);
        s.params.eip_timestamps.insert(3651, 0);
    };
    assert_eq!(gas_of(with(warm), code, &[]), Some(102));
    assert_eq!(gas_of(with(berlin_without_london), code, &[]), Some(2_602));
}

#[test]
fn eip7623_sets_a_floor_under_calldata() {
    let used = |spec: ChainSpec| {
        let data = Bytes::from(vec![1; 100]);
        chain(spec, "", &[]).advance(&[key(1).legacy(0, call(MAIN), 0, GAS, 0, data)]).gas_used
    };
    let cheap = |s: &mut ChainSpec| s.params.eip2028_transition = Some(0);
    assert_eq!(used(with(cheap)), 21_000 + 1_600);
    let floor = with(|s| {
        cheap(s);
        s.params.eip_timestamps.insert(7623, 0);
    });
    assert_eq!(used(floor), 21_000 + 4_000);
}

#[test]
fn receipts_are_bare_from_eip98_and_have_a_status_from_eip658() {
    let form = |change: fn(&mut ChainSpec)| {
        let mut spec = with(change);
        spec.params.eip658_transition = spec.params.eip658_transition.filter(|from| *from != 0);
        let chain = chain(spec, "", &[]);
        let block = block(&chain.next_env(), &[call_main()]);
        let mut root = |_: &aurum_types::StateChanges| Ok(B256::repeat_byte(7));
        let outcome = chain.evm.execute_with_roots(chain.reader(), &chain.parent, &block, None, &mut root).unwrap();
        outcome.receipts[0].outcome
    };
    assert_eq!(form(|_| ()), ReceiptOutcome::StateRoot(B256::repeat_byte(7)));
    assert_eq!(form(|s| s.params.eip98_transition = Some(0)), ReceiptOutcome::Unknown);
    // OpenEthereum `State::apply_with_tracing`: EIP-98 counts where receipts are validated.
    let unvalidated = |s: &mut ChainSpec| {
        (s.params.eip98_transition, s.params.validate_receipts_transition) = (Some(0), Some(2));
    };
    assert_eq!(form(unvalidated), ReceiptOutcome::StateRoot(B256::repeat_byte(7)));
    // Kovan: EIP-98 from the beginning, EIP-658 later.
    assert_eq!(
        form(|s| (s.params.eip98_transition, s.params.eip658_transition) = (Some(0), Some(1))),
        ReceiptOutcome::Status(true)
    );
}

#[test]
fn wasm_is_refused_where_parity_would_run_it() {
    let module = Bytes::from_static(b"\0asm\x01\0\0\0");
    let send = |spec: ChainSpec, to: TxKind| {
        let world = World::new().account(key(1).address, 9).contract(MAIN, &module, &[]);
        let tx = key(1).legacy(0, to, 0, GAS, 0, if to.is_create() { module.clone() } else { Bytes::new() });
        Chain::new(spec, world.build()).execute(&[tx], None).map(|outcome| outcome.gas_used)
    };
    let on = || with(|s| s.params.wasm_activation_transition = Some(0));
    for to in [TxKind::Create, call(MAIN)] {
        assert!(send(oldest(), to).is_ok(), "as EVM code it stops at once");
        let error = send(on(), to).unwrap_err();
        let expected = InvalidExecution::Transaction { index: 0, source: TxInvalid::Wasm };
        assert!(matches!(error, EvmError::Invalid(error) if error == expected));
    }
    let over = with(|s| (s.params.wasm_activation_transition, s.params.wasm_disable_transition) = (Some(0), Some(1)));
    assert!(send(over, call(MAIN)).is_ok());
    assert!(send(on(), call(OTHER)).is_ok(), "and nothing else changes");
}

mod first_nonce {
    //! `accountStartNonce`.
    use super::*;

    const FIRST: u64 = 0x10_0000;

    fn chain(code: &str) -> Chain {
        super::chain(with(|s| s.params.account_start_nonce = FIRST), code, &[])
    }

    #[test]
    fn is_the_nonce_of_every_new_account_and_sender() {
        let mut chain = chain("");
        let fresh = key(7);
        // The account at genesis has the nonce the spec's accounts say, or 0.
        chain.advance(&[
            key(1).legacy(0, call(MISSING), 5, 21_000, 0, Bytes::new()),
            fresh.legacy(FIRST, TxKind::Create, 0, GAS, 0, creation(&asm("0x01"))),
            fresh.legacy(FIRST + 1, call(MAIN), 0, GAS, 0, Bytes::new()),
        ]);
        assert_eq!((chain.nonce(MISSING), chain.nonce(fresh.address)), (FIRST, FIRST + 2));
        let created = fresh.address.create(FIRST);
        assert_eq!((chain.nonce(created), chain.code(created).len()), (FIRST + 1, 2));
        assert!(chain.execute(&[key(8).legacy(0, call(MAIN), 0, GAS, 0, Bytes::new())], None).is_err());
    }

    #[test]
    fn is_no_obstacle_to_a_contract_and_another_nonce_is() {
        // MAIN creates with CREATE2 at an address that was sent something before.
        let salted = |code: &[u8]| MAIN.create2(B256::ZERO, alloy::primitives::keccak256(code));
        let at = |nonce: u64, code: &str| {
            let mut spec = with(|s| s.params.account_start_nonce = FIRST);
            (spec.params.eip1014_transition, spec.params.eip140_transition) = (Some(0), Some(0));
            let init = asm(code);
            let word = alloy::hex::encode([init.as_ref(), &vec![0; 32 - init.len()]].concat());
            let main = format!("0x{word} 0x00 MSTORE 0x00 0x{:02x} 0x00 0x00 CREATE2 0x00 SSTORE", init.len());
            let address = salted(&init);
            let mut world = World::new()
                .account(key(1).address, 9)
                .contract(MAIN, &asm(&main), &[])
                .account(address, 3)
                .into_changes();
            world.accounts.get_mut(&address).unwrap().account.as_mut().unwrap().nonce = nonce;
            let mut chain = Chain::new(spec, aurum_types::MemoryState::from_changes(&world));
            chain.advance(&[call_main()]);
            let created = chain.slot(MAIN, 0) != U256::ZERO;
            (created, chain.nonce(address), chain.balance(address))
        };
        assert_eq!(at(FIRST, "0x00 0x00 RETURN"), (true, FIRST + 1, U256::from(3)));
        assert_eq!(at(FIRST, "0x00 0x00 REVERT"), (false, FIRST, U256::from(3)), "put back");
        assert_eq!(at(FIRST + 1, "0x00 0x00 RETURN"), (false, FIRST + 1, U256::from(3)));
        assert_eq!(at(0, "0x00 0x00 RETURN"), (false, 0, U256::from(3)));
    }
}
