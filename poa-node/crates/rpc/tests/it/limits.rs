//! Limits of work: what is given up, and what is refused before it begins.

use std::time::Duration;

use crate::access::soon;
use crate::common::{
    Server, config, endless,
    kit::{Kit, key, transaction},
    store,
};
use alloy::primitives::{Address, TxKind, hex};
use aurum_rpc::{Limits, RpcConfig};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

async fn limited(limits: Limits) -> Server {
    Server::with(Kit::new(1), RpcConfig { limits, ..config() }, |services| services).await
}

/// Calls itself with all its gas, again and again, and has no JUMPDEST.
fn recursive() -> Vec<u8> {
    // PUSH1 0 ×5, ADDRESS, GAS, CALL, POP.
    hex!("60006000600060006000305af150").repeat(50)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_past_its_time_frees_its_worker() {
    // As much gas as would take years: only giving up ends these.
    let limits =
        Limits { workers: 1, call_gas: u64::MAX / 4, request_time: Duration::from_millis(300), ..Limits::default() };
    let server = limited(limits).await;
    for code in [endless(), recursive()] {
        let target = Address::repeat_byte(0x77);
        let overrides = json!({ target.to_string(): { "code": alloy::hex::encode_prefixed(&code) } });
        let refused = server.call("eth_call", json!([{ "to": target }, "latest", overrides])).await.unwrap_err();
        assert_eq!((&refused["code"], &refused["data"]["reason"]), (&json!(-32005), &json!("TIME_LIMIT")));
        // The only worker answers this.
        server.ok("eth_getBalance", json!([target, "latest"])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_past_their_time_say_what_to_do() {
    let server = limited(Limits { trace_time: Duration::ZERO, ..Limits::default() }).await;
    let contract = server.deploy(0, &store());
    let call = transaction(&key(0), 1, TxKind::Call(contract), 0, vec![7; 32].into());
    let hash = *call.tx_hash();
    server.mine(&[call]);
    server.mine(&[]);
    for (method, params) in [
        ("trace_block", json!(["0x2"])),
        ("trace_transaction", json!([hash])),
        ("trace_replayBlockTransactions", json!(["0x2", ["trace"]])),
        ("trace_filter", json!([{ "fromBlock": "0x1" }])),
        // Of blocks in which nothing happened, too.
        ("trace_filter", json!([{ "fromBlock": "0x3" }])),
        ("debug_traceBlockByNumber", json!(["0x2"])),
        ("debug_storageRangeAt", json!(["0x2", 0, contract, "0x", 10])),
    ] {
        let refused = server.call(method, params).await.expect_err(method);
        assert_eq!((&refused["code"], &refused["data"]["reason"]), (&json!(-32005), &json!("TIME_LIMIT")), "{method}");
        assert!(refused["message"].as_str().unwrap().contains("ask for fewer blocks"), "{method}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_takes_no_longer_than_its_request_may() {
    let limits = Limits { tracers: 1, request_time: Duration::from_millis(300), ..Limits::default() };
    let server = limited(Limits { trace_time: Duration::from_secs(3600), call_gas: u64::MAX / 4, ..limits }).await;
    let target = Address::repeat_byte(0x77);
    let options = json!({ "tracer": "noopTracer", "stateOverrides": { target.to_string(): { "code": "0x5b600056" } } });
    let refused = server.call("debug_traceCall", json!([{ "to": target }, "latest", options])).await.unwrap_err();
    assert_eq!((&refused["code"], &refused["data"]["reason"]), (&json!(-32005), &json!("TIME_LIMIT")));
    // The only thread for traces does this next.
    server.mine(&[]);
    soon(async { while server.call("trace_block", json!(["latest"])).await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_of_old_blocks_are_refused() {
    let server = limited(Limits { proof_blocks: 2, ..Limits::default() }).await;
    for _ in 0..4 {
        server.mine(&[]);
    }
    let account = Address::repeat_byte(1);
    server.ok("eth_getProof", json!([account, [], "0x2"])).await;
    let refused = server.call("eth_getProof", json!([account, [], "0x1"])).await.unwrap_err();
    assert_eq!(refused["code"], -32005);
    assert!(refused["message"].as_str().unwrap().contains("3 below the latest"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_given_is_traced_like_the_one_that_is_stored() {
    let server = Server::start(Kit::new(1)).await;
    let contract = server.deploy(0, &store());
    server.mine(&[transaction(&key(0), 1, TxKind::Call(contract), 0, vec![7; 32].into())]);
    let raw = server.ok("debug_getRawBlock", json!(["latest"])).await;
    let tracer = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    let given = server.ok("debug_traceBlock", json!([raw, tracer])).await;
    assert_eq!(given, server.ok("debug_traceBlockByNumber", json!(["latest", tracer])).await);
    assert_eq!(given.as_array().map(Vec::len), Some(1));

    let raw: String = serde_json::from_value(raw).unwrap();
    let orphan = server.call("debug_traceBlock", json!([raw.replacen("a0", "a1", 1)])).await.unwrap_err();
    assert_eq!(orphan["code"], -32602, "{orphan}");
    let garbage: Value = server.call("debug_traceBlock", json!(["0xc0"])).await.unwrap_err();
    assert!(garbage["message"].as_str().unwrap().starts_with("could not decode block"), "{garbage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_whose_client_leaves_frees_its_thread() {
    // As much gas as would take years, and as much time: only giving up ends these.
    let forever = Duration::from_secs(36_000);
    let limits = Limits { tracers: 1, call_gas: u64::MAX / 4, request_time: forever, ..Limits::default() };
    let server = limited(Limits { trace_time: forever, ..limits }).await;
    server.mine(&[]);
    let target = Address::repeat_byte(0x77);
    let code = json!({ target.to_string(): { "code": alloy::hex::encode_prefixed(endless()) } });
    let blocks = json!({ "blockStateCalls": [{
        "blockOverrides": { "gasLimit": format!("{:#x}", u64::MAX / 4) },
        "stateOverrides": code,
        "calls": [{ "to": target }],
    }] });
    let cases = [
        ("debug_traceCall", json!([{ "to": target }, "latest", { "tracer": "noopTracer", "stateOverrides": code }])),
        ("eth_simulateV1", json!([blocks, "latest"])),
        ("eth_createAccessList", json!([{ "to": target }, "latest", code])),
    ];
    for (method, params) in cases {
        tokio::select! {
            answer = server.call(method, params) => panic!("{method}: {answer:?}"),
            // Then the request is given up, and its connection with it.
            () = soon(async { while server.running("long").await == 0 {} }) => {}
        }
        soon(async { while server.running("long").await > 0 {} }).await;
        server.ok("trace_block", json!(["latest"])).await;
    }
}

/// A request of so many bytes.
fn request_of(length: usize) -> String {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] }).to_string();
    format!("{request}{}", " ".repeat(length - request.len()))
}

/// Longest request of these servers.
const MOST: usize = 1000;

async fn with_short_requests() -> Server {
    limited(Limits { request_bytes: MOST as u32, ..Limits::default() }).await
}

/// What is said to a request that is longer.
fn too_large() -> Value {
    json!({ "code": -32005, "message": "request exceeds the limit of 1000 bytes", "data": { "reason": "SIZE_LIMIT" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_announced_length_that_is_too_large_is_refused() {
    let server = with_short_requests().await;
    assert!(server.post(request_of(MOST)).await["result"].is_string());
    let refused = server.post(request_of(MOST + 1)).await;
    assert_eq!((&refused["error"], &refused["id"]), (&too_large(), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_that_is_too_large_is_refused() {
    let server = with_short_requests().await;
    for (length, status) in [(MOST, "HTTP/1.1 200"), (MOST + 1, "HTTP/1.1 413"), (MOST * 9, "HTTP/1.1 413")] {
        let mut socket = TcpStream::connect(server.handle.http.unwrap()).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let body = request_of(length);
        let chunks = body
            .as_bytes()
            .chunks(300)
            .map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        let chunks: Vec<u8> = chunks.chain([b"0\r\n\r\n".to_vec()]).flatten().collect();
        socket.write_all(&[head.as_bytes(), &chunks].concat()).await.unwrap();
        let mut answer = String::new();
        // The end of one whose body was not taken to its end may be a reset.
        let _ = socket.read_to_string(&mut answer).await;
        assert!(answer.starts_with(status), "{length}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"], if length > MOST { too_large() } else { Value::Null }, "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_a_websocket_that_is_too_large_is_refused_and_the_next_is_answered() {
    let server = with_short_requests().await;
    let (mut socket, _) = connect_async(server.ws_url()).await.unwrap();
    let mut ask = async |length: usize| -> Value {
        socket.send(Message::text(request_of(length))).await.unwrap();
        loop {
            if let Message::Text(text) = soon(socket.next()).await.expect("open").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    };
    let refused = ask(MOST + 1).await;
    assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(-32007), &Value::Null), "{refused}");
    crate::reference::words::check("eth_chainId", &refused["error"]);
    assert!(ask(MOST).await["result"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_says_which_it_is() {
    let limits =
        Limits { log_blocks: 2, proof_slots: 1, filters: 1, batch: 1, response_bytes: 500, ..Limits::default() };
    let server = limited(limits).await;
    server.mine(&[]);
    server.mine(&[]);
    server.mine(&[]);
    server.ok("eth_newBlockFilter", json!([])).await;
    let account = Address::repeat_byte(1);
    for (method, params, reason) in [
        ("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "0x3" }]), "RANGE_LIMIT"),
        ("ots_searchTransactionsBefore", json!([account, 0, 100_000]), "RESULT_LIMIT"),
        ("eth_getProof", json!([account, ["0x0", "0x1"], "latest"]), "SLOT_LIMIT"),
        ("eth_newBlockFilter", json!([]), "FILTER_LIMIT"),
        ("eth_getBlockByNumber", json!(["latest", true]), "SIZE_LIMIT"),
    ] {
        let refused = server.call(method, params).await.expect_err(method);
        assert_eq!((&refused["code"], &refused["data"]), (&json!(-32005), &json!({ "reason": reason })), "{method}");
    }
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
    let refused = server.post(json!([call, call]).to_string()).await;
    assert_eq!(refused["error"]["data"], json!({ "reason": "BATCH_LIMIT" }), "{refused}");
}
