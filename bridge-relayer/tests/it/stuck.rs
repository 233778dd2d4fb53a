//! Transactions that wait too long, or whose block goes away.

use alloy::{primitives::Address, providers::Provider};
use serde_json::json;

use crate::world::{Options, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_transaction_is_offered_for_more_and_an_orphaned_one_sent_again() {
    let Some(mut world) = World::start(Options::default()).await else { return };
    world.relayers[0].start();
    world.until("the relayer follows both chains", async || world.relayers[0].is_ready().await).await;
    let (recipient, home) = (Address::repeat_byte(0xe1), world.home.rich());
    let tell = async |method: &'static str, params: serde_json::Value| {
        home.raw_request::<_, serde_json::Value>(method.into(), params).await.unwrap();
    };

    // Home makes no blocks: the attestation waits, and its price rises.
    tell("evm_setIntervalMining", json!([0])).await;
    let tx = world.deposit(70, recipient).await;
    let path = format!("/api/v1/transfer/{tx}");
    let attempts = async || match world.relayers[0].get(&path).await {
        Some((200, answer)) => answer["transactions"].as_array().map_or(0, Vec::len),
        _ => 0,
    };
    world.until("the attestation is offered for more, twice", async || attempts().await >= 3).await;
    let relayer = world.relayers[0].address;
    assert_eq!(home.get_transaction_count(relayer).pending().await.unwrap(), 1, "all have one nonce");

    // It comes into a block, which a reorganisation then takes away.
    tell("evm_mine", json!([])).await;
    world.home_balance_becomes(recipient, 70).await;
    world
        .until(
            "the relayer knows",
            async || matches!(world.relayers[0].get(&path).await, Some((200, answer)) if answer["state"] == "Mined"),
        )
        .await;
    tell("anvil_reorg", json!([1, []])).await;
    world.home_balance_becomes(recipient, 0).await;
    world.until("the relayer notices", async || world.relayers[0].log().contains("of a transaction is gone")).await;
    tell("evm_setIntervalMining", json!([1])).await;
    world.home_balance_becomes(recipient, 70).await;
    world
        .until(
            "it is done",
            async || matches!(world.relayers[0].get(&path).await, Some((200, answer)) if answer["state"] == "Done"),
        )
        .await;
    assert_eq!(home.get_transaction_count(relayer).await.unwrap(), 1, "it was the same transaction");
    world.totals_agree().await;
}
