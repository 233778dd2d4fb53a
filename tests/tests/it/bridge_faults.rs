//! Whatever dies, and whenever, a transfer is paid out exactly once.

use std::{
    fs,
    time::{Duration, Instant},
};

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, U256},
    providers::{DynProvider, Provider as _},
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use anyhow::{Context, Result, bail, ensure};
use aurum_contracts::{BridgedToken, ForeignBridge, HomeBridge};
use aurum_tests::{
    batch::creation_that_calls,
    bridge::{Bridge, BridgeOptions, RECEIPT, RLC},
    consortium::ChainOptions,
    foreign::{dev_signer, stand_in, wallet_provider},
    ports::{Ports, check_free, shift},
    story::Story,
    two_chains::{Token, Totals, TwoChains, balance},
    wait,
};

/// Most a transfer may take once nothing stands in its way.
const LIMIT: Duration = Duration::from_secs(90);
/// Most until the next point of [`POINTS`] is reached.
const POINT_LIMIT: Duration = Duration::from_secs(60);

/// Every change of a transfer's state that a relayer makes without a reorganisation, in the order in which transfers go
/// through them: `(stage, state and work)`. Each is a point before and one after the journal's write. Each stage begins
/// with transfers of its own.
const POINTS: [(&str, &str); 17] = [
    ("foreign", "Seen:foreign"),
    ("foreign", "Final:foreign"),
    ("foreign", "PolicyOk:foreign"),
    ("foreign", "Signed:foreign"),
    ("foreign", "Submitted:foreign:attest"),
    ("foreign", "Mined:foreign:attest"),
    ("foreign", "Done:foreign"),
    ("home", "Seen:home"),
    ("home", "Final:home"),
    ("home", "PolicyOk:home"),
    ("home", "Signed:home"),
    ("home", "Submitted:home:attest"),
    ("home", "Mined:home:attest"),
    ("home", "Attested:home"),
    ("payout", "Submitted:home:execute"),
    ("payout", "Mined:home:execute"),
    ("payout", "Done:home"),
];

/// The system with one depositor on each side and a count of what they sent.
struct Scene {
    system: TwoChains,
    /// Signs deposits on the public chain.
    depositor: DynProvider,
    /// Receives at home and signs withdrawals there.
    person: Address,
    at_home: DynProvider,
    deposits: u64,
    withdrawals: u64,
    /// Units deposited and withdrawn.
    carried: (u64, u64),
}

impl Scene {
    /// Deposits so many units.
    async fn deposit(&mut self, amount: u64) -> Result<()> {
        self.system.bridge.deposit(&self.depositor, U256::from(amount), self.person).await?;
        self.deposits += 1;
        self.carried.0 += amount;
        Ok(())
    }

    /// Withdraws one RLC.
    async fn withdraw(&mut self) -> Result<()> {
        self.system.bridge.withdraw(&self.at_home, U256::from(RLC), self.person).await?;
        self.withdrawals += 1;
        self.carried.1 += RLC;
        Ok(())
    }

    /// Waits until everything sent so far has arrived, and checks that nothing arrived twice.
    async fn settle(&self) -> Result<()> {
        let Self { system, depositor, person, at_home, .. } = self;
        let at_rest = self.carried.0 - self.carried.1;
        system.bridge.home_balance_becomes(at_home, *person, U256::from(at_rest), LIMIT).await?;
        let returned = U256::from(self.carried.1);
        system.bridge.foreign_balance_becomes(depositor, *person, returned, LIMIT).await?;
        // Whoever would pay twice has two more rounds to do so.
        let head = at_home.get_block_number().await?;
        system.home.observer.finalizes(head + 2, LIMIT).await?;
        system.expect_totals(Totals::of(at_rest, at_rest)).await?;
        let home = HomeBridge::new(system.bridge.home_bridge, at_home);
        let foreign = ForeignBridge::new(system.bridge.foreign_bridge, depositor);
        let executed = (home.executedCount().call().await?, foreign.executedCount().call().await?);
        let expected = (U256::from(self.deposits), U256::from(self.withdrawals));
        ensure!(executed == expected, "executed {executed:?}, expected {expected:?}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transfer_is_paid_exactly_once_whatever_is_killed() -> Result<()> {
    let story = Story::begin("bridge-faults", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::FAULTS);
    check_free(&ports.all(4))?;
    let public = stand_in(story.folder(), ports)?;
    let chain = ChainOptions { step_duration: 1, ..ChainOptions::default() };
    let options = BridgeOptions::default();
    let system = TwoChains::start(story.folder(), ports, chain, public, Token::Development, &options).await?;
    let depositor = wallet_provider(&system.foreign.url(), dev_signer(0)?)?;
    let signer = PrivateKeySigner::random();
    let person = signer.address();
    let at_home = wallet_provider(&system.home.observer.url(), signer)?;
    let mut scene = Scene { system, depositor, person, at_home, deposits: 0, withdrawals: 0, carried: (0, 0) };
    story.say("both chains and the bridge are up");

    two_identical_deposits_in_one_transaction(&mut scene).await?;
    scene.settle().await?;
    story.say("two identical deposits in one transaction arrived, both");

    half_of_the_relayers_is_not_enough(&mut scene, &story).await?;
    scene.settle().await?;
    story.say("and completed when one came back");

    killed_at_every_point(&mut scene, &story).await?;
    scene.settle().await?;
    story.say("every transfer was paid exactly once");

    rebuilt_without_journal(&mut scene).await?;
    scene.settle().await?;
    story.say("a relayer without its journal took it from the chains");

    scene.system.bridge.stop()?;
    scene.system.home.stop()?;
    story.end()
}

async fn two_identical_deposits_in_one_transaction(scene: &mut Scene) -> Result<()> {
    let Bridge { foreign_bridge, foreign_token, .. } = scene.system.bridge;
    let depositor = &scene.depositor;
    let sender = dev_signer(0)?.address();
    // The next transaction funds the account, the one after it creates it.
    let account = sender.create(depositor.get_transaction_count(sender).await? + 1);
    let token = BridgedToken::new(foreign_token, depositor);
    let both = U256::from(2 * RLC);
    token.transfer(account, both).send().await?.with_timeout(Some(RECEIPT)).get_receipt().await?;
    let deposit = ForeignBridge::depositCall { token: foreign_token, amount: U256::from(RLC), recipient: scene.person };
    let approve = BridgedToken::approveCall { spender: foreign_bridge, value: both };
    let request = creation_that_calls(&[
        (foreign_token, approve.abi_encode().into()),
        (foreign_bridge, deposit.abi_encode().into()),
        (foreign_bridge, deposit.abi_encode().into()),
    ])?
    .with_gas_limit(2_000_000);
    let pending = depositor.send_transaction(request).await?;
    let receipt = pending.with_timeout(Some(RECEIPT)).get_receipt().await?;
    ensure!(receipt.status() && receipt.contract_address == Some(account), "the deposits failed");
    let events = receipt.logs().iter().filter_map(|log| log.log_decode::<ForeignBridge::Deposited>().ok());
    let nonces: Vec<U256> = events.map(|event| event.inner.nonce).collect();
    ensure!(nonces.len() == 2 && nonces[0] != nonces[1], "deposits {nonces:?}");
    scene.deposits += 2;
    scene.carried.0 += 2 * RLC;
    Ok(())
}

async fn half_of_the_relayers_is_not_enough(scene: &mut Scene, story: &Story) -> Result<()> {
    for relayer in &mut scene.system.bridge.relayers[2..] {
        relayer.kill()?;
    }
    let before = balance(&scene.at_home, scene.system.bridge.home_token, scene.person).await?;
    scene.deposit(RLC).await?;
    let bridge = HomeBridge::new(scene.system.bridge.home_bridge, &scene.at_home);
    let id = bridge.incomingId(U256::from(scene.deposits - 1)).call().await?;
    wait::until("two relayers have attested", LIMIT, || async {
        let digests = bridge.digests(id).call().await?;
        let Some(digest) = digests.first() else { return Ok(None) };
        Ok((bridge.attestationCount(*digest).call().await? == U256::from(2)).then_some(()))
    })
    .await?;
    let head = scene.at_home.get_block_number().await?;
    scene.system.home.observer.finalizes(head + 5, LIMIT).await?;
    ensure!(!bridge.isExecuted(id).call().await?, "two of four relayers moved a transfer");
    let after = balance(&scene.at_home, scene.system.bridge.home_token, scene.person).await?;
    ensure!(after == before, "the balance moved from {before} to {after}");
    story.say("two of four relayers attested, and nothing moved");
    let third = &mut scene.system.bridge.relayers[2];
    third.start()?;
    third.ready(LIMIT).await
}

/// The first relayer dies at every point, one after the other; its attestation is needed, for the fourth does not run.
/// Meanwhile two validators are killed, the one whose node it uses among them.
async fn killed_at_every_point(scene: &mut Scene, story: &Story) -> Result<()> {
    scene.deposit(8 * RLC).await?;
    scene.settle().await?;
    scene.system.home.authorities[3].kill()?;
    scene.system.bridge.relayers[0].kill()?;
    story.say("the fourth relayer and the fourth validator are dead; the first relayer dies at");
    let mut begun = "";
    for (stage, change) in POINTS {
        for moment in ["before", "after"] {
            let point = format!("{moment}:{change}");
            scene.system.bridge.relayers[0].start_with(&[("AURUM_RELAYER_CRASH_AT", &point)])?;
            if begun != stage {
                begun = stage;
                match stage {
                    "foreign" => scene.deposit(RLC).await?,
                    // Four, so that it is on duty for one of them.
                    _ => {
                        for _ in 0..4 {
                            scene.withdraw().await?;
                        }
                    }
                }
            }
            died_at(scene, &point).await?;
            story.say(&format!("  {point}"));
        }
        if change == "Submitted:foreign:attest" {
            let node = &mut scene.system.home.authorities[0];
            node.kill()?;
            node.start()?;
            node.ready().await?;
            story.say("  and its validator's node, killed and started again");
        }
    }
    let node = &mut scene.system.home.authorities[3];
    node.start()?;
    node.ready().await?;
    scene.system.bridge.start().await
}

/// Waits until the first relayer has ended, and checks that it did so where it was told to.
async fn died_at(scene: &mut Scene, point: &str) -> Result<()> {
    let deadline = Instant::now() + POINT_LIMIT;
    let process = scene.system.bridge.relayers[0].process_mut()?;
    while process.ended()?.is_none() {
        if Instant::now() > deadline {
            bail!("the relayer did not come to {point}:\n{}", process.tail());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = process.tail();
    let last = log.lines().rev().find(|line| line.contains("aborting")).context("it did not abort")?;
    ensure!(last.contains(point), "it ended elsewhere: {last}");
    // Forgets the ended process, so that it can be started again.
    scene.system.bridge.relayers[0].kill()
}

async fn rebuilt_without_journal(scene: &mut Scene) -> Result<()> {
    let relayer = &mut scene.system.bridge.relayers[1];
    relayer.kill()?;
    fs::remove_dir_all(relayer.folder().join("journal"))?;
    relayer.start()?;
    relayer.ready(LIMIT).await?;
    // With another dead, the one without memory is needed.
    scene.system.bridge.relayers[3].kill()?;
    scene.deposit(RLC).await
}
