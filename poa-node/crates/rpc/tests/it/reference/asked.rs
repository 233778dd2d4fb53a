//! A request of each method that a node outside development chains serves, asked of the small chain.

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{Address, Bytes, TxKind},
    sol_types::SolCall,
};
use aurum_contracts::RlcLikeToken;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::{
    book::Book,
    world::{At, World, transfer},
};
use crate::{
    access::soon,
    common::kit::{key, transaction},
};

/// Who asks, and keeps the answers.
struct Asker<'a> {
    at: &'a At,
    book: Book,
}

impl Asker<'_> {
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let result = self.at.call(method, params.clone()).await.unwrap_or_else(|error| panic!("{method}: {error}"));
        self.book.note(method, &params, &result);
        result
    }

    /// Of a method whose answer is drawn anew each time.
    async fn draw(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.book.draws(&id);
        id
    }
}

fn raw(tx: &aurum_types::Transaction) -> Value {
    json!(Bytes::from(tx.encoded_2718()))
}

#[tokio::test(flavor = "multi_thread")]
async fn reference_examples_are_what_a_chain_answers() {
    let world = World::new();
    let at = world.serve().await;
    let asker = &mut Asker { at: &at, book: Book::default() };
    eth_blocks(asker, &world).await;
    eth_state(asker, &world).await;
    eth_messages(asker, &world).await;
    waiting(asker, &world).await;
    traces(asker, &world).await;
    otterscan(asker, &world).await;
    node(asker, &world).await;
    news(asker, &world).await;
    asker.book.keep("node.json");
}

async fn eth_blocks(asker: &mut Asker<'_>, world: &World) {
    let (hash, tx) = (world.blocks[1].hash(), world.hash(2, 0));
    for method in ["eth_blockNumber", "eth_chainId", "eth_syncing", "eth_mining", "eth_coinbase", "eth_hashrate"] {
        asker.ask(method, json!([])).await;
    }
    for method in ["eth_protocolVersion", "eth_accounts", "eth_gasPrice", "eth_maxPriorityFeePerGas", "eth_blobBaseFee"]
    {
        asker.ask(method, json!([])).await;
    }
    asker.ask("eth_feeHistory", json!(["0x2", "latest", [50]])).await;
    asker.ask("eth_getBlockByHash", json!([hash, true])).await;
    asker.ask("eth_getBlockByNumber", json!(["finalized", false])).await;
    asker.ask("eth_getHeaderByHash", json!([hash])).await;
    asker.ask("eth_getHeaderByNumber", json!(["latest"])).await;
    asker.ask("eth_getBlockReceipts", json!([{ "blockHash": hash, "requireCanonical": true }])).await;
    for (way, block) in [("Hash", json!(hash)), ("Number", json!("0x2"))] {
        asker.ask(&format!("eth_getBlockTransactionCountBy{way}"), json!([block])).await;
        asker.ask(&format!("eth_getUncleCountByBlock{way}"), json!([block])).await;
        asker.ask(&format!("eth_getUncleByBlock{way}AndIndex"), json!([block, "0x0"])).await;
        asker.ask(&format!("eth_getTransactionByBlock{way}AndIndex"), json!([block, "0x1"])).await;
        asker.ask(&format!("eth_getRawTransactionByBlock{way}AndIndex"), json!([block, "0x1"])).await;
    }
    asker.ask("eth_getTransactionByHash", json!([tx])).await;
    asker.ask("eth_getRawTransactionByHash", json!([tx])).await;
    asker.ask("eth_getTransactionReceipt", json!([tx])).await;
    let sent_by_owner = [Value::Null, json!(world.owner.into_word())];
    let filter = json!({ "fromBlock": "0x2", "toBlock": "latest", "address": world.token, "topics": sent_by_owner });
    asker.ask("eth_getLogs", json!([filter])).await;
}

async fn eth_state(asker: &mut Asker<'_>, world: &World) {
    asker.ask("eth_getBalance", json!([world.user, "latest"])).await;
    asker.ask("eth_getTransactionCount", json!([world.owner, "latest"])).await;
    asker.ask("eth_getCode", json!([world.store, "latest"])).await;
    asker.ask("eth_getStorageAt", json!([world.store, "0x0", "latest"])).await;
    asker.ask("eth_getProof", json!([world.store, ["0x0"], "latest"])).await;
}

async fn eth_messages(asker: &mut Asker<'_>, world: &World) {
    let balance: Bytes = RlcLikeToken::balanceOfCall { account: world.user }.abi_encode().into();
    let send = json!({ "from": world.user, "to": world.token, "input": transfer(world.owner, 1_000_000_000) });
    asker.ask("eth_call", json!([{ "to": world.token, "input": balance }, "latest"])).await;
    asker.ask("eth_estimateGas", json!([send])).await;
    asker.ask("eth_createAccessList", json!([send])).await;
    asker.ask("eth_simulateV1", json!([{ "blockStateCalls": [{ "calls": [send] }] }, "latest"])).await;
    asker.ask("debug_traceCall", json!([{ "to": world.reverter }, "latest", { "tracer": "callTracer" }])).await;
    asker.ask("trace_call", json!([send, ["trace"], "latest"])).await;
    asker.ask("trace_callMany", json!([[[send, ["trace"]], [send, ["stateDiff"]]], "latest"])).await;
    asker.ask("perm_check", json!([send])).await;
    asker.ask("perm_explain", json!([{ "from": world.user, "input": "0x00" }, "latest"])).await;
    asker.ask("perm_getPermissions", json!([world.user, "latest"])).await;
}

/// Transactions that are sent, and wait: one for the next block, one for a missing nonce.
async fn waiting(asker: &mut Asker<'_>, world: &World) {
    asker.draw("eth_newPendingTransactionFilter", json!([true])).await;
    let next = transaction(&key(1), 1, TxKind::Call(world.token), 0, transfer(world.owner, 1_000_000_000));
    let later = transaction(&key(1), 3, TxKind::Call(world.owner), 1, Bytes::new());
    asker.ask("eth_sendRawTransaction", json!([raw(&next)])).await;
    asker.at.call("eth_sendRawTransaction", json!([raw(&later)])).await.unwrap();
    for method in ["status", "content", "inspect"] {
        asker.ask(&format!("txpool_{method}"), json!([])).await;
    }
    asker.ask("txpool_contentFrom", json!([world.user])).await;
    for method in ["allTransactions", "allTransactionHashes", "futureTransactions"] {
        asker.ask(&format!("parity_{method}"), json!([])).await;
    }
    asker.ask("parity_pendingTransactions", json!([1])).await;
    asker.ask("parity_nextNonce", json!([world.user])).await;
    asker.ask("parity_removeTransaction", json!([later.tx_hash()])).await;
}

async fn traces(asker: &mut Asker<'_>, world: &World) {
    let (hash, sent) = (world.blocks[1].hash(), world.hash(2, 0));
    let header = asker.ask("debug_getRawHeader", json!(["0x4"])).await;
    assert!(header.as_str().unwrap().len() > 1000);
    let block = asker.ask("debug_getRawBlock", json!(["0x2"])).await;
    asker.ask("debug_getRawReceipts", json!(["0x4"])).await;
    asker.ask("debug_getRawTransaction", json!([sent])).await;
    asker.ask("debug_storageRangeAt", json!(["0x2", 1, world.token, "0x", 2])).await;
    asker.ask("debug_traceTransaction", json!([world.hash(4, 0), { "disableStack": false }])).await;
    asker.ask("debug_traceBlock", json!([block, { "tracer": "4byteTracer" }])).await;
    asker
        .ask("debug_traceBlockByHash", json!([hash, { "tracer": "callTracer", "tracerConfig": { "withLog": true } }]))
        .await;
    let changes = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    asker.ask("debug_traceBlockByNumber", json!(["0x4", changes])).await;
    asker.ask("trace_block", json!(["0x4"])).await;
    asker
        .ask(
            "trace_filter",
            json!([{ "fromBlock": "0x1", "toBlock": "latest", "toAddress": [world.token], "count": 1 }]),
        )
        .await;
    asker.ask("trace_get", json!([sent, []])).await;
    asker.ask("trace_transaction", json!([sent])).await;
    asker.ask("trace_replayTransaction", json!([sent, ["stateDiff"]])).await;
    asker.ask("trace_replayBlockTransactions", json!(["0x2", ["trace"]])).await;
    let unsent = transaction(&key(1), 1, TxKind::Call(world.owner), 1, Bytes::new());
    asker.ask("trace_rawTransaction", json!([raw(&unsent), ["trace"], "latest"])).await;
    asker.ask("perm_whyTransaction", json!([world.hash(4, 1)])).await;
}

async fn otterscan(asker: &mut Asker<'_>, world: &World) {
    let sent = world.hash(2, 0);
    asker.ask("erigon_getHeaderByNumber", json!(["latest"])).await;
    asker.ask("ots_getApiLevel", json!([])).await;
    asker.ask("ots_getBlockDetails", json!([4])).await;
    asker.ask("ots_getBlockDetailsByHash", json!([world.blocks[1].hash()])).await;
    asker.ask("ots_getBlockTransactions", json!([2, 0, 1])).await;
    asker.ask("ots_getContractCreator", json!([world.token])).await;
    asker.ask("ots_getInternalOperations", json!([sent])).await;
    asker.ask("ots_getTransactionBySenderAndNonce", json!([world.owner, 1])).await;
    asker.ask("ots_getTransactionError", json!([world.hash(4, 1)])).await;
    asker.ask("ots_hasCode", json!([world.token, "latest"])).await;
    asker.ask("ots_searchTransactionsAfter", json!([world.store, 0, 1])).await;
    asker.ask("ots_searchTransactionsBefore", json!([world.user, 0, 1])).await;
    asker.ask("ots_traceTransaction", json!([sent])).await;
}

async fn node(asker: &mut Asker<'_>, world: &World) {
    for method in [
        "net_version",
        "net_listening",
        "net_peerCount",
        "web3_clientVersion",
        "rpc_modules",
        "parity_chain",
        "parity_chainId",
        "parity_chainStatus",
        "parity_enode",
        "parity_minGasPrice",
        "parity_mode",
        "parity_netChain",
        "parity_netPeers",
        "parity_registryAddress",
        "parity_versionInfo",
        "aura_getFinality",
        "aura_getPendingChange",
        "aura_getStep",
        "aura_getValidators",
        "aura_status",
        "aura_whyNoBlock",
        "finality_status",
    ] {
        asker.ask(method, json!([])).await;
    }
    asker.ask("web3_sha3", json!(["0x68656c6c6f20776f726c64"])).await;
    asker.ask("aura_getSteps", json!([4])).await;
    asker.ask("finality_getCertificate", json!([1])).await;
    asker.ask("parity_getBlockHeaderByNumber", json!(["latest"])).await;
    let receipts = asker.ask("parity_getBlockReceipts", json!(["0x3"])).await;
    assert_eq!(receipts[1]["contractAddress"], json!(world.store));
}

/// Filters and a subscription, and the block that they tell of.
async fn news(asker: &mut Asker<'_>, world: &World) {
    let logs = asker.draw("eth_newFilter", json!([{ "address": world.token }])).await;
    let blocks = asker.draw("eth_newBlockFilter", json!([])).await;
    let (mut socket, _) = connect_async(format!("ws://{}", asker.at.handle.ws.unwrap())).await.unwrap();
    let topic = json!(["newHeads"]);
    let id = socket_call(&mut socket, "eth_subscribe", &topic).await["result"].take();
    asker.book.draws(&id);

    let pay = transaction(&key(0), 7, TxKind::Call(world.token), 0, transfer(Address::repeat_byte(0xaa), 1));
    world.kit.mine(&world.node, &[pay]);
    let news = heard(&mut socket).await;
    assert_eq!((&news["params"]["subscription"], &news["params"]["result"]["number"]), (&id, &json!("0x5")));
    asker.book.note_subscription("eth_subscribe", &topic, &id, &news);
    let ended = socket_call(&mut socket, "eth_unsubscribe", &json!([id])).await;
    asker.book.note("eth_unsubscribe", &json!([id]), &ended["result"]);

    asker.ask("eth_getFilterChanges", json!([blocks])).await;
    asker.ask("eth_getFilterLogs", json!([logs])).await;
    asker.ask("eth_uninstallFilter", json!([blocks])).await;
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn socket_call(socket: &mut Socket, method: &str, params: &Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    socket.send(Message::text(request.to_string())).await.unwrap();
    heard(socket).await
}

/// The next text.
async fn heard(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = soon(socket.next()).await.expect("open").unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}
