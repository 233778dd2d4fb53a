//! The public vectors through the real program: genesis blocks, headers, steps, permissions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use alloy::primitives::{Address, keccak256};
use serde_json::{Value, json};

/// The folder of vectors, or `None`, said aloud, where it is absent.
fn vectors() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
        .join("../../shared/vectors/aura");
    if path.is_dir() {
        return Some(path);
    }
    println!("SKIPPED: {} is absent", path.display());
    None
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap()
}

/// Runs `poa-node chain …`; gives the JSON and whether the exit code was 0.
fn chain(args: &[&str]) -> (Value, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_poa-node")).arg("chain").args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"));
    (json, output.status.success())
}

fn spec<'a>(folder: &'a Path, name: &str, path: &'a mut PathBuf) -> &'a str {
    *path = folder.join("specs").join(name);
    path.to_str().unwrap()
}

#[test]
fn check_gives_the_known_genesis_of_every_chain() {
    let Some(folder) = vectors() else { return };
    let known = read(&folder.join("genesis_hashes.json"));
    let mut count = 0;
    for entry in known["genesis"].as_array().unwrap() {
        let path = folder.join(entry["spec"].as_str().unwrap());
        let (found, success) = chain(&["check", "--chain", path.to_str().unwrap()]);
        assert!(success, "{}: {found}", entry["spec"]);
        for field in ["name", "genesisHash", "stateRoot", "genesisHeaderRlp"] {
            assert_eq!(found[field], entry[field], "{}: {field}", entry["spec"]);
        }
        assert!(found["chainId"].is_u64() && found["warnings"].is_array() && found["validators"].is_array());
        count += 1;
    }
    assert_eq!(count, 27);
}

#[test]
fn strict_makes_a_warning_an_error() {
    let Some(folder) = vectors() else { return };
    let mut text = read(&folder.join("specs/test_authority_round.json"));
    text["params"]["eip9999Transition"] = json!(0);
    text["params"]["nonsense"] = json!(0);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text.to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    let (lenient, success) = chain(&["check", "--chain", path]);
    let warnings = lenient["warnings"].to_string();
    assert!(success && warnings.contains("params.nonsense"), "{warnings}");
    let (strict, success) = chain(&["check", "--strict", "--chain", path]);
    assert!(!success && strict["error"].as_str().unwrap().contains("params."), "{strict}");
    let (missing, success) = chain(&["check", "--chain", "/nowhere/spec.json"]);
    let error = missing["error"].as_str().unwrap();
    assert!(!success && error.matches("No such file").count() == 1, "{error}");
}

/// The spec of a real network, by the name the vectors give it.
fn network(name: &str) -> &'static str {
    match name {
        "poasokol" | "sokol" => "poasokol.oe-3.3.5.json",
        "poacore" | "core" => "poacore.oe-3.3.5.json",
        "xdai" => "xdai.oe-3.3.5.json",
        "volta" => "volta.oe-3.3.5.json",
        other => panic!("no spec of {other}"),
    }
}

#[test]
fn real_headers_are_valid_on_their_chains() {
    let Some(folder) = vectors() else { return };
    let headers = read(&folder.join("headers/real_headers.json"));
    let headers = headers.as_array().unwrap();
    let mut judged = 0;
    for (index, vector) in headers.iter().enumerate() {
        let name = vector["chain"].as_str().unwrap();
        if !matches!(name, "poasokol" | "sokol" | "poacore" | "core" | "xdai" | "volta") {
            println!("no spec of {name} in the vectors");
            continue;
        }
        judged += 1;
        let mut path = PathBuf::new();
        let mut args = vec!["header", "--chain", spec(&folder, network(name), &mut path)];
        args.extend(["--rlp", vector["rlp"].as_str().unwrap()]);
        let parent = headers[..index].iter().find(|parent| parent["hash"] == vector["parentHash"]);
        if let Some(parent) = parent {
            args.extend(["--parent", parent["rlp"].as_str().unwrap()]);
        }
        let (found, success) = chain(&args);
        assert!(success && found["valid"] == true, "{name} {}: {found:#}", vector["number"]);
        for (field, key) in [("number", "number"), ("hash", "hash"), ("sealHash", "sealHash"), ("step", "step")] {
            assert_eq!(found[field], vector[key], "{name} {}: {field}", vector["number"]);
        }
        if vector["sealValid"] == true {
            assert_eq!(found["signer"], vector["recoveredSigner"]);
            assert_eq!(found["signature"], vector["signature"]);
            assert_eq!(found["author"], vector["author"]);
        }
        let checks = found["checks"].as_array().unwrap();
        assert_eq!(
            checks.iter().any(|check| check["rule"] == "difficulty" && check["ok"] == true),
            vector["number"] != 0 && (parent.is_some() || vector["number"] == 1),
            "{found:#}"
        );
    }
    assert!(judged >= 5, "{judged}");
}

#[test]
fn synthetic_headers_are_judged_as_openethereum_does() {
    let Some(folder) = vectors() else { return };
    let vectors = read(&folder.join("headers/synthetic_headers.json"));
    for vector in vectors["headers"].as_array().unwrap() {
        let label = vector["label"].as_str().unwrap();
        let mut text = read(&folder.join("specs").join(vector["spec"].as_str().unwrap()));
        if !vector["baseFeePerGas"].is_null() {
            text["params"]["eip1559Transition"] = json!("0x1");
            text["params"]["eip1559BaseFeeInitialValue"] = vector["baseFeePerGas"].clone();
            text["params"]["eip1559ElasticityMultiplier"] = json!("0x1");
            text["params"]["eip1559BaseFeeMaxChangeDenominator"] = json!("0x8");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let judge = |text: &Value| {
            fs::write(file.path(), text.to_string()).unwrap();
            let args = ["header", "--chain", file.path().to_str().unwrap(), "--rlp", vector["rlp"].as_str().unwrap()];
            chain(&args)
        };
        let (found, success) = judge(&text);
        assert_eq!(found["valid"], json!(!label.starts_with("INVALID")), "{label}: {found:#}");
        assert_eq!(success, found["valid"] == true);
        for field in ["hash", "bareHash", "sealHash", "step", "author", "signature"] {
            assert_eq!(found[field], vector[field], "{label}: {field}");
        }
        assert_eq!(found["signer"], vector["author"], "{label}");
        let steps = vector["emptySteps"].as_array().unwrap().len();
        assert_eq!(found["emptySteps"].as_array().unwrap().len(), steps, "{label}");
        assert!(found["difficulty"].as_str().unwrap().parse::<u128>().is_ok());
        if label.contains("duplicate") {
            text["engine"]["authorityRound"]["params"]["strictEmptyStepsTransition"] = json!("0x64");
            assert_eq!(judge(&text).0["valid"], true, "{label}, not strict");
        }
    }
}

#[test]
fn garbage_is_refused_with_a_reason() {
    let Some(folder) = vectors() else { return };
    let mut path = PathBuf::new();
    let spec = spec(&folder, "test_authority_round.json", &mut path);
    for garbage in ["0x", "0xzz", "0xc0", "hello", "0xf90200"] {
        let (found, success) = chain(&["header", "--chain", spec, "--rlp", garbage]);
        assert!(!success && found["valid"] == false && found["error"].is_string(), "{garbage}: {found}");
    }
}

#[test]
fn steps_follow_changing_durations() {
    let Some(folder) = vectors() else { return };
    let table = &read(&folder.join("formula_vectors.json"))["stepAtTime"];
    let mut text = read(&folder.join("specs/test_authority_round.json"));
    let engine = &mut text["engine"]["authorityRound"]["params"];
    engine["stepDuration"] = table["stepDurations"].clone();
    engine.as_object_mut().unwrap().remove("startStep");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text.to_string()).unwrap();
    for case in table["cases"].as_array().unwrap() {
        let time = case["time"].to_string();
        let (found, success) = chain(&["step", "--chain", file.path().to_str().unwrap(), "--time", &time]);
        assert!(success);
        assert_eq!((&found["step"], &found["secondsToNext"]), (&case["step"], &case["secondsToNext"]), "{case}");
        assert!(found["duration"].as_u64().unwrap() >= found["secondsToNext"].as_u64().unwrap());
    }
}

/// The account of OpenEthereum's test key `n`: the secret is the number itself.
fn account(n: u8) -> String {
    let mut secret = [0; 32];
    secret[31] = n;
    let key = secp256k1::SecretKey::from_byte_array(secret).unwrap();
    let point = key.public_key(secp256k1::SECP256K1).serialize_uncompressed();
    Address::from_slice(&keccak256(&point[1..])[12..]).to_string()
}

#[test]
fn permissions_are_openethereums_table() {
    let Some(folder) = vectors() else { return };
    let contract = "0x0000000000000000000000000000000000000005";
    let other = account(7);
    // Key, and whether it may transfer, call and create (OpenEthereum tx_filter.rs).
    let table =
        [(1, [true, true, true]), (2, [true, true, false]), (3, [true, false, false]), (4, [false, false, false])];
    for (file, version) in [("test_deprecated_contract_genesis.json", 1), ("test_contract_ver_2_genesis.json", 2)] {
        let mut path = PathBuf::new();
        let spec = spec(&folder, file, &mut path);
        for (key, allowed) in table {
            let from = account(key);
            let ask = |to: Option<&str>, block: &str| {
                let mut args = vec!["permission", "--chain", spec, "--from", &from, "--block", block];
                args.extend(to.into_iter().flat_map(|to| ["--to", to]));
                let (found, success) = chain(&args);
                assert!(success, "{found}");
                found
            };
            for (to, needed, allowed) in
                [(Some(other.as_str()), 1, allowed[0]), (Some(contract), 2, allowed[1]), (None, 4, allowed[2])]
            {
                let found = ask(to, "1");
                let told = (&found["version"], &found["needed"], &found["allowed"]);
                assert_eq!(told, (&json!(version), &json!(needed), &json!(allowed)), "{file}, key {key}: {found}");
                assert_eq!(found["contract"], contract);
                assert_eq!(found["mask"].as_u64().unwrap() & needed != 0, allowed);
                let before = ask(to, "0");
                let told = (&before["contract"], &before["mask"], &before["allowed"], &before["needed"]);
                assert_eq!(told, (&Value::Null, &Value::Null, &json!(true), &json!(needed)), "{before}");
            }
        }
    }
}

#[test]
fn version_three_is_told_price_and_data() {
    let Some(folder) = vectors() else { return };
    let mut path = PathBuf::new();
    let spec = spec(&folder, "test_contract_ver_3_genesis.json", &mut path);
    let (from, to) = (account(1), account(7));
    for (price, data, allowed) in
        [("0", "0x01020304", false), ("0", "0x010203", true), ("1", "0x01020304", true), ("0x1", "0x01020304", true)]
    {
        let args = ["permission", "--chain", spec, "--from", &from, "--to", &to, "--gas-price", price, "--data", data];
        let (found, _) = chain(&args);
        assert_eq!((&found["version"], &found["allowed"]), (&json!(3), &json!(allowed)), "{price} {data}: {found}");
    }
}

#[test]
fn validators_come_from_the_entry_in_force() {
    let Some(folder) = vectors() else { return };
    let ask = |file: &str, block: &str| {
        let path = folder.join("specs").join(file);
        chain(&["validators", "--chain", path.to_str().unwrap(), "--block", block])
    };
    let (found, success) = ask("test_authority_round.json", "1");
    assert!(success && found["kind"] == "list" && found["validators"].as_array().unwrap().len() == 2, "{found}");
    // A contract's list is read from the genesis state.
    let (found, success) = ask("volta.oe-3.3.5.json", "1");
    assert!(success && found["kind"] == "contract" && !found["validators"].as_array().unwrap().is_empty(), "{found}");
    for (block, from) in [("4", 0), ("5", 4), ("8", 4), ("9", 8)] {
        let (found, success) = ask("nethermind_AuRaTest.json", block);
        assert!(success && found["kind"] == "multi", "{found}");
        assert_eq!(found["entry"]["from"], from, "block {block}: {found}");
    }
    let (found, success) = ask("bellecour.json", "20001");
    assert!(!success && found["entry"]["contract"] == "0xf2f8ebd6df066f93dc012cc94fbfa4592727a910", "{found}");
}
