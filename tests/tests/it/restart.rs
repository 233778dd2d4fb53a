//! Validators killed at random moments come back from disk alone: nothing is sealed twice, nothing final is lost.

use std::{collections::HashMap, time::Duration};

use alloy::{
    eips::{BlockNumberOrTag, eip2718::Encodable2718 as _},
    network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _},
    primitives::{Address, B256, U256, keccak256},
    providers::Provider as _,
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, ensure};
use aurum_tests::{
    consortium::ChainOptions,
    home::Home,
    node::Node,
    ports::{Ports, check_free, shift},
    story::Story,
    wait,
};
use serde_json::Value;

/// Most for anything a few steps bring.
const LIMIT: Duration = Duration::from_secs(60);
/// How many validators are killed, one after the other.
const KILLS: u64 = 8;

/// What a node said before it was killed.
struct Word {
    announced: (u64, B256),
    reported_final: (u64, B256),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_validators_keep_their_word() -> Result<()> {
    let story = Story::begin("restart", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::RESTART);
    check_free(&ports.all(4))?;
    let chain = ChainOptions { step_duration: 1, ..ChainOptions::default() };
    let mut home = Home::prepare(story.folder(), &chain, ports)?;
    home.start().await?;
    home.healthy(LIMIT).await?;
    let seed = std::env::var("AURUM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(std::process::id());
    story.say(&format!("four authorities and an observer run; AURUM_SEED={seed} repeats the moments"));

    for round in 0..KILLS {
        let dice = keccak256(format!("{seed} {round}"));
        let (victim, after) = (usize::from(dice[0]) % 4, Duration::from_millis(u64::from(dice[1]) * 8));
        tokio::time::sleep(after).await;
        let node = &mut home.authorities[victim];
        let word = word_of(node).await?;
        node.kill()?;
        node.start()?;
        node.ready().await?;
        keeps(node, &word).await?;
    }
    story.say(&format!("{KILLS} times a validator was killed and kept its word"));

    pooled_again(&mut home.authorities[0]).await?;
    story.say("a transaction that waited in a killed node's pool was mined later");

    let mut words = Vec::new();
    for node in home.nodes() {
        words.push(word_of(node).await?);
    }
    home.nodes_mut().try_for_each(|node| node.kill())?;
    home.start().await?;
    for (node, word) in home.nodes().zip(&words) {
        keeps(node, word).await?;
    }
    let head = home.observer.provider()?.get_block_number().await?;
    for node in home.nodes() {
        node.finalizes(head + 3, LIMIT).await?;
    }
    home.agree_at(head + 3).await?;
    story.say("all were killed at once, and go on together");

    sealed_no_step_twice(&home).await?;
    story.say("no step was sealed twice");
    home.stop()?;
    story.end()
}

async fn word_of(node: &Node) -> Result<Word> {
    let chain = node.provider()?;
    let block = async |tag| -> Result<(u64, B256)> {
        let block = chain.get_block_by_number(tag).await?.context("every node has these blocks")?;
        Ok((block.header.number, block.header.hash))
    };
    Ok(Word {
        announced: block(BlockNumberOrTag::Latest).await?,
        reported_final: block(BlockNumberOrTag::Finalized).await?,
    })
}

/// Checks right after a restart that the node still has what it told others about.
async fn keeps(node: &Node, word: &Word) -> Result<()> {
    let chain = node.provider()?;
    let (number, hash) = word.reported_final;
    let kept = chain.get_block_by_number(BlockNumberOrTag::Number(number)).await?;
    ensure!(kept.is_some_and(|block| block.header.hash == hash), "{} lost final block {number} {hash}", node.name());
    let now_final = chain.get_block_by_number(BlockNumberOrTag::Finalized).await?.context("something is final")?;
    ensure!(
        now_final.header.number >= number,
        "{} said {number} is final and now says {}",
        node.name(),
        now_final.header.number
    );
    let (number, hash) = word.announced;
    ensure!(chain.get_block_by_hash(hash).await?.is_some(), "{} lost block {number} {hash}", node.name());
    Ok(())
}

/// A transaction that cannot be mined yet, for the one before it is missing, is in the pool of a killed node again.
async fn pooled_again(node: &mut Node) -> Result<()> {
    let signer = PrivateKeySigner::random();
    let chain = node.provider()?;
    let chain_id = chain.get_chain_id().await?;
    let wallet = EthereumWallet::from(signer.clone());
    let mut raw = Vec::new();
    for nonce in [0, 1] {
        let request = TransactionRequest::default()
            .with_chain_id(chain_id)
            .with_nonce(nonce)
            .with_gas_limit(21_000)
            .with_max_fee_per_gas(0)
            .with_max_priority_fee_per_gas(0)
            .with_to(Address::repeat_byte(0xde))
            .with_value(U256::ZERO);
        raw.push(request.build(&wallet).await?.encoded_2718());
    }
    let waiting = *chain.send_raw_transaction(&raw[1]).await?.tx_hash();
    node.kill()?;
    node.start()?;
    node.ready().await?;
    ensure!(chain.get_transaction_by_hash(waiting).await?.is_some(), "the waiting transaction is forgotten");
    let first = *chain.send_raw_transaction(&raw[0]).await?.tx_hash();
    for hash in [first, waiting] {
        wait::until("both are mined", LIMIT, || async { Ok(chain.get_transaction_receipt(hash).await?.map(|_| ())) })
            .await?;
    }
    Ok(())
}

async fn sealed_no_step_twice(home: &Home) -> Result<()> {
    for node in home.nodes() {
        let status: Value = node.provider()?.raw_request("aura_status".into(), ()).await?;
        let twice = status["equivocations"].as_array().context("aura_status tells equivocations")?;
        ensure!(twice.is_empty(), "{} saw a step sealed twice: {twice:?}", node.name());
    }
    let chain = home.observer.provider()?;
    let mut steps: HashMap<u64, u64> = HashMap::new();
    for number in 1..=chain.get_block_number().await? {
        let block: Value = chain.raw_request("eth_getBlockByNumber".into(), (format!("{number:#x}"), false)).await?;
        let step = block["step"].as_str().context("blocks name their step")?.parse()?;
        let before = steps.insert(step, number);
        ensure!(before.is_none(), "blocks {before:?} and {number} are both of step {step}");
    }
    Ok(())
}
