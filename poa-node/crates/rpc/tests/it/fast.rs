//! The short way for sent transactions answers as the general one does, byte for byte.

use crate::common::{
    Server, Threshold, config, council,
    kit::{CHAIN_ID, Kit, key, transfer},
};
use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{Address, Bytes, hex},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

/// Ids of every kind, those that are not any included.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<u32>().prop_map(|id| id.to_string()),
        1 => Just(u64::MAX.to_string()),
        1 => Just("null".to_owned()),
        1 => "[a-zA-Z0-9 äλ/]{0,8}".prop_map(|id| json!(id).to_string()),
        1 => Just(r#""quo\"ted A""#.to_owned()),
        1 => Just(format!("\"{}\"", "long".repeat(40))),
        1 => prop_oneof![Just("-1"), Just("1.5"), Just("true"), Just("[1]"), Just("18446744073709551616")].prop_map(str::to_owned),
    ]
}

/// Raw transactions that are good, or not in some way.
fn raw() -> impl Strategy<Value = String> {
    let sent = (0..4usize, 0..12u64, 1..3u64)
        .prop_map(|(from, nonce, value)| transfer(&key(from), nonce, Address::repeat_byte(9), value).encoded_2718());
    prop_oneof![
        8 => sent.clone().prop_map(|raw| hex::encode_prefixed(&raw)),
        1 => sent.clone().prop_map(|raw| hex::encode(&raw)),
        1 => sent.clone().prop_map(|raw| hex::encode_prefixed(&raw).to_uppercase().replace("0X", "0x")),
        // Torn, longer, of another type, and with a broken signature.
        1 => sent.clone().prop_map(|raw| hex::encode_prefixed(&raw[..raw.len() - 1])),
        1 => sent.clone().prop_map(|raw| hex::encode_prefixed([raw.as_slice(), &[0]].concat())),
        1 => sent.clone().prop_map(|mut raw| { raw[0] = 3; hex::encode_prefixed(&raw) }),
        1 => sent.prop_map(|mut raw| { let last = raw.len() - 40; raw[last..].fill(0xff); hex::encode_prefixed(&raw) }),
        1 => prop_oneof![Just("0x"), Just("0x0"), Just("0xzz"), Just("hello"), Just(""), Just("0x1234")].prop_map(str::to_owned),
    ]
}

fn entry() -> impl Strategy<Value = String> {
    let call = |id: String, method: &str, params: String| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
    };
    let params = || raw().prop_map(|raw| json!([raw]).to_string());
    prop_oneof![
        30 => (id(), params()).prop_map(move |(id, params)| call(id, "eth_sendRawTransaction", params)),
        1 => id().prop_map(move |id| call(id, "eth_chainId", "[]".to_owned())),
        1 => id().prop_map(move |id| call(id, "eth_sendRawTransaction", "[]".to_owned())),
        1 => params().prop_map(|params| {
            format!(r#"{{"jsonrpc":"2.0","method":"eth_sendRawTransaction","params":{params}}}"#)
        }),
        1 => (id(), params()).prop_map(|(id, params)| {
            format!(r#"{{ "params": {params} , "method":"eth_sendRawTransaction","id" : {id} ,"jsonrpc":"2.0"}}"#)
        }),
        1 => Just("17".to_owned()),
        1 => Just(r#"{"jsonrpc":"1.0","id":1,"method":"eth_sendRawTransaction","params":["0x"]}"#.to_owned()),
    ]
}

/// One request, or a batch; mostly of plain sends, so that the short way is taken often.
fn body() -> impl Strategy<Value = String> {
    let plain = (any::<u16>(), raw().prop_filter("plain", |raw| raw.len() > 10)).prop_map(|(id, raw)| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["{raw}"]}}"#)
    });
    prop_oneof![
        2 => entry(),
        2 => prop::collection::vec(entry(), 0..10).prop_map(|entries| format!("[{}]", entries.join(","))),
        3 => prop::collection::vec(plain, 1..14).prop_map(|entries| format!("[{}]", entries.join(", "))),
    ]
}

/// Nobody has the right to send to accounts without code, and the answer says who can grant it.
fn kit() -> Kit {
    let contract = Address::repeat_byte(0xee);
    let code = council(2, &[Address::repeat_byte(1), Address::repeat_byte(2)], Threshold::Of(2));
    Kit::with(1, |spec| {
        spec["params"]["transactionPermissionContract"] = json!(contract);
        spec["accounts"][contract.to_string()] = json!({ "balance": "0", "code": Bytes::from(code) });
    })
}

async fn post(server: &Server, body: String) -> (u16, String, String) {
    let request = reqwest::Client::new().post(server.url()).header(CONTENT_TYPE, "application/json").body(body);
    let response = request.send().await.unwrap();
    let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
    (response.status().as_u16(), kind.unwrap_or_default(), response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bodies_get_the_same_bytes_on_both_ways() {
    for kit in [kit, || Kit::new(1)] {
        let (fast, general) = (Server::start(kit()).await, Server::start(kit()).await);
        let mut runner = TestRunner::new_with_rng(
            Config::default(),
            proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
        );
        for _ in 0..150 {
            let body = body().new_tree(&mut runner).unwrap().current();
            // A leading blank is nothing to JSON, and sends the body the general way.
            let expected = post(&general, format!(" {body}")).await;
            assert_eq!(post(&fast, body.clone()).await, expected, "{body}");
        }
        let status = |server: &Server| server.node.pool().status();
        assert_eq!(status(&fast), status(&general));
        // Requests by method and error are counted alike.
        let (ours, theirs) = (counts(&fast).await, counts(&general).await);
        assert_eq!(ours, theirs);
        assert!(ours.len() > 2, "{ours:?}");
    }
}

/// Lines of the metrics that count.
async fn counts(server: &Server) -> Vec<String> {
    let metrics = reqwest::get(format!("http://{}/metrics", server.handle.metrics.unwrap())).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let counted = ["aurum_rpc_requests_total", "aurum_rpc_duration_seconds_count", "aurum_permission_denied_total"];
    let mut lines: Vec<_> =
        metrics.lines().filter(|line| counted.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_get_each_its_own_answers() {
    let server = Server::start(Kit::new(1)).await;
    let call = |nonce: u64, value: u64| {
        let tx = transfer(&key(0), nonce, Address::repeat_byte(9), value);
        let raw = Bytes::from(tx.encoded_2718());
        (json!({ "jsonrpc": "2.0", "id": nonce, "method": "eth_sendRawTransaction", "params": [raw] }), *tx.tx_hash())
    };
    let (client, url) = (reqwest::Client::new(), server.url());
    let asked = (0..64u64).map(|nonce| {
        let ((body, hash), client, url) = (call(nonce, 1), client.clone(), url.clone());
        async move {
            let request = client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string());
            let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
            assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": nonce, "result": hash }));
        }
    });
    futures::future::join_all(asked).await;
    assert_eq!(server.node.pool().status().pending, 64);
    let ids = server.ok("net_version", json!([])).await;
    assert_eq!(ids, json!(CHAIN_ID.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_not_served_is_left_to_the_general_way() {
    let mut limited = config();
    limited.limits.batch = 2;
    let server = Server::with(Kit::new(1), limited, |services| services).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x01"]}"#;
    let answer = server.post(format!("[{call},{call},{call}]")).await;
    assert_eq!(answer["error"]["message"], "batch of 3 requests is too large, limit is 2");

    let without = aurum_rpc::RpcConfig { apis: "net".parse().unwrap(), ..config() };
    let server = Server::with(Kit::new(1), without, |services| services).await;
    assert_eq!(server.post(call).await["error"]["code"], -32601);
}
