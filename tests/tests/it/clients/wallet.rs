//! A wallet in a browser, on a node that lets nobody read who has not logged in: EIP-4361 for a token, EIP-1193 with the token
//! in the URL's path; and what a wallet is told without a token, without the right to read, and after the logout.

use std::fs;

use alloy::{hex, providers::Provider as _, signers::local::PrivateKeySigner};
use anyhow::{Context, Result, ensure};
use aurum_tests::{
    consortium::ChainOptions,
    home::Home,
    ports::{Port, Ports, check_free, shift},
    story::Story,
    tools, wait,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_in_a_browser_logs_in_and_is_served_by_its_rights() -> Result<()> {
    if !tools::have(&["node", "playwright-core", "chromium", "viem"]) {
        return Ok(());
    }
    let story = Story::begin("clients-wallet", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::CLIENTS);
    let members = ports.ui();
    let mut wanted = ports.all(4);
    wanted.push(Port { purpose: "members' JSON-RPC".into(), number: members });
    check_free(&wanted)?;

    let [reader, sender, stranger] = std::array::from_fn(|_| PrivateKeySigner::random());
    let options = ChainOptions {
        step_duration: 1,
        grants: vec![
            format!("{}=read", reader.address()),
            format!("{}=read,basic,call,create", sender.address()),
            format!("{}=basic", stranger.address()),
        ],
        ..ChainOptions::default()
    };
    let mut home = Home::prepare(story.folder(), &options, ports)?;
    let config = story.folder().join("members.toml");
    fs::write(&config, format!("[rpc.members]\nport = {members}\ncors = [\"all\"]\n"))?;
    home.observer.args_mut().extend(["--config".to_owned(), config.display().to_string()]);
    home.start().await?;
    let provider = home.observer.provider()?;
    wait::until("there are blocks", std::time::Duration::from_secs(60), || async {
        Ok((provider.get_block_number().await? > 2).then_some(()))
    })
    .await?;

    let key = |signer: &PrivateKeySigner| hex::encode_prefixed(signer.to_bytes());
    let want = json!({
        "chromium": tools::chromium().context("Chromium was there a moment ago")?,
        "profile": story.folder().join("profile"),
        "node": format!("http://127.0.0.1:{members}"),
        "ws": format!("ws://127.0.0.1:{members}"),
        "reader": key(&reader),
        "sender": key(&sender),
        "stranger": key(&stranger),
    });
    let said = talk(want).await?;
    ensure!(said["reads"].as_u64() > Some(10) && said["sent"].as_u64() == Some(2), "the wallets say {said}");
    story.say(&format!("wallets: {said}"));
    home.stop()?;
    story.end()
}

async fn talk(want: Value) -> Result<Value> {
    let said = tools::script("wallet.mjs", [want.to_string()]).await?;
    serde_json::from_str(said.trim().lines().last().context("the script says nothing")?)
        .context("the script's last line")
}
