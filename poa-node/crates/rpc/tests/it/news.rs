//! News: filters that poll, subscriptions that push, and both across a reorganization.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    access::{ask, next},
    common::{
        Server, TOPIC, config,
        kit::{Kit, import_all, key, transaction, transfer},
        logger,
    },
};
use alloy::{
    consensus::BlockHeader,
    primitives::{Address, TxKind, U256},
    providers::{Provider, ProviderBuilder, WsConnect},
    rpc::types::{Filter, Log},
};
use aurum_aura::Signer;
use aurum_rpc::{Limits, PeerView, PeersApi, RpcConfig, Services};
use aurum_types::SealedBlock;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("within ten seconds")
}

/// A block with a log, then a longer branch without it. Returns (the block that goes, the branch that stays).
fn reorganize(server: &Server, logger: Address, nonce: u64) -> (SealedBlock, Vec<SealedBlock>) {
    let validators = &server.kit.validators;
    let other = server.kit.node();
    let height = server.node.head().latest.number;
    let view = server.node.view();
    let so_far: Vec<_> = (1..=height)
        .map(|number| SealedBlock::seal_slow(view.block(number.into()).unwrap().unwrap().block().clone()))
        .collect();
    import_all(&other, &so_far);
    let call = transaction(&key(0), nonce, TxKind::Call(logger), 0, Default::default());
    let goes = server.kit.mine_by(&server.node, &validators[..1], &[call]);
    let stays = server.kit.mine_many(&other, &validators[1..3], 2);
    (goes, stays)
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_tell_each_thing_once() {
    let server = Server::start(Kit::new(1)).await;
    let logger = server.deploy(0, &logger());
    let alloy = ProviderBuilder::new().connect_http(server.url().parse().unwrap());
    let blocks = alloy.new_block_filter().await.unwrap();
    let logs = alloy.new_filter(&Filter::new().address(logger)).await.unwrap();
    let pending = alloy.new_pending_transactions_filter(false).await.unwrap();
    let call = transaction(&key(0), 1, TxKind::Call(logger), 0, Default::default());
    let raw = alloy::eips::eip2718::Encodable2718::encoded_2718(&call);
    let _sent = alloy.send_raw_transaction(&raw).await.unwrap();
    let block = server.mine(std::slice::from_ref(&call));

    let hashes = alloy.get_filter_changes::<alloy::primitives::B256>(blocks).await.unwrap();
    assert_eq!(hashes, [block.hash()]);
    let found = alloy.get_filter_changes::<Log>(logs).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].block_hash, found[0].topics()[0]), (Some(block.hash()), TOPIC));
    soon(async {
        while alloy.get_filter_changes::<alloy::primitives::B256>(pending).await.unwrap() != [*call.tx_hash()] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for id in [blocks, logs, pending] {
        assert_eq!(server.ok("eth_getFilterChanges", json!([id])).await, json!([]));
    }
    assert_eq!(alloy.get_filter_logs(logs).await.unwrap().len(), 1);
    assert!(alloy.uninstall_filter(logs).await.unwrap());
    assert!(!alloy.uninstall_filter(logs).await.unwrap());
    let gone = server.call("eth_getFilterChanges", json!([logs])).await.unwrap_err();
    assert_eq!((&gone["code"], &gone["message"]), (&json!(-32000), &json!("filter not found")));
    let never = server.call("eth_getFilterChanges", json!([U256::from(5)])).await.unwrap_err();
    assert_eq!(never["code"], -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_filter_takes_back_what_a_reorganization_removed() {
    let server = Server::start(Kit::new(4)).await;
    let logger = server.deploy(0, &logger());
    let filter = server.ok("eth_newFilter", json!([{ "address": logger }])).await;
    let blocks = server.ok("eth_newBlockFilter", json!([])).await;
    let (goes, stays) = reorganize(&server, logger, 1);
    let first = server.ok("eth_getFilterChanges", json!([filter])).await;
    assert_eq!((&first[0]["blockHash"], &first[0]["removed"]), (&json!(goes.hash()), &json!(false)));
    assert_eq!(server.ok("eth_getFilterChanges", json!([blocks])).await, json!([goes.hash()]));
    import_all(&server.node, &stays);
    assert_eq!(server.node.head().latest.hash, stays[1].hash());
    let second = server.ok("eth_getFilterChanges", json!([filter])).await;
    assert_eq!((&second[0]["blockHash"], &second[0]["removed"]), (&json!(goes.hash()), &json!(true)));
    assert_eq!(second.as_array().unwrap().len(), 1);
    let hashes: Vec<_> = stays.iter().map(SealedBlock::hash).collect();
    assert_eq!(server.ok("eth_getFilterChanges", json!([blocks])).await, json!(hashes));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_push_heads_logs_and_transactions() {
    let server = Server::start(Kit::new(1)).await;
    let logger = server.deploy(0, &logger());
    let alloy = ProviderBuilder::new().connect_ws(WsConnect::new(server.ws_url())).await.unwrap();
    let mut heads = alloy.subscribe_blocks().await.unwrap().into_stream();
    let mut logs = alloy.subscribe_logs(&Filter::new().address(logger)).await.unwrap().into_stream();
    let mut hashes = alloy.subscribe_pending_transactions().await.unwrap().into_stream();
    let mut whole = alloy.subscribe_full_pending_transactions().await.unwrap().into_stream();

    let call = transaction(&key(0), 1, TxKind::Call(logger), 0, Default::default());
    let raw = alloy::eips::eip2718::Encodable2718::encoded_2718(&call);
    let _sent = alloy.send_raw_transaction(&raw).await.unwrap();
    assert_eq!(soon(hashes.next()).await.unwrap(), *call.tx_hash());
    let tx = soon(whole.next()).await.unwrap();
    assert_eq!((tx.inner.signer(), tx.block_number), (key(0).address(), None));

    let block = server.mine(&[call]);
    let head = soon(heads.next()).await.unwrap();
    assert_eq!((head.hash, head.number()), (block.hash(), block.number()));
    let log = soon(logs.next()).await.unwrap();
    assert_eq!((log.block_hash, log.removed), (Some(block.hash()), false));
    let next = server.mine(&[transfer(&key(1), 0, Address::ZERO, 1)]);
    assert_eq!(soon(heads.next()).await.unwrap().hash, next.hash());
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_tell_of_a_reorganization() {
    let server = Server::start(Kit::new(4)).await;
    let logger = server.deploy(0, &logger());
    let alloy = ProviderBuilder::new().connect_ws(WsConnect::new(server.ws_url())).await.unwrap();
    let mut heads = alloy.subscribe_blocks().await.unwrap().into_stream();
    let mut logs = alloy.subscribe_logs(&Filter::new().address(logger)).await.unwrap().into_stream();
    let (goes, stays) = reorganize(&server, logger, 1);
    assert_eq!(soon(heads.next()).await.unwrap().hash, goes.hash());
    assert!(!soon(logs.next()).await.unwrap().removed);
    import_all(&server.node, &stays);
    let removed = soon(logs.next()).await.unwrap();
    assert_eq!((removed.block_hash, removed.removed), (Some(goes.hash()), true));
    for block in &stays {
        assert_eq!(soon(heads.next()).await.unwrap().hash, block.hash());
    }
}

/// A WebSocket with nothing between us and the frames: alloy keeps the server's subscription ids to itself.
struct RawSocket(reqwest::Upgraded);

impl RawSocket {
    async fn open(url: &str) -> Self {
        let request = reqwest::Client::new().get(url).header("connection", "Upgrade").header("upgrade", "websocket");
        let request =
            request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        Self(request.send().await.unwrap().upgrade().await.unwrap())
    }

    async fn send(&mut self, method: &str, params: Value) {
        let text = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let len = u8::try_from(text.len()).expect("short");
        assert!(len < 126);
        // One text frame, masked with zeroes.
        let frame = [[0x81, 0x80 | len, 0, 0, 0, 0].as_slice(), text.as_bytes()].concat();
        self.0.write_all(&frame).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The next text frame; pings between are passed over.
    async fn receive(&mut self) -> Value {
        loop {
            let [kind, len] = [self.0.read_u8().await.unwrap(), self.0.read_u8().await.unwrap()];
            let len = if len == 126 { self.0.read_u16().await.unwrap() } else { len.into() };
            let mut payload = vec![0; len.into()];
            self.0.read_exact(&mut payload).await.unwrap();
            match kind {
                0x81 => return serde_json::from_slice(&payload).unwrap(),
                0x89 => {}
                kind => panic!("frame {kind:#x}"),
            }
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(method, params).await;
        soon(self.receive()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_ends_when_asked() {
    // A WebSocket upgrade on the HTTP port does as well.
    let limits = Limits { subscriptions: 2, ..Limits::default() };
    let server = Server::with(Kit::new(1), RpcConfig { limits, ..config() }, |services| services).await;
    let mut socket = RawSocket::open(&server.url()).await;
    let id = socket.call("eth_subscribe", json!(["newHeads"])).await["result"].take();
    assert!(id.as_str().unwrap().starts_with("0x"), "{id}");
    let block = server.mine(&[]);
    let news = soon(socket.receive()).await;
    assert_eq!(news["method"], "eth_subscription");
    assert_eq!((&news["params"]["subscription"], &news["params"]["result"]["hash"]), (&id, &json!(block.hash())));
    assert_eq!(socket.call("eth_unsubscribe", json!([id])).await["result"], true);
    assert_eq!(socket.call("eth_unsubscribe", json!([id])).await["result"], false);
    server.mine(&[]);
    assert_eq!(socket.call("eth_blockNumber", json!([])).await["result"], "0x2");
    assert_eq!(socket.call("eth_subscribe", json!(["newTails"])).await["error"]["code"], -32602);
    assert_eq!(socket.call("eth_subscribe", json!(["syncing"])).await["error"], json!(null));
    assert_eq!(soon(socket.receive()).await["params"]["result"], false);
    assert_eq!(socket.call("eth_subscribe", json!(["logs", {}])).await["error"], json!(null));
    assert_eq!(socket.call("eth_subscribe", json!(["logs", {}])).await["error"]["code"], -32005);
}

/// Peers of which the best has as many blocks as the test says.
#[derive(Default)]
struct Best(AtomicU64);

impl PeersApi for Best {
    fn enode(&self) -> String {
        String::new()
    }

    fn peers(&self) -> Vec<PeerView> {
        Vec::new()
    }

    fn max_peers(&self) -> usize {
        25
    }

    fn listening(&self) -> bool {
        true
    }

    fn best_peer_height(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_falls_behind_says_so_and_says_when_it_has_caught_up() {
    let best = Arc::new(Best::default());
    let peers: Arc<dyn PeersApi> = best.clone();
    let server = Server::with(Kit::new(1), config(), |services| Services { peers, ..services }).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
    let id = ask(&mut socket, "eth_subscribe", json!(["syncing"])).await["result"].take();
    let mut told = async || {
        let mut message = next(&mut socket).await;
        assert_eq!(message["params"]["subscription"], id);
        message["params"]["result"].take()
    };
    assert_eq!((told().await, server.ok("eth_syncing", json!([])).await), (json!(false), json!(false)));

    best.0.store(6, Ordering::Relaxed);
    let far = json!({ "startingBlock": "0x0", "currentBlock": "0x0", "highestBlock": "0x6" });
    assert_eq!(told().await, json!({ "syncing": true, "status": far }));
    assert_eq!(server.ok("eth_syncing", json!([])).await, far);
    server.mine(&[]);
    server.mine(&[]);
    let near = json!({ "startingBlock": "0x0", "currentBlock": "0x2", "highestBlock": "0x6" });
    assert_eq!(server.ok("eth_syncing", json!([])).await, near);
    // Three blocks behind is no sync: such blocks are under way.
    server.mine(&[]);
    assert_eq!((told().await, server.ok("eth_syncing", json!([])).await), (json!(false), json!(false)));
}
