//! Going back behind the persisted tip leaves nothing of the blocks taken off.

use crate::support::{self, Link, check_state, genesis, grow, open, persist};
use alloy::primitives::B256;
use aurum_storage::StorageError;
use proptest::prelude::*;

/// Grows and persists one block for each seed; returns the whole chain.
fn extend(
    database: &mut (aurum_storage::Database, aurum_storage::Writer, aurum_storage::StateTree),
    mut chain: Vec<Link>,
    seeds: std::ops::Range<u64>,
    at_once: usize,
) -> Vec<Link> {
    let (_, writer, tree) = database;
    for (turn, seed) in seeds.enumerate() {
        let link = grow(writer, tree, &chain[chain.len() - 1], seed);
        chain.push(link);
        if turn % at_once == 0 {
            persist(writer, tree, &chain[chain.len() - 1]);
        }
    }
    persist(writer, tree, &chain[chain.len() - 1]);
    chain
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unwinding_and_taking_another_branch_equals_never_having_left_it(
        seed in 0u64..1_000_000, length in 1u64..20, back in 1usize..20, other in 1u64..10,
    ) {
        let (unwound, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut a = open(unwound.path());
        let mut left = extend(&mut a, vec![genesis()], seed..seed + length, 1);
        let keep = left.len().saturating_sub(back).max(1);
        let tip = a.1.unwind(left[keep - 1].header.number).unwrap();
        prop_assert_eq!(tip.hash, left[keep - 1].hash);
        prop_assert_eq!(a.1.recompute_root().unwrap(), left[keep - 1].header.state_root);
        a.1.check_trie().unwrap();
        let gone = left.split_off(keep);
        for link in &gone {
            prop_assert!(a.2.state_at(link.hash).unwrap().is_none());
            prop_assert_eq!(a.0.canonical_hash(link.header.number).unwrap(), None);
            prop_assert!(a.0.receipts(link.hash).unwrap().is_none());
        }
        // What was taken off is stored still, and listed for replay.
        prop_assert_eq!(a.0.unpersisted().unwrap().len(), gone.len());

        let seeds = seed + 1_000..seed + 1_000 + other;
        let chain = extend(&mut a, left.clone(), seeds.clone(), 3);
        let mut b = open(fresh.path());
        extend(&mut b, vec![genesis()], seed..seed + left.len() as u64 - 1, 4);
        extend(&mut b, left, seeds, 2);
        prop_assert_eq!(a.0.persisted(), b.0.persisted());
        prop_assert_eq!(a.1.recompute_root().unwrap(), b.1.recompute_root().unwrap());
        for link in &chain {
            check_state(&a.2, link);
            check_state(&b.2, link);
            prop_assert_eq!(a.0.canonical_hash(link.header.number).unwrap(), Some(link.hash));
            for tx in a.0.block(link.hash).unwrap().map(|block| block.transactions).unwrap_or_default() {
                prop_assert_eq!(a.0.tx_location(*tx.tx_hash()).unwrap(), Some((link.hash, 0)));
            }
        }
        for link in &gone {
            for tx in a.0.block(link.hash).unwrap().map(|block| block.transactions).unwrap_or_default() {
                prop_assert_eq!(a.0.tx_location(*tx.tx_hash()).unwrap(), None);
            }
        }
    }
}

#[test]
fn lands_where_persisting_once_stopped_and_reaches_no_further_than_genesis() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = open(directory.path());
    let chain = extend(&mut database, vec![genesis()], 1..11, 4);
    // Persisting stopped at blocks 1, 5, 9 and 10.
    let reader = database.2.state_at(chain[9].hash).unwrap().expect("held");
    assert_eq!(database.1.unwind(8).unwrap().hash, chain[5].hash);
    assert_eq!(database.0.engine().unwrap(), Some("engine 5".into()));
    let error = reader.account(support::address(1)).unwrap_err();
    assert!(error.to_string().contains("is not available"), "{error}");
    assert_eq!(database.1.unwind(100).unwrap().hash, chain[5].hash, "nothing to take off");
    assert_eq!(database.1.unwind(0).unwrap().hash, chain[0].hash);
    check_state(&database.2, &chain[0]);
}

#[test]
fn an_older_reader_survives_an_unwind_above_its_block() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = open(directory.path());
    let chain = extend(&mut database, vec![genesis()], 1..11, 1);
    let reader = database.2.state_at(chain[3].hash).unwrap().expect("held");
    database.1.unwind(6).unwrap();
    support::compare(&*reader, &chain[3].model);
}

#[test]
fn another_genesis_is_refused_with_both_hashes() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut writer, _) = open(directory.path());
    let mut other = genesis().header;
    other.timestamp += 1;
    let error = writer.init_genesis(&other, &support::genesis_changes(), b"").unwrap_err();
    let expected = StorageError::OtherGenesis {
        path: directory.path().to_owned(),
        found: genesis().hash,
        expected: other.hash_slow(),
    };
    assert_eq!(error, expected);
    assert!(error.to_string().contains(&genesis().hash.to_string()));

    let empty = tempfile::tempdir().unwrap();
    let (_, mut writer) = aurum_storage::Database::open(empty.path()).unwrap();
    other.state_root = B256::repeat_byte(1);
    let error = writer.init_genesis(&other, &support::genesis_changes(), b"").unwrap_err();
    let computed = genesis().header.state_root;
    assert_eq!(error, StorageError::GenesisRoot { computed, header: other.state_root });
}
