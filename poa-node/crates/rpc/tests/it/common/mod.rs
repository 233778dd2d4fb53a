//! A node's chain behind a real server on free ports, and the little contracts the tests use.

#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "../../../../chain/tests/it/kit/mod.rs"]
pub mod kit;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256},
    sol_types::{Revert, SolError, SolValue},
};
use aurum_chain::Gate;
use aurum_rpc::{Apis, NoPeers, RpcConfig, RpcHandle, Services};
use aurum_types::SealedBlock;
use kit::{Kit, Node, key, transaction};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::reference::words;

/// What [`logger`] logs.
pub const TOPIC: B256 = B256::repeat_byte(0x77);

/// A chain and its server. Both end with it.
pub struct Server {
    pub kit: Kit,
    pub node: Node,
    pub handle: RpcHandle,
    pub shutdown: CancellationToken,
    http: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Free ports, every namespace.
pub fn config() -> RpcConfig {
    let free = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    RpcConfig { http: free, ws: free, metrics: free, apis: Apis::all(), ..RpcConfig::default() }
}

impl Server {
    pub async fn start(kit: Kit) -> Self {
        Self::with(kit, config(), |services| services).await
    }

    pub async fn with(kit: Kit, config: RpcConfig, change: impl FnOnce(Services) -> Services) -> Self {
        let node = kit.node();
        let services = change(Services {
            gate: Gate::new((*node).clone()),
            peers: Arc::new(NoPeers),
            dev: None,
            finality: None,
            sealing: None,
            registry: Registry::default(),
        });
        let shutdown = CancellationToken::new();
        let handle = aurum_rpc::serve(&config, services, &shutdown).expect("serves");
        Self { kit, node, handle, shutdown, http: reqwest::Client::new() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.handle.http.expect("http is served"))
    }

    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.handle.ws.expect("ws is served"))
    }

    /// The next block.
    pub fn mine(&self, transactions: &[aurum_types::Transaction]) -> SealedBlock {
        self.kit.mine(&self.node, transactions)
    }

    /// The whole answer to a request body.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> Value {
        let request = self.http.post(self.url()).header("content-type", "application/json").body(body);
        let response = request.send().await.expect("answers");
        serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON")
    }

    /// The answer to one call: `result`, or `error`, which has to be one that the reference names.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post(body.to_string()).await;
        match answer.get_mut("error") {
            Some(error) => {
                let error = error.take();
                words::check(method, &error);
                Err(error)
            }
            None => Ok(answer["result"].take()),
        }
    }

    pub async fn ok(&self, method: &str, params: Value) -> Value {
        self.call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// How many requests of a kind have a worker now.
    pub async fn running(&self, kind: &str) -> u64 {
        let url = format!("http://{}/metrics", self.handle.metrics.expect("metrics are served"));
        let metrics = self.http.get(url).send().await.expect("answers").text().await.expect("text");
        let name = format!("aurum_rpc_running{{kind=\"{kind}\"}} ");
        let running = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("is counted");
        running.parse().expect("a number")
    }

    /// Deploys `runtime` from key 0 in a block of its own.
    pub fn deploy(&self, nonce: u64, runtime: &[u8]) -> Address {
        self.mine(&[transaction(&key(0), nonce, TxKind::Create, 0, init_code(runtime))]);
        aurum_aura::Signer::address(&key(0)).create(nonce)
    }
}

/// Creation code that returns `runtime`.
pub fn init_code(runtime: &[u8]) -> Bytes {
    [copy(runtime.len(), 0xf3).as_slice(), runtime].concat().into()
}

/// CODECOPY of what follows these twelve bytes to memory, then RETURN or REVERT with it.
fn copy(len: usize, end: u8) -> [u8; 12] {
    let len = u8::try_from(len).expect("small");
    [0x60, len, 0x60, 12, 0x60, 0, 0x39, 0x60, len, 0x60, 0, end]
}

/// Logs [`TOPIC`] whenever it is called.
pub fn logger() -> Vec<u8> {
    [[0x7f].as_slice(), TOPIC.as_slice(), hex!("60006000a100").as_slice()].concat()
}

/// Stores the first word it is called with in slot 0.
pub fn store() -> Vec<u8> {
    hex!("60003560005500").to_vec()
}

/// Reverts with `Error(reason)`.
pub fn reverter(reason: &str) -> Vec<u8> {
    reverter_with(&Revert::from(reason).abi_encode())
}

/// Reverts with these data.
pub fn reverter_with(data: &[u8]) -> Vec<u8> {
    [copy(data.len(), 0xfd).as_slice(), data].concat()
}

/// JUMPDEST PUSH1 0 JUMP.
pub fn endless() -> Vec<u8> {
    hex!("5b600056").to_vec()
}

/// A permission contract of Parity's first interface: everybody has the rights in `mask`.
pub fn permissions(mask: u8) -> Vec<u8> {
    // contractVersion() reverts, which means version 1; anything else answers the mask.
    let mut code = hex!("60003560e01c63a0a8e46014601957600360005260206000f35b60006000fd").to_vec();
    code[16] = mask;
    code
}

/// A permission contract of the same interface: everybody has the rights in `before` up to block `until`, and those in `after`
/// from then on, which are fewer.
pub fn fading(before: u8, after: u8, until: u8) -> Vec<u8> {
    // contractVersion() reverts; else (NUMBER < until) * (before - after) + after.
    let answer = [0x60, until, 0x43, 0x10, 0x60, before - after, 0x02, 0x60, after, 0x01];
    [hex!("60003560e01c63a0a8e46014602157").as_slice(), &answer, &hex!("60005260206000f35b60006000fd")].concat()
}

/// How many administrators have to agree.
#[derive(Clone, Copy, Debug)]
pub enum Threshold {
    Of(u64),
    /// As many as there are blocks, so that no two heads agree.
    Height,
}

/// A permission contract of the first interface, where everybody has `mask`, that says who can change it.
pub fn council(mask: u8, admins: &[Address], threshold: Threshold) -> Vec<u8> {
    let selector = |signature: &str| keccak256(signature)[..4].to_vec();
    let threshold = match threshold {
        Threshold::Of(number) => Some(U256::from(number).abi_encode()),
        Threshold::Height => None,
    };
    let answers =
        [(selector("admins()"), Some((admins.to_vec(),).abi_encode_params())), (selector("threshold()"), threshold)];
    // Each question jumps to what copies its answer from behind the code; contractVersion() reverts; the rest is the mask.
    let (test_len, copy_len, rest_len) = (16, 16, 10);
    let ends = test_len * 3 + rest_len;
    let data = ends + copy_len * 2 + 6;
    let two = |n: usize| u16::try_from(n).unwrap().to_be_bytes().to_vec();
    let test = |selector: &[u8], to: usize| {
        [&[0x60, 0, 0x35, 0x60, 0xe0, 0x1c, 0x63], selector, &[0x14, 0x61], &two(to), &[0x57]].concat()
    };
    let mut code = Vec::new();
    for (index, (selector, _)) in answers.iter().enumerate() {
        code.extend(test(selector, ends + index * copy_len));
    }
    code.extend(test(&selector("contractVersion()"), ends + copy_len * 2));
    code.extend([0x60, mask, 0x60, 0, 0x52, 0x60, 0x20, 0x60, 0, 0xf3]);
    let mut from = data;
    for (_, answer) in &answers {
        let Some(answer) = answer else {
            // JUMPDEST NUMBER PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN, as long as the other.
            code.extend(hex!("5b4360005260206000f3000000000000"));
            continue;
        };
        let len = two(answer.len());
        code.extend(
            [&[0x5b, 0x61], len.as_slice(), &[0x61], &two(from), &[0x60, 0, 0x39, 0x61], &len, &[0x60, 0, 0xf3]]
                .concat(),
        );
        from += answer.len();
    }
    code.extend([0x5b, 0x60, 0, 0x60, 0, 0xfd]);
    code.extend(answers.into_iter().filter_map(|(_, answer)| answer).flatten());
    code
}
