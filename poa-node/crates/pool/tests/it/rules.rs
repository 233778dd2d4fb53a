//! What the pool takes, refuses, and hands to an author.

use std::sync::Arc;

use crate::common::{FakeChain, dynamic, legacy, sender};
use alloy::primitives::B256;
use aurum_pool::{Departed, Departure, HeadChange, Origin, Pool, PoolConfig, PoolError};

fn pool(config: PoolConfig) -> (Pool, Arc<FakeChain>) {
    let chain = FakeChain::rich();
    (Pool::open(config, chain.clone()).unwrap(), chain)
}

/// Why a transaction is not there.
fn why(pool: &Pool, hash: B256) -> Option<Departure> {
    pool.departure(hash).map(|departed| departed.why)
}

fn message(result: Result<aurum_pool::Added, PoolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn refusals_carry_the_words_clients_match() {
    let (pool, chain) = pool(PoolConfig { max_transactions: 3, max_per_sender: 2, ..PoolConfig::default() });
    let a = sender(1);
    pool.add(legacy(a, 0, 100, 0), Origin::Local).unwrap();
    assert_eq!(message(pool.add(legacy(a, 0, 100, 0), Origin::Local)), "already known");
    assert!(message(pool.add(legacy(a, 0, 109, 1), Origin::Local)).starts_with("replacement transaction underpriced"));
    chain.set(sender(2), 5, u64::MAX);
    assert_eq!(message(pool.add(legacy(sender(2), 4, 1, 0), Origin::Local)), "nonce too low: next nonce 5, tx nonce 4");
    chain.set(sender(3), 0, 20_999);
    assert!(
        message(pool.add(legacy(sender(3), 0, 1, 0), Origin::Local))
            .starts_with("insufficient funds for gas * price + value")
    );
    chain.refuse(sender(4));
    assert!(message(pool.add(legacy(sender(4), 0, 1, 0), Origin::Local)).starts_with("Transaction is not permitted."));
    pool.add(legacy(a, 1, 1, 0), Origin::Local).unwrap();
    assert!(message(pool.add(legacy(a, 2, 1, 0), Origin::Local)).starts_with("txpool is full"));
    pool.add(legacy(sender(5), 0, 1, 0), Origin::Local).unwrap();
    assert!(message(pool.add(legacy(sender(6), 0, 1, 0), Origin::Local)).starts_with("txpool is full"));
    assert_eq!(pool.status().pending, 3);
}

#[test]
fn a_ten_percent_dearer_transaction_replaces_in_both_fee_fields() {
    let (pool, _) = pool(PoolConfig::default());
    let a = sender(1);
    let old = dynamic(a, 0, 1_000, 100);
    pool.add(old.clone(), Origin::Local).unwrap();
    assert!(pool.add(dynamic(a, 0, 1_100, 109), Origin::Local).is_err());
    assert!(pool.add(dynamic(a, 0, 1_099, 110), Origin::Local).is_err());
    let added = pool.add(dynamic(a, 0, 1_100, 110), Origin::Local).unwrap();
    assert_eq!(added.replaced, Some(*old.inner().tx_hash()));
    assert_eq!(why(&pool, *old.inner().tx_hash()), Some(Departure::Replaced { by: added.hash }));
    assert_eq!(pool.status().pending, 1);
}

#[test]
fn on_a_chain_without_fees_no_price_replaces_and_arrival_orders() {
    let (pool, chain) = pool(PoolConfig { gas_free: true, base_fee: Some(0), ..PoolConfig::default() });
    let (a, b) = (sender(1), sender(2));
    chain.set(a, 0, 0);
    chain.set(b, 0, 0);
    pool.add(legacy(a, 0, 0, 0), Origin::Local).unwrap();
    pool.add(legacy(b, 0, 1_000_000, 0), Origin::Local).unwrap();
    let refused = message(pool.add(legacy(a, 0, 1_000_000, 0), Origin::Local));
    assert!(refused.starts_with("replacement transaction underpriced"), "{refused}");
    assert_eq!(pool.best().map(|tx| tx.sender()).collect::<Vec<_>>(), [a, b]);
}

#[test]
fn an_unfunded_transaction_can_be_replaced_even_without_fees() {
    let (pool, chain) = pool(PoolConfig { gas_free: true, ..PoolConfig::default() });
    let a = sender(1);
    chain.set(a, 0, 50);
    pool.add(legacy(a, 0, 0, 50), Origin::Local).unwrap();
    chain.set(a, 0, 10);
    pool.on_head(&HeadChange { touched: vec![a], ..HeadChange::default() });
    assert_eq!(pool.best().count(), 0, "the balance does not cover it");
    assert_eq!(pool.status().pending, 1, "but it is not dropped");
    pool.add(legacy(a, 0, 0, 10), Origin::Local).unwrap();
    assert_eq!(pool.best().count(), 1);
}

#[test]
fn a_senders_pending_transactions_are_covered_together() {
    let (pool, chain) = pool(PoolConfig { gas_free: true, ..PoolConfig::default() });
    let a = sender(1);
    chain.set(a, 0, 100);
    let first = legacy(a, 0, 0, 60);
    pool.add(first.clone(), Origin::Local).unwrap();
    let refused = message(pool.add(legacy(a, 1, 0, 41), Origin::Local));
    let words = "insufficient funds for gas * price + value: balance 100, queued cost 60, tx cost 41";
    assert!(refused.starts_with(words), "{refused}");
    pool.add(legacy(a, 1, 0, 40), Origin::Network).unwrap();
    assert!(message(pool.add(legacy(a, 2, 0, 1), Origin::Network)).starts_with("insufficient funds"));
    pool.add(legacy(a, 2, 0, 0), Origin::Local).expect("nothing more is needed");
    assert!(pool.add(legacy(sender(2), 0, 0, 1), Origin::Local).is_ok(), "others have balances of their own");

    // The first is in a block; what it took is no longer counted, and the balance has moved.
    chain.set(a, 1, 41);
    pool.on_head(&HeadChange { included: vec![*first.inner().tx_hash()], touched: vec![a], ..HeadChange::default() });
    assert!(pool.add(legacy(a, 3, 0, 2), Origin::Local).is_err());
    pool.add(legacy(a, 3, 0, 1), Origin::Local).unwrap();

    // What is taken out, and what waits behind it from then on, is not counted either.
    let removed = legacy(a, 1, 0, 40);
    pool.remove(*removed.inner().tx_hash(), "test").unwrap();
    pool.add(legacy(a, 1, 0, 41), Origin::Local).expect("only this one is pending");
}

#[test]
fn a_replacement_is_covered_together_with_the_others() {
    let (pool, chain) = pool(PoolConfig::default());
    let a = sender(1);
    chain.set(a, 0, 21_000 * 25);
    pool.add(legacy(a, 0, 10, 0), Origin::Local).unwrap();
    pool.add(legacy(a, 1, 10, 0), Origin::Local).unwrap();
    let refused = message(pool.add(legacy(a, 1, 16, 0), Origin::Local));
    assert!(refused.starts_with("insufficient funds for gas * price + value"), "{refused}");
    pool.add(legacy(a, 1, 15, 0), Origin::Local).unwrap();
    assert!(pool.add(legacy(a, 2, 1, 0), Origin::Local).is_err(), "all of it is spoken for");
}

#[test]
fn what_offers_nothing_waits_for_no_base_fee_and_comes_after_what_pays() {
    let (pool, _) = pool(PoolConfig { base_fee: Some(10), ..PoolConfig::default() });
    let (service, below, payer) = (sender(1), sender(2), sender(3));
    pool.add(legacy(service, 0, 0, 0), Origin::Network).unwrap();
    pool.add(legacy(below, 0, 9, 0), Origin::Network).unwrap();
    pool.add(legacy(payer, 0, 11, 0), Origin::Network).unwrap();
    assert_eq!(pool.best().map(|tx| tx.sender()).collect::<Vec<_>>(), [payer, service]);
}

#[test]
fn best_goes_by_tip_then_arrival_and_keeps_nonce_order() {
    let (pool, _) = pool(PoolConfig { base_fee: Some(10), ..PoolConfig::default() });
    let (a, b, c, d) = (sender(1), sender(2), sender(3), sender(4));
    pool.add(legacy(a, 1, 99, 0), Origin::Network).unwrap();
    pool.add(legacy(a, 0, 20, 0), Origin::Network).unwrap();
    pool.add(legacy(b, 0, 20, 0), Origin::Network).unwrap();
    pool.add(legacy(c, 0, 50, 0), Origin::Network).unwrap();
    pool.add(legacy(d, 0, 9, 0), Origin::Network).unwrap();
    let order: Vec<_> = pool.best().map(|tx| (tx.sender(), tx.nonce())).collect();
    assert_eq!(order, [(c, 0), (a, 0), (a, 1), (b, 0)], "the one below the base fee waits");

    let mut best = pool.best();
    let mut seen = Vec::new();
    while let Some(tx) = best.next() {
        seen.push((tx.sender(), tx.nonce()));
        if tx.sender() == a {
            best.skip_sender();
        }
    }
    assert_eq!(seen, [(c, 0), (a, 0), (b, 0)]);
}

#[test]
fn an_iterator_at_its_end_goes_on_with_what_came_since_and_takes_nothing_twice() {
    let (pool, _) = pool(PoolConfig::default());
    let (a, b, c) = (sender(1), sender(2), sender(3));
    let add = |from, nonce, price| pool.add(legacy(from, nonce, price, 0), Origin::Local).unwrap();
    let taken = |best: &mut aurum_pool::Best| best.by_ref().map(|tx| (tx.sender(), tx.nonce())).collect::<Vec<_>>();
    add(a, 0, 5);
    let mut best = pool.best();
    assert_eq!(taken(&mut best), [(a, 0)]);
    for (from, nonce, price) in [(a, 1, 5), (b, 0, 1), (b, 1, 9), (c, 0, 3)] {
        add(from, nonce, price);
    }
    assert_eq!(taken(&mut best), [], "nobody told of them");
    best.look_again(a);
    best.look_again(a);
    best.look_again(b);
    assert_eq!(taken(&mut best), [(a, 1), (b, 0), (b, 1)]);
    best.look_at_all();
    assert_eq!(taken(&mut best), [(c, 0)]);
    best.look_at_all();
    assert_eq!(taken(&mut best), []);

    // A replacement of what was taken is not taken as well; what was left out may be.
    add(a, 2, 5);
    add(c, 1, 5);
    best.look_again(c);
    assert_eq!(best.next().map(|tx| tx.nonce()), Some(1));
    best.skip_sender();
    add(a, 1, 50);
    best.look_at_all();
    assert_eq!(taken(&mut best), [(a, 2), (c, 1)]);
}

#[test]
fn a_gap_queues_and_its_filling_promotes() {
    let (pool, _) = pool(PoolConfig { max_queued_per_sender: 2, ..PoolConfig::default() });
    let a = sender(1);
    assert!(!pool.add(legacy(a, 2, 1, 0), Origin::Local).unwrap().pending);
    pool.add(legacy(a, 3, 1, 0), Origin::Local).unwrap();
    assert!(message(pool.add(legacy(a, 4, 1, 0), Origin::Local)).starts_with("nonce too high"));
    assert_eq!((pool.status().pending, pool.status().queued, pool.next_nonce(a)), (0, 2, Some(0)));
    pool.add(legacy(a, 0, 1, 0), Origin::Local).unwrap();
    pool.add(legacy(a, 1, 1, 0), Origin::Local).unwrap();
    assert_eq!((pool.status().pending, pool.status().queued, pool.next_nonce(a)), (4, 0, Some(4)));
    let content = pool.content();
    assert_eq!(content.pending[&a].iter().map(|tx| tx.nonce()).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_full_pool_evicts_only_what_other_nodes_queued_and_tells_why() {
    let (pool, _) = pool(PoolConfig { max_transactions: 2, ..PoolConfig::default() });
    let gapped = legacy(sender(1), 5, 1, 0);
    pool.add(gapped.clone(), Origin::Network).unwrap();
    pool.add(legacy(sender(2), 5, 1, 0), Origin::Local).unwrap();
    assert!(pool.add(legacy(sender(3), 0, 1, 0), Origin::Network).is_err(), "the network's make no room");
    pool.add(legacy(sender(3), 0, 1, 0), Origin::Local).unwrap();
    assert_eq!(why(&pool, *gapped.inner().tx_hash()), Some(Departure::Evicted));
    assert!(pool.add(legacy(sender(4), 0, 1, 0), Origin::Local).is_err(), "a local one is never evicted");
}

#[test]
fn a_reorg_brings_transactions_back_through_admission() {
    let (pool, chain) = pool(PoolConfig::default());
    let (a, b) = (sender(1), sender(2));
    let first = legacy(a, 0, 1, 0);
    let second = legacy(a, 1, 1, 0);
    let denied = legacy(b, 0, 1, 0);
    for tx in [&first, &second, &denied] {
        pool.add(tx.clone(), Origin::Network).unwrap();
    }
    let hashes = |txs: &[&_]| -> Vec<B256> {
        txs.iter().map(|tx: &&aurum_types::Recovered<aurum_types::Transaction>| *tx.inner().tx_hash()).collect()
    };
    chain.set(a, 2, u64::MAX);
    chain.set(b, 1, u64::MAX);
    pool.on_head(&HeadChange {
        included: hashes(&[&first, &second, &denied]),
        touched: vec![a, b],
        ..HeadChange::default()
    });
    assert_eq!(pool.status().pending, 0);
    assert_eq!(pool.next_nonce(a), None);

    // The other branch holds only the first, and took b's rights away.
    chain.set(a, 1, u64::MAX);
    chain.set(b, 0, u64::MAX);
    chain.refuse(b);
    pool.on_head(&HeadChange {
        included: hashes(&[&first]),
        retracted: vec![first, second.clone(), denied.clone()],
        touched: vec![a, b],
        number: 1,
        base_fee: None,
    });
    assert_eq!(pool.best().map(|tx| tx.hash()).collect::<Vec<_>>(), hashes(&[&second]));
    assert!(matches!(why(&pool, hashes(&[&denied])[0]), Some(Departure::NoLongerAdmitted(_))));
    let denied = hashes(&[&denied])[0];
    assert_eq!(pool.senders_of([denied].iter()).get(&denied), Some(&b));
}

#[test]
fn another_transaction_with_the_nonce_in_a_block_ends_ours_with_the_story_kept() {
    let (pool, chain) = pool(PoolConfig::default());
    let ours = legacy(sender(1), 0, 1, 0);
    pool.add(ours.clone(), Origin::Local).unwrap();
    chain.set(sender(1), 1, u64::MAX);
    pool.on_head(&HeadChange { touched: vec![sender(1)], number: 7, ..HeadChange::default() });
    let departed = pool.departure(*ours.inner().tx_hash());
    assert_eq!(departed, Some(Departed { why: Departure::NonceUsed, at: 7 }));
}

#[test]
fn rights_lost_while_waiting_do_not_block_the_sender_for_ever() {
    let (pool, chain) = pool(PoolConfig::default());
    let tx = legacy(sender(1), 0, 1, 0);
    pool.add(tx.clone(), Origin::Local).unwrap();
    chain.refuse(sender(1));
    for _ in 0..16 {
        pool.on_head(&HeadChange::default());
    }
    assert!(pool.get(*tx.inner().tx_hash()).is_none());
    assert!(
        matches!(why(&pool, *tx.inner().tx_hash()), Some(Departure::NoLongerAdmitted(why)) if why.starts_with("Transaction is not permitted."))
    );
}

#[test]
fn removing_one_queues_those_behind_it_and_subscribers_hear_of_each() {
    let (pool, _) = pool(PoolConfig::default());
    let mut newly = pool.subscribe();
    let first = pool.add(legacy(sender(1), 0, 1, 0), Origin::Local).unwrap().hash;
    pool.add(legacy(sender(1), 1, 1, 0), Origin::Network).unwrap();
    assert_eq!(newly.try_recv().unwrap().iter().map(|tx| tx.hash()).collect::<Vec<_>>(), [first]);
    assert_eq!(newly.try_recv().unwrap()[0].nonce(), 1);
    pool.remove(first, "does not run").unwrap();
    assert_eq!((pool.status().pending, pool.status().queued), (0, 1));
    assert_eq!(why(&pool, first), Some(Departure::Removed("does not run".to_owned())));
}

#[test]
fn adding_from_many_threads_while_heads_come_loses_and_doubles_nothing() {
    const EACH: u64 = 300;
    let (pool, chain) = pool(PoolConfig::default());
    let mined = std::thread::scope(|scope| {
        let adders: Vec<_> = (1..=3u8)
            .map(|id| {
                let pool = &pool;
                scope.spawn(move || {
                    for nonce in 0..EACH {
                        pool.add(legacy(sender(id), nonce, 1, 0), Origin::Local).unwrap();
                    }
                })
            })
            .collect();
        let mut nonces = [0u64; 4];
        while !adders.iter().all(|adder| adder.is_finished()) {
            let block: Vec<_> = pool.best().take(7).collect();
            for tx in &block {
                let next = &mut nonces[usize::from(tx.sender()[0])];
                assert_eq!(tx.nonce(), *next);
                *next += 1;
                chain.set(tx.sender(), *next, u64::MAX);
            }
            pool.on_head(&HeadChange {
                included: block.iter().map(|tx| tx.hash()).collect(),
                touched: block.iter().map(|tx| tx.sender()).collect(),
                ..HeadChange::default()
            });
        }
        nonces.iter().sum::<u64>()
    });
    let left = pool.best().map(|tx| (tx.sender(), tx.nonce())).collect::<std::collections::HashSet<_>>().len();
    assert_eq!(mined + left as u64, 3 * EACH);
    assert_eq!((pool.status().pending, pool.status().queued), (left, 0));
}

#[test]
fn refusals_are_remembered_until_the_transaction_is_taken() {
    let (pool, chain) = pool(PoolConfig { departures: 2, ..PoolConfig::default() });
    chain.set(sender(2), 5, u64::MAX);
    let late = legacy(sender(2), 4, 1, 0);
    let hash = *late.inner().tx_hash();
    pool.add(late.clone(), Origin::Network).unwrap_err();
    let refused = Departure::Refused("nonce too low: next nonce 5, tx nonce 4".to_owned());
    assert_eq!(why(&pool, hash), Some(refused));
    chain.set(sender(2), 4, u64::MAX);
    pool.add(late.clone(), Origin::Local).unwrap();
    pool.add(late, Origin::Local).unwrap_err();
    assert_eq!(pool.departure(hash), None, "it waits, and handing it in again is no refusal of it");

    chain.refuse(sender(4));
    let refused: Vec<_> = (0..3).map(|nonce| legacy(sender(4), nonce, 1, 0)).collect();
    let hashes: Vec<_> = refused.iter().map(|tx| *tx.inner().tx_hash()).collect();
    assert!(pool.add_many(refused, Origin::Local).iter().all(Result::is_err));
    assert_eq!(hashes.iter().filter(|hash| pool.departure(**hash).is_some()).count(), 2, "the last two");
}

#[test]
fn a_hundred_thousand_refusals_take_little_memory() {
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let (pool, chain) = pool(PoolConfig::default());
    chain.refuse(sender(4));
    let before = memory();
    let hashes = |nonces: std::ops::Range<u64>| {
        let txs: Vec<_> = nonces.map(|nonce| legacy(sender(4), nonce, 1, 0)).collect();
        let hashes: Vec<_> = txs.iter().map(|tx| *tx.inner().tx_hash()).collect();
        assert!(pool.add_many(txs, Origin::Network).iter().all(Result::is_err));
        hashes
    };
    let first = hashes(0..1000);
    for start in 1..=100 {
        hashes(start * 1000..(start + 1) * 1000);
    }
    let grown = memory().saturating_sub(before);
    println!("{grown} bytes for 100,000 refusals");
    assert!(grown < 64 << 20, "{grown}");
    assert_eq!(pool.departure(first[0]), None, "the oldest are forgotten");
}
