//! JSON-RPC under more load than it takes: the chain goes on, and the administrator is answered.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Bytes, keccak256};
use aurum_aura::{KeySigner, Signer as _};
use aurum_rpc::{Access, Apis, Hosts, Limits, ListenerConfig, Origins, Quota};
use aurum_types::spec::ValidatorsSpec;
use poa_node::{Config, NodeHandle, author::EmptyBlocks, cli::Args, config::Sealing, dev::DevConfig};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn listener(access: Access, quota: Option<Quota>) -> ListenerConfig {
    ListenerConfig {
        access,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        tls: None,
        apis: Apis::safe(),
        cors: Origins::None,
        hosts: Hosts::default(),
        limits: Limits { workers: 2, queued: 8, ..Limits::default() },
        quota,
    }
}

/// An authority alone, with steps of one second, and listeners that can be flooded.
async fn start(folder: &std::path::Path) -> NodeHandle {
    let args = <Args as clap::Parser>::parse_from(["poa-node", "--jsonrpc-port", "0", "--no-ws"]);
    let mut config = Config::dev(&args.options, folder, DevConfig { chain_id: 7, block_time: None }).unwrap();
    let signer = KeySigner::new(secp256k1::SecretKey::from_byte_array(keccak256("flooded").0).unwrap());
    let mut spec = (*config.spec).clone();
    spec.engine.validators = ValidatorsSpec::List(vec![signer.address()]);
    config.spec = Arc::new(spec);
    config.dev = None;
    config.sealing = Some(Sealing {
        signer: Arc::new(signer),
        empty_blocks: EmptyBlocks::Always,
        gas_target: None,
        extra_data: Bytes::new(),
    });
    let many = Quota { per_second: 1_000_000, burst: 1_000_000, concurrent: 24 };
    config.rpc.listeners = vec![listener(Access::Public, Some(many)), listener(Access::Admin, None)];
    poa_node::run(config, CancellationToken::new()).await.unwrap()
}

fn address(node: &NodeHandle, name: &str) -> SocketAddr {
    node.listeners.iter().find(|listener| listener.name == name).unwrap().address
}

async fn post(client: &reqwest::Client, to: SocketAddr, body: &Value) -> Option<Value> {
    let request = client.post(format!("http://{to}/")).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.ok()?.text().await.ok()?;
    serde_json::from_str(&answer).ok()
}

/// Steps of the last `count` blocks that follow one another without a gap, as the chain has them.
fn sealed_in_a_row(node: &NodeHandle, from: u64) -> u64 {
    let view = node.chain.view();
    let step = |number: u64| view.header(number.into()).unwrap().and_then(|(_, header)| header.step());
    let head = node.chain.head().latest.number;
    let mut row = 0;
    let mut longest = 0;
    for number in from + 1..=head {
        let follows = step(number - 1).zip(step(number)).is_some_and(|(parent, own)| parent.next() == own);
        row = if follows { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_seals_its_steps_while_json_rpc_is_flooded() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path()).await;
    let stop = CancellationToken::new();
    let (answered, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let public = address(&node, "public");
    let client = reqwest::Client::new();
    // Creation code that loops until its gas is gone: JUMPDEST, PUSH1 0, JUMP.
    let spin = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_call",
        "params": [{ "data": "0x5b600056", "gas": "0x1c9c380" }, "latest"] });
    let flood: Vec<_> = (0..48)
        .map(|_| {
            let (client, spin, stop) = (client.clone(), spin.clone(), stop.clone());
            let (answered, refused) = (Arc::clone(&answered), Arc::clone(&refused));
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let Some(answer) = post(&client, public, &spin).await else { continue };
                    if answer["error"]["code"] == -32005 {
                        assert!(answer["error"]["data"]["retryAfterMs"].is_u64(), "{answer}");
                        refused.fetch_add(1, Ordering::Relaxed);
                    } else {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let admin = address(&node, "admin");
    let number = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": [] });
    let flooded = || refused.load(Ordering::Relaxed) > 50 && answered.load(Ordering::Relaxed) > 10;
    let sealed = async {
        while !flooded() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let from = node.chain.head().latest.number;
        // The flood goes on: three steps in a row have their block, and the administrator hears of it.
        while sealed_in_a_row(&node, from) < 3 {
            let answer = post(&client, admin, &number).await.expect("the administrator is answered");
            assert!(answer["result"].is_string(), "{answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(100), sealed).await.expect("blocks in their steps under load");
    stop.cancel();
    for task in flood {
        task.await.unwrap();
    }
    node.stop().await;
}
