//! The power goes at every journalled transition, before and after it is on disk.

use alloy::primitives::Address;
use bridge_relayer::CRASH_AT;

use crate::{
    anvil::Anvil,
    world::{Options, World},
};

const INWARD: [&str; 8] = [
    "Seen:foreign",
    "Final:foreign",
    "PolicyOk:foreign",
    "Signed:foreign",
    "Submitted:foreign:attest",
    "Mined:foreign:attest",
    "Attested:foreign",
    "Done:foreign",
];

const OUTWARD: [&str; 10] = [
    "Seen:home",
    "Final:home",
    "PolicyOk:home",
    "Signed:home",
    "Submitted:home:attest",
    "Mined:home:attest",
    "Attested:home",
    "Submitted:home:execute",
    "Mined:home:execute",
    "Done:home",
];

/// Points that are passed only when finality comes in an unusual order; the transfer arrives without them.
const RARE: [&str; 2] = ["Attested:foreign", "Attested:home"];

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_survives_a_crash_at_every_point() {
    let Some(mut world) = World::start(Options::default()).await else { return };
    let recipient = Address::repeat_byte(0xa1);
    let mut total = 0;
    for point in INWARD {
        for moment in ["before", "after"] {
            let tx = world.deposit(10, recipient).await;
            total += 10;
            survive(&mut world, &format!("{moment}:{point}"), &tx.to_string()).await;
            world.home_balance_becomes(recipient, total).await;
        }
    }
    world.totals_agree().await;
    assert_eq!(world.home_bridge().executedCount().call().await.unwrap().to::<usize>(), 2 * INWARD.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_survives_a_crash_at_every_point() {
    let Some(mut world) = World::start(Options::default()).await else { return };
    let user = Anvil::rich_address();
    world.deposit(1_000, user).await;
    world.relayers[0].start();
    world.home_balance_becomes(user, 1_000).await;
    world.relayers[0].kill();
    let recipient = Address::repeat_byte(0xa2);
    let mut total = 0;
    for point in OUTWARD {
        for moment in ["before", "after"] {
            let tx = world.withdraw(10, recipient).await;
            total += 10;
            survive(&mut world, &format!("{moment}:{point}"), &tx.to_string()).await;
            world.foreign_balance_becomes(recipient, total).await;
        }
    }
    world.totals_agree().await;
    let executed = world.foreign_bridge().executedCount().call().await.unwrap().to::<u64>();
    assert_eq!(executed, 2 * OUTWARD.len() as u64);
    // A crash costs no transaction of its own on the public chain.
    assert_eq!(world.foreign_transactions(world.relayers[0].address).await, executed);
}

/// Lets the relayer run into `point`, then brings it back until the transfer of `tx` is done.
async fn survive(world: &mut World, point: &str, tx: &str) {
    println!("{point}");
    world.relayers[0].start_with(&[(CRASH_AT, point)]);
    let path = format!("/api/v1/transfer/{tx}");
    let rare = RARE.iter().any(|rare| point.ends_with(rare));
    let mut ended = false;
    let mut relayers = std::mem::take(&mut world.relayers);
    let relayer = &mut relayers[0];
    world
        .until(&format!("the relayer stops {point}"), async || {
            ended = relayer.has_ended();
            let done = matches!(relayer.get(&path).await, Some((200, answer)) if answer["state"] == "Done");
            ended || rare && done
        })
        .await;
    assert!(ended || rare, "{point} was not reached");
    relayer.kill();
    relayer.start();
    world
        .until(
            &format!("done after {point}"),
            async || matches!(relayer.get(&path).await, Some((200, answer)) if answer["state"] == "Done"),
        )
        .await;
    relayer.kill();
    world.relayers = relayers;
}
