//! What nobody sends on purpose: bytes, shapes, sizes and depths at random, over HTTP, WebSocket and plain TCP. Every answer
//! is a JSON-RPC error or a 4xx, nothing panics, memory stays bounded, and the server goes on serving.

mod http;
mod random;
mod websocket;

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

use aurum_rpc::{Limits, RpcConfig};
use serde_json::{Value, json};

use self::random::Random;
use crate::common::{Server, config, kit::Kit};

/// As much as the process may grow by, clients and all.
const MEMORY: u64 = 512 << 20;
/// Longest request that the server takes.
const MOST: usize = 1 << 20;
/// What a depth of nesting is tried with: what serde_json reads, the first it does not, and far beyond.
const DEPTHS: [usize; 5] = [100, 127, 128, 5_000, 100_000];

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A small server, and what is known of it.
struct Target {
    server: Server,
    /// Names of its methods.
    methods: Vec<String>,
    /// Bytes of memory before anything was sent.
    before: u64,
}

impl Target {
    /// Starts one. From now on panics are counted.
    async fn start() -> Self {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
        let limits = Limits { request_bytes: u32::try_from(MOST).unwrap(), batch: 100, ..Limits::default() };
        let server = Server::with(Kit::new(1), RpcConfig { limits, ..config() }, |services| services).await;
        server.mine(&[]);
        let document = server.ok("rpc.discover", json!([])).await;
        let names = document["methods"].as_array().unwrap().iter();
        let methods = names.map(|method| method["name"].as_str().unwrap().to_owned()).collect();
        Self { server, methods, before: memory() }
    }

    /// It serves the next client, nothing panicked, and memory is what it may be.
    async fn is_unharmed(&self) {
        self.server.ok("eth_chainId", json!([])).await;
        let grown = memory() - self.before;
        assert!(grown < MEMORY, "{grown} bytes more");
        assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    }
}

/// The most this process has had in memory so far, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// A request whose parameter is nested so deep, in arrays and in objects.
fn nested(depth: usize) -> [String; 2] {
    [("[", "]"), ("{\"a\":", "}")].map(|(open, close)| {
        let inner = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{inner}]}}"#)
    })
}

/// A batch of far more requests than one may have.
fn huge_batch() -> String {
    format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#; 15_000].join(","))
}

/// A JSON-RPC answer that blames nobody but the sender.
fn check(answer: &Value, sent: &str) {
    let fine = match answer {
        Value::Array(answers) => {
            answers.iter().for_each(|answer| check(answer, sent));
            !answers.is_empty()
        }
        answer if answer.get("error").is_some() => {
            let message = answer["error"]["message"].as_str();
            answer["error"]["code"].as_i64().is_some_and(|code| code != -32603)
                && message.is_some_and(|it| !it.is_empty())
        }
        answer => answer.get("result").is_some() || answer.get("method").is_some(),
    };
    assert!(fine && (answer.is_array() || answer["jsonrpc"] == "2.0"), "{sent:.300}\n{answer}");
}
