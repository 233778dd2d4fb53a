//! Errors of filters, ranges, pages, proofs and storage, and of what a node does not do.

use alloy::primitives::{B256, TxKind};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::{Provoked, chains::Chains, pool};
use crate::{access::soon, reference::world::At};

pub async fn run(provoked: &mut Provoked, chains: &Chains) {
    filters(provoked, chains).await;
    much(provoked, chains).await;
    subscriptions(provoked, chains).await;
    let Chains { at, narrow, no_time, immediate, world, .. } = chains;
    let user = world.user;
    let token = world.token;
    let cases = [
        (at, "eth_feeHistory", json!(["0x1", "latest", [9, 1]]), -32602, "percentiles must rise"),
        (at, "eth_feeHistory", json!(["0x1", "latest", vec![1; 101]]), -32602, "over the limit of 100"),
        (narrow, "eth_getProof", json!([token, ["0x0"], "latest"]), -32005, "1 slots asked for"),
        (narrow, "eth_getProof", json!([token, [], "0x2"]), -32005, "block 2 is"),
        (at, "debug_storageRangeAt", json!(["0x2", 9, token, "0x", 1]), -32000, "transaction index 9 out of range"),
        (
            at,
            "debug_storageRangeAt",
            json!(["0x2", 0, token, format!("0x{}", "00".repeat(33)), 1]),
            -32602,
            "a start of 33",
        ),
        (narrow, "debug_storageRangeAt", json!(["0x3", 0, token, "0x", 1]), -32005, "account 0x"),
        (at, "ots_searchTransactionsAfter", json!([user, 0, 0]), -32005, "a page of 0"),
        (at, "ots_searchTransactionsBefore", json!([user, 0, 251]), -32005, "a page of 251"),
        (no_time, "ots_searchTransactionsAfter", json!([user, 0, 1]), -32005, "no index of accounts"),
        (no_time, "ots_searchTransactionsBefore", json!([user, 0, 1]), -32005, "no index of accounts"),
        (&immediate.at, "finality_status", json!([]), -32000, "finality certificates are off"),
        (&immediate.at, "eth_coinbase", json!([]), -32000, "this node does not seal"),
    ];
    for (at, method, params, code, beginning) in cases {
        provoked.refused(at, method, &params, code, beginning).await;
    }
}

async fn filters(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, narrow, immediate, .. } = chains;
    let final_logs = json!([{ "fromBlock": "finalized" }]);
    let backwards = json!([{ "fromBlock": "0x3", "toBlock": "0x1" }]);
    let unknown = json!([{ "blockHash": B256::repeat_byte(0xee) }]);
    let all = json!([{ "fromBlock": "0x0", "toBlock": "latest" }]);
    for method in ["eth_getLogs", "trace_filter"] {
        provoked.refused(&immediate.at, method, &final_logs, -32000, "there is no finality").await;
        provoked.refused(at, method, &backwards, -32602, "invalid block range params").await;
        provoked.refused(narrow, method, &all, -32005, "block range 0..=").await;
    }
    provoked.refused(at, "eth_getLogs", &unknown, -32000, "header not found").await;
    provoked.refused(at, "eth_newFilter", &unknown, -32602, "a filter waits for new blocks").await;
    for method in ["eth_newFilter", "eth_newBlockFilter", "eth_newPendingTransactionFilter"] {
        let params = if method == "eth_newFilter" { all.clone() } else { json!([]) };
        provoked.refused(narrow, method, &params, -32005, "too many filters").await;
    }
    for (at, filter, code, beginning) in [
        (&immediate.at, &final_logs, -32000, "there is no finality"),
        (at, &backwards, -32602, "invalid block range params"),
        (&chains.short, &all, -32005, "block range 0..="),
    ] {
        let id = at.call("eth_newFilter", filter.clone()).await.unwrap();
        provoked.refused(at, "eth_getFilterLogs", &json!([id]), code, beginning).await;
    }
}

/// Blocks with more than one answer holds.
async fn much(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, world, logs, calls, .. } = chains;
    let first = world.node.head().latest.number + 1;
    for (nonce, to) in (pool::NEXT - 3..).zip([*logs, *logs, *calls]) {
        world.kit.mine(&world.node, &[pool::with_gas(nonce, TxKind::Call(to), 5_000_000)]);
    }
    let range = json!([{ "fromBlock": format!("{first:#x}"), "toBlock": "latest" }]);
    provoked.refused(at, "eth_getLogs", &range, -32005, "query returned more than").await;
    let id = at.call("eth_newFilter", range.clone()).await.unwrap();
    provoked.refused(at, "eth_getFilterLogs", &json!([id]), -32005, "query returned more than").await;
    provoked.refused(at, "trace_filter", &range, -32005, "more than 10000 traces match").await;
}

async fn subscriptions(provoked: &mut Provoked, chains: &Chains) {
    for method in ["eth_subscribe", "eth_unsubscribe"] {
        provoked.refused(&chains.at, method, &json!(["newHeads"]), -32601, "notifications not supported").await;
    }
    for (at, topic, code) in [(&chains.at, "newTails", -32602), (&chains.narrow, "newHeads", -32005)] {
        let error = subscribe(at, topic).await;
        assert_eq!(error["code"], code, "{error}");
        provoked.note("eth_subscribe", &error);
    }
}

/// The error of a subscription that is refused.
async fn subscribe(at: &At, topic: &str) -> Value {
    let (mut socket, _) = connect_async(format!("ws://{}", at.handle.ws.unwrap())).await.unwrap();
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": [topic] });
    socket.send(Message::text(request.to_string())).await.unwrap();
    loop {
        if let Message::Text(text) = soon(socket.next()).await.expect("open").unwrap() {
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            return answer["error"].take();
        }
    }
}
