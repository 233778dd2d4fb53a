//! Several authorities in one process, over real sockets: blocks, finality, restarts, one key in two places.

use std::{path::Path, sync::Arc, time::Duration};

use alloy::primitives::{Address, Bytes, keccak256};
use aurum_aura::{AuraSeal, KeySigner, Signer as _};
use aurum_network::{NetworkConfig, NodeKey};
use aurum_types::{ChainSpec, Step, spec::ValidatorsSpec};
use poa_node::{
    Config, NodeHandle,
    author::{EmptyBlocks, LastSealed},
    cli::Args,
    config::Sealing,
    dev::DevConfig,
};
use tokio_util::sync::CancellationToken;

fn signer(id: usize) -> KeySigner {
    KeySigner::new(secp256k1::SecretKey::from_byte_array(keccak256(id.to_string()).0).unwrap())
}

fn addresses(n: usize) -> Vec<Address> {
    (0..n).map(|id| signer(id).address()).collect()
}

/// The development chain's rules with `n` authorities and one-second steps.
fn spec(n: usize) -> Arc<ChainSpec> {
    let mut spec = DevConfig { chain_id: 7, block_time: None }.spec();
    spec.engine.validators = ValidatorsSpec::List(addresses(n));
    Arc::new(spec)
}

/// Node `id` of `n`, connected with those that run already.
async fn start(folder: &Path, spec: &Arc<ChainSpec>, id: usize, running: &[&NodeHandle]) -> NodeHandle {
    let args = <Args as clap::Parser>::parse_from(["poa-node", "--jsonrpc-port", "0", "--no-ws"]);
    let base = folder.join(id.to_string());
    let mut config = Config::dev(&args.options, &base, DevConfig { chain_id: 7, block_time: None }).unwrap();
    let key = NodeKey::from_bytes(keccak256(format!("node {id}")).0).unwrap();
    let mut network = NetworkConfig::new(key, "127.0.0.1:0".parse().unwrap(), 7, spec.header_format());
    network.reserved = running.iter().map(|node| node.network().unwrap().local_enode().clone()).collect();
    config.network = Some(network);
    config.dev = None;
    config.spec = Arc::clone(spec);
    config.sealing = Some(Sealing {
        signer: Arc::new(signer(id)),
        empty_blocks: EmptyBlocks::Always,
        gas_target: None,
        extra_data: Bytes::new(),
    });
    poa_node::run(config, CancellationToken::new()).await.unwrap()
}

async fn until(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    for _ in 0..seconds * 20 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen in {seconds} s");
}

/// The record of an authority's votes below its folder: target of the last vote.
fn last_target(folder: &Path, id: usize) -> Option<u64> {
    let key = signer(id).address();
    let record = poa_node::finality::VoteRecord::open(&folder.join(id.to_string()).join(VOTES), key).unwrap();
    record.guard().and_then(|guard| guard.last()).map(|last| last.target.number)
}

/// Where a node of these tests keeps its records, below its base folder.
const VOTES: &str = "chains/dev-7";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn authorities_certify_blocks_and_keep_to_their_votes_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut rules = (*spec(4)).clone();
    rules.engine.finality_certificates_transition = Some(0);
    let spec = Arc::new(rules);
    let a = start(folder.path(), &spec, 0, &[]).await;
    let b = start(folder.path(), &spec, 1, &[&a]).await;
    let c = start(folder.path(), &spec, 2, &[&a, &b]).await;
    let d = start(folder.path(), &spec, 3, &[&a, &b, &c]).await;
    {
        let nodes = [&a, &b, &c, &d];
        until("certificates on all nodes", 60, || nodes.iter().all(|node| node.chain.head().finalized.number >= 6))
            .await;
        for node in nodes {
            let found = node.chain.view().certified(4).unwrap().expect("a certificate");
            let trust = aurum_aura::certificate::Trust::genesis(aurum_types::ValidatorSet::new(addresses(4)));
            let domain = aurum_aura::certificate::VoteDomain::new(spec.params.chain_id, node.genesis_hash());
            let step = &found.steps[0];
            trust.verify(&domain, &step.certificate, &step.recorded).unwrap();
        }
    }
    // Three of four go on; the fourth comes back and votes above what it voted.
    d.stop().await;
    let before = last_target(folder.path(), 3).expect("it voted");
    let head = a.chain.head().latest.number;
    until("three of four certify", 60, || a.chain.head().finalized.number >= head + 2).await;
    let d = start(folder.path(), &spec, 3, &[&a, &b, &c]).await;
    assert!(d.chain.head().finalized.number > 0, "what was final stays final over a restart");
    until("it votes again", 60, || last_target(folder.path(), 3).is_some_and(|target| target > before)).await;
    // One that joins late learns what is final without votes of the past.
    let late = start(folder.path(), &spec, 7, &[&a, &b]).await;
    until("the late one knows what is final", 60, || late.chain.head().finalized.number >= head).await;
    for node in [a, b, c, d, late] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_authorities_agree_and_finalize() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(3);
    let a = start(folder.path(), &spec, 0, &[]).await;
    let b = start(folder.path(), &spec, 1, &[&a]).await;
    let c = start(folder.path(), &spec, 2, &[&a, &b]).await;
    let nodes = [&a, &b, &c];
    until("everybody sees two peers", 20, || nodes.iter().all(|node| node.network().unwrap().peers().len() == 2)).await;
    until("finality", 30, || nodes.iter().all(|node| node.chain.head().finalized.number >= 4)).await;
    let number = nodes.iter().map(|node| node.chain.head().finalized.number).min().unwrap();
    let hashes: Vec<_> = nodes.iter().map(|node| node.chain.canonical_hash(number).unwrap()).collect();
    assert!(hashes[0].is_some() && hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    for node in &nodes {
        assert!(node.author.as_ref().unwrap().status().last_sealed.is_some());
    }
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_authorities_tell_each_other_of_empty_steps_and_a_block_carries_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut rules = (*spec(3)).clone();
    rules.engine.empty_steps_transition = Some(1);
    rules.engine.maximum_empty_steps = 2;
    let rules = Arc::new(rules);
    let a = start(folder.path(), &rules, 0, &[]).await;
    let b = start(folder.path(), &rules, 1, &[&a]).await;
    let c = start(folder.path(), &rules, 2, &[&a, &b]).await;
    let nodes = [&a, &b, &c];
    until("everybody sees two peers", 20, || nodes.iter().all(|node| node.network().unwrap().peers().len() == 2)).await;
    let format = rules.header_format();
    let carries_others = |node: &NodeHandle| {
        (1..=node.chain.head().latest.number).any(|number| {
            let hash = node.chain.canonical_hash(number).unwrap().unwrap();
            let block = node.chain.decode(&node.chain.block_bytes(hash).unwrap().unwrap()).unwrap();
            let (header, author) = (block.header(), block.header().author);
            let carried = AuraSeal::from_header(header, &format).unwrap().empty_steps().unwrap();
            carried.iter().any(|empty| empty.signer(header.parent_hash).unwrap() != author)
        })
    };
    until("a block carries another's empty step", 40, || nodes.iter().all(|node| carries_others(node))).await;
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_authority_comes_back_from_disk_and_seals_no_step_twice() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(1);
    let node = start(folder.path(), &spec, 0, &[]).await;
    until("three blocks", 10, || node.chain.head().latest.number >= 3).await;
    let record = folder.path().join("0/chains/dev-7/last_sealed");
    node.stop().await;
    let used = LastSealed::open(&record).unwrap().step().unwrap();

    // As if it had used steps that are still to come: it lets them pass.
    let future = Step(used.0 + 4);
    LastSealed::open(&record).unwrap().use_step(future).unwrap();
    let node = start(folder.path(), &spec, 0, &[]).await;
    let before = node.chain.head().latest;
    assert!(before.number >= 3, "the chain is read from disk");
    until("a block after the used steps", 15, || node.chain.head().latest.number > before.number).await;
    let author = node.author.as_ref().unwrap();
    let (step, _) = author.status().last_sealed.unwrap();
    assert!(step > future);
    // Asked again for the same step, it refuses.
    assert_eq!(author.try_seal(step).unwrap_err().code(), "step_used");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_late_node_syncs_and_an_observer_seals_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(1);
    let a = start(folder.path(), &spec, 0, &[]).await;
    until("four blocks", 10, || a.chain.head().latest.number >= 4).await;
    // Its key is no authority's.
    let late = start(folder.path(), &spec, 5, &[&a]).await;
    until("the late node has the head", 15, || late.chain.head().latest.number >= 5).await;
    let number = late.chain.head().latest.number;
    assert_eq!(late.chain.canonical_hash(number).unwrap(), a.chain.canonical_hash(number).unwrap());
    let (_, reason) = late.author.as_ref().unwrap().status().no_block.unwrap();
    assert_eq!(reason.code(), "not_a_validator");
    late.stop().await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dropping_the_handle_frees_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(1);
    for _ in 0..2 {
        let node = start(folder.path(), &spec, 0, &[]).await;
        until("a block", 10, || node.chain.head().latest.number >= 1).await;
        node.stop().await;
    }
}
