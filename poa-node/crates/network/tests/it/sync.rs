//! Chains meet: late joiners, partitions, restarts, liars.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::common::{
    self, BAD, CONTRADICTS, FUTURE, FakeChain, Node, block, config, genesis, proxy::Proxy, same_head, until,
};
use aurum_network::{BlockSource, Enode, NetworkConfig, Verdict};

async fn pair(first: Arc<FakeChain>, second: Arc<FakeChain>) -> (Node, Node) {
    let a = Node::start(config(1, &[]), first).await;
    let b = Node::start(config(2, &[a.enode()]), second).await;
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_joiner_syncs_a_thousand_blocks_and_then_follows() {
    let full = FakeChain::new(genesis(b"g"));
    full.grow(1_000, 1, b"main");
    let (a, b) = pair(full, FakeChain::new(genesis(b"g"))).await;
    same_head(&[&a, &b]).await;
    assert_eq!(b.chain.status().number, 1_000);
    until("counted", || b.net.counters().blocks_synced == 1_000).await;
    assert_eq!(b.net.best_peer_height(), Some(1_000));
    a.author(b"main");
    same_head(&[&a, &b]).await;
    assert_eq!(b.chain.status().number, 1_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_heals_to_the_heavier_branch_and_lives_on() {
    let a = Node::start(config(1, &[]), FakeChain::new(genesis(b"g"))).await;
    let proxy = Proxy::to(format!("127.0.0.1:{}", a.enode().port).parse().unwrap()).await;
    let through = Enode { port: proxy.address.port(), ..a.enode() };
    let b = Node::start(config(2, &[through]), FakeChain::new(genesis(b"g"))).await;
    until("connected", || a.knows(&b) && b.knows(&a)).await;
    for _ in 0..10 {
        a.author(b"main");
        same_head(&[&a, &b]).await;
    }
    proxy.cut();
    until("cut", || a.net.peers().is_empty() && b.net.peers().is_empty()).await;
    for _ in 0..5 {
        a.author(b"left");
    }
    for _ in 0..8 {
        b.author(b"right");
    }
    let heavier = b.chain.status();
    proxy.heal();
    same_head(&[&a, &b]).await;
    assert_eq!(a.chain.status(), heavier);
    a.author(b"main");
    same_head(&[&a, &b]).await;
    assert_eq!(a.net.counters().peers_penalised + b.net.counters().peers_penalised, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_forks_are_found() {
    let (left, right) = (FakeChain::new(genesis(b"g")), FakeChain::new(genesis(b"g")));
    left.grow(700, 1, b"left");
    right.grow(650, 2, b"right");
    let (a, b) = pair(left, right).await;
    same_head(&[&a, &b]).await;
    assert_eq!(a.chain.status().number, 650, "heavier is not longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_resumes_where_it_was() {
    let full = FakeChain::new(genesis(b"g"));
    full.grow(300, 1, b"main");
    let (a, b) = pair(full, FakeChain::new(genesis(b"g"))).await;
    same_head(&[&a, &b]).await;
    b.stop().await;
    until("seen as gone", || a.net.peers().is_empty()).await;
    a.chain.grow(200, 1, b"main");
    let chain = b.chain.clone();
    drop(b);
    let b = Node::start(config(2, &[a.enode()]), chain).await;
    same_head(&[&a, &b]).await;
    until("counted", || b.net.counters().blocks_synced == 200).await;
}

/// The dishonest chain is heavier, so that it is asked for first.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_chain_is_invalid_is_dropped_and_an_honest_one_followed() {
    let (honest, liar) = (FakeChain::new(genesis(b"g")), FakeChain::new(genesis(b"g")));
    honest.grow(50, 1, b"main");
    for block in honest_blocks(&honest) {
        liar.import(block);
    }
    liar.force(block(&liar.head(), 100, BAD));
    let honest = Node::start(config(1, &[]), honest).await;
    let liar = Node::start(config(2, &[]), liar).await;
    let reader = Node::start(config(3, &[honest.enode(), liar.enode()]), FakeChain::new(genesis(b"g"))).await;
    until("banned", || reader.net.counters().peers_penalised == 1 && !reader.knows(&liar)).await;
    until("synced", || reader.chain.status() == honest.chain.status()).await;
    assert!(reader.knows(&honest));
}

fn honest_blocks(chain: &FakeChain) -> Vec<aurum_types::SealedBlock> {
    (1..=chain.status().number)
        .map(|number| {
            let bytes = chain.block(chain.hash_at(number).unwrap()).unwrap();
            aurum_types::SealedBlock::decode(&bytes, &common::FORMAT).unwrap()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_invalid_block_gets_a_reserved_peer_a_short_ban_only() {
    let a = Node::start(config(1, &[]), FakeChain::new(genesis(b"g"))).await;
    let short = NetworkConfig { ban: Duration::from_secs(10), ..config(2, &[a.enode()]) };
    let b = Node::start(short, FakeChain::new(genesis(b"g"))).await;
    until("connected", || b.knows(&a)).await;
    a.net.announce(block(&a.chain.head(), 1, BAD));
    until("banned", || b.net.counters().peers_penalised == 1 && !b.knows(&a)).await;
    until("back after a second", || b.knows(&a)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_not_valid_yet_is_nobodys_fault() {
    let (a, b) = pair(FakeChain::new(genesis(b"g")), FakeChain::new(genesis(b"g"))).await;
    until("connected", || a.knows(&b) && b.knows(&a)).await;
    a.net.announce(block(&a.chain.head(), 1, FUTURE));
    a.author(b"main");
    same_head(&[&a, &b]).await;
    assert_eq!(b.net.counters().peers_penalised, 0);
    assert!(b.knows(&a));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heavier_chain_that_contradicts_what_is_final_is_refused_without_blame() {
    let other = FakeChain::new(genesis(b"g"));
    other.grow(3, 1, b"main");
    other.force(block(&other.head(), 100, CONTRADICTS));
    let other = Node::start(config(1, &[]), other).await;
    let reader = Node::start(config(2, &[other.enode()]), FakeChain::new(genesis(b"g"))).await;
    until("refused", || reader.chain.refused.load(Ordering::Relaxed) > 0).await;
    // What it had before is taken, and nothing is held against it.
    until("its blocks so far", || reader.chain.status().number == 3).await;
    assert_eq!(reader.net.counters().peers_penalised, 0);
    assert!(reader.knows(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_peer_holds_up_neither_sync_nor_announcements() {
    let (good, stalled) = (FakeChain::new(genesis(b"g")), FakeChain::new(genesis(b"g")));
    good.grow(200, 1, b"main");
    stalled.grow(300, 1, b"other");
    stalled.stall(true);
    let stalled = Node::start(config(2, &[]), stalled).await;
    let reader = Node::start(config(3, &[stalled.enode()]), FakeChain::new(genesis(b"g"))).await;
    until("the stalled one was asked for blocks", || stalled.net.counters().requests_served == 1).await;
    let good = Node::start(config(1, &[reader.enode()]), good).await;
    until("connected", || reader.knows(&good) && good.knows(&reader)).await;
    until("synced from the other", || reader.chain.status() == good.chain.status()).await;
    good.author(b"main");
    until("announcement arrived", || reader.chain.status() == good.chain.status()).await;
    assert_eq!(
        reader.net.counters().blocks_announced_imported,
        1,
        "not by sync, when the stalled request was given up"
    );
    stalled.chain.stall(false);
    same_head(&[&reader, &stalled]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_travel_along_a_line_whole_and_by_hash() {
    for announce_whole in [1 << 20, 0] {
        let mut nodes: Vec<Node> = Vec::new();
        for id in 1..=4 {
            let before: Vec<_> = nodes.last().map(Node::enode).into_iter().collect();
            let config = NetworkConfig { announce_whole, ..config(id, &before) };
            nodes.push(Node::start(config, FakeChain::new(genesis(b"g"))).await);
        }
        until("the line stands", || nodes.windows(2).all(|pair| pair[0].knows(&pair[1]) && pair[1].knows(&pair[0])))
            .await;
        for turn in 0..8 {
            nodes[turn % 4].author(b"main");
            same_head(&nodes.iter().collect::<Vec<_>>()).await;
        }
        for node in &nodes {
            assert_eq!(node.chain.imports.load(std::sync::atomic::Ordering::Relaxed), 8);
            assert_eq!(node.net.counters().blocks_synced, 0, "announcements sufficed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_claimed_and_not_delivered_costs_the_liar_its_connection() {
    // A source whose status lies about the score.
    struct Boaster(Arc<FakeChain>);
    impl BlockSource for Boaster {
        fn status(&self) -> aurum_network::ChainStatus {
            let mut status = self.0.status();
            status.score = status.score.plus(alloy::primitives::U256::from(1_000));
            status
        }
        fn contains(&self, hash: alloy::primitives::B256) -> bool {
            self.0.contains(hash)
        }
        fn hash_at(&self, number: u64) -> Option<alloy::primitives::B256> {
            self.0.hash_at(number)
        }
        fn block(&self, hash: alloy::primitives::B256) -> Option<alloy::primitives::Bytes> {
            self.0.block(hash)
        }
        fn import(&self, block: aurum_types::SealedBlock) -> Verdict {
            self.0.import(block)
        }
    }
    let honest = Node::start(config(1, &[]), FakeChain::new(genesis(b"g"))).await;
    let chain = FakeChain::new(genesis(b"g"));
    let pool = honest.pool.clone();
    let stop = tokio_util::sync::CancellationToken::new();
    let boaster =
        aurum_network::run(config(2, &[honest.enode()]), Arc::new(Boaster(chain.clone())), pool, stop.clone())
            .await
            .unwrap();
    until("connected", || !boaster.peers().is_empty()).await;
    // Each new claim is looked into, found empty, and held against it.
    until("banned", || {
        if honest.net.counters().peers_penalised == 0 {
            boaster.announce(chain.grow(1, 1, b"boast").pop().unwrap());
        }
        honest.net.counters().peers_penalised == 1
    })
    .await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_began_with_a_snapshot_is_passed_over_and_not_blamed() {
    // A source without the blocks between genesis and block 20.
    struct Restored(Arc<FakeChain>);
    impl BlockSource for Restored {
        fn status(&self) -> aurum_network::ChainStatus {
            self.0.status()
        }
        fn contains(&self, hash: alloy::primitives::B256) -> bool {
            self.0.contains(hash)
        }
        fn hash_at(&self, number: u64) -> Option<alloy::primitives::B256> {
            self.0.hash_at(number).filter(|_| number == 0 || number >= 20)
        }
        fn block(&self, hash: alloy::primitives::B256) -> Option<alloy::primitives::Bytes> {
            self.0.block(hash)
        }
        fn import(&self, block: aurum_types::SealedBlock) -> Verdict {
            self.0.import(block)
        }
    }
    let whole = FakeChain::new(genesis(b"g"));
    whole.grow(30, 1, b"chain");
    let fresh = Node::start(config(1, &[]), FakeChain::new(genesis(b"g"))).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let restored = Arc::new(Restored(whole.clone()));
    let pool = fresh.pool.clone();
    let peer = aurum_network::run(config(2, &[fresh.enode()]), restored, pool, stop.clone()).await.unwrap();
    until("connected", || !peer.peers().is_empty()).await;
    let other = Node::start(config(3, &[fresh.enode()]), whole.clone()).await;
    until("synced from the peer that has all blocks", || fresh.chain.status().number == 30).await;
    assert_eq!(fresh.net.counters().peers_penalised, 0);
    assert!(!peer.peers().is_empty(), "the other one is a peer still");
    drop(other);
    stop.cancel();
}
