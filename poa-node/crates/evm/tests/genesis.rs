//! State roots at genesis, with constructors, against roots computed by others (vectors/aura/genesis_hashes.json).

#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf, sync::Arc};

use alloy::primitives::B256;
use aurum_evm::{Evm, check_rules};
use aurum_types::{ChainSpec, genesis_header, spec::ParseOptions, state_root_slow};

fn vectors() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/vectors/aura");
    path.is_dir().then_some(path)
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
