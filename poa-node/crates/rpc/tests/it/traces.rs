//! `debug_trace*` and `trace_*` over HTTP: what tools ask of them.

use alloy::primitives::{Address, B256, TxKind, U256};
use aurum_aura::Signer;
use serde_json::{Value, json};

use crate::common::{
    Server, config,
    kit::{Kit, key, transaction, transfer},
    logger, reverter, store,
};

/// A chain with a reward of 5 wei: block 1 deploys [`store`], block 2 calls it and moves 7 wei.
async fn server() -> (Server, Address, [B256; 2]) {
    let kit = Kit::with(1, |spec| spec["engine"]["authorityRound"]["params"]["blockReward"] = json!("0x5"));
    let server = Server::start(kit).await;
    let contract = server.deploy(0, &store());
    let call = transaction(&key(0), 1, TxKind::Call(contract), 0, B256::repeat_byte(5).into());
    let pay = transfer(&key(1), 0, Address::repeat_byte(9), 7);
    let hashes = [*call.tx_hash(), *pay.tx_hash()];
    server.mine(&[call, pay]);
    (server, contract, hashes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_and_its_block_are_traced_alike() {
    let (server, contract, hashes) = server().await;
    let tracer = json!({ "tracer": "callTracer" });
    let one = server.ok("debug_traceTransaction", json!([hashes[0], tracer])).await;
    assert_eq!((&one["to"], &one["type"]), (&json!(contract), &json!("CALL")));
    let receipt = server.ok("eth_getTransactionReceipt", json!([hashes[0]])).await;
    assert_eq!(one["gasUsed"], receipt["gasUsed"]);
    let block = server.ok("debug_traceBlockByNumber", json!(["0x2", tracer])).await;
    assert_eq!(block[0], json!({ "txHash": hashes[0], "result": one }));
    assert_eq!((&block[1]["txHash"], &block[1]["result"]["value"]), (&json!(hashes[1]), &json!("0x7")));
    let hash = server.ok("eth_getBlockByNumber", json!(["0x2", false])).await["hash"].clone();
    assert_eq!(server.ok("debug_traceBlockByHash", json!([hash, tracer])).await, block);

    let logs = server.ok("debug_traceTransaction", json!([hashes[0]])).await;
    assert!(logs["structLogs"].as_array().unwrap().iter().any(|log| log["op"] == "SSTORE"), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_traced_is_said_in_geths_words() {
    let (server, ..) = server().await;
    let cases = [
        ("debug_traceTransaction", json!([B256::ZERO]), -32000, "transaction not found"),
        ("debug_traceBlockByNumber", json!(["0x0"]), -32602, "genesis is not traceable"),
        ("debug_traceBlockByNumber", json!(["0x63"]), -32000, "header not found"),
        ("debug_traceBlockByNumber", json!(["0x2", { "timeout": "soon" }]), -32602, "time: invalid duration"),
        ("debug_traceBlockByNumber", json!(["0x2", { "tracer": "{}" }]), -32602, "JS Tracer is not enabled"),
        ("trace_replayTransaction", json!([B256::ZERO, ["trace"]]), -32000, "transaction not found"),
        ("trace_filter", json!([{ "fromBlock": "0x2", "toBlock": "0x1" }]), -32602, "invalid block range"),
    ];
    for (method, params, code, words) in cases {
        let error = server.call(method, params).await.unwrap_err();
        assert_eq!(error["code"], code, "{method}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with(words), "{method}: {error}");
    }
    assert_eq!(server.ok("trace_transaction", json!([B256::ZERO])).await, Value::Null);
    assert_eq!(server.ok("trace_block", json!(["0x63"])).await, Value::Null);
    assert_eq!(server.ok("trace_block", json!(["0x0"])).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_traced_on_the_state_of_its_block_and_before_a_transaction_of_it() {
    let (server, contract, _) = server().await;
    let call = json!({ "from": key(0).address(), "to": contract, "input": B256::repeat_byte(6) });
    let slot = B256::ZERO.to_string();
    let of = |trace: &Value| trace[contract.to_string().to_lowercase()]["storage"][&slot].clone();
    let tracer = json!({ "tracer": "prestateTracer" });
    let after = server.ok("debug_traceCall", json!([call, "0x2", tracer])).await;
    assert_eq!(of(&after), json!(B256::repeat_byte(5)));
    let within = json!({ "tracer": "prestateTracer", "txIndex": "0x0" });
    let before = server.ok("debug_traceCall", json!([call, "0x2", within])).await;
    assert_eq!(of(&before), json!(B256::ZERO));
    let overridden =
        json!({ "tracer": "callTracer", "stateOverrides": { contract.to_string(): { "code": "0x60006000fd" } } });
    let reverted = server.ok("debug_traceCall", json!([call, "latest", overridden])).await;
    assert_eq!(reverted["error"], "execution reverted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocks_traces_end_with_its_reward() {
    let (server, contract, hashes) = server().await;
    let traces = server.ok("trace_block", json!(["0x2"])).await;
    let block = server.ok("eth_getBlockByNumber", json!(["0x2", false])).await;
    assert_eq!(traces.as_array().unwrap().len(), 3);
    assert_eq!(traces[0]["action"]["to"], json!(contract));
    assert_eq!(traces[0]["action"]["callType"], "call");
    assert_eq!((&traces[1]["transactionHash"], &traces[1]["transactionPosition"]), (&json!(hashes[1]), &json!(1)));
    let reward = json!({
        "action": { "author": block["author"], "rewardType": "block", "value": "0x5" },
        "blockHash": block["hash"],
        "blockNumber": 2,
        "result": null,
        "subtraces": 0,
        "traceAddress": [],
        "transactionHash": null,
        "transactionPosition": null,
        "type": "reward",
    });
    assert_eq!(traces[2], reward);
    assert_eq!(server.ok("trace_transaction", json!([hashes[0]])).await[0], traces[0]);
    assert_eq!(server.ok("trace_get", json!([hashes[0], []])).await, traces[0]);
    assert_eq!(server.ok("trace_get", json!([hashes[0], ["0x0"]])).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_finds_who_took_part_and_pages() {
    let (server, contract, hashes) = server().await;
    let nine = Address::repeat_byte(9);
    let paid = server.ok("trace_filter", json!([{ "fromBlock": "0x0", "toAddress": [nine] }])).await;
    assert_eq!(paid.as_array().unwrap().len(), 1);
    assert_eq!(paid[0]["transactionHash"], json!(hashes[1]));
    let sent = server.ok("trace_filter", json!([{ "fromBlock": "0x1", "fromAddress": [key(0).address()] }])).await;
    let kinds: Vec<_> = sent.as_array().unwrap().iter().map(|trace| &trace["type"]).collect();
    assert_eq!(kinds, ["create", "call"]);
    assert_eq!(sent[0]["result"]["address"], json!(contract));
    // Two blocks of three frames and two rewards: the third and fourth.
    let page = server.ok("trace_filter", json!([{ "fromBlock": "0x1", "after": 1, "count": 2 }])).await;
    let kinds: Vec<_> = page.as_array().unwrap().iter().map(|trace| &trace["type"]).collect();
    assert_eq!(kinds, ["reward", "call"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_show_state_differences_and_calls_show_what_would_be() {
    let (server, contract, hashes) = server().await;
    let replay = server.ok("trace_replayTransaction", json!([hashes[0], ["trace", "stateDiff"]])).await;
    let diff = &replay["stateDiff"][contract.to_string().to_lowercase()]["storage"][B256::ZERO.to_string()];
    assert_eq!(*diff, json!({ "*": { "from": B256::ZERO, "to": B256::repeat_byte(5) } }));
    assert_eq!(replay["vmTrace"], Value::Null);
    let block = server.ok("trace_replayBlockTransactions", json!(["0x2", ["trace"]])).await;
    assert_eq!((&block[0]["transactionHash"], &block[0]["trace"]), (&json!(hashes[0]), &replay["trace"]));

    let call = json!({ "from": key(0).address(), "to": contract, "input": B256::repeat_byte(6) });
    let one = server.ok("trace_call", json!([call, ["trace"], "latest"])).await;
    assert_eq!(one["trace"][0]["action"]["to"], json!(contract));
    let many = server.ok("trace_callMany", json!([[[call, ["stateDiff"]], [call, ["stateDiff"]]], "latest"])).await;
    assert_eq!(many.as_array().unwrap().len(), 2);
    let raw = alloy::eips::eip2718::Encodable2718::encoded_2718(&transfer(&key(1), 1, Address::repeat_byte(8), 3));
    let raw = server.ok("trace_rawTransaction", json!([alloy::primitives::Bytes::from(raw), ["trace"]])).await;
    assert_eq!(raw["trace"][0]["action"]["value"], json!(U256::from(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_inside_are_shown_with_their_reason() {
    let server = Server::start(Kit::new(1)).await;
    let reverter = server.deploy(0, &reverter("no"));
    let tx = transaction(&key(0), 1, TxKind::Call(reverter), 0, Default::default());
    server.mine(std::slice::from_ref(&tx));
    let trace = server.ok("debug_traceTransaction", json!([tx.tx_hash(), { "tracer": "callTracer" }])).await;
    assert_eq!((&trace["error"], &trace["revertReason"]), (&json!("execution reverted"), &json!("no")));
    let trace = server.ok("trace_transaction", json!([tx.tx_hash()])).await;
    assert_eq!(trace[0]["error"], "Reverted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_over_a_limit_says_so() {
    let mut limited = config();
    limited.limits.trace_bytes = 1;
    let server = Server::with(Kit::new(1), limited, |services| services).await;
    let logger = server.deploy(0, &logger());
    let tx = transaction(&key(0), 1, TxKind::Call(logger), 0, Default::default());
    server.mine(std::slice::from_ref(&tx));
    let error = server.call("debug_traceTransaction", json!([tx.tx_hash()])).await.unwrap_err();
    assert_eq!(error["code"], -32005);
}

/// Fails the test unless there is room for the one request, and none for the other.
async fn has_room_for(server: &Server, method: &str, enough: Value, too_much: Value) {
    server.ok(method, enough).await;
    let refused = server.call(method, too_much).await.expect_err(method);
    assert_eq!((&refused["code"], &refused["data"]["reason"]), (&json!(-32005), &json!("SIZE_LIMIT")), "{method}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_for_traces_is_that_of_a_request_however_many_it_asks_for() {
    let mut limited = config();
    // A frame takes half a KiB.
    limited.limits.trace_bytes = 1200;
    let server = Server::with(Kit::new(1), limited, |services| services).await;
    let contract = server.deploy(0, &store());
    let stores = |nonce| transaction(&key(0), nonce, TxKind::Call(contract), 0, B256::repeat_byte(5).into());
    for nonce in 1..4 {
        server.mine(&[stores(nonce)]);
    }
    server.mine(&[stores(4), stores(5), stores(6)]);
    let call = json!({ "from": key(0).address(), "to": contract, "input": B256::repeat_byte(6) });
    let calls = |count: usize| json!([vec![json!([call, ["trace"]]); count], "latest"]);
    has_room_for(&server, "trace_callMany", calls(2), calls(3)).await;
    let blocks = |to: &str| json!([{ "fromBlock": "0x2", "toBlock": to, "toAddress": [contract] }]);
    has_room_for(&server, "trace_filter", blocks("0x3"), blocks("0x4")).await;
    // What is looked at and not found takes no room of the answer.
    let nobody = json!([{ "fromBlock": "0x2", "toBlock": "0x4", "toAddress": [Address::repeat_byte(8)] }]);
    assert_eq!(server.ok("trace_filter", nobody).await, json!([]));
    let replay = |block: &str| json!([block, ["trace"]]);
    has_room_for(&server, "trace_replayBlockTransactions", replay("0x4"), replay("0x5")).await;
    let geth = |block: &str| json!([block, { "tracer": "callTracer" }]);
    has_room_for(&server, "debug_traceBlockByNumber", geth("0x4"), geth("0x5")).await;
    let blocks = |count: usize| json!([{ "blockStateCalls": vec![json!({ "calls": [call] }); count] }]);
    has_room_for(&server, "eth_simulateV1", blocks(2), blocks(3)).await;
    has_room_for(&server, "trace_block", json!(["0x4"]), json!(["0x5"])).await;
}
