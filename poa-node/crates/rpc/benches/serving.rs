//! What a request costs from the client's socket and back, on one connection that is kept open. `cargo bench -p aurum-rpc`.
//!
//! The transactions of the batches are refused as soon as they are decoded, so that the figures are those of HTTP, JSON and
//! hex alone; typed from the bytes, and by way of the general server.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

#[allow(dead_code, reason = "the benchmark uses a part of it")]
#[path = "../../chain/tests/it/kit/mod.rs"]
mod kit;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
};

use aurum_chain::Gate;
use aurum_rpc::{Apis, NoPeers, RpcConfig, Services};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kit::Kit;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

const BATCH: usize = 50;

/// One connection that is kept open.
struct Client {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Client {
    fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream: BufReader::new(stream), body: Vec::new() }
    }

    /// Sends a whole request and reads the whole answer's body.
    fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream.get_mut().write_all(request).expect("the server reads");
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("the server answers");
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).expect("the server answers");
        &self.body
    }
}

fn request(body: &str) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length:";
    format!("{head} {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A batch of transactions of a type that is not served, as long as an ERC-20 transfer. A `quoted` id is one that only the
/// general server reads.
fn sends(quoted: bool) -> Vec<u8> {
    let raw = format!("0x03{}", "a5".repeat(171));
    let entry = |id: usize| {
        let id = if quoted { format!(r#""\"{id}""#) } else { id.to_string() };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["{raw}"]}}"#)
    };
    request(&format!("[{}]", (0..BATCH).map(entry).collect::<Vec<_>>().join(",")))
}

fn serving(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let kit = Kit::new(1);
    let node = kit.node();
    let free = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let config = RpcConfig { http: free, apis: Apis::all(), ..RpcConfig::default() };
    let services = Services {
        gate: Gate::new((*node).clone()),
        peers: Arc::new(NoPeers),
        dev: None,
        finality: None,
        sealing: None,
        registry: Registry::default(),
    };
    let shutdown = CancellationToken::new();
    let handle = runtime.block_on(async { aurum_rpc::serve(&config, services, &shutdown).expect("serves") });
    let mut client = Client::connect(handle.http.expect("http is served"));

    let mut group = c.benchmark_group("request");
    let number = request(r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#);
    assert!(client.ask(&number).ends_with(br#""result":"0x0"}"#), "it is served");
    group.bench_function("eth_blockNumber", |b| b.iter(|| client.ask(&number).len()));
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, quoted) in [("typed", false), ("the general way", true)] {
        let body = sends(quoted);
        assert_eq!(client.ask(&body).windows(7).filter(|part| part == b"\"error\"").count(), BATCH, "all are refused");
        group.bench_function(format!("{BATCH} raw transactions, {name}"), |b| b.iter(|| client.ask(&body).len()));
    }
    group.finish();
    shutdown.cancel();
}

criterion_group!(benches, serving);
criterion_main!(benches);
