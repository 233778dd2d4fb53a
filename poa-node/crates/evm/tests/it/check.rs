//! Which chain specs are refused because they cannot be executed exactly, and which only look like it.

#![allow(clippy::needless_pass_by_value, reason = "values are written in place")]

use aurum_evm::check_rules;
use aurum_types::ChainSpec;
use serde_json::{Value, json};

/// A spec with these keys in `params`, and these accounts.
fn spec(params: Value, accounts: Value) -> ChainSpec {
    let mut file = json!({
        "name": "checked",
        "engine": {"authorityRound": {"params": {"stepDuration": 2, "validators": {"list": ["0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}}}},
        "params": {"networkID": 1, "maximumExtraDataSize": 32, "minGasLimit": 5000, "gasLimitBoundDivisor": 1024},
        "genesis": {"seal": {"generic": "0xc180"}, "difficulty": "0x20000", "gasLimit": "0x1c9c380"},
        "accounts": accounts
    });
    for (key, value) in params.as_object().unwrap() {
        file["params"][key] = value.clone();
    }
    ChainSpec::parse(&file.to_string()).unwrap().0
}

/// The keys of what is refused.
fn refused(params: Value) -> Vec<Vec<String>> {
    refused_with(params, json!({}))
}

fn refused_with(params: Value, accounts: Value) -> Vec<Vec<String>> {
    match check_rules(&spec(params, accounts)) {
        Ok(()) => Vec::new(),
        Err(error) => {
            for rule in &error.0 {
                assert!(rule.keys.iter().all(|key| error.to_string().contains(key)), "{error}");
            }
            error.0.into_iter().map(|rule| rule.keys).collect()
        }
    }
}

#[test]
fn rules_that_were_never_live_are_refused_where_they_would_be() {
    for key in ["eip210Transition", "eip2315Transition", "dustProtectionTransition"] {
        for reachable in [json!(0), json!("0xffffff")] {
            assert_eq!(refused(json!({ key: reachable })), [[format!("params.{key}")]]);
        }
        for never in [json!("0x7fffffffffffff"), json!("0x7fffffffffffffff"), json!("0xffffffffffffffff"), Value::Null]
        {
            assert_eq!(refused(json!({ key: never })), [[""; 0]; 0], "{key}");
        }
    }
}

#[test]
fn wasm_in_a_template_is_no_reason_to_refuse_it() {
    // parity-deploy's params.
    let template = json!({
        "eip140Transition": 0, "eip145Transition": 0, "eip211Transition": 0, "eip214Transition": 0, "eip658Transition": 0,
        "eip1014Transition": 0, "eip1052Transition": 0, "eip1283Transition": 0,
        "wasmActivationTransition": 0, "kip4Transition": 0, "kip6Transition": 0, "maxCodeSize": 24576
    });
    assert_eq!(refused(template), [[""; 0]; 0]);
}

#[test]
fn every_combination_of_openethereum_s_eips_is_executed() {
    let keys =
        [140, 145, 150, 160, 211, 214, 658, 1014, 1052, 1283, 1344, 1706, 1884, 2028, 2929, 2930, 3198, 3529, 3541];
    for on in keys {
        let mut params = serde_json::Map::new();
        params.insert(format!("eip{on}Transition"), json!(5));
        assert_eq!(refused(params.into()), [[""; 0]; 0], "EIP-{on} alone");
    }
    assert_eq!(refused(json!({ "eip161abcTransition": "0x7fffffffffffffff" })), [[""; 0]; 0]);
    assert_eq!(refused(json!({ "eip161dTransition": 9, "accountStartNonce": "0x100000" })), [[""; 0]; 0]);
}

#[test]
fn unknown_eips_are_refused_unless_the_chain_has_left_aura_by_then() {
    assert_eq!(refused(json!({ "eip4844TransitionTimestamp": 1 })), [["params.eip4844TransitionTimestamp"]]);
    assert_eq!(refused(json!({ "eip86Transition": 7 })), [["params.eip86Transition"]]);
    assert_eq!(refused(json!({ "eip86Transition": "0x7fffffffffffff" })), [[""; 0]; 0]);
    let left = json!({ "eip4844TransitionTimestamp": 1, "terminalTotalDifficulty": "8626000000000000000000" });
    assert_eq!(refused(left), [[""; 0]; 0]);
    for known in [1153, 3651, 3855, 3860, 5656, 7623] {
        let mut params = serde_json::Map::new();
        params.insert(format!("eip{known}TransitionTimestamp"), json!(5));
        assert_eq!(refused(params.into()), [[""; 0]; 0]);
    }
}

#[test]
fn eips_that_need_others_are_refused_with_both_keys() {
    let delegations = json!({ "eip7702TransitionTimestamp": 5, "eip2929Transition": 0 });
    assert_eq!(refused(delegations), [["params.eip7702TransitionTimestamp", "params.eip3541Transition"]]);
    let destroys = json!({ "eip6780Transition": 5, "eip161abcTransition": "0x7fffffffffffff" });
    assert_eq!(refused(destroys), [["params.eip6780Transition", "params.eip161abcTransition"]]);
    let early = json!({ "eip3855TransitionTimestamp": 0, "eip150Transition": 4 });
    assert_eq!(refused(early), [["params.eip3855TransitionTimestamp", "params.eip150Transition"]]);
    let fees = json!({
        "eip1559Transition": 3, "eip150Transition": 4,
        "eip1559BaseFeeMaxChangeDenominator": 8, "eip1559ElasticityMultiplier": 2
    });
    assert_eq!(refused(fees), [["params.eip1559Transition", "params.eip150Transition"]]);
    let whole = json!({ "eip7702TransitionTimestamp": 5, "eip2929Transition": 0, "eip3541Transition": 3 });
    assert_eq!(refused(whole), [[""; 0]; 0]);
}

#[test]
fn precompiles_of_a_draft_are_refused_where_they_are_active() {
    let address = "0x000000000000000000000000000000000000000b";
    let key = [format!("accounts.{address}.builtin")];
    let at = |block: Value, name: &str, price: Value| {
        let builtin = json!({ address: { "builtin": { "name": name, "activate_at": block, "pricing": price } } });
        refused_with(json!({}), builtin)
    };
    let draft = json!({ "bls12_const_operations": { "price": 600 } });
    assert_eq!(at(json!(3), "bls12_381_g1_add", draft.clone()), [key.as_slice()]);
    assert_eq!(at(json!("0x7fffffffffffff"), "bls12_381_g1_add", draft), [[""; 0]; 0]);
    assert_eq!(at(json!(3), "bls12_381_g1_add", json!({ "eip2537": {} })), [[""; 0]; 0]);
    assert_eq!(at(json!(3), "bls12_381_g1_mul", json!({ "eip2537": {} })), [key.as_slice()]);
    assert_eq!(at(json!(3), "identity", json!({ "eip2537": {} })), [key.as_slice()]);
    for name in ["ecrecover", "identity", "modexp", "alt_bn128_pairing", "blake2_f"] {
        for price in [json!({ "linear": { "base": 40000, "word": 0 } }), json!({ "modexp2565": {} })] {
            assert_eq!(at(json!(3), name, price), [[""; 0]; 0], "any price is charged for {name}");
        }
    }
}

#[test]
fn slots_stated_as_zero_are_refused_beside_constructors() {
    let zero = json!({ "0x0000000000000000000000000000000000000020": { "storage": { "0x1": "0x0" } } });
    assert_eq!(refused_with(json!({}), zero.clone()), [[""; 0]; 0]);
    let mut both = zero;
    both["0x0000000000000000000000000000000000000021"] = json!({ "constructor": "0x00" });
    let expected = [["accounts.0x0000000000000000000000000000000000000020.storage.0x1"]];
    assert_eq!(refused_with(json!({}), both), expected);
}
