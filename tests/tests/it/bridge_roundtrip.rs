//! iExec's published RLC on a chain that finalizes as mainnet does goes to the consortium's chain and back.

use std::time::{Duration, Instant};

use alloy::{primitives::U256, providers::Provider as _, signers::local::PrivateKeySigner};
use anyhow::{Result, ensure};
use aurum_contracts::BridgedToken;
use aurum_tests::{
    bridge::{BridgeOptions, RLC},
    consortium::ChainOptions,
    foreign::{DEV_ACCOUNTS, anvil, dev_signer, wallet_provider},
    ports::{Ports, check_free, shift},
    story::Story,
    tools,
    two_chains::{Token, Totals, TwoChains, balance},
};

/// Most a transfer may take: finality of both chains, and a busy machine.
const LIMIT: Duration = Duration::from_secs(90);
/// All RLC there are.
const SUPPLY: u64 = 87_000_000 * RLC;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_rlc_goes_to_the_consortium_and_back_to_the_unit() -> Result<()> {
    if !tools::have(&["anvil"]) {
        return Ok(());
    }
    let story = Story::begin("bridge-roundtrip", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::ROUNDTRIP);
    check_free(&ports.all(4))?;
    let public = anvil(story.folder(), ports)?;
    let chain = ChainOptions { step_duration: 1, ..ChainOptions::default() };
    let options = BridgeOptions::default();
    let mut system = TwoChains::start(story.folder(), ports, chain, public, Token::Published, &options).await?;
    story.say("four authorities, four relayers, anvil with the published RLC");

    let holder = wallet_provider(&system.foreign.url(), dev_signer(0)?)?;
    let person = PrivateKeySigner::random();
    let at_home = wallet_provider(&system.home.observer.url(), person.clone())?;
    let token = BridgedToken::new(system.bridge.home_token, &at_home);
    let called = (token.name().call().await?, token.symbol().call().await?, token.decimals().call().await?);
    ensure!(called == ("iExec RLC Token".into(), "RLC".into(), 9), "the home token is {called:?}");
    ensure!(at_home.get_balance(person.address()).await?.is_zero(), "this person has no coins");
    system.expect_totals(Totals::of(0, 0)).await?;

    let amount = 1_000 * RLC;
    system.bridge.deposit(&holder, U256::from(amount), person.address()).await?;
    let deposited = Instant::now();
    let totals = system.totals().await?;
    ensure!(totals.locked == U256::from(amount) && totals.held == totals.locked, "not locked: {totals:?}");
    ensure!(totals.minted == totals.supply && totals.minted <= totals.locked, "minted too much: {totals:?}");
    system.bridge.home_balance_becomes(&at_home, person.address(), U256::from(amount), LIMIT).await?;
    story.say(&format!("deposit → arrival: {:.1} s", deposited.elapsed().as_secs_f64()));
    system.expect_totals(Totals::of(amount, amount)).await?;
    let kept = balance(&holder, system.bridge.foreign_token, DEV_ACCOUNTS[0]).await?;
    ensure!(kept == U256::from(SUPPLY - amount), "the depositor has {kept}");

    let back = 400 * RLC;
    system.bridge.withdraw(&at_home, U256::from(back), person.address()).await?;
    let withdrawn = Instant::now();
    let totals = system.totals().await?;
    ensure!(totals.minted == U256::from(amount - back) && totals.supply == totals.minted, "not burned: {totals:?}");
    ensure!(totals.locked >= totals.minted && totals.held == totals.locked, "unlocked too much: {totals:?}");
    system.bridge.foreign_balance_becomes(&holder, person.address(), U256::from(back), LIMIT).await?;
    story.say(&format!("withdrawal → arrival: {:.1} s", withdrawn.elapsed().as_secs_f64()));
    system.expect_totals(Totals::of(amount - back, amount - back)).await?;
    let rest = balance(&at_home, system.bridge.home_token, person.address()).await?;
    ensure!(rest == U256::from(amount - back), "the person has {rest} at home");
    ensure!(at_home.get_balance(person.address()).await?.is_zero(), "gas is free");

    let mut paid = 0;
    for authority in &system.home.consortium.authorities {
        paid += holder.get_transaction_count(authority.address).await?;
    }
    ensure!(paid == 1, "the relayers sent {paid} transactions on the public chain for one withdrawal");
    for node in &mut system.home.authorities {
        let mib = node.process_mut()?.resident_mib();
        story.say(&format!("{} uses {mib} MiB", node.name()));
    }
    system.bridge.stop()?;
    system.home.stop()?;
    story.end()
}
