//! Deposits arrive, withdrawals return, in whatever way they were made.

use alloy::{
    primitives::{Address, U256},
    providers::Provider,
    sol_types::SolCall,
};
use aurum_contracts::{BridgedToken, ForeignBridge};

use crate::{
    anvil::Anvil,
    world::{Options, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn deposit_and_withdrawal_arrive_once() {
    let Some(mut world) = World::start(Options { validators: 2, threshold: 2, ..Options::default() }).await else {
        return;
    };
    for relayer in &mut world.relayers {
        relayer.start();
    }
    let user = Anvil::rich_address();
    let deposit = world.deposit(1_000, user).await;
    world.home_balance_becomes(user, 1_000).await;
    world.totals_agree().await;

    let friend = Address::repeat_byte(0xf1);
    let withdrawal = world.withdraw(400, friend).await;
    world.foreign_balance_becomes(friend, 400).await;
    world.totals_agree().await;

    let relayer = &world.relayers[0];
    for (tx, direction) in [(deposit, "foreign-to-home"), (withdrawal, "home-to-foreign")] {
        let path = format!("/api/v1/transfer/{tx}");
        world
            .until(
                "the API tells it is done",
                async || matches!(relayer.get(&path).await, Some((200, answer)) if answer["state"] == "Done"),
            )
            .await;
        let (_, answer) = relayer.get(&path).await.unwrap();
        assert_eq!(answer["direction"], direction);
        assert!(answer["destination"]["tx"].is_string(), "{answer}");
        let executed = answer["destination"]["tx"].as_str().unwrap().to_owned();
        let (code, by_execution) = relayer.get(&format!("/api/v1/transfer/{executed}")).await.unwrap();
        assert_eq!((code, &by_execution["id"]), (200, &answer["id"]));
    }
    let (_, list) = relayer.get("/api/v1/transfers?limit=10&direction=home-to-foreign").await.unwrap();
    assert_eq!(list["transfers"].as_array().map(Vec::len), Some(1));
    assert!(relayer.is_ready().await);
    assert!(relayer.text("/metrics").await.contains("aurum_relayer_deposits_read{direction=\"home-to-foreign\"} 1"));

    // One of the two paid, and once.
    let mut paid = 0;
    for relayer in &world.relayers {
        paid += world.foreign_transactions(relayer.address).await;
    }
    assert_eq!(paid, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_identical_deposits_of_one_transaction_both_arrive() {
    let Some(mut world) = World::start(Options::default()).await else { return };
    world.relayers[0].start();
    let recipient = Address::repeat_byte(0xf2);
    let sender = world.foreign.rich();
    let nonce = sender.get_transaction_count(Anvil::rich_address()).await.unwrap();
    let batcher = Anvil::rich_address().create(nonce + 1);
    let sent = world.foreign_token().transfer(batcher, U256::from(50)).send().await.unwrap();
    assert!(sent.get_receipt().await.unwrap().status());
    let approve = BridgedToken::approveCall { spender: world.addresses.foreign.bridge, value: U256::from(50) };
    let deposit = ForeignBridge::depositCall { token: world.token, amount: U256::from(25), recipient };
    let bridge = world.addresses.foreign.bridge;
    let tx = world
        .batch(&[
            (world.token, approve.abi_encode().into()),
            (bridge, deposit.abi_encode().into()),
            (bridge, deposit.abi_encode().into()),
        ])
        .await;
    world.home_balance_becomes(recipient, 50).await;
    world.totals_agree().await;
    let (_, answer) = world.relayers[0].get(&format!("/api/v1/transfer/{tx}")).await.unwrap();
    assert_eq!(answer["others"].as_array().map(Vec::len), Some(1), "{answer}");
}
