//! A batch is answered as if each of it had come alone, after those before it.

use std::fs;

use crate::common::{FakeChain, legacy, sender, signed};
use aurum_pool::{Added, Departure, HeadChange, Origin, Pool, PoolConfig, PoolError, SubmitError};
use aurum_types::{Recovered, Transaction, recoveries};
use proptest::prelude::*;

fn small() -> PoolConfig {
    PoolConfig { max_transactions: 8, max_per_sender: 4, max_queued_per_sender: 2, ..PoolConfig::default() }
}

fn transactions() -> impl Strategy<Value = Vec<Recovered<Transaction>>> {
    let one = (1..6u8, 0..6u64, 1..30u128, 0..3u64);
    prop::collection::vec(one.prop_map(|(from, nonce, price, salt)| legacy(sender(from), nonce, price, salt)), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_batch_is_answered_as_if_each_came_alone(batches in prop::collection::vec((transactions(), any::<bool>()), 1..6)) {
        let chain = FakeChain::rich();
        chain.refuse(sender(5));
        chain.set(sender(4), 2, 40 * 21_000);
        let together = Pool::open(small(), chain.clone()).unwrap();
        let alone = Pool::open(small(), chain).unwrap();
        for (batch, local) in batches {
            let origin = if local { Origin::Local } else { Origin::Network };
            let one_by_one: Vec<_> = batch.iter().map(|tx| alone.add(tx.clone(), origin)).collect();
            let at_once = together.add_many(batch, origin);
            prop_assert_eq!(format!("{at_once:?}"), format!("{one_by_one:?}"));
            prop_assert_eq!(together.status(), alone.status());
            let hashes = |pool: &Pool| pool.best().map(|tx| tx.hash()).collect::<Vec<_>>();
            prop_assert_eq!(hashes(&together), hashes(&alone));
        }
    }
}

#[test]
fn a_batch_is_in_the_journal_before_its_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let config = PoolConfig { journal: Some(path.clone()), ..PoolConfig::default() };
    let pool = Pool::open(config.clone(), FakeChain::rich()).unwrap();
    let refused = signed(2, u64::MAX);
    let batch = vec![signed(1, 0), refused, signed(1, 1), signed(3, 0)];
    let answers = pool.add_many(batch, Origin::Local);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, true]);
    // A copy at this moment is what a killed process leaves.
    let copy = folder.path().join("killed");
    fs::copy(&path, &copy).unwrap();
    let reopened = Pool::open(PoolConfig { journal: Some(copy), ..config }, FakeChain::rich()).unwrap();
    let accepted: Vec<_> = answers.into_iter().flatten().map(|added| added.hash).collect();
    assert_eq!(reopened.best().map(|tx| tx.hash()).collect::<Vec<_>>(), accepted);
}

/// Recoveries are counted for the whole process, which is this test's own under nextest.
#[test]
fn what_a_full_pool_refuses_is_remembered_and_costs_no_recovery() {
    let pool = Pool::open(PoolConfig { max_transactions: 1, ..PoolConfig::default() }, FakeChain::rich()).unwrap();
    let (first, second) = (signed(1, 0).into_inner(), signed(2, 0).into_inner());
    let hash = *second.tx_hash();
    assert!(pool.add_signed(vec![first], Origin::Local)[0].is_ok());
    let before = recoveries();
    let refused = pool.add_signed(vec![second.clone()], Origin::Local).pop().unwrap().unwrap_err();
    assert_eq!(recoveries(), before);
    assert!(matches!(refused, SubmitError::Pool(PoolError::Full { transactions: 1 })), "{refused}");
    assert_eq!(pool.departure(hash).unwrap().why, Departure::Refused(refused.to_string()));

    pool.start_over(Vec::new(), 0, None).unwrap();
    assert!(pool.add_signed(vec![second], Origin::Local)[0].is_ok());
    assert_eq!(pool.departure(hash), None);
}

/// As above.
#[test]
fn a_sender_is_recovered_once_however_often_its_transaction_comes() {
    let chain = FakeChain::rich();
    let pool = Pool::open(PoolConfig::default(), chain.clone()).unwrap();
    let txs: Vec<_> = (0..40).map(|nonce| signed(1, nonce).into_inner()).collect();
    let from = signed(1, 0).signer();
    let known = |error: &SubmitError| error.to_string() == "already known";

    let before = recoveries();
    assert!(pool.add_signed(txs.clone(), Origin::Network).iter().all(Result::is_ok));
    assert_eq!(recoveries() - before, 40);
    assert!(pool.add_signed(txs.clone(), Origin::Local).iter().all(|again| again.as_ref().is_err_and(known)));
    // In a block, then out of it again, then sent once more.
    let included: Vec<_> = txs.iter().map(|tx| *tx.tx_hash()).collect();
    chain.set(from, 40, u64::MAX);
    pool.on_head(&HeadChange { included: included.clone(), touched: vec![from], ..HeadChange::default() });
    assert_eq!(pool.status().pending, 0);
    let known = pool.senders_of(included.iter());
    assert!(included.iter().all(|hash| known.get(hash) == Some(&from)));
    chain.set(from, 0, u64::MAX);
    assert!(pool.add_signed(txs, Origin::Network).iter().all(Result::is_ok));
    assert_eq!(recoveries() - before, 40, "nothing is recovered again");
}

#[test]
fn a_full_pool_refuses_without_recovering_and_keeps_a_part_for_its_own_clients() {
    let config = PoolConfig { max_transactions: 16, ..PoolConfig::default() };
    let pool = Pool::open(config, FakeChain::rich()).unwrap();
    let txs: Vec<_> = (0..24).map(|nonce| signed(1, nonce).into_inner()).collect();
    let is_full = |error: &SubmitError| matches!(error, SubmitError::Pool(PoolError::Full { .. }));
    let full = |answers: &[Result<Added, SubmitError>]| {
        answers.iter().filter(|answer| answer.as_ref().is_err_and(is_full)).count()
    };
    let added = pool.add_signed(txs[..16].to_vec(), Origin::Network);
    assert_eq!((full(&added), pool.status().pending), (2, 14));
    // The last two places are not for other nodes, and asking for them costs nothing.
    let before = recoveries();
    assert_eq!(full(&pool.add_signed(txs[14..].to_vec(), Origin::Network)), 10);
    assert_eq!(recoveries(), before);
    assert!(pool.add_signed(txs[14..16].to_vec(), Origin::Local).iter().all(Result::is_ok));
    let before = recoveries();
    assert_eq!(full(&pool.add_signed(txs[16..].to_vec(), Origin::Local)), 8);
    assert_eq!(recoveries(), before);
    assert_eq!(pool.status().pending, 16);
}

/// Four nodes whose clients send more than there is room for, all at once.
#[test]
fn flooded_nodes_hold_what_the_others_have_accepted() {
    const LIMIT: usize = 64;
    let config = PoolConfig { max_transactions: LIMIT, max_per_sender: LIMIT, ..PoolConfig::default() };
    let pools: Vec<_> = (0..4).map(|_| Pool::open(config.clone(), FakeChain::rich()).unwrap()).collect();
    let mut next = [0; 4];
    let mut accepted = Vec::new();
    // A message of a few transactions of each node's clients, then what was taken goes to the others.
    for _ in 0..LIMIT {
        let mut gossip = Vec::new();
        for (index, pool) in pools.iter().enumerate() {
            let id = u8::try_from(index).unwrap() + 1;
            let sent: Vec<_> = (0..4).map(|place| legacy(sender(id), next[index] + place, 1, 0)).collect();
            let taken: Vec<_> = sent
                .iter()
                .zip(pool.add_many(sent.clone(), Origin::Local))
                .filter(|(_, answer)| answer.is_ok())
                .collect();
            next[index] += taken.len() as u64;
            gossip.extend(taken.into_iter().map(|(tx, _)| (index, tx.clone())));
        }
        for (from, tx) in gossip {
            let lost = (0..4).filter(|to| *to != from && pools[*to].add(tx.clone(), Origin::Network).is_err()).count();
            accepted.push((tx, lost));
        }
    }
    assert!(accepted.len() >= LIMIT / 2, "{} accepted", accepted.len());
    assert_eq!(accepted.iter().filter(|(_, lost)| *lost > 0).count(), 0, "others lack what one has accepted");
    // Whose clients send little has places all the same, however much the others' send.
    let quiet = Pool::open(config, FakeChain::rich()).unwrap();
    let others = (0..u64::MAX).map(|nonce| quiet.add(legacy(sender(9), nonce, 1, 0), Origin::Network));
    assert_eq!(others.take_while(Result::is_ok).count(), LIMIT - LIMIT / 8);
    let own = (0..u64::MAX).map(|nonce| quiet.add(legacy(sender(10), nonce, 1, 0), Origin::Local));
    assert_eq!(own.take_while(Result::is_ok).count(), LIMIT / 8);
}
