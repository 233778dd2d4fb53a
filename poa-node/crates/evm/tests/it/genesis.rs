//! State roots at genesis, with constructors, against roots computed by others (vectors/aura/genesis_hashes.json).

use std::{fs, path::PathBuf, sync::Arc};

use alloy::primitives::{Address, B256};
use aurum_evm::{Evm, check_rules};
use aurum_types::{ChainSpec, genesis_header, spec::ParseOptions, state_root_slow};

fn vectors() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
        .join("../../../../shared/vectors/aura");
    if path.is_dir() {
        return Some(path);
    }
    println!("SKIPPED: {} is absent", path.display());
    None
}

#[test]
fn genesis_of_known_networks_has_their_state_root_and_hash() {
    let Some(vectors) = vectors() else {
        println!("SKIPPED: no ../shared/vectors/aura beside the repository");
        return;
    };
    let list = fs::read_to_string(vectors.join("genesis_hashes.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let mut wrong = Vec::new();
    let cases = list["genesis"].as_array().unwrap();
    for case in cases {
        let file = case["spec"].as_str().unwrap();
        let text = fs::read_to_string(vectors.join(file)).unwrap();
        let options = ParseOptions { any_engine: true, ..ParseOptions::default() };
        let (spec, _) = ChainSpec::parse_with(&text, options).unwrap_or_else(|error| panic!("{file}: {error}"));
        let changes = Evm::new(Arc::new(spec.clone())).genesis().unwrap();
        let root = state_root_slow(&changes);
        let expected: B256 = case["stateRoot"].as_str().unwrap().parse().unwrap();
        if root != expected {
            wrong.push(format!("{file}: state root {root}, expected {expected}"));
            continue;
        }
        let hash = genesis_header(&spec, root).hash_slow();
        let expected: B256 = case["genesisHash"].as_str().unwrap().parse().unwrap();
        if hash != expected {
            wrong.push(format!("{file}: hash {hash}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_known_network_is_executed_exactly() {
    let Some(vectors) = vectors() else {
        println!("SKIPPED: no ../shared/vectors/aura beside the repository");
        return;
    };
    let options = ParseOptions { any_engine: true, ..ParseOptions::default() };
    let mut count = 0;
    for file in fs::read_dir(vectors.join("specs")).unwrap() {
        let path = file.unwrap().path();
        let (spec, _) = ChainSpec::parse_with(&fs::read_to_string(&path).unwrap(), options).unwrap();
        assert_eq!(check_rules(&spec), Ok(()), "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 27);
}

/// A spec with these accounts, whose new accounts start with this nonce.
fn small(first_nonce: u64, accounts: &serde_json::Value) -> ChainSpec {
    let file = serde_json::json!({
        "name": "small",
        "engine": {"authorityRound": {"params": {"stepDuration": 2, "validators": {"list": [Address::repeat_byte(0xaa)]}}}},
        "params": {
            "networkID": 1, "maximumExtraDataSize": 32, "minGasLimit": 5000, "gasLimitBoundDivisor": 1024,
            "accountStartNonce": first_nonce, "eip140Transition": 0
        },
        "genesis": {"seal": {"generic": "0xc180"}, "difficulty": "0x20000", "gasLimit": "0x1c9c380"},
        "accounts": accounts
    });
    ChainSpec::parse(&file.to_string()).unwrap().0
}

fn nonces(spec: ChainSpec) -> Vec<(Address, u64)> {
    let changes = Evm::new(Arc::new(spec)).genesis().unwrap();
    let accounts = changes.accounts.iter().filter_map(|(address, change)| Some((*address, change.account?.nonce)));
    let mut accounts: Vec<_> = accounts.collect();
    accounts.sort();
    accounts
}

#[test]
fn the_sender_of_constructors_exists_once_one_has_succeeded() {
    // OpenEthereum Spec::run_constructors: what a failed creation did to its sender is undone with it.
    let at = Address::with_last_byte(0x20);
    let with = |constructor: &str| serde_json::json!({ at.to_string(): { "constructor": constructor } });
    assert_eq!(nonces(small(0, &with("0x00"))), [(Address::ZERO, 0), (at, 1)]);
    for failing in ["0xfe", "0x60006000fd"] {
        assert_eq!(nonces(small(0, &with(failing))), []);
    }
    let mut second = with("0xfe");
    let then = Address::with_last_byte(0x21);
    second[then.to_string()] = serde_json::json!({ "constructor": "0x00", "balance": "7" });
    assert_eq!(nonces(small(0, &second)), [(Address::ZERO, 0), (then, 1)]);
}

#[test]
fn accounts_of_the_spec_start_at_zero_and_what_runs_makes_at_the_first_nonce() {
    let at = Address::with_last_byte(0x20);
    let rich = Address::with_last_byte(0x30);
    let accounts = serde_json::json!({
        at.to_string(): { "constructor": "0x00" },
        rich.to_string(): { "balance": "7" },
    });
    assert_eq!(nonces(small(9, &accounts)), [(Address::ZERO, 9), (at, 10), (rich, 0)]);
    // An account with another nonce than the first is in a constructor's way (EIP-684).
    let taken = serde_json::json!({ at.to_string(): { "constructor": "0x00", "balance": "7" } });
    assert_eq!(nonces(small(9, &taken)), [(at, 0)]);
    assert_eq!(nonces(small(0, &taken)), [(Address::ZERO, 0), (at, 1)]);
}
