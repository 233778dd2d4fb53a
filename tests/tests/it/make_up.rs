//! `make up` and `make down`: everything starts, is where the list says, stops, and goes on where it ended.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, U256},
    providers::Provider as _,
};
use anyhow::{Context, Result, ensure};
use aurum_contracts::{BridgedToken, ForeignBridge};
use aurum_tests::{
    bridge::{RECEIPT, RLC},
    foreign::{DEV_ACCOUNTS, dev_signer, wallet_provider},
    node::provider,
    ports::{Ports, check_free, shift},
    process::{Process, binary, run},
    story::Story,
    two_chains::balance,
    wait,
};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Most a start may take on a busy machine; on an idle one it takes less than 15 s.
const LIMIT: Duration = Duration::from_secs(120);
/// The first words of the list.
const UP: &str = "Aurum is up";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_lists_what_runs_down_stops_it_and_up_resumes() -> Result<()> {
    let story = Story::begin("make-up", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::MAKE_UP);
    check_free(&ports.all(4))?;
    let folder = story.folder().join("system");

    names_a_taken_port(story.folder(), ports)?;
    story.say("a taken port is named before anything starts");

    let mut devnet = up(&story, &folder, 1).await?;
    let list = fs::read_to_string(devnet.log_path())?;
    let took = list.lines().find(|line| line.contains(UP)).context("the list has a first line")?;
    story.say(took);
    every_endpoint_answers(&list).await?;
    story.say("every endpoint of the list answers");

    let addresses: Value = serde_json::from_str(&fs::read_to_string(folder.join("bridge/addresses.json"))?)?;
    let books = Books::read_from(&addresses, ports)?;
    books.deposit(5 * RLC).await?;
    let before = books.balances().await?;
    down(&folder)?;
    ended(&mut devnet).await?;
    check_free(&ports.all(4)).context("`down` left a program running")?;
    story.say("down stopped everything");

    let mut devnet = up(&story, &folder, 2).await?;
    let after = books.balances().await?;
    ensure!(before == after, "balances were {before:?} and are {after:?}");
    books.deposit(2 * RLC).await?;
    story.say("a second up has the same balances, and the bridge goes on");

    // The processes are children of devnet: they end with it also when it is interrupted at the keyboard.
    devnet.signal(Signal::SIGINT)?;
    ended(&mut devnet).await?;
    check_free(&ports.all(4)).context("Ctrl-C left a program running")?;
    story.say("Ctrl-C stops everything as well");

    let mut devnet = up(&story, &folder, 3).await?;
    devnet.kill()?;
    down(&folder)?;
    check_free(&ports.all(4)).context("`down` left a program of a killed `up` running")?;
    story.say("and down stops what a killed up has left");
    story.end()
}

/// Starts `devnet up` and waits for its list. Standard output goes to a log of its own.
async fn up(story: &Story, folder: &Path, time: u8) -> Result<Process> {
    let log = story.folder().join(format!("logs/devnet-{time}.log"));
    let (dir, shift) = (folder.display().to_string(), shift::MAKE_UP.to_string());
    let args = ["--dir", &dir, "up", "--port-shift", &shift];
    let mut devnet = Process::start("devnet", &binary("devnet")?, args, &[], &log)?.with_children();
    let deadline = Instant::now() + LIMIT;
    while !fs::read_to_string(&log)?.contains("Try\n") {
        devnet.expect_running()?;
        ensure!(Instant::now() < deadline, "no list after {} s:\n{}", LIMIT.as_secs(), devnet.tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The list is printed at once, but in several writes.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(devnet)
}

fn down(folder: &Path) -> Result<()> {
    let dir = folder.display().to_string();
    let said = run(&binary("devnet")?, ["--dir", &dir, "down"], &[], None)?;
    ensure!(said.contains("stopped"), "down says: {said}");
    Ok(())
}

async fn ended(devnet: &mut Process) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match devnet.ended()? {
            Some(status) => break status,
            None => ensure!(Instant::now() < deadline, "devnet does not end:\n{}", devnet.tail()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    ensure!(status.success(), "devnet ended with {status}:\n{}", devnet.tail());
    Ok(())
}

fn names_a_taken_port(folder: &Path, ports: Ports) -> Result<()> {
    let taken = TcpListener::bind(("127.0.0.1", ports.ui()))?;
    let (dir, shift) = (folder.join("never"), shift::MAKE_UP.to_string());
    let args = ["--dir", &dir.display().to_string(), "up", "--port-shift", &shift];
    let refused = run(&binary("devnet")?, args, &[], None).err().context("it started on a taken port")?;
    let said = format!("{refused:#}");
    ensure!(said.contains(&ports.ui().to_string()) && said.contains("web pages"), "it says: {said}");
    ensure!(!dir.exists(), "it left files behind");
    drop(taken);
    Ok(())
}

/// Every URL of the list answers: JSON-RPC a call, everything else a GET.
async fn every_endpoint_answers(list: &str) -> Result<()> {
    let endpoints = list.split("Endpoints\n").nth(1).and_then(|rest| rest.split("Contracts\n").next());
    let endpoints = endpoints.context("the list has endpoints")?;
    let urls: Vec<&str> = endpoints.split_whitespace().filter(|word| word.contains("://")).collect();
    ensure!(urls.len() >= 13, "only {urls:?}");
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    for url in urls {
        let url = url.trim_end_matches(',');
        if let Some(address) = url.strip_prefix("ws://") {
            tokio::net::TcpStream::connect(address).await.with_context(|| format!("{url} does not answer"))?;
            continue;
        }
        let call = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": [] });
        let is_page = url.contains("/metrics")
            || url.contains("/api/")
            || endpoints.contains(&format!("Pages              {url} "));
        let request = if is_page { client.get(url) } else { client.post(url).json(&call) };
        let answer = request.send().await.with_context(|| format!("{url} does not answer"))?;
        ensure!(answer.status().is_success(), "{url} answers {}", answer.status());
        if !is_page {
            let answer: Value = answer.json().await?;
            ensure!(answer["result"].is_string(), "{url} answers {answer}");
        }
    }
    Ok(())
}

/// Where the token is, and who has how much.
struct Books {
    home_url: String,
    foreign_url: String,
    home_token: Address,
    foreign_token: Address,
    foreign_bridge: Address,
}

impl Books {
    fn read_from(addresses: &Value, ports: Ports) -> Result<Self> {
        let address = |pointer: &str| -> Result<Address> {
            let text = addresses.pointer(pointer).and_then(Value::as_str);
            Ok(text.with_context(|| format!("no {pointer}"))?.parse()?)
        };
        Ok(Self {
            home_url: format!("http://127.0.0.1:{}", ports.observer_http()),
            foreign_url: format!("http://127.0.0.1:{}", ports.foreign_http()),
            home_token: address("/tokens/0/home")?,
            foreign_token: address("/tokens/0/foreign")?,
            foreign_bridge: address("/foreign/bridge")?,
        })
    }

    /// The first development account's tokens on both chains, and its coins on the home chain.
    async fn balances(&self) -> Result<[U256; 3]> {
        let (home, foreign) = (provider(&self.home_url)?, provider(&self.foreign_url)?);
        Ok([
            balance(&foreign, self.foreign_token, DEV_ACCOUNTS[0]).await?,
            balance(&home, self.home_token, DEV_ACCOUNTS[0]).await?,
            home.get_balance(DEV_ACCOUNTS[0]).await?,
        ])
    }

    /// Deposits for the account itself and waits for the arrival.
    async fn deposit(&self, amount: u64) -> Result<()> {
        let amount = U256::from(amount);
        let wallet = wallet_provider(&self.foreign_url, dev_signer(0)?)?;
        let [_, before, _] = self.balances().await?;
        let token = BridgedToken::new(self.foreign_token, &wallet);
        let approved = token.approve(self.foreign_bridge, amount).send().await?;
        ensure!(approved.with_timeout(Some(RECEIPT)).get_receipt().await?.status(), "approve failed");
        let bridge = ForeignBridge::new(self.foreign_bridge, &wallet);
        let deposited = bridge.deposit(self.foreign_token, amount, DEV_ACCOUNTS[0]).send().await?;
        ensure!(deposited.with_timeout(Some(RECEIPT)).get_receipt().await?.status(), "deposit failed");
        wait::until("the deposit arrives", LIMIT, || async {
            let [_, now, _] = self.balances().await?;
            Ok((now == before + amount).then_some(()))
        })
        .await
    }
}
