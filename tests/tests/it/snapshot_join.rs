//! Who joins late begins with a snapshot of a peer, proven by certificates, and is a node like any other then.

use std::{path::Path, time::Duration};

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::EthereumWallet,
    primitives::{Address, U256},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, ensure};
use aurum_tests::{
    consortium::ChainOptions,
    home::{Home, ObserverPorts},
    node::Node,
    ports::{Ports, check_free, shift},
    story::Story,
    wait,
};

/// Most for anything a few steps bring.
const LIMIT: Duration = Duration::from_secs(60);
/// Final blocks between snapshots.
const PERIOD: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_begins_with_a_peers_snapshot() -> Result<()> {
    let story = Story::begin("snapshot_join", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::SNAPSHOT_JOIN);
    check_free(&ports.all(4))?;
    let chain = ChainOptions { authorities: 2, step_duration: 1, ..ChainOptions::default() };
    let mut home = Home::prepare(story.folder(), &chain, ports)?;
    let options = ["--enable-snapshotting".to_owned(), "--snapshot-period".to_owned(), PERIOD.to_string()];
    home.authorities[0].args_mut().extend(options);
    home.start().await?;
    home.healthy(LIMIT).await?;

    let sender = PrivateKeySigner::random();
    let first = send(&home.observer, &sender).await?;
    let snapshots = snapshots_folder(&home.data_of(0))?;
    let number = wait::until("a snapshot holds the transaction's block", LIMIT, || async {
        Ok(newest(&snapshots)?.filter(|number| *number >= first))
    })
    .await?;
    story.say(&format!("two authorities; one made a snapshot of block {number} while it runs"));

    let joiner_ports = ObserverPorts { p2p: ports.p2p(3), http: ports.authority_http(3), metrics: ports.metrics(4) };
    let mut joiner = home.joiner("joiner", joiner_ports)?;
    joiner.args_mut().extend(["--warp".to_owned(), "--warp-barrier".to_owned(), number.to_string()]);
    joiner.start()?;
    joiner.ready().await?;
    joiner.finalizes(number + 2, LIMIT).await?;
    home.agree_at(number + 2).await?;
    agrees(&joiner, &home.observer, number + 2).await?;
    no_state_before(&joiner, &home.observer).await?;
    story.say("a node joined late from it, follows, and never executed the blocks before");

    // It knows the account's nonce, takes its transaction, and hears of finality as the others do.
    let second = send(&joiner, &sender).await?;
    joiner.kill()?;
    joiner.start()?;
    joiner.ready().await?;
    joiner.finalizes(second, LIMIT).await?;
    agrees(&joiner, &home.observer, second).await?;
    no_state_before(&joiner, &home.observer).await?;
    story.say("killed and started again, it goes on from its own database");

    joiner.stop()?;
    home.stop()?;
    story.end()
}

/// Sends a transaction through a node and returns the block it is in.
async fn send(node: &Node, sender: &PrivateKeySigner) -> Result<u64> {
    let wallet = ProviderBuilder::new().wallet(EthereumWallet::from(sender.clone())).connect_http(node.url().parse()?);
    let request = TransactionRequest::default().to(Address::repeat_byte(0xab)).value(U256::ZERO);
    let sent = wallet.send_transaction(request).await?.with_timeout(Some(LIMIT));
    let receipt = sent.get_receipt().await?;
    ensure!(receipt.status(), "the transaction failed");
    receipt.block_number.context("a receipt has its block")
}

async fn agrees(joiner: &Node, other: &Node, number: u64) -> Result<()> {
    let at = BlockNumberOrTag::Number(number);
    let ours = joiner.provider()?.get_block_by_number(at).await?.context("the joiner has the block")?;
    let theirs = other.provider()?.get_block_by_number(at).await?.context("the other has the block")?;
    ensure!(ours.header == theirs.header, "block {number} differs");
    Ok(())
}

/// State at the first block, which only who executed it has.
async fn no_state_before(joiner: &Node, other: &Node) -> Result<()> {
    let at = BlockId::number(1);
    other
        .provider()?
        .get_balance(Address::ZERO)
        .block_id(at)
        .await
        .context("an archive knows the first block's state")?;
    let refused = joiner.provider()?.get_balance(Address::ZERO).block_id(at).await;
    let error = refused.err().context("the joiner knows a state it never had")?;
    ensure!(error.as_error_resp().is_some_and(|error| error.code == -32000), "{error}");
    Ok(())
}

fn snapshots_folder(data: &Path) -> Result<std::path::PathBuf> {
    let chains = data.join("chains");
    let chain = std::fs::read_dir(&chains)?.next().context("the node has a chain")??;
    Ok(chain.path().join("snapshots"))
}

/// Block of the newest snapshot in the folder.
fn newest(folder: &Path) -> Result<Option<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if let Some((number, _)) = name.strip_suffix(".snapshot").and_then(|name| name.split_once('-')) {
            numbers.push(number.parse()?);
        }
    }
    Ok(numbers.into_iter().max())
}
