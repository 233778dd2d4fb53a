//! A person with a browser and a wallet carries RLC to the home chain and part of it back, on a desktop's screen and on a
//! phone's.

use std::{path::Path, time::Duration};

use alloy::{primitives::U256, signers::local::PrivateKeySigner};
use anyhow::{Context, Result, ensure};
use aurum_contracts::BridgedToken;
use aurum_tests::{
    bridge::{RECEIPT, RLC},
    foreign::{dev_signer, send_coins, wallet_provider},
    ports::{Ports, check_free, shift},
    process::run,
    story::Story,
    system::System,
    tools,
    two_chains::balance,
};
use serde_json::{Value, json};

/// Most a deposit may take to arrive after the page said it has.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_carries_tokens_there_and_back_at_both_widths() -> Result<()> {
    if !tools::have(&["node", "playwright-core", "chromium"]) {
        return Ok(());
    }
    let story = Story::begin("browser", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::BROWSER);
    check_free(&ports.all(4))?;
    let mut system = System::start(story.folder(), ports, |step| story.say(step)).await?;

    // Somebody with RLC and a few coins on the public chain, and nothing at home.
    let person = PrivateKeySigner::random();
    let rich = wallet_provider(&system.foreign.url(), dev_signer(0)?)?;
    send_coins(&rich, person.address(), U256::from(10).pow(U256::from(18))).await?;
    let token = BridgedToken::new(system.bridge.foreign_token, &rich);
    let given = token.transfer(person.address(), U256::from(100 * RLC)).send().await?;
    ensure!(given.with_timeout(Some(RECEIPT)).get_receipt().await?.status(), "the person got no RLC");

    let (foreign, home) = (system.foreign.provider()?, system.home.observer.provider()?);
    let mut kept = 0;
    let visits = [
        ((1_280, 900), ("12.5", 12_500_000_000_u64), ("2.5", 2_500_000_000_u64)),
        ((360, 740), ("7.25", 7_250_000_000), ("17.25", 17_250_000_000)),
    ];
    for (screen, (amount, units), (back, units_back)) in visits {
        let report = visit(&system, story.folder(), &person, screen, [amount, back]).await?;
        for (way, carried) in [("there", amount), ("back", back)] {
            let seconds = report[way]["seconds"].as_f64().context("the script tells how long it took")?;
            story.say(&format!("{} px, {way}: {carried} RLC, click → arrival shown: {seconds:.1} s", screen.0));
        }
        kept = kept + units - units_back;
        let expected = U256::from(kept);
        system.bridge.home_balance_becomes(&home, person.address(), expected, LIMIT).await?;
        let left = balance(&foreign, system.bridge.foreign_token, person.address()).await?;
        ensure!(left == U256::from(100 * RLC) - expected, "{left} is left on the public chain");
        let (locked, minted) = system.bridge.totals(&foreign, &home).await?;
        ensure!((locked, minted) == (expected, expected), "locked {locked}, minted {minted}");
    }
    ensure!(kept == 0, "the second visit carries everything back");
    story.say(&format!("screenshots are in {}", shots(story.folder()).display()));
    system.stop()?;
    story.end()
}

fn shots(folder: &Path) -> std::path::PathBuf {
    folder.join("screenshots")
}

/// One visit with a fresh browser.
async fn visit(
    system: &System,
    folder: &Path,
    person: &PrivateKeySigner,
    (width, height): (u32, u32),
    [amount, back]: [&str; 2],
) -> Result<Value> {
    let want = json!({
        "chromium": tools::chromium().context("chromium was there a moment ago")?,
        "page": format!("http://127.0.0.1:{}/", system.ports.ui()),
        "width": width,
        "height": height,
        "amount": amount,
        "back": back,
        "profile": folder.join(format!("profile-{width}")),
        "shots": shots(folder),
        "key": alloy::hex::encode_prefixed(person.to_bytes()),
        "chains": { "0x539": system.foreign.url(), "0x7ea": system.home.observer.url() },
        "start": "0x7ea",
    });
    let node = tools::on_path("node").context("node was there a moment ago")?;
    let script = tools::repository().join("tests/clients/browser.mjs").display().to_string();
    let work = tokio::task::spawn_blocking(move || run(&node, [script, want.to_string()], &[], None));
    let said = work.await??;
    Ok(serde_json::from_str(said.trim().lines().last().context("the script says nothing")?)?)
}
