//! Development methods with parameters that nobody means: each is answered, nothing panics, and the chain goes on.

#[path = "../../../crates/rpc/tests/it/fuzz/random.rs"]
mod random;

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use self::random::Random;
use crate::dev::{ACCOUNTS, call, receipt, start, transfer};

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A development method, and parameters it takes.
struct Method {
    name: String,
    params: Vec<Value>,
}

/// Those of the reference's examples.
fn methods() -> Vec<Method> {
    let document = aurum_rpc::openrpc();
    let all = document["methods"].as_array().expect("methods").iter();
    let is_ours = |name: &str| {
        ["evm_", "anvil_", "hardhat_", "eth_sendTransaction", "eth_sign", "personal_"]
            .iter()
            .any(|one| name.starts_with(one))
    };
    let ours = all.filter_map(|method| {
        let name = method["name"].as_str().filter(|name| is_ours(name))?.to_owned();
        let params = method["examples"][0]["params"].as_array().expect("an example").iter();
        Some(Method { name, params: params.map(|param| param["value"].clone()).collect() })
    });
    ours.collect()
}

/// What a method takes, spoiled: some of it another value, or all of it, too little or too much.
fn spoiled(random: &mut Random, params: &[Value]) -> Value {
    let mut params = params.to_vec();
    match random.below(8) {
        0 => return random.params(),
        1 => params.truncate(random.below(params.len() + 1)),
        2 => params.push(random.value(1)),
        _ if params.is_empty() => params.push(random.value(2)),
        _ => {
            let at = random.below(params.len());
            match params[at].as_object_mut() {
                // A message's or an option's field.
                Some(fields) if !fields.is_empty() && random.below(4) > 0 => {
                    let names: Vec<String> = fields.keys().cloned().collect();
                    fields[&names[random.below(names.len())]] = random.value(2);
                }
                _ => params[at] = random.value(2),
            }
        }
    }
    params.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_chain_survives_whatever_its_methods_are_given() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    let mut random = Random(0xdead);
    let methods = methods();
    assert!(methods.len() > 40, "{} methods", methods.len());
    for round in 0..1500 {
        let Method { name, params } = &methods[round % methods.len()];
        let params = spoiled(&mut random, params);
        if let Err(error) = call(&node, name, params.clone()).await {
            assert_ne!(error["code"], -32603, "{name} {params}: {error}");
        }
        if round % 100 == 99 {
            // However far time and state were moved, there is a way back.
            works(&node).await;
        }
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_last_second_there_is_no_block_comes_and_nothing_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), None).await;
    call(&node, "evm_setNextBlockTimestamp", json!([u64::MAX])).await.expect("later");
    call(&node, "evm_mine", json!([])).await.expect("the last block");
    let edit = json!([ACCOUNTS[0].0, "0x1"]);
    for (method, params) in
        [("evm_mine", json!([])), ("anvil_setBalance", edit), ("evm_setNextBlockTimestamp", json!([1]))]
    {
        let refused = call(&node, method, params).await.expect_err(method);
        assert_eq!(refused["code"], -32000, "{method}: {refused}");
    }
    call(&node, "eth_estimateGas", transfer("0x1")).await.expect("as in the last block");
    call(&node, "eth_sendTransaction", transfer("0x1")).await.expect("waits");
    works(&node).await;
    node.stop().await;
}

/// A chain that begins anew mines what is sent.
async fn works(node: &poa_node::NodeHandle) {
    call(node, "evm_setIntervalMining", json!([0])).await.expect("no interval");
    call(node, "anvil_reset", json!([])).await.expect("back to genesis");
    call(node, "evm_setAutomine", json!([true])).await.expect("automine");
    let hash = call(node, "eth_sendTransaction", transfer("0x1")).await.expect("sent");
    assert_eq!(receipt(node, &hash).await["status"], "0x1");
}
