//! The program as it is typed.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

fn keygen(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keygen")).current_dir(folder).args(args).output().unwrap()
}

fn done(folder: &Path, args: &[&str]) -> String {
    let output = keygen(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, args: &[&str]) -> String {
    let output = keygen(folder, args);
    assert_eq!(output.status.code(), Some(3), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_ceremony_as_the_readme_tells_it() {
    let home = TempDir::new().unwrap();
    let folder = home.path();
    let mut said = String::new();
    for name in ["acme", "borealis"] {
        said += &done(
            folder,
            &["authority", "--name", name, "--endpoint", &format!("{name}.example:30303"), "--out", name],
        );
    }
    let inputs = ["spec", "borealis/authority.json", "acme/authority.json", "--chain-id", "2026"];
    said += &done(folder, &[&inputs[..], &["--gas-price", "free", "--out", "shared"]].concat());
    for file in ["spec.json", "reserved_peers", ".env", "acme/authority.toml", "borealis/authority.toml"] {
        assert!(folder.join("shared").join(file).is_file(), "{file}");
    }
    let checked = done(folder, &["spec", "check", "shared/spec.json", "--strict", "--json"]);
    let checked: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!((&checked["chainId"], &checked["gas"]), (&Value::from(2026), &Value::from("free")));
    assert_eq!(checked["warnings"], Value::Array(Vec::new()));
    assert!(checked["genesisHash"].as_str().unwrap().starts_with("0x"));

    // Whoever runs it again, in another order, has the same bytes.
    let printed = done(folder, &["spec", "acme/authority.json", "borealis/authority.json", "--dry-run"]);
    assert_eq!(printed, fs::read_to_string(folder.join("shared/spec.json")).unwrap());
    assert!(refused(folder, &[&inputs[..], &["--out", "shared"]].concat()).contains("never overwritten"));

    let inspected = done(folder, &["account", "list", "acme/keys"]);
    said += &inspected;
    for secret in ["acme/password", "acme/node.key", "borealis/password", "borealis/node.key"] {
        assert!(!said.contains(fs::read_to_string(folder.join(secret)).unwrap().trim()), "{secret} was printed");
    }
}

#[test]
fn accounts_are_made_listed_and_inspected() {
    let home = TempDir::new().unwrap();
    let folder = home.path();
    let made: Value = serde_json::from_str(&done(folder, &["account", "new", "--out", "a", "--json"])).unwrap();
    let (keystore, address) = (made["keystore"].as_str().unwrap(), made["address"].as_str().unwrap());
    assert!(Path::new(keystore).file_name().unwrap().to_str().unwrap().starts_with("UTC--"));
    let inspected = done(folder, &["account", "inspect", keystore, "--password-file", "a/password", "--json"]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!((&inspected["address"], &inspected["opened"]), (&made["address"], &Value::from(true)));
    assert!(done(folder, &["account", "list", "a"]).to_lowercase().contains(address));
    assert!(refused(folder, &["account", "new", "--out", "a"]).contains("exists already"));
}

#[test]
fn refusals_and_mistakes_have_their_exit_codes() {
    let home = TempDir::new().unwrap();
    let folder = home.path();
    fs::write(folder.join("key"), "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n").unwrap();
    let import = ["account", "new", "--out", "a", "--key-file", "key"];
    let said = refused(folder, &import);
    assert!(said.contains("--dev") && !said.contains("ac0974"), "{said}");
    done(folder, &[&import[..], &["--dev"]].concat());

    assert_eq!(keygen(folder, &["spec", "absent.json", "--out", "x"]).status.code(), Some(1));
    assert_eq!(keygen(folder, &["spec", "--out", "x"]).status.code(), Some(2));
    assert_eq!(keygen(folder, &["authority", "--name", "acme"]).status.code(), Some(2));
    let typo = "0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    let typo = keygen(folder, &["init", "--out", "x", "--admin", typo]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&typo.stderr).contains("checksum"));
    let json = keygen(folder, &["authority", "--name", "ACME", "--out", "x", "--json"]);
    assert_eq!(json.status.code(), Some(3));
    let error: Value = serde_json::from_slice(&json.stderr).unwrap();
    assert!(error["error"].as_str().unwrap().contains("lower-case"));

    done(folder, &["init", "--authorities", "4", "--out", "demo"]);
    assert!(folder.join("demo/hydra").exists() == folder.join("demo/eridanus").exists());
    assert!(folder.join("demo/dorado/keys").is_dir() && folder.join("demo/shared/dorado/authority.toml").is_file());
}
