//! What a chain spec file may say, what it must, and what its reader says about it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, address};
use aurum_types::{
    ChainSpec,
    spec::{Pricing, RewardContract, SpecError, SpecWarningKind, ValidatorsSpec},
};
use serde_json::{Value, json};

const ALICE: &str = "0x7d577a597b2742b498cb5cf0c26cdcd726d39e6e";

/// The least a spec can say.
fn minimal() -> Value {
    json!({
        "name": "least",
        "engine": { "authorityRound": { "params": { "stepDuration": 5, "validators": { "list": [ALICE] } } } },
        "params": {
            "networkID": "0x2a", "maximumExtraDataSize": "0x20", "minGasLimit": "5000", "gasLimitBoundDivisor": 1024
        },
        "genesis": { "seal": { "generic": "0xc180" }, "difficulty": "0x20000", "gasLimit": "0x989680" }
    })
}

/// [`minimal`] with `value` at a path of keys, made on the way.
fn with(path: &str, value: Value) -> String {
    let mut spec = minimal();
    let mut place = &mut spec;
    for key in path.split('/') {
        place = &mut place[key];
    }
    *place = value;
    spec.to_string()
}

fn engine(key: &str, value: Value) -> String {
    with(&format!("engine/authorityRound/params/{key}"), value)
}

fn parse(text: &str) -> ChainSpec {
    let (spec, warnings) = ChainSpec::parse(text).unwrap();
    assert_eq!(warnings, []);
    spec
}

/// The place and text of the error that `text` gives.
fn refusal(text: &str) -> String {
    ChainSpec::parse(text).unwrap_err().to_string()
}

#[test]
fn defaults_are_parity_s() {
    let spec = parse(&minimal().to_string());
    let (aura, params, genesis) = (&spec.engine, &spec.params, &spec.genesis);
    assert_eq!(spec.data_dir, "least");
    assert_eq!((params.network_id, params.chain_id), (42, 42));
    for from_genesis in [
        params.eip150_transition,
        params.eip155_transition,
        params.eip160_transition,
        params.eip161abc_transition,
        params.eip161d_transition,
        params.eip3607_transition,
        params.validate_chain_id_transition,
        params.validate_receipts_transition,
    ] {
        assert_eq!(from_genesis, Some(0));
    }
    for never in [
        params.eip98_transition,
        params.eip140_transition,
        params.eip658_transition,
        params.eip1283_transition,
        params.eip2929_transition,
        params.eip1559_transition,
        params.max_code_size,
        params.validate_service_transactions_transition,
        aura.empty_steps_transition,
        aura.two_thirds_majority_transition,
        aura.finality_certificates_transition,
        aura.posdao_transition,
    ] {
        assert_eq!(never, None);
    }
    assert_eq!(params.max_transaction_size, 307_200);
    assert_eq!(aura.step_duration, BTreeMap::from([(0, 5)]));
    assert_eq!((aura.validate_score_transition, aura.strict_empty_steps_transition), (0, 0));
    assert!(!aura.immediate_transitions && aura.block_reward.is_empty() && aura.block_reward_contracts.is_empty());
    assert_eq!((genesis.author, genesis.parent_hash, genesis.timestamp), (Address::ZERO, B256::ZERO, 0));
    assert_eq!(genesis.transactions_root, alloy_trie::EMPTY_ROOT_HASH);
    assert_eq!(genesis.seal, vec![vec![0x80]]);
    assert!(!params.gas_free && params.fixed_base_fee.is_none());
}

#[test]
fn finality_certificates_need_finality() {
    let with_certificates = with("engine/authorityRound/params/finalityCertificatesTransition", json!("0x5"));
    assert_eq!(parse(&with_certificates).engine.finality_certificates_transition, Some(5));
    let mut immediate = with_certificates;
    immediate = {
        let mut value: serde_json::Value = serde_json::from_str(&immediate).unwrap();
        value["engine"]["authorityRound"]["params"]["immediateTransitions"] = json!(true);
        value.to_string()
    };
    let error = refusal(&immediate);
    assert!(error.contains("finalityCertificatesTransition") && error.contains("immediateTransitions"), "{error}");
}

#[test]
fn numbers_are_taken_in_every_form() {
    for (form, value) in
        [(json!(7), 7), (json!("7"), 7), (json!("0x7"), 7), (json!("0x0F"), 15), (json!(""), 0), (json!("0x"), 0)]
    {
        assert_eq!(parse(&with("params/accountStartNonce", form)).params.account_start_nonce, value);
    }
    for nonsense in [json!("seven"), json!("1_000"), json!(-1), json!(1.5), json!("-1"), json!(true), json!([7])] {
        let error = refusal(&with("params/accountStartNonce", nonsense));
        assert!(error.starts_with("params.accountStartNonce: "), "{error}");
    }
    let (spec, warnings) = ChainSpec::parse(&with("params/chainID", json!("0x10000000000000005"))).unwrap();
    assert_eq!(spec.params.chain_id, 5);
    assert!(
        matches!(&warnings[..], [w] if w.path == "params.chainID" && matches!(w.kind, SpecWarningKind::Adjusted(_)))
    );
}

#[test]
fn hashes_and_bytes_are_taken_as_leniently_as_openethereum_takes_them() {
    for zero in ["", "0x"] {
        assert_eq!(parse(&with("genesis/parentHash", json!(zero))).genesis.parent_hash, B256::ZERO);
        assert_eq!(parse(&with("genesis/author", json!(zero))).genesis.author, Address::ZERO);
        let seal = json!({ "ethereum": { "nonce": zero, "mixHash": zero } });
        assert_eq!(parse(&with("genesis/seal", seal)).genesis.seal[1].as_ref(), [&[0x88][..], &[0; 8]].concat());
    }
    for (text, bytes) in
        [("", vec![]), ("0x", vec![]), ("0x12", vec![0x12]), ("1234", vec![0x12, 0x34]), ("0x001", vec![0, 1])]
    {
        assert_eq!(parse(&with("genesis/extraData", json!(text))).genesis.extra_data, bytes);
    }
    assert_eq!(
        parse(&with("params/registrar", json!("7D577A597B2742B498CB5CF0C26CDCD726D39E6E"))).params.registrar,
        ALICE.parse().ok()
    );
}

#[test]
fn byte_order_mark_is_skipped_and_null_is_absent() {
    let text = format!("\u{feff}{}", with("params/eip1559Transition", Value::Null));
    assert_eq!(parse(&text).params.eip1559_transition, None);
}

#[test]
fn key_that_occurs_twice_is_refused() {
    let text = minimal().to_string().replace("\"difficulty\"", "\"gasLimit\":1,\"difficulty\"");
    assert!(refusal(&text).contains("`gasLimit` occurs twice"));
    let accounts =
        json!({ "0x0000000000000000000000000000000000000005": {}, "0000000000000000000000000000000000000005": {} });
    assert!(refusal(&with("accounts", accounts)).contains("written differently"));
}

#[test]
fn unknown_keys_warn_with_their_path_and_stop_a_strict_reader() {
    for (place, path) in [
        ("oddity", "oddity"),
        ("params/oddity", "params.oddity"),
        ("genesis/oddity", "genesis.oddity"),
        ("engine/authorityRound/params/oddity", "engine.authorityRound.params.oddity"),
    ] {
        let text = with(place, json!(1));
        let (_, warnings) = ChainSpec::parse(&text).unwrap();
        assert!(matches!(&warnings[..], [w] if w.path == path && w.kind == SpecWarningKind::UnknownKey));
        assert!(matches!(ChainSpec::parse_strict(&text), Err(SpecError::Strict(w)) if w.path == path));
    }
    let known_elsewhere = with("params/eip2200Transition", json!(0));
    assert!(ChainSpec::parse_strict(&known_elsewhere).is_ok());
    let (_, warnings) =
        ChainSpec::parse(&with("params/terminalTotalDifficulty", json!("8626000000000000000000"))).unwrap();
    assert!(matches!(warnings[0].kind, SpecWarningKind::Unsupported(_)));
}

#[test]
fn required_keys_and_impossible_values_are_named() {
    for (path, value, place) in [
        ("params/networkID", Value::Null, "params.networkID"),
        ("params/gasLimitBoundDivisor", json!(0), "params.gasLimitBoundDivisor"),
        ("genesis/gasLimit", json!("0x0"), "genesis.gasLimit"),
        ("genesis/difficulty", Value::Null, "genesis.difficulty"),
        ("name", Value::Null, "name"),
        ("params/registrar", json!("0x12"), "params.registrar"),
        ("params/forkBlock", json!(1), "params"),
        ("params/fixedBaseFee", json!(7), "params.fixedBaseFee"),
    ] {
        let error = refusal(&with(path, value));
        assert!(error.starts_with(&format!("{place}: ")), "{error}");
    }
    for (key, value) in [
        ("stepDuration", json!(0)),
        ("stepDuration", json!({ "10": 5 })),
        ("validators", json!({ "list": [] })),
        ("validators", json!({ "list": [ALICE], "contract": ALICE })),
        ("validators", json!({ "multi": { "5": { "list": [ALICE] } } })),
        ("validators", json!({ "multi": { "0": { "multi": { "0": { "list": [ALICE] } } } } })),
        ("validators", json!({ "oracle": ALICE })),
    ] {
        let error = refusal(&engine(key, value));
        assert!(error.starts_with(&format!("engine.authorityRound.params.{key}")), "{error}");
    }
}

#[test]
fn step_duration_may_change_and_is_clamped() {
    let spec = parse(&engine("stepDuration", json!({ "0": "5", "0x5f4dd400": 4 })));
    assert_eq!(spec.engine.step_duration, BTreeMap::from([(0, 5), (0x5f4d_d400, 4)]));
    let (spec, warnings) = ChainSpec::parse(&engine("stepDuration", json!(70_000))).unwrap();
    assert_eq!(spec.engine.step_duration[&0], 65_535);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn validator_sets_of_every_kind() {
    let contract = address!("1000000000000000000000000000000000000001");
    let sets = json!({ "multi": {
        "0": { "list": [ALICE] }, "0x10": { "safeContract": contract }, "40": { "contract": contract.to_string() }
    } });
    let ValidatorsSpec::Multi(sets) = parse(&engine("validators", sets)).engine.validators else { panic!() };
    assert_eq!(sets.keys().copied().collect::<Vec<_>>(), [0, 16, 40]);
    assert_eq!(sets[&16], ValidatorsSpec::SafeContract(contract));
    assert_eq!(sets[&40], ValidatorsSpec::Contract(contract));
}

#[test]
fn reward_keys_become_one_map() {
    let mut spec = minimal();
    let params = &mut spec["engine"]["authorityRound"]["params"];
    params["blockReward"] = json!({ "10": "0xde0b6b3a7640000" });
    params["blockRewardContractTransition"] = json!(4);
    params["blockRewardContractAddress"] = json!(ALICE);
    params["blockRewardContractCode"] = json!("0x6001");
    params["blockRewardContractTransitions"] = json!({ "9": ALICE });
    let aura = parse(&spec.to_string()).engine;
    assert_eq!(aura.block_reward, BTreeMap::from([(10, U256::from(10).pow(U256::from(18)))]));
    let alice = ALICE.parse().unwrap();
    let expected =
        BTreeMap::from([(4, RewardContract::Code(vec![0x60, 1].into())), (9, RewardContract::Address(alice))]);
    assert_eq!(aura.block_reward_contracts, expected);

    spec["engine"]["authorityRound"]["params"]["blockRewardContractTransition"] = json!(9);
    assert!(refusal(&spec.to_string()).contains("blockRewardContractTransition"));
}

#[test]
fn builtins_in_both_forms() {
    let accounts = json!({
        "0000000000000000000000000000000000000005": { "builtin": {
            "name": "modexp", "activate_at": "0x10", "pricing": { "modexp": { "divisor": 20 } } } },
        "0x0000000000000000000000000000000000000006": { "balance": "1", "builtin": {
            "name": "alt_bn128_add", "pricing": {
                "0": { "price": { "alt_bn128_const_operations": { "price": 500 } } },
                "0x20": { "info": "EIP 1108", "price": { "alt_bn128_const_operations": { "price": 150 } } } } } },
        "0x0000000000000000000000000000000000000008": { "builtin": {
            "name": "alt_bn128_pairing", "activate_at": 3, "eip1108_transition": 9, "pricing": { "alt_bn128_pairing": {
                "base": 100_000, "pair": 80_000, "eip1108_transition_base": 45_000, "eip1108_transition_pair": 34_000 } } } },
        "0x000000000000000000000000000000000000000b": { "builtin": {
            "name": "bls12_381_g1_add", "pricing": { "eip2537": {} } } },
    });
    let accounts = parse(&with("accounts", accounts)).accounts;
    let pricing: Vec<_> = accounts.values().map(|account| account.builtin.clone().unwrap().pricing).collect();
    assert_eq!(
        pricing,
        [
            BTreeMap::from([(16, Pricing::Modexp { divisor: 20 })]),
            BTreeMap::from([(0, Pricing::Constant { price: 500 }), (32, Pricing::Constant { price: 150 })]),
            BTreeMap::from([
                (3, Pricing::AltBn128Pairing { base: 100_000, pair: 80_000 }),
                (9, Pricing::AltBn128Pairing { base: 45_000, pair: 34_000 }),
            ]),
            BTreeMap::from([(0, Pricing::Bls12)]),
        ]
    );
    let unknown =
        json!({ ALICE: { "builtin": { "name": "telepathy", "pricing": { "linear": { "base": 0, "word": 0 } } } } });
    assert!(refusal(&with("accounts", unknown)).contains("unknown precompile `telepathy`"));
}

#[test]
fn genesis_seals_of_every_kind() {
    let signature = format!("0x{}", "00".repeat(65));
    let seal = json!({ "authorityRound": { "step": "0x5", "signature": signature } });
    let seal = parse(&with("genesis/seal", seal)).genesis.seal;
    assert_eq!((seal[0].as_ref(), seal[1].len()), (&[5][..], 67));
    let seal = json!({ "ethereum": { "nonce": "0x0000000000000042", "mixHash": format!("0x{}", "00".repeat(32)) } });
    let seal = parse(&with("genesis/seal", seal)).genesis.seal;
    assert_eq!((seal[0].len(), seal[1].len()), (33, 9));
    assert_eq!(parse(&with("genesis/seal", json!({ "generic": "0x" }))).genesis.seal.len(), 0);
    for bad in [json!({ "generic": "0xc1" }), json!({ "generic": "0xc18080" }), json!({ "generic": "0x80" }), json!({})]
    {
        assert!(refusal(&with("genesis/seal", bad)).starts_with("genesis.seal"));
    }
}

#[test]
fn eips_after_london_by_time_or_block() {
    let mut spec = minimal();
    spec["params"]["eip3855TransitionTimestamp"] = json!("0x64");
    spec["params"]["eip1153Transition"] = json!(7);
    let params = parse(&spec.to_string()).params;
    assert!(params.later_eip_active(3855, 0, 100) && !params.later_eip_active(3855, 1_000, 99));
    assert!(params.later_eip_active(1153, 7, 0) && !params.later_eip_active(1153, 6, 1_000));
    // Whether an EIP can be executed is not the parser's to say.
    assert!(parse(&with("params/eip4844TransitionTimestamp", json!(1))).params.later_eip_active(4844, 0, 1));
}

#[test]
fn fee_extensions_exclude_each_other() {
    let mut spec = minimal();
    spec["params"]["eip1559Transition"] = json!(0);
    let (assumed, warnings) = ChainSpec::parse(&spec.to_string()).unwrap();
    assert_eq!(assumed.params.eip1559_base_fee_max_change_denominator, Some(8));
    assert_eq!(assumed.params.eip1559_elasticity_multiplier, Some(2));
    assert_eq!(warnings.len(), 2);

    spec["params"]["gasFree"] = json!(true);
    assert!(parse(&spec.to_string()).params.gas_free);
    spec["params"]["fixedBaseFee"] = json!("1000000000");
    assert!(refusal(&spec.to_string()).contains("not both"));
    spec["params"]["gasFree"] = json!(false);
    assert_eq!(parse(&spec.to_string()).params.fixed_base_fee, Some(1_000_000_000));
}

#[test]
fn restrictions_of_what_contracts_do_are_off_and_need_a_permission_contract() {
    let params = parse(&minimal().to_string()).params;
    assert!(
        params.restrict_internal_creation_transition.is_none() && params.restrict_internal_calls_transition.is_none()
    );
    let mut spec = minimal();
    spec["params"]["restrictInternalCreationTransition"] = json!("0x10");
    assert!(refusal(&spec.to_string()).contains("params.restrictInternalCreationTransition"));
    spec["params"]["transactionPermissionContract"] = json!(ALICE);
    spec["params"]["restrictInternalCallsTransition"] = json!(0);
    let params = parse(&spec.to_string()).params;
    assert_eq!(params.restrict_internal_creation_transition, Some(16));
    assert_eq!(params.restrict_internal_calls_transition, Some(0));
}

#[test]
fn rules_that_only_parity_had_are_read_with_what_belongs_to_them() {
    let mut spec = minimal();
    for (key, value) in [
        ("wasmActivationTransition", json!("0x5")),
        ("wasmDisableTransition", json!(9)),
        ("kip4Transition", json!(0)),
        ("kip6Transition", json!("0x7fffffffffffff")),
        ("eip210Transition", json!("0x7fffffffffffff")),
        ("eip210ContractAddress", json!("0x00000000000000000000000000000000000000f0")),
        ("eip210ContractCode", json!("0x00")),
        ("eip210ContractGas", json!(1_000_000)),
        ("eip2315Transition", json!("0xffffffffffffffff")),
        ("dustProtectionTransition", json!(7)),
        ("removeDustContracts", json!(true)),
        ("nonceCapIncrement", json!(64)),
        ("applyReward", json!(true)),
        ("subprotocolName", json!("exp")),
    ] {
        spec["params"][key] = value;
    }
    let params = parse(&spec.to_string()).params;
    assert_eq!((params.wasm_activation_transition, params.wasm_disable_transition), (Some(5), Some(9)));
    assert_eq!((params.eip210_transition, params.eip2315_transition), (Some(0x7f_ffff_ffff_ffff), Some(u64::MAX)));
    assert_eq!(params.dust_protection_transition, Some(7));
    assert!(params.eip210_transition.unwrap() >= aurum_types::spec::NEVER);
}

#[test]
fn prices_that_are_odd_are_read_as_openethereum_reads_them() {
    let at = |name: &str, price: Value| {
        let account = json!({ ALICE: { "builtin": { "name": name, "pricing": price } } });
        let (spec, warnings) = ChainSpec::parse(&with("accounts", account)).unwrap();
        let builtin = spec.accounts.into_values().next().unwrap().builtin.unwrap();
        (builtin.pricing[&0].clone(), warnings.len())
    };
    assert_eq!(at("modexp", json!({ "modexp": { "divisor": 0 } })), (Pricing::Modexp { divisor: 10 }, 1));
    assert_eq!(
        at("bls12_381_g1_mul", json!({ "bls12_const_operations": { "price": 12_000 } })),
        (Pricing::Bls12Draft, 0)
    );
    assert_eq!(at("bls12_381_pairing", json!({ "bls12_pairing": { "base": 1, "pair": 2 } })), (Pricing::Bls12Draft, 0));
}
