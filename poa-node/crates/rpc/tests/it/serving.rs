//! The listeners: what is let in, how much, and what is answered around JSON-RPC.

use std::{net::SocketAddr, sync::Arc};

use crate::common::{Server, config, kit::Kit};
use aurum_rpc::{Hosts, Limits, NoPeers, Origins, PeerView, PeersApi, Readiness, RpcConfig, RpcError, Services};
use prometheus_client::registry::Registry;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

async fn limited(limits: Limits) -> Server {
    Server::with(Kit::new(1), RpcConfig { limits, ..config() }, |services| services).await
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_json_rpc_errors() {
    let server = Server::start(Kit::new(1)).await;
    let deep = "[".repeat(100_000);
    let cases = [
        ("{", -32700),
        ("", -32700),
        (r#""hello""#, -32700),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        ("[]", -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}"#, -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[5]}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"a":1}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#, -32601),
        (deep.as_str(), -32700),
    ];
    for (body, code) in cases {
        let answer = server.post(body.to_owned()).await;
        let body = body.get(..80).unwrap_or(body);
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_answered_in_order_and_limited() {
    let server = limited(Limits { batch: 3, ..Limits::default() }).await;
    let call = |id: u64, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let batch = json!([call(1, "eth_chainId"), 5, call(2, "eth_nothing")]);
    let answers = server.post(batch.to_string()).await;
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!(1), &json!("0x7ea")));
    assert_eq!(answers[1]["error"]["code"], -32600);
    assert_eq!((&answers[2]["id"], &answers[2]["error"]["code"]), (&json!(2), &json!(-32601)));
    let large = Value::from_iter((0..4).map(|id| call(id, "eth_chainId")));
    let refused = server.post(large.to_string()).await;
    assert_eq!(refused["error"]["code"], -32005);
    assert!(refused["error"]["message"].as_str().unwrap().contains("limit is 3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_and_answers_are_refused() {
    let server = limited(Limits { request_bytes: 1000, response_bytes: 600, ..Limits::default() }).await;
    let block = server.call("eth_getBlockByNumber", json!(["latest", true])).await.unwrap_err();
    assert_eq!(block["code"], -32005, "{block}");
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "web3_sha3", "params": [format!("0x{}", "00".repeat(2000))] });
    let request = Client::new().post(server.url()).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["error"]["code"], -32005);
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_hosts_and_pages_stay_outside() {
    let config =
        RpcConfig { cors: Origins::parse("http://bridge.example"), hosts: Hosts::parse("node.example"), ..config() };
    let server = Server::with(Kit::new(1), config, |services| services).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }).to_string();
    let post = |host: &'static str| {
        let request = Client::new().post(server.url()).header("content-type", "application/json").header("host", host);
        request.body(body.clone()).send()
    };
    assert_eq!(post("evil.example").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(post("node.example:8545").await.unwrap().status(), StatusCode::OK);
    assert_eq!(post("localhost").await.unwrap().status(), StatusCode::OK);

    let preflight = |origin: &'static str| {
        let request = Client::new().request(Method::OPTIONS, server.url()).header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
    };
    let allowed = preflight("http://bridge.example").await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "http://bridge.example");
    assert!(allowed.headers()["access-control-allow-headers"].to_str().unwrap().contains("content-type"));
    let refused = preflight("http://evil.example").await.unwrap();
    assert!(!refused.headers().contains_key("access-control-allow-origin"));

    let upgrade = |origin: &'static str| {
        let request = Client::new().get(server.url()).header("connection", "Upgrade").header("upgrade", "websocket");
        request
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", origin)
            .send()
    };
    assert_eq!(upgrade("http://evil.example").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(upgrade("http://bridge.example").await.unwrap().status(), StatusCode::SWITCHING_PROTOCOLS);
}

/// Status and body of a request whose head says `more` about its body.
async fn post_saying(server: &Server, more: &str) -> (String, Value) {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }).to_string();
    let mut stream = TcpStream::connect(server.handle.http.unwrap()).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}{more}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_said_to_be_json_is_refused_with_what_to_send() {
    // A page in a browser sends these without asking first, so they must not be understood.
    let server = Server::start(Kit::new(1)).await;
    let cases = [
        ("", "has no such header"),
        ("content-type: text/plain\r\n", "says \"text/plain\""),
        // What `curl -d` sends.
        ("content-type: application/x-www-form-urlencoded\r\n", "says \"application/x-www-form-urlencoded\""),
    ];
    for (header, said) in cases {
        let (status, refused) = post_saying(&server, header).await;
        assert_eq!(status, "HTTP/1.1 415 Unsupported Media Type");
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32600)));
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("\"Content-Type: application/json\"") && message.ends_with(said), "{message}");
    }
    for header in ["content-type: application/json;charset=UTF8\r\n", "Content-Type: application/json-rpc\r\n"] {
        let (status, answer) = post_saying(&server, header).await;
        assert_eq!((status.as_str(), &answer["result"]), ("HTTP/1.1 200 OK", &json!("0x7ea")), "{header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_namespaces_are_served() {
    let config = RpcConfig { apis: "web3,eth".parse().unwrap(), ..config() };
    let server = Server::with(Kit::new(1), config, |services| services).await;
    server.ok("eth_chainId", json!([])).await;
    for method in ["net_version", "txpool_status", "aura_status", "rpc_modules", "debug_getRawHeader"] {
        assert_eq!(server.call(method, json!(["latest"])).await.unwrap_err()["code"], -32601, "{method}");
    }
}

/// One peer, far ahead.
struct Ahead;

impl PeersApi for Ahead {
    fn enode(&self) -> String {
        "enode://00@127.0.0.1:30303".to_owned()
    }

    fn peers(&self) -> Vec<PeerView> {
        vec![PeerView {
            id: "00".repeat(64),
            name: "Aurum/v0.1.0".to_owned(),
            remote: Some("127.0.0.1:30303".parse().expect("an address")),
            local: None,
            height: Some(100),
            reserved: true,
        }]
    }

    fn max_peers(&self) -> usize {
        25
    }

    fn listening(&self) -> bool {
        true
    }

    fn best_peer_height(&self) -> Option<u64> {
        Some(100)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_live_and_readiness_has_reasons() {
    let alone = RpcConfig { readiness: Readiness { peers: 1, ..Readiness::default() }, ..config() };
    let server = Server::with(Kit::new(1), alone, |services| services).await;
    let live = reqwest::get(format!("{}/health", server.url())).await.unwrap();
    assert_eq!((live.status(), live.text().await.unwrap()), (StatusCode::OK, r#"{"status":"live"}"#.to_owned()));
    let ready = reqwest::get(format!("{}/ready", server.url())).await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let report: Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
    assert_eq!(
        (&report["ready"], &report["reasons"]),
        (&json!(false), &json!(["0 peers are connected, 1 are needed"]))
    );

    let behind = |services| Services { peers: Arc::new(Ahead), ..services };
    let server = Server::with(Kit::new(1), config(), behind).await;
    let ready = reqwest::get(format!("{}/ready", server.url())).await.unwrap();
    let report: Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
    assert!(report["reasons"][0].as_str().unwrap().starts_with("syncing"), "{report}");
    assert_eq!(server.ok("eth_syncing", json!([])).await["highestBlock"], "0x64");
    assert_eq!(
        server.ok("parity_netPeers", json!([])).await["peers"][0]["network"]["remoteAddress"],
        "127.0.0.1:30303"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_names_people_have_panels_for() {
    let server = Server::start(Kit::new(1)).await;
    server.mine(&[]);
    server.ok("eth_chainId", json!([])).await;
    server.call("eth_made_up_by_a_stranger", json!([])).await.unwrap_err();
    let metrics = reqwest::get(format!("http://{}/metrics", server.handle.metrics.unwrap())).await.unwrap();
    assert_eq!(metrics.status(), StatusCode::OK);
    let text = metrics.text().await.unwrap();
    for line in [
        "ethereum_blockchain_height 1",
        "ethereum_peer_count 0",
        "aurum_finality_height 1",
        "aurum_txpool_size 0",
        "aurum_validators 1",
        r#"aurum_rpc_requests_total{method="eth_chainId",code="ok"} 1"#,
        r#"aurum_rpc_requests_total{method="unknown",code="-32601"} 1"#,
        r#"aurum_rpc_duration_seconds_count{method="eth_chainId"} 1"#,
        "process_resident_memory_bytes ",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("made_up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let server = Server::start(Kit::new(1)).await;
    let taken = server.handle.ws;
    let gate = aurum_chain::Gate::new((*server.node).clone());
    let services = Services {
        gate,
        peers: Arc::new(NoPeers),
        dev: None,
        finality: None,
        sealing: None,
        registry: Registry::default(),
    };
    let config = RpcConfig { ws: taken, ..config() };
    let error = aurum_rpc::serve(&config, services, &CancellationToken::new()).unwrap_err();
    assert!(
        matches!(error, RpcError::Bind { address, what: "WebSocket RPC", .. } if Some(address) == taken),
        "{error}"
    );
    assert!(error.to_string().contains(&taken.unwrap().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_above_the_limit_are_closed_and_places_come_back() {
    let server = limited(Limits { connections: 2, ..Limits::default() }).await;
    let address: SocketAddr = server.handle.http.unwrap();
    let held = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }).to_string();
    let post = || Client::new().post(server.url()).header("content-type", "application/json").body(body.clone()).send();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(post().await.is_err());
    drop(held);
    for _ in 0..100 {
        if post().await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("places did not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn serving_ends_with_the_token() {
    let node = Kit::new(1).node();
    let gate = aurum_chain::Gate::new((*node).clone());
    let services = Services {
        gate,
        peers: Arc::new(NoPeers),
        dev: None,
        finality: None,
        sealing: None,
        registry: Registry::default(),
    };
    let token = CancellationToken::new();
    let handle = aurum_rpc::serve(&config(), services, &token).unwrap();
    let url = format!("http://{}/health", handle.http.unwrap());
    assert_eq!(reqwest::get(&url).await.unwrap().status(), StatusCode::OK);
    token.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(10), handle.stopped()).await.expect("ends");
    assert!(reqwest::get(&url).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_lists_every_method_that_is_served_and_no_other() {
    let server = Server::start(Kit::new(1)).await;
    let document = server.ok("rpc.discover", json!([])).await;
    let methods = document["methods"].as_array().unwrap();
    for method in methods {
        let name = method["name"].as_str().unwrap();
        if name.ends_with("subscribe") {
            continue;
        }
        // More parameters than any method takes: whoever is there says so, and nobody says there is nobody.
        let answer = server.call(name, json!([0, 0, 0, 0, 0, 0, 0, 0, 0])).await;
        let params = method["params"].as_array().unwrap().len();
        match answer {
            Ok(_) => assert_eq!(params, 0, "{name} takes no parameters"),
            Err(error) => {
                assert_ne!(error["code"], -32601, "{name}: {error}");
                let said = error["message"].as_str().unwrap();
                if let Some(most) = said.strip_prefix("too many arguments, want at most ") {
                    assert_eq!(most, params.to_string(), "{name}");
                }
            }
        }
    }
    let find = |name: &str| methods.iter().any(|method| method["name"] == name);
    assert!(find("eth_call") && !find("evm_mine"), "development methods are not served here");
}
