//! State that was edited, accounts that were impersonated: in blocks like any other, also after a restart.

use alloy::primitives::{Address, address};
use poa_node::NodeHandle;
use serde_json::{Value, json};

use crate::dev::{ACCOUNTS, call, number, receipt, start};

const ANYBODY: Address = address!("00000000000000000000000000000000000000aa");

/// PUSH0 SLOAD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN: answers with slot 0.
const READS_SLOT_0: &str = "0x5f545f5260205ff3";

/// Balance, nonce, code and slot 0 of the account.
async fn state(node: &NodeHandle) -> Value {
    json!([
        call(node, "eth_getBalance", json!([ANYBODY, "latest"])).await.unwrap(),
        call(node, "eth_getTransactionCount", json!([ANYBODY, "latest"])).await.unwrap(),
        call(node, "eth_getCode", json!([ANYBODY, "latest"])).await.unwrap(),
        call(node, "eth_call", json!([{ "to": ANYBODY }, "latest"])).await.unwrap(),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_is_the_state_of_a_block_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    let yes = Ok(json!(true));
    assert_eq!(call(&node, "hardhat_setBalance", json!([ANYBODY, "0x123456789"])).await, yes);
    assert_eq!(call(&node, "anvil_setNonce", json!([ANYBODY, "0x9"])).await, yes);
    assert_eq!(call(&node, "anvil_setCode", json!([ANYBODY, READS_SLOT_0])).await, yes);
    assert_eq!(call(&node, "hardhat_setStorageAt", json!([ANYBODY, "0x0", format!("0x{:064x}", 42)])).await, yes);
    assert_eq!(number(&node).await, 4, "a block each");

    let expected = json!(["0x123456789", "0x9", READS_SLOT_0, format!("0x{:064x}", 42)]);
    assert_eq!(state(&node).await, expected);
    assert_eq!(call(&node, "eth_getBalance", json!([ANYBODY, "0x0"])).await, Ok(json!("0x0")), "the past is as it was");
    let proof = call(&node, "eth_getProof", json!([ANYBODY, ["0x0"], "latest"])).await.unwrap();
    assert_eq!((&proof["balance"], &proof["storageProof"][0]["value"]), (&json!("0x123456789"), &json!("0x2a")));
    let head = call(&node, "eth_getBlockByNumber", json!(["latest", true])).await.unwrap();
    assert_eq!(head["transactions"].as_array().unwrap().len(), 1, "an edit is a transaction");
    let trace =
        call(&node, "debug_traceTransaction", json!([head["transactions"][0]["hash"], { "tracer": "callTracer" }]));
    assert_eq!(trace.await.unwrap()["type"], json!("CALL"));
    node.stop().await;

    let node = start(folder.path(), None).await;
    assert_eq!(call(&node, "eth_getBlockByNumber", json!(["latest", true])).await.unwrap(), head);
    assert_eq!(state(&node).await, expected);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_leaves_waiting_transactions_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    call(&node, "evm_setAutomine", json!([false])).await.unwrap();
    let transfer = json!([{ "from": ACCOUNTS[0].0, "to": ANYBODY, "value": "0x5" }]);
    let hash = call(&node, "eth_sendTransaction", transfer).await.unwrap();
    call(&node, "anvil_setBalance", json!([ANYBODY, "0x1"])).await.unwrap();
    assert_eq!(number(&node).await, 1);
    assert_eq!(call(&node, "eth_getTransactionReceipt", json!([hash])).await, Ok(json!(null)));
    assert_eq!(call(&node, "hardhat_getAutomine", json!([])).await, Ok(json!(false)));
    call(&node, "evm_setAutomine", json!([true])).await.unwrap();
    assert_eq!(receipt(&node, &hash).await["status"], json!("0x1"));
    assert_eq!(call(&node, "eth_getBalance", json!([ANYBODY, "latest"])).await, Ok(json!("0x6")));

    let other = json!([{ "from": ACCOUNTS[0].0, "to": ANYBODY, "value": "0x5" }]);
    call(&node, "anvil_setAutomine", json!([false])).await.unwrap();
    let hash = call(&node, "eth_sendTransaction", other).await.unwrap();
    assert_eq!(call(&node, "anvil_dropTransaction", json!([hash])).await, Ok(json!(true)));
    assert_eq!(call(&node, "anvil_dropTransaction", json!([hash])).await, Ok(json!(false)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impersonated_account_sends_as_itself_and_its_blocks_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    // A contract, as a rule.
    call(&node, "anvil_setCode", json!([ANYBODY, READS_SLOT_0])).await.unwrap();
    call(&node, "anvil_setBalance", json!([ANYBODY, "0xde0b6b3a7640000"])).await.unwrap();
    let transfer = json!([{ "from": ANYBODY, "to": ACCOUNTS[1].0, "value": "0x7" }]);
    let refused = call(&node, "eth_sendTransaction", transfer.clone()).await.unwrap_err();
    assert_eq!(refused["message"], json!("unknown account"));
    call(&node, "hardhat_impersonateAccount", json!([ANYBODY])).await.unwrap();
    let hash = call(&node, "eth_sendTransaction", transfer.clone()).await.unwrap();
    let found = receipt(&node, &hash).await;
    assert_eq!((&found["status"], &found["from"]), (&json!("0x1"), &json!(ANYBODY)));
    let raw = call(&node, "debug_getRawTransaction", json!([hash])).await.unwrap();
    call(&node, "anvil_stopImpersonatingAccount", json!([ANYBODY])).await.unwrap();
    assert!(call(&node, "eth_sendTransaction", transfer).await.is_err());
    let sent = call(&node, "eth_sendRawTransaction", json!([raw])).await;
    assert!(sent.is_err(), "who has no grant to impersonate signs: {sent:?}");
    let trace = call(&node, "debug_traceTransaction", json!([hash, { "tracer": "callTracer" }])).await.unwrap();
    assert_eq!(trace["from"], json!(ANYBODY));
    node.stop().await;

    let node = start(folder.path(), None).await;
    assert_eq!(receipt(&node, &hash).await, found);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_leaves_the_time_that_was_set_to_the_next_block() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    call(&node, "evm_mine", json!([])).await.unwrap();
    let head = call(&node, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    let time = |block: &Value| u64::from_str_radix(&block["timestamp"].as_str().unwrap()[2..], 16).unwrap();
    let then = time(&head) + 3600;
    call(&node, "evm_setNextBlockTimestamp", json!([then])).await.unwrap();
    call(&node, "anvil_setBalance", json!([ANYBODY, "0x1"])).await.unwrap();
    let edited = call(&node, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    assert_eq!(time(&edited), time(&head) + 1);
    call(&node, "evm_mine", json!([])).await.unwrap();
    let next = call(&node, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    assert_eq!(time(&next), then);
    node.stop().await;
}
