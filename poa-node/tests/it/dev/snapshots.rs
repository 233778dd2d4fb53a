//! Snapshots as hardhat's fixtures use them.

use alloy::primitives::{Address, address};
use poa_node::NodeHandle;
use serde_json::{Value, json};

use crate::dev::{ACCOUNTS, call, number, receipt, start, transfer};

const ANYBODY: Address = address!("00000000000000000000000000000000000000aa");

async fn head(node: &NodeHandle) -> Value {
    call(node, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap()
}

async fn ok(node: &NodeHandle, method: &str, params: Value) -> Value {
    call(node, method, params).await.unwrap()
}

fn time(block: &Value) -> u64 {
    u64::from_str_radix(block["timestamp"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reverting_takes_blocks_state_and_time_back_and_uses_the_snapshot_up() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    ok(&node, "anvil_mine", json!(["0x3"])).await;
    let before = head(&node).await;
    let first = ok(&node, "evm_snapshot", json!([])).await;
    assert_eq!(first, json!("0x1"));

    ok(&node, "evm_increaseTime", json!([86_400])).await;
    let hash = ok(&node, "eth_sendTransaction", transfer("0x1")).await;
    receipt(&node, &hash).await;
    ok(&node, "anvil_setBalance", json!([ANYBODY, "0x5"])).await;
    let second = ok(&node, "evm_snapshot", json!([])).await;
    ok(&node, "anvil_mine", json!(["0x10"])).await;
    let later = head(&node).await;
    assert!(time(&later) >= time(&before) + 86_400);

    assert_eq!(ok(&node, "evm_revert", json!([first])).await, json!(true));
    assert_eq!(head(&node).await, before);
    assert_eq!(ok(&node, "eth_getBalance", json!([ANYBODY, "latest"])).await, json!("0x0"));
    assert_eq!(ok(&node, "eth_getTransactionReceipt", json!([hash])).await, json!(null));
    assert_eq!(ok(&node, "eth_getBlockByHash", json!([later["hash"], false])).await, json!(null));
    assert_eq!(ok(&node, "eth_getTransactionCount", json!([ACCOUNTS[0].0, "pending"])).await, json!("0x0"));
    for gone in [first, second, json!("0x99")] {
        assert_eq!(ok(&node, "evm_revert", json!([gone])).await, json!(false));
    }

    // The same again, at the time before.
    let hash = ok(&node, "eth_sendTransaction", transfer("0x1")).await;
    assert_eq!(receipt(&node, &hash).await["blockNumber"], json!("0x4"));
    assert!(time(&head(&node).await) < time(&before) + 86_400);
    let last = head(&node).await;
    node.stop().await;

    // What was taken off does not come back.
    let node = start(folder.path(), None).await;
    assert_eq!(head(&node).await, last);
    ok(&node, "evm_mine", json!([])).await;
    assert_eq!(number(&node).await, 5);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_holds_what_waited_then() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    ok(&node, "evm_setAutomine", json!([false])).await;
    let waiting = ok(&node, "eth_sendTransaction", transfer("0x1")).await;
    let snapshot = ok(&node, "evm_snapshot", json!([])).await;
    let later = ok(&node, "eth_sendTransaction", transfer("0x2")).await;
    ok(&node, "evm_mine", json!([])).await;
    let after = ok(&node, "eth_sendTransaction", transfer("0x3")).await;
    assert_eq!(receipt(&node, &later).await["blockNumber"], json!("0x1"));

    assert_eq!(ok(&node, "evm_revert", json!([snapshot])).await, json!(true));
    assert_eq!(ok(&node, "txpool_status", json!([])).await, json!({ "pending": "0x1", "queued": "0x0" }));
    let found = ok(&node, "eth_getTransactionByHash", json!([waiting])).await;
    assert_eq!((&found["hash"], &found["blockHash"]), (&waiting, &json!(null)));
    for gone in [later, after] {
        assert_eq!(ok(&node, "eth_getTransactionByHash", json!([gone])).await, json!(null));
    }
    ok(&node, "evm_mine", json!([])).await;
    assert_eq!(receipt(&node, &waiting).await["blockNumber"], json!("0x1"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_deep_revert_agree_and_fixtures_can_be_loaded_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    let filter = ok(&node, "eth_newBlockFilter", json!([])).await;
    ok(&node, "anvil_mine", json!(["0xc8"])).await;
    assert_eq!(ok(&node, "eth_getFilterChanges", json!([filter])).await.as_array().unwrap().len(), 200);
    assert_eq!(ok(&node, "hardhat_reset", json!([])).await, json!(true));
    assert_eq!(number(&node).await, 0);
    for _ in 0..5 {
        let snapshot = ok(&node, "evm_snapshot", json!([])).await;
        let hash = ok(&node, "eth_sendTransaction", transfer("0x1")).await;
        assert_eq!(receipt(&node, &hash).await["blockNumber"], json!("0x1"));
        assert_eq!(ok(&node, "evm_revert", json!([snapshot])).await, json!(true));
        assert_eq!(number(&node).await, 0);
    }
    // Another time: an empty block 1 in the same second would be the very block that was taken off.
    ok(&node, "evm_increaseTime", json!([86_400])).await;
    ok(&node, "anvil_mine", json!(["0x2", "0x3c"])).await;
    let news = ok(&node, "eth_getFilterChanges", json!([filter])).await;
    let (first, second) = (ok(&node, "eth_getBlockByNumber", json!(["0x1", false])).await, head(&node).await);
    assert_eq!(news, json!([first["hash"], second["hash"]]));
    assert_eq!(time(&second), time(&first) + 60);
    for forking in [json!({ "jsonRpcUrl": "http://localhost" }), json!({ "blockNumber": 1 }), json!("http://localhost")]
    {
        let refused = call(&node, "hardhat_reset", json!([{ "forking": forking }])).await.unwrap_err();
        assert_eq!(refused["message"], json!("this node does not fork other chains"));
    }
    assert_eq!(number(&node).await, 2);
    // viem's `reset()`.
    assert_eq!(ok(&node, "anvil_reset", json!([{ "forking": { "blockNumber": null } }])).await, json!(true));
    assert_eq!(number(&node).await, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_mined_at_a_time_or_as_many_as_an_object_says() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    let then = 1_900_000_000_u64;
    assert_eq!(ok(&node, "evm_mine", json!([then])).await, json!("0x0"));
    assert_eq!((number(&node).await, time(&head(&node).await)), (1, then));
    ok(&node, "evm_mine", json!([{ "timestamp": then + 60, "blocks": "0x3" }])).await;
    let second = ok(&node, "eth_getBlockByNumber", json!(["0x2", false])).await;
    assert_eq!((number(&node).await, time(&second)), (4, then + 60), "the first of them has the time");
    ok(&node, "evm_mine", json!([{}])).await;
    assert_eq!(number(&node).await, 5);
    for (wrong, words) in [
        (json!({ "blocks": 100_001 }), "100001 blocks asked for, at most 100000 at once"),
        (json!({ "block": 2 }), "expected a time in seconds, or an object with timestamp and blocks"),
        (json!("soon"), "expected a time in seconds"),
        (json!(then), "is lower than or equal to previous block's timestamp"),
    ] {
        let refused = call(&node, "evm_mine", json!([wrong])).await.unwrap_err();
        assert!(refused["message"].as_str().unwrap().contains(words), "{refused}");
    }
    assert_eq!(number(&node).await, 5);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_see_which_node_they_talk_to() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    let info = ok(&node, "anvil_nodeInfo", json!([])).await;
    assert_eq!((&info["currentBlockNumber"], &info["environment"]["chainId"]), (&json!("0x0"), &json!(1337)));
    let metadata = ok(&node, "hardhat_metadata", json!([])).await;
    assert_eq!((&metadata["chainId"], &metadata["latestBlockNumber"]), (&json!(1337), &json!(0)));
    node.stop().await;
}
