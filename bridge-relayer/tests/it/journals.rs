//! Journals that are lost, or of somebody else; deployments cut off.

use std::fs;

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
};

use crate::{
    anvil::Anvil,
    world::{self, Options, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_journal_is_rebuilt_and_a_strange_one_refused() {
    let Some(mut world) = World::start(Options::default()).await else { return };
    let user = Anvil::rich_address();
    world.relayers[0].start();
    let first = world.deposit(500, user).await;
    world.home_balance_becomes(user, 500).await;
    let second = world.withdraw(100, Address::repeat_byte(0xc1)).await;
    world.foreign_balance_becomes(Address::repeat_byte(0xc1), 100).await;
    world.relayers[0].kill();
    let before = world.foreign_transactions(world.relayers[0].address).await;

    world.relayers[0].lose_journal();
    world.withdraw(50, Address::repeat_byte(0xc2)).await;
    world.relayers[0].start();
    world.foreign_balance_becomes(Address::repeat_byte(0xc2), 50).await;
    for tx in [first, second] {
        let path = format!("/api/v1/transfer/{tx}");
        world
            .until(
                "the old transfers are known again",
                async || matches!(world.relayers[0].get(&path).await, Some((200, answer)) if answer["state"] == "Done"),
            )
            .await;
    }
    assert_eq!(world.foreign_transactions(world.relayers[0].address).await, before + 1);
    world.totals_agree().await;
    world.relayers[0].kill();

    // The same journal with another deployment: refused, naming both values.
    let file = world.folder.path().join("addresses.json");
    let text = fs::read_to_string(&file).unwrap();
    let (bridge, other) = (world.addresses.home.bridge.to_string(), Address::repeat_byte(0xdd).to_string());
    let mut addresses = world.addresses.clone();
    addresses.home.bridge = Address::repeat_byte(0xdd);
    fs::write(&file, serde_json::to_string(&addresses).unwrap()).unwrap();
    world.relayers[0].start();
    ends(&mut world).await;
    let log = world.relayers[0].log();
    assert!(log.contains("belongs to another relayer") && log.contains(&bridge) && log.contains(&other), "{log}");

    // A node of another chain: refused, naming both values.
    let mut addresses = world.addresses.clone();
    addresses.home.genesis = B256::repeat_byte(0xee);
    fs::write(&file, serde_json::to_string(&addresses).unwrap()).unwrap();
    world.relayers[0].lose_journal();
    world.relayers[0].start();
    ends(&mut world).await;
    let log = world.relayers[0].log();
    assert!(log.contains("serves another chain"), "{log}");
    fs::write(&file, text).unwrap();
}

async fn ends(world: &mut World) {
    let mut relayers = std::mem::take(&mut world.relayers);
    world.until("the relayer ends", async || relayers[0].has_ended()).await;
    world.relayers = relayers;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_cut_off_goes_on_without_doing_anything_twice() {
    let Some(world) = World::start(Options::default()).await else { return };
    let folder = world.folder.path();
    let owner = world.owner_address().await;
    let sent = async || {
        let home = world.home.rich().get_transaction_count(owner).await.unwrap();
        (home, world.foreign.rich().get_transaction_count(owner).await.unwrap())
    };
    let before = sent().await;

    // As if the power had gone before the last line of the file was written.
    fs::remove_file(folder.join("addresses.json")).unwrap();
    let output = world::deploy(folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(aurum_contracts::Addresses::read(&folder.join("addresses.json")).unwrap(), world.addresses);
    assert_eq!(sent().await, before, "nothing was sent again");

    // And as if it had gone after each write: nothing was noted as mined.
    fs::remove_file(folder.join("addresses.json")).unwrap();
    let progress = folder.join("addresses.json.progress");
    let mut plan: serde_json::Value = serde_json::from_slice(&fs::read(&progress).unwrap()).unwrap();
    for side in ["home", "foreign"] {
        for step in plan["tracks"][side]["steps"].as_array_mut().unwrap() {
            step["mined"] = serde_json::Value::Null;
        }
    }
    fs::write(&progress, plan.to_string()).unwrap();
    assert!(world::deploy(folder).status.success());
    assert_eq!(aurum_contracts::Addresses::read(&folder.join("addresses.json")).unwrap(), world.addresses);
    assert_eq!(sent().await, before, "nothing was sent again");

    // Other settings do not mix with an old plan.
    fs::remove_file(folder.join("addresses.json")).unwrap();
    let config = fs::read_to_string(folder.join("deploy.toml")).unwrap();
    fs::write(folder.join("deploy.toml"), config.replace("daily = \"1000\"", "daily = \"2000\"")).unwrap();
    let output = world::deploy(folder);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("other settings"));
}
