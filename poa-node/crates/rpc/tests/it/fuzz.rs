//! What nobody sends on purpose: bytes, shapes, sizes and depths at random, over HTTP, WebSocket and plain TCP. Every answer
//! is a JSON-RPC error or a 4xx, nothing panics, memory stays bounded, and the server goes on serving.

use std::{
    fmt::Write as _,
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::common::{Server, config, kit::Kit};
use aurum_rpc::{Limits, RpcConfig};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

/// As much as the process may grow by.
const MEMORY: u64 = 512 << 20;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// xorshift64*: the same run each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most);
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// JSON of any shape, with texts that look like what methods take.
    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 9 } else { 12 }) {
            0 => Value::Null,
            1 => json!(self.next() & 1 == 0),
            2 => json!(self.next()),
            3 => json!(-1.5e300),
            4 => json!(format!("0x{:x}", self.next())),
            5 => json!(format!("0x{}", "ab".repeat(self.below(66)))),
            6 => json!(["latest", "pending", "earliest", "finalized", "", "0x", "0x0", "-1", "\u{0}"][self.below(9)]),
            7 => json!(format!("0x{:064x}", self.next())),
            8 => json!(format!("0x{:040x}", self.next())),
            9 | 10 => {
                let len = self.below(5);
                (0..len).map(|_| self.value(depth - 1)).collect()
            }
            _ => {
                let names = [
                    "from",
                    "to",
                    "data",
                    "address",
                    "topics",
                    "fromBlock",
                    "tracer",
                    "blockHash",
                    "x",
                    "gas",
                    "value",
                ];
                let len = self.below(5);
                (0..len).map(|_| (names[self.below(names.len())].to_owned(), self.value(depth - 1))).collect()
            }
        }
    }

    /// A request of a known method with parameters of any kind.
    fn request(&mut self, methods: &[String]) -> Value {
        let method = &methods[self.below(methods.len())];
        let params: Value = match self.below(8) {
            0 => self.value(2),
            _ => {
                let len = self.below(5);
                (0..len).map(|_| self.value(3)).collect()
            }
        };
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
    }

    /// The same with some bytes changed.
    fn garbled(&mut self, methods: &[String]) -> Vec<u8> {
        let mut bytes = self.request(methods).to_string().into_bytes();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[at] = self.next().to_le_bytes()[0],
                1 => bytes.truncate(at + 1),
                _ => bytes.insert(at, b"{}[]\",:\\\0\xff"[self.below(10)]),
            }
        }
        bytes
    }
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// A small server, the names of its methods, and a count of panics from now on.
async fn start() -> (Server, Vec<String>) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    let limits = Limits { request_bytes: 1 << 20, batch: 100, ..Limits::default() };
    let server = Server::with(Kit::new(1), RpcConfig { limits, ..config() }, |services| services).await;
    server.mine(&[]);
    let document = server.ok("rpc.discover", json!([])).await;
    let names = document["methods"].as_array().unwrap().iter();
    (server, names.map(|method| method["name"].as_str().unwrap().to_owned()).collect())
}

/// Posts a body; the status, and the answer if there is one.
async fn post(client: &reqwest::Client, url: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let request = client.post(url).header("content-type", "application/json").body(body);
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
}

/// A JSON-RPC answer that blames nobody but the sender.
fn check(answer: &Value, sent: &str) {
    let fine = match answer {
        Value::Array(answers) => {
            answers.iter().for_each(|answer| check(answer, sent));
            !answers.is_empty()
        }
        answer if answer.get("error").is_some() => answer["error"]["code"].as_i64().is_some_and(|code| code != -32603),
        answer => answer.get("result").is_some() || answer.get("method").is_some(),
    };
    assert!(fine, "{sent:.300}\n{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_posted_is_answered_and_harms_nothing() {
    let (server, methods) = start().await;
    let (client, url, before) = (reqwest::Client::new(), server.url(), memory());
    let mut random = Random(0x5eed);
    for round in 0..1500 {
        let body = match round % 5 {
            0 => random.bytes(400),
            1 => random.garbled(&methods),
            2 => {
                let len = random.below(40);
                Value::from_iter((0..len).map(|_| random.request(&methods))).to_string().into_bytes()
            }
            _ => random.request(&methods).to_string().into_bytes(),
        };
        let sent = String::from_utf8_lossy(&body).into_owned();
        let (status, answer) = post(&client, &url, body).await;
        if status == 200 && answer == b"null" {
            // What has no id is a notification, which HTTP must answer somehow.
            continue;
        }
        assert!(status == 200 || (400..500).contains(&status), "{status} for {sent:.300}");
        if status == 200 {
            check(&serde_json::from_slice(&answer).expect("JSON"), &sent);
        }
    }
    let mut deep = String::new();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [100, 127, 128, 5_000, 100_000] {
            deep.clear();
            let inner = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            write!(deep, r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{inner}]}}"#).unwrap();
            let (status, answer) = post(&client, &url, deep.clone().into_bytes()).await;
            assert!(status == 200 || (400..500).contains(&status), "{status} at depth {depth}");
            assert!(!answer.is_empty());
        }
    }
    let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#; 15_000].join(","));
    let (_, refused) = post(&client, &url, many.into_bytes()).await;
    assert_eq!(serde_json::from_slice::<Value>(&refused).unwrap()["error"]["code"], -32005);
    let (status, _) = post(&client, &url, vec![b' '; 3 << 20]).await;
    assert_eq!(status, 413);
    server.ok("eth_chainId", json!([])).await;
    let grown = memory() - before;
    assert!(grown < MEMORY, "{grown} bytes more");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_websocket_says_it_is_answered_or_closed() {
    let (server, methods) = start().await;
    let before = memory();
    let mut random = Random(0xfeed);
    for round in 0..20 {
        let (mut socket, _) = tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
        for _ in 0..20 {
            let message = match random.below(4) {
                0 => Message::Binary(random.bytes(300).into()),
                1 => Message::Ping(random.bytes(100).into()),
                2 => Message::Text(String::from_utf8_lossy(&random.garbled(&methods)).into_owned().into()),
                _ => Message::Text(random.request(&methods).to_string().into()),
            };
            if socket.send(message).await.is_err() {
                break;
            }
        }
        if round % 5 == 4 {
            // More than it takes.
            let _ = socket.send(Message::Text(" ".repeat(3 << 20).into())).await;
        }
        let last = json!({ "jsonrpc": "2.0", "id": "last", "method": "eth_chainId" });
        let _ = socket.send(Message::Text(last.to_string().into())).await;
        // Until the last one is answered, or the server had enough.
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            check(&answer, "websocket");
            if answer["id"] == "last" {
                break;
            }
        }
    }
    server.ok("eth_chainId", json!([])).await;
    let grown = memory() - before;
    assert!(grown < MEMORY, "{grown} bytes more");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused_or_hung_up_on() {
    let (server, _) = start().await;
    let address = server.handle.http.unwrap();
    let mut random = Random(0xbeef);
    for round in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut sent = random.bytes(600);
        if round % 2 == 0 {
            let length = ["5", "-1", "99999999999999999999", "x"][random.below(4)];
            let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
            sent.splice(0..0, head.into_bytes());
        }
        // The server may hang up in the middle.
        let _ = stream.write_all(&sent).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || text.starts_with("HTTP/1.1 4"), "{text:.200}");
    }
    server.ok("eth_chainId", json!([])).await;
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
