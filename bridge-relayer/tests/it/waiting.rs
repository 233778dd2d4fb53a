//! Whatever stands in the way is waited out.

use alloy::primitives::{Address, U256};
use aurum_contracts::HomeBridge;

use crate::{
    anvil::Anvil,
    world::{Options, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn two_of_four_down_stop_everything_and_lose_nothing() {
    let options = Options { validators: 4, threshold: 3, takeover_delay: 2, ..Options::default() };
    let Some(mut world) = World::start(options).await else { return };
    for relayer in &mut world.relayers[..2] {
        relayer.start();
    }
    let user = Anvil::rich_address();
    let tx = world.deposit(700, user).await;
    let path = format!("/api/v1/transfer/{tx}");
    world
        .until("two have attested", async || {
            matches!(world.relayers[0].get(&path).await, Some((200, answer)) if answer["attestations"]["count"] == 2)
        })
        .await;
    let (_, answer) = world.relayers[0].get(&path).await.unwrap();
    assert_eq!(answer["waiting"], "2 of 3 attestations");
    assert_eq!(world.home_balance(user).await, U256::ZERO);
    world.relayers[2].start();
    world.home_balance_becomes(user, 700).await;

    // The fourth is on duty for none of these, or for one, and is down: others act in its place.
    let friend = Address::repeat_byte(0xb1);
    for _ in 0..4 {
        world.withdraw(100, friend).await;
    }
    world.foreign_balance_becomes(friend, 400).await;
    world.totals_agree().await;
    let mut paid = 0;
    for relayer in &world.relayers {
        paid += world.foreign_transactions(relayer.address).await;
    }
    assert_eq!(paid, 4, "one transaction a transfer");
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_limit_and_new_epoch_are_waited_out() {
    let Some(mut world) =
        World::start(Options { validators: 2, threshold: 2, takeover_delay: 2, ..Options::default() }).await
    else {
        return;
    };
    for relayer in &mut world.relayers {
        relayer.start();
    }
    let user = Anvil::rich_address();
    let (home, foreign) = (world.addresses.home.clone(), world.addresses.foreign.clone());

    // Paused on home: attested, deferred, minted later.
    world.pause(&world.home, home.bridge, true).await;
    let tx = world.deposit(300, user).await;
    waits(&world, &tx.to_string(), "the bridge is paused").await;
    assert_eq!(world.home_balance(user).await, U256::ZERO);
    world.pause(&world.home, home.bridge, false).await;
    world.home_balance_becomes(user, 300).await;

    // A limit below the amount; a later transfer passes it.
    let limits = world.home_bridge().limits(world.addresses.tokens[0].home).call().await.unwrap();
    set_home_limit(&world, HomeBridge::Limits { executionMax: U256::from(50), ..limits.clone() }).await;
    let stuck = world.deposit(200, Address::repeat_byte(0xb2)).await;
    waits(&world, &stuck.to_string(), "the amount is above the largest payout, 50").await;
    world.deposit(40, Address::repeat_byte(0xb3)).await;
    world.home_balance_becomes(Address::repeat_byte(0xb3), 40).await;
    assert_eq!(world.home_balance(Address::repeat_byte(0xb2)).await, U256::ZERO);
    set_home_limit(&world, limits).await;
    world.home_balance_becomes(Address::repeat_byte(0xb2), 200).await;

    // A new set on the foreign side while a withdrawal waits: attested again under its epoch.
    world.pause(&world.foreign, foreign.bridge, true).await;
    let friend = Address::repeat_byte(0xb4);
    let tx = world.withdraw(60, friend).await;
    waits(&world, &tx.to_string(), "the bridge is paused").await;
    let both = world.relayers.iter().map(|relayer| relayer.address).collect();
    world.set_validators(&world.foreign, foreign.validators, both, 2).await;
    world.pause(&world.foreign, foreign.bridge, false).await;
    world.foreign_balance_becomes(friend, 60).await;
    world.totals_agree().await;
}

async fn waits(world: &World, tx: &str, reason: &str) {
    let path = format!("/api/v1/transfer/{tx}");
    world
        .until(
            reason,
            async || matches!(world.relayers[0].get(&path).await, Some((200, answer)) if answer["waiting"] == reason),
        )
        .await;
}

async fn set_home_limit(world: &World, limits: HomeBridge::Limits) {
    let owner = world.owner_address().await;
    let bridge = HomeBridge::new(world.addresses.home.bridge, world.owner(&world.home).await);
    // Not estimated: what has refilled changes until the block, and with it the gas.
    let call = bridge.setLimits(world.addresses.tokens[0].home, limits).from(owner).gas(500_000);
    assert!(call.send().await.unwrap().get_receipt().await.unwrap().status());
}
