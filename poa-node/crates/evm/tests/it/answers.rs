//! What contracts answer the node, to the letter: interface versions, malformed answers, reverts, and for how long an
//! answer holds (OpenEthereum tx_filter.rs, service_transaction_checker.rs, node-filter).

use std::{fs, path::PathBuf, sync::Arc};

use crate::common::*;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use aurum_evm::{
    BlockEnv, DenialReason, Evm, EvmError, InvalidExecution, NodePermission, PermissionAnswer, PermissionRequest,
    PushError, Right, ZeroPrice,
};
use aurum_types::{ChainSpec, MemoryState, Recovered, Transaction, spec::ParseOptions};

const CONTRACT: Address = Address::repeat_byte(0x99);

/// A gas-free chain whose permission contract has this code.
fn chain(code: &str) -> Chain {
    let mut spec = free_spec();
    spec.params.transaction_permission_contract = Some(CONTRACT);
    let mut world = World::new().contract(CONTRACT, &asm(code), &[]);
    for n in 1..=3 {
        world = world.account(key(n).address, 1_000);
    }
    Chain::new(spec, world.build())
}

/// Code that answers `contractVersion()` with `version` and everything else by `answer`.
fn versioned(version: &str, answer: &str) -> String {
    format!(
        "0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI {answer} \
         version: {version}"
    )
}

fn says(version: u8) -> String {
    format!("0x{version:02x} 0x00 MSTORE 0x20 0x00 RETURN")
}

fn to_person(sender: Key, nonce: u64, value: u64) -> Recovered<Transaction> {
    sender.legacy(nonce, call(AUTHOR), value, 21_000, 0, Bytes::new())
}

fn explain(chain: &Chain, request: &PermissionRequest) -> (Right, PermissionAnswer) {
    let (needed, answer) = chain.evm.explain_permission(chain.reader(), &chain.parent, 1, request).unwrap();
    (needed, answer.unwrap())
}

/// The decision about a plain transfer by key 1.
fn decide(chain: &Chain) -> (bool, u64, u32, bool) {
    let request = PermissionRequest::of(key(1).address, to_person(key(1), 0, 0).inner());
    let (needed, answer) = explain(chain, &request);
    assert_eq!((answer.contract, needed), (CONTRACT, Right::Basic));
    (answer.denial.is_none(), answer.version.to(), answer.mask, answer.cacheable)
}

const BOTH_WORDS: &str = "0x07 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN";
const ONE_WORD: &str = "0x07 0x00 MSTORE 0x20 0x00 RETURN";

#[test]
fn a_version_that_does_not_decode_is_the_first_interface() {
    for (what, version) in [
        ("a revert without data", "0x00 0x00 REVERT"),
        ("a revert with Error(string)", "0x64 0x00 REVERT"),
        ("an exception", "INVALID"),
        ("no data", "STOP"),
        ("half a word", "0x04 0x00 MSTORE 0x10 0x00 RETURN"),
    ] {
        assert_eq!(decide(&chain(&versioned(version, ONE_WORD))), (true, 1, 7, true), "{what}");
    }
}

#[test]
fn a_revert_with_whole_words_is_an_answer_like_any_other() {
    let version = "0x02 0x00 MSTORE 0x20 0x00 REVERT";
    assert_eq!(decide(&chain(&versioned(version, BOTH_WORDS))), (true, 2, 7, true));
    let answer = "0x07 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 REVERT";
    assert_eq!(decide(&chain(&versioned(&says(2), answer))), (true, 2, 7, true));
}

#[test]
fn only_versions_two_to_four_are_known_and_one_is_not_answered() {
    for version in [0, 1, 5, 255] {
        let chain = chain(&versioned(&says(version), BOTH_WORDS));
        assert_eq!(decide(&chain), (false, version.into(), 0, true));
        let error = chain.execute(&[to_person(key(1), 0, 0)], None).unwrap_err();
        let EvmError::Invalid(InvalidExecution::NotPermitted { denial, .. }) = error else { panic!("{error}") };
        assert_eq!(denial.reason, DenialReason::UnknownVersion(version.into()));
        assert_eq!(denial.code(), "UNKNOWN_VERSION");
    }
    for version in [2, 3, 4] {
        assert_eq!(decide(&chain(&versioned(&says(version), BOTH_WORDS))), (true, version.into(), 7, true));
    }
}

#[test]
fn of_a_version_and_of_a_mask_only_the_low_bits_count() {
    // 2^64 + 2.
    let version = "0x010000000000000002 0x00 MSTORE 0x20 0x00 RETURN";
    let answer = "0x0100000005 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN";
    assert_eq!(decide(&chain(&versioned(version, answer))), (true, 2, 5, true));
    let deprecated = "0xff00000001 0x00 MSTORE 0x20 0x00 RETURN";
    assert_eq!(decide(&chain(&versioned("0x00 0x00 REVERT", deprecated))), (true, 1, 1, true));
}

#[test]
fn an_answer_that_does_not_decode_is_no_right_at_all_and_holds_for_the_sender() {
    for (what, answer) in [
        ("one word of two", ONE_WORD),
        ("a bool with high bits", "0x07 0x00 MSTORE 0x0101 0x20 MSTORE 0x40 0x00 RETURN"),
        ("a revert", "0x00 0x00 REVERT"),
        ("an exception", "INVALID"),
        ("words and a half", "0x07 0x00 MSTORE 0x01 0x20 MSTORE 0x50 0x00 RETURN"),
    ] {
        assert_eq!(decide(&chain(&versioned(&says(2), answer))), (false, 2, 0, true), "{what}");
    }
    // A bool of 2 is one that is not true; more words than expected are as good.
    let two = "0x07 0x00 MSTORE 0x02 0x20 MSTORE 0x40 0x00 RETURN";
    assert_eq!(decide(&chain(&versioned(&says(2), two))), (true, 2, 7, false));
    let three = "0x07 0x00 MSTORE 0x01 0x20 MSTORE 0x60 0x00 RETURN";
    assert_eq!(decide(&chain(&versioned(&says(2), three))), (true, 2, 7, true));
}

#[test]
fn an_address_without_code_permits_nothing() {
    let mut chain = chain("STOP");
    chain.state = World::new().account(key(1).address, 5).build();
    assert_eq!(decide(&chain), (false, 1, 0, true));
}

#[test]
fn the_fourth_interface_is_told_both_fees_and_the_gas_limit() {
    // Everything is allowed but a price of 0 with four bytes of data or more (OpenEthereum's contract of this version).
    let refuses_free_data = versioned(
        &says(4),
        "0x64 CALLDATALOAD ISZERO 0x03 0xe4 CALLDATALOAD GT AND @no JUMPI \
         0x07 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN \
         no: 0x00 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN",
    );
    let chain = chain(&refuses_free_data);
    let sender = key(1);
    let allows = |tx: Recovered<Transaction>| {
        let request = PermissionRequest::of(sender.address, tx.inner());
        chain.evm.check_permission(chain.reader(), &chain.parent, B256::ZERO, &request).unwrap().is_ok()
    };
    let legacy = |price, data: usize| sender.legacy(0, call(CONTRACT), 0, 50_000, price, vec![0; data].into());
    assert!(!allows(legacy(0, 4)));
    assert!(allows(legacy(1, 4)) && allows(legacy(0, 3)) && allows(legacy(1, 0)));
    let dynamic = |fees| sender.eip1559(0, call(CONTRACT), 0, 50_000, fees, vec![0; 4].into());
    assert!(!allows(dynamic((0, 0))) && allows(dynamic((1, 0))));

    // The words where they must be: value 0x44, price 0x64, tip 0x84, gas limit 0xa4; the mask is their sum.
    let sum = versioned(
        &says(4),
        "0x44 CALLDATALOAD 0x64 CALLDATALOAD ADD 0x84 CALLDATALOAD ADD 0xa4 CALLDATALOAD ADD 0x00 MSTORE \
         0x00 0x20 MSTORE 0x40 0x00 RETURN",
    );
    let chain = self::chain(&sum);
    let mask = |tx: Recovered<Transaction>| {
        let request = PermissionRequest::of(sender.address, tx.inner());
        explain(&chain, &request).1.mask
    };
    assert_eq!(mask(sender.eip1559(0, call(CONTRACT), 5, 60_000, (700, 30), Bytes::new())), 60_735);
    assert_eq!(mask(sender.legacy(0, call(CONTRACT), 5, 60_000, 700, Bytes::new())), 61_405, "a price is both");
}

#[test]
fn the_third_interface_is_told_the_highest_price_and_the_data() {
    let code =
        versioned(&says(3), "0x64 CALLDATALOAD 0xa4 CALLDATALOAD ADD 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN");
    let chain = chain(&code);
    let tx = key(1).eip1559(0, TxKind::Create, 0, 60_000, (700, 30), vec![1; 9].into());
    let request = PermissionRequest::of(key(1).address, tx.inner());
    let (needed, answer) = explain(&chain, &request);
    assert_eq!((answer.mask, needed, answer.version), (709, Right::Create, U256::from(3)));
}

/// Says that its answer is the sender's, and yet makes it depend on the value: the mask is the value of the asking
/// transaction.
fn dishonest() -> Chain {
    chain(&versioned(&says(2), "0x44 CALLDATALOAD 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN"))
}

#[test]
fn the_senders_first_transaction_in_block_order_decides_about_its_later_ones() {
    let chain = dishonest();
    let (with, without) = (to_person(key(1), 0, 1), to_person(key(1), 1, 0));
    chain.execute(&[with.clone(), without.clone()], None).expect("the mask of the first, 1, holds for the second");
    let (first, second) = (to_person(key(1), 0, 0), to_person(key(1), 1, 1));
    let error = chain.execute(&[first, second], None).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::NotPermitted { index: 0, .. })), "{error}");

    // Of another sender nothing is known.
    let other = to_person(key(2), 0, 0);
    let error = chain.execute(&[with.clone(), other], None).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::NotPermitted { index: 1, .. })), "{error}");

    // Building gives blocks that import: a transaction that was refused decides nothing.
    let mut builder = chain.evm.builder(chain.reader(), &chain.parent, chain.next_env(), None).unwrap();
    assert!(matches!(builder.push(&to_person(key(1), 0, 0)), Err(PushError::NotPermitted(_))));
    builder.push(&with).unwrap();
    builder.push(&without).unwrap();
    assert_eq!(builder.finish().unwrap().changes, chain.execute(&[with, without], None).unwrap().changes);
}

#[test]
fn what_the_pool_asked_before_never_decides_about_a_block() {
    for asked in [0, 1] {
        let chain = dishonest();
        let request = PermissionRequest::of(key(1).address, to_person(key(1), 0, asked).inner());
        let answer = chain.evm.check_permission(chain.reader(), &chain.parent, chain.parent_hash, &request).unwrap();
        assert_eq!(answer.is_ok(), asked == 1);
        chain.execute(&[to_person(key(1), 0, 1)], None).expect("1 is basic, whatever was asked");
        assert!(chain.execute(&[to_person(key(1), 0, 0)], None).is_err(), "0 is nothing, whatever was asked");
    }
}

#[test]
fn precompiles_have_no_code_and_need_basic() {
    let chain = chain(&versioned(&says(2), "0x01 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN"));
    let identity = call(Address::with_last_byte(4));
    chain.execute(&[key(1).legacy(0, identity, 0, 50_000, 0, Bytes::new())], None).expect("basic is enough");
    assert!(chain.execute(&[key(1).legacy(0, call(CONTRACT), 0, 50_000, 0, Bytes::new())], None).is_err());
}

#[test]
fn a_refusal_names_all_rights_the_sender_has_reading_included() {
    // allowedTxTypes says 1, everything else (rightsOf) 17.
    let chain = chain(&versioned(
        &says(2),
        "0x00 CALLDATALOAD 0xe0 SHR 0xd4b03ee0 EQ 0x10 MUL 0x11 SUB 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN",
    ));
    let error = chain.execute(&[key(1).legacy(0, call(CONTRACT), 0, 50_000, 0, Bytes::new())], None).unwrap_err();
    let EvmError::Invalid(InvalidExecution::NotPermitted { denial, .. }) = error else { panic!("{error}") };
    assert_eq!(denial.have, Right::Basic.bit() | Right::Read.bit());
    assert!(denial.to_string().contains("the sender has \"basic\", \"read\""), "{denial}");

    // Parity's own contracts do not know the question: everybody may read.
    let parity = self::chain(&versioned(
        "0x00 0x00 REVERT",
        "0x00 CALLDATALOAD 0xe0 SHR 0xe1751221 EQ ISZERO @no JUMPI \
         0x01 0x00 MSTORE 0x20 0x00 RETURN no: 0x00 0x00 REVERT",
    ));
    let error = parity.execute(&[key(1).legacy(0, call(CONTRACT), 0, 50_000, 0, Bytes::new())], None).unwrap_err();
    let EvmError::Invalid(InvalidExecution::NotPermitted { denial, .. }) = error else { panic!("{error}") };
    assert_eq!(denial.have, Right::Basic.bit() | Right::Read.bit());
    assert_eq!(parity.evm.rights(parity.reader(), &parity.parent, key(1).address).unwrap(), 17);
}

#[test]
fn what_a_chain_says_about_offering_nothing_follows_from_its_fees() {
    let rule = |change: fn(&mut ChainSpec)| {
        let mut spec = spec();
        change(&mut spec);
        Evm::zero_price(&Evm::new(Arc::new(spec)).rules(5, 0))
    };
    assert_eq!(rule(|_| {}), ZeroPrice::Anybody);
    assert_eq!(rule(|spec| spec.params.gas_free = true), ZeroPrice::Usual);
    assert_eq!(rule(|spec| spec.params.fixed_base_fee = Some(1)), ZeroPrice::Never);
    assert_eq!(rule(|spec| spec.params.validate_service_transactions_transition = Some(5)), ZeroPrice::Certified);
    assert_eq!(rule(|spec| spec.params.validate_service_transactions_transition = Some(6)), ZeroPrice::Anybody);
}

#[test]
fn a_certifier_is_found_in_the_registrar_and_certifies_only_by_one() {
    let sender = key(1).address;
    let certified = |registrar: &str| {
        let mut spec = spec();
        spec.params.registrar = Some(CONTRACT);
        let chain = Chain::new(spec, World::new().contract(CONTRACT, &asm(registrar), &[]).build());
        chain.evm.is_certified(chain.reader(), &chain.parent, sender).unwrap()
    };
    // Names itself only for keccak256("service_transaction_checker") and the key "A" of getAddress(bytes32,string).
    let registrar = |answer: &str| {
        format!(
            "0x00 CALLDATALOAD 0xe0 SHR 0xcc1d4c02 EQ @certified JUMPI \
             0x00 CALLDATALOAD 0xe0 SHR 0x6795dbcd EQ \
             0x04 CALLDATALOAD 0x6d3815e6a4f3c7fcec92b83d73dda2754a69c601f07723ec5a2274bd6e81e155 EQ AND \
             0x44 CALLDATALOAD 0x01 EQ AND 0x64 CALLDATALOAD 0x00 BYTE 0x41 EQ AND \
             ADDRESS MUL 0x00 MSTORE 0x20 0x00 RETURN \
             certified: {answer}"
        )
    };
    assert!(certified(&registrar("0x01 0x00 MSTORE 0x20 0x00 RETURN")));
    for (what, answer) in [
        ("no", "0x00 0x00 MSTORE 0x20 0x00 RETURN"),
        ("two", "0x02 0x00 MSTORE 0x20 0x00 RETURN"),
        ("no answer", "STOP"),
        ("an exception", "INVALID"),
    ] {
        assert!(!certified(&registrar(answer)), "{what}");
    }
    assert!(!certified("0x00 0x00 MSTORE 0x20 0x00 RETURN"), "the registrar knows nobody");
    assert!(!certified("STOP"), "no registrar at the address");
}

#[test]
fn a_node_is_named_by_the_first_half_of_its_key_and_then_the_last() {
    // Allows sl = 1, sh = 2, pl = 3, ph = 4 and nothing else.
    let code = asm("0x00 CALLDATALOAD 0xe0 SHR 0x994d790a EQ \
         0x04 CALLDATALOAD 0x01 EQ AND 0x24 CALLDATALOAD 0x02 EQ AND \
         0x44 CALLDATALOAD 0x03 EQ AND 0x64 CALLDATALOAD 0x04 EQ AND 0x00 MSTORE 0x20 0x00 RETURN");
    let chain = Chain::new(free_spec(), World::new().contract(CONTRACT, &code, &[]).build());
    let half = |n: u8| B256::with_last_byte(n);
    let ask =
        |contract, own, peer| chain.evm.node_permission(chain.reader(), &chain.parent, contract, own, peer).unwrap();
    assert_eq!(ask(CONTRACT, [half(1), half(2)], [half(3), half(4)]), NodePermission::Allowed);
    assert_eq!(ask(CONTRACT, [half(2), half(1)], [half(4), half(3)]), NodePermission::Denied);
    assert_eq!(ask(CONTRACT, [half(3), half(4)], [half(1), half(2)]), NodePermission::Denied);
    assert_eq!(ask(Address::ZERO, [half(1), half(2)], [half(3), half(4)]), NodePermission::NoContract);
    for code in ["INVALID", "0x00 0x00 REVERT", "STOP", "0x02 0x00 MSTORE 0x20 0x00 RETURN"] {
        let chain = Chain::new(free_spec(), World::new().contract(CONTRACT, &asm(code), &[]).build());
        let answer = chain.evm.node_permission(chain.reader(), &chain.parent, CONTRACT, [half(1); 2], [half(2); 2]);
        assert_eq!(answer.unwrap(), NodePermission::Denied, "{code}");
    }
}

/// OpenEthereum's own test of the node filter, on its own spec file.
#[test]
fn node_filter_as_in_openethereum() {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
        .join("../../../../shared/vectors/aura/specs/test_node_filter.json");
    let Ok(text) = fs::read_to_string(&path) else {
        println!("SKIPPED: no {}", path.display());
        return;
    };
    let options = ParseOptions { any_engine: true, ..ParseOptions::default() };
    let spec = Arc::new(ChainSpec::parse_with(&text, options).unwrap().0);
    let evm = Evm::new(Arc::clone(&spec));
    let state = Arc::new(MemoryState::from_changes(&evm.genesis().unwrap()));
    let env = BlockEnv { gas_limit: spec.genesis.gas_limit, ..BlockEnv::default() };
    let half = |n: u8| B256::with_last_byte(n);
    let far = B256::from(U256::from(0x77_u64) << 248);
    let asks = [
        ([half(1), half(2)], [half(0x11), half(0x12)]),
        ([half(1), half(2)], [far, B256::ZERO]),
        ([half(2), half(3)], [half(0x11), half(0x12)]),
        ([half(2), half(3)], [half(0x21), half(0x22)]),
    ];
    for (own, peer) in asks {
        let answer = evm.node_permission(state.clone(), &env, Address::with_last_byte(5), own, peer).unwrap();
        assert_eq!(answer, NodePermission::Allowed, "{own:?} {peer:?}");
    }
}
