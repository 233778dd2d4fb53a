//! Files of a development chain: what was edited or impersonated enters no chain with another authority, and what nobody signed is
//! in no snapshot.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use alloy::primitives::{Address, address};
use poa_node::{NodeHandle, dev::ACCOUNTS};
use serde_json::{Value, json};

use crate::dev::{call, receipt, start, transfer};

const ANYBODY: Address = address!("00000000000000000000000000000000000000aa");
/// The folder of the development node.
const DEV: &str = "dev";

/// A folder with specs, nodes' folders and files in it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `act` on a development node that is stopped afterwards; gives the time of block 1, which is its step.
    async fn develop(&self, act: impl AsyncFnOnce(&NodeHandle)) -> u64 {
        let node = start(&self.path(DEV), None).await;
        act(&node).await;
        let block = call(&node, "eth_getBlockByNumber", json!(["0x1", false])).await.unwrap();
        node.stop().await;
        u64::from_str_radix(&block["timestamp"].as_str().unwrap()[2..], 16).unwrap()
    }

    /// Writes the development chain's spec, with the validators changed; gives the file.
    fn spec(&self, name: &str, validators: impl FnOnce(&mut Vec<Value>)) -> String {
        let mut spec = printed_spec(&[]);
        let list = &mut spec["engine"]["authorityRound"]["params"]["validators"]["list"];
        validators(list.as_array_mut().unwrap());
        let file = self.path(name);
        fs::write(&file, spec.to_string()).unwrap();
        file.display().to_string()
    }

    /// A spec in which another authority seals too, but not in `step`.
    fn spec_with_another_authority(&self, step: u64) -> String {
        self.spec("another.json", |list| list.insert(usize::from(step.is_multiple_of(2)), json!(ANYBODY)))
    }

    /// Runs a command on a node's folder; gives what it printed and whether it succeeded.
    fn run(&self, args: &[&str], spec: &str, base: &str) -> (Value, bool) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poa-node"));
        command.args(args).args(["--chain", spec, "-d"]).arg(self.path(base)).current_dir(self.0.path());
        let output = command.output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {log}"));
        (answer, output.status.success())
    }
}

/// What `poa-node dev --print-chain` prints.
fn printed_spec(more: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poa-node"));
    let output = command.args(["dev", "--print-chain"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn edits(node: &NodeHandle) {
    call(node, "anvil_setBalance", json!([ANYBODY, "0x7777"])).await.unwrap();
}

/// The key of the account is the node's; an impersonated account's is not asked.
async fn impersonates(node: &NodeHandle) {
    call(node, "anvil_impersonateAccount", json!([ACCOUNTS[0].0])).await.unwrap();
    let hash = call(node, "eth_sendTransaction", transfer("0x7")).await.unwrap();
    assert_eq!(receipt(node, &hash).await["blockNumber"], json!("0x1"));
}

/// Exports block 1, which the chain's own spec takes, and expects a chain with another authority to refuse it for `rule` alone.
fn refused_elsewhere(files: &Files, step: u64, rule: &str, words: &str) {
    let (own, another) = (files.spec("own.json", |_| ()), files.spec_with_another_authority(step));
    let (exported, success) = files.run(&["export", "blocks", "blocks.rlp"], &own, DEV);
    assert!(success && exported["blocks"] == 1, "{exported}");
    let (imported, success) = files.run(&["import", "blocks.rlp"], &own, "own");
    assert!(success && imported["imported"] == 1, "a node of the same spec: {imported}");

    for attempt in ["first", "again"] {
        let (refused, success) = files.run(&["import", "blocks.rlp"], &another, "another");
        assert!(!success && refused["block"]["rule"] == rule, "{attempt}: {refused}");
        assert!(refused["error"].as_str().unwrap().contains(words), "{attempt}: {refused}");
        assert_eq!((&refused["imported"], &refused["latest"]["number"]), (&json!(0), &json!(0)), "{attempt}");
    }
}

#[test]
fn the_printed_spec_is_that_of_the_chain_that_is_asked_for() {
    let spec = printed_spec(&["--chain-id", "31337"]);
    assert_eq!((&spec["params"]["chainID"], &spec["dataDir"]), (&json!(31_337), &json!("dev-31337")));
    assert!(spec["accounts"][ACCOUNTS[9].0.to_string()]["balance"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_refused_for_its_state_root_by_a_chain_with_another_authority() {
    let files = Files::new();
    let step = files.develop(edits).await;
    refused_elsewhere(&files, step, "state_root", "block 1: state root is ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impersonated_transaction_is_refused_for_its_signature_by_a_chain_with_another_authority() {
    let files = Files::new();
    let step = files.develop(impersonates).await;
    refused_elsewhere(&files, step, "transaction_signature", "invalid transaction signature");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_edited_state_is_restored_on_the_same_chain_only() {
    let files = Files::new();
    let step = files.develop(edits).await;
    let (own, another) = (files.spec("own.json", |_| ()), files.spec_with_another_authority(step));
    let (made, success) = files.run(&["snapshot", "create", "state"], &own, DEV);
    assert!(success && made["number"] == 1, "{made}");
    let (restored, success) = files.run(&["snapshot", "restore", "state"], &own, "own");
    assert!(success && restored["stateRoot"] == made["stateRoot"], "{restored}");

    let (refused, success) = files.run(&["snapshot", "restore", "state"], &another, "another");
    assert!(!success && refused["error"].as_str().unwrap().contains("other validators than the chain"), "{refused}");
    assert!(!holds_files(&files.path("another")), "a refused snapshot leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_snapshot_is_made_with_a_transaction_that_nobody_signed() {
    let files = Files::new();
    files.develop(impersonates).await;
    let own = files.spec("own.json", |_| ());
    let (refused, success) = files.run(&["snapshot", "create", "state"], &own, DEV);
    let error = refused["error"].as_str().unwrap();
    assert!(!success && error.contains("block 1 has transaction 0x") && error.contains("impersonated"), "{error}");
    assert!(!files.path("state").exists(), "a snapshot that cannot be made is not there");

    // A snapshot holds the last 256 blocks.
    files.develop(async |node| drop(call(node, "anvil_mine", json!(["0x100"])).await.unwrap())).await;
    let (made, success) = files.run(&["snapshot", "create", "state"], &own, DEV);
    assert!(success && made["number"] == 257 && made["blocks"] == 256, "{made}");
    let (verified, success) = files.run(&["snapshot", "verify", "state"], &own, DEV);
    assert!(success && verified["hash"] == made["hash"], "{verified}");
}

/// Whether there is any file below the folder.
fn holds_files(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.map(|entry| entry.unwrap().path()).any(|path| !path.is_dir() || holds_files(&path))
}
