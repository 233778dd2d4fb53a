//! A development chain as a client meets it: accounts, blocks on demand, bursts, restarts.

mod edits;
mod exports;
mod fuzz;
mod mining;
mod pruning;
mod reference;
mod snapshots;

use std::{path::Path, time::Duration};

use poa_node::{
    Config, NodeHandle,
    cli::Args,
    dev::{ACCOUNTS, DevConfig},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

async fn start(folder: &Path, block_time: Option<Duration>) -> NodeHandle {
    poa_node::run(config(folder, block_time), CancellationToken::new()).await.unwrap()
}

fn config(folder: &Path, block_time: Option<Duration>) -> Config {
    let args = <Args as clap::Parser>::parse_from(["poa-node", "--jsonrpc-port", "0", "--ws-port", "0"]);
    Config::dev(&args.options, folder, DevConfig { chain_id: 1337, block_time }).unwrap()
}

/// The answer to one call: `result`, or `error`, which has to be one that the reference names.
async fn call(node: &NodeHandle, method: &str, params: Value) -> Result<Value, Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let url = format!("http://{}", node.http.unwrap());
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body);
    let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    if answer["error"].is_null() {
        return Ok(answer["result"].clone());
    }
    reference::words::check(method, &answer["error"]);
    Err(answer["error"].clone())
}

async fn number(node: &NodeHandle) -> u64 {
    let text = call(node, "eth_blockNumber", json!([])).await.unwrap();
    u64::from_str_radix(text.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

async fn receipt(node: &NodeHandle, hash: &Value) -> Value {
    for _ in 0..200 {
        let receipt = call(node, "eth_getTransactionReceipt", json!([hash])).await.unwrap();
        if !receipt.is_null() {
            return receipt;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no receipt of {hash}");
}

fn transfer(value: &str) -> Value {
    json!([{ "from": ACCOUNTS[0].0, "to": ACCOUNTS[1].0, "value": value }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_in_a_block_at_once_and_final() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    assert_eq!(call(&node, "eth_chainId", json!([])).await, Ok(json!("0x539")));
    assert_eq!(call(&node, "eth_accounts", json!([])).await.unwrap().as_array().unwrap().len(), 10);
    let before = call(&node, "eth_getBalance", json!([ACCOUNTS[1].0, "latest"])).await.unwrap();
    assert_eq!(before, json!("0x21e19e0c9bab2400000"));
    assert_eq!(number(&node).await, 0, "no transaction, no block");

    let hash = call(&node, "eth_sendTransaction", transfer("0x1")).await.unwrap();
    let receipt = receipt(&node, &hash).await;
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x1"), &json!("0x1")));
    let finalized = call(&node, "eth_getBlockByNumber", json!(["finalized", false])).await.unwrap();
    assert_eq!(finalized["number"], json!("0x1"));
    let after = call(&node, "eth_getBalance", json!([ACCOUNTS[1].0, "latest"])).await.unwrap();
    assert_eq!(after, json!("0x21e19e0c9bab2400001"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_blocks_runs_ahead_of_the_clock_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    call(&node, "anvil_mine", json!(["0x1e"])).await.unwrap();
    assert_eq!(number(&node).await, 30);
    let head = call(&node, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    node.stop().await;

    let node = start(folder.path(), None).await;
    assert_eq!(call(&node, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap()["hash"], head["hash"]);
    let hash = call(&node, "eth_sendTransaction", transfer("0x5")).await.unwrap();
    assert_eq!(receipt(&node, &hash).await["blockNumber"], json!("0x1f"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_at_their_interval() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), Some(Duration::from_millis(200))).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let seen = number(&node).await;
    assert!((2..=8).contains(&seen), "{seen} blocks in 1.5 s");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_and_a_folder_of_another_chain_names_both_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    let port = node.http.unwrap().port();
    let other = tempfile::tempdir().unwrap();
    let args = <Args as clap::Parser>::parse_from(["poa-node", "--jsonrpc-port", &port.to_string(), "--ws-port", "0"]);
    let dev = DevConfig { chain_id: 1337, block_time: None };
    let config = Config::dev(&args.options, other.path(), dev).unwrap();
    let error = poa_node::run(config, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && !error.contains('\n'), "{error}");
    let genesis = node.genesis_hash();
    node.stop().await;

    let args = <Args as clap::Parser>::parse_from(["poa-node", "--jsonrpc-port", "0", "--ws-port", "0"]);
    let mut config = Config::dev(&args.options, folder.path(), dev).unwrap();
    let mut spec = (*config.spec).clone();
    spec.genesis.gas_limit += 1;
    config.spec = spec.into();
    let error = poa_node::run(config, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains(&genesis.to_string()) && !error.contains('\n'), "{error}");
}
