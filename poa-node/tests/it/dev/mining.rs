//! Very many blocks on demand: they end with whoever asked for them, and with the node.

use poa_node::{Config, NodeHandle, cli::Args, dev::DevConfig};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{call, number, start};

/// As many as one request may ask for, far more than are mined while the test looks.
const MANY: u64 = 100_000;

/// Asks for them; the connection is that of this task alone.
fn ask_for_many(node: &NodeHandle, method: &str) -> JoinHandle<reqwest::Result<String>> {
    let params = json!([format!("{MANY:#x}")]);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let url = format!("http://{}", node.http.unwrap());
    tokio::spawn(async move {
        let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body);
        request.send().await?.text().await
    })
}

/// Waits until there are more blocks than so many.
async fn mined_past(node: &NodeHandle, before: u64) {
    while number(node).await <= before {}
}

/// Waits until no request is worked on.
async fn idle(node: &NodeHandle) {
    let url = format!("http://{}/metrics", node.metrics.unwrap());
    while !reqwest::get(&url).await.unwrap().text().await.unwrap().contains("aurum_rpc_running{kind=\"usual\"} 0\n") {}
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_blocks_end_with_the_client_that_asked_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let ports = ["poa-node", "--jsonrpc-port", "0", "--ws-port", "0", "--metrics-port", "0"];
    let args = <Args as clap::Parser>::parse_from(ports);
    let dev = DevConfig { chain_id: 1337, block_time: None };
    let config = Config::dev(&args.options, folder.path(), dev).unwrap();
    let node = poa_node::run(config, CancellationToken::new()).await.unwrap();
    for method in ["hardhat_mine", "anvil_mine"] {
        let before = number(&node).await;
        let asking = ask_for_many(&node, method);
        mined_past(&node, before).await;
        asking.abort();
        idle(&node).await;
        let left = number(&node).await;
        assert!(left < before + MANY, "{method}: all of them were mined");
        assert_eq!(call(&node, "evm_mine", json!([])).await, Ok(json!("0x0")));
        assert_eq!(number(&node).await, left + 1, "{method}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_blocks_end_with_the_node_and_those_there_are_stay() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    let asking = ask_for_many(&node, "hardhat_mine");
    mined_past(&node, 0).await;
    node.stop().await;
    let answer: Value = serde_json::from_str(&asking.await.unwrap().unwrap()).unwrap();

    let node = start(folder.path(), None).await;
    let left = number(&node).await;
    assert!(left < MANY);
    let message = format!("mining ended after {left} of {MANY} blocks: the node stops");
    assert_eq!(answer["error"], json!({ "code": -32000, "message": message }));
    let block = call(&node, "eth_getBlockByNumber", json!([format!("{left:#x}"), false])).await.unwrap();
    call(&node, "evm_mine", json!([])).await.unwrap();
    let next = call(&node, "eth_getBlockByNumber", json!(["finalized", false])).await.unwrap();
    assert_eq!((&next["parentHash"], &next["number"]), (&block["hash"], &json!(format!("{:#x}", left + 1))));
    node.stop().await;
}
