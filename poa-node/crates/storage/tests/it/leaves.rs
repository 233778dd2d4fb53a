//! A whole state leaf by leaf, now and as it was, and a database filled from leaves.

use alloy::primitives::{Address, U256};
use aurum_storage::{Database, Leaf, Restore, RestoredBlock, StateRoot, StorageError};
use aurum_types::{Account, Block, MemoryState, StateChanges, StateReader as _};
use proptest::prelude::*;

use crate::support::{Link, check_state, genesis, grow, open, persist};

fn leaves(database: &Database, number: u64) -> Result<Vec<Leaf>, StorageError> {
    let mut leaves = Vec::new();
    database.leaves_at::<StorageError>(number, |leaf| {
        leaves.push(leaf);
        Ok(())
    })?;
    Ok(leaves)
}

/// The same out of the model.
fn expected(model: &MemoryState) -> Vec<Leaf> {
    let mut accounts: Vec<(Address, Account)> = model.accounts().collect();
    accounts.sort_unstable_by_key(|(address, _)| *address);
    let mut leaves = Vec::new();
    for (address, account) in accounts {
        leaves.push(Leaf::Account(address, account));
        let mut slots: Vec<(U256, U256)> = model.slots(address).collect();
        slots.sort_unstable();
        leaves.extend(slots.into_iter().map(|(slot, value)| Leaf::Slot(slot, value)));
    }
    leaves
}

/// Fills a database with leaves, at most `portion` at a time.
fn refill(
    path: &std::path::Path,
    leaves: &[Leaf],
    model: &MemoryState,
    portion: usize,
) -> Result<Restore, StorageError> {
    let mut restore = Restore::open(path)?;
    let mut last = None;
    for portion in leaves.chunks(portion) {
        let mut changes = StateChanges::default();
        for leaf in portion {
            match *leaf {
                Leaf::Account(address, account) => {
                    let code = model.code(account.code_hash).expect("a model has all code");
                    if !code.is_empty() {
                        restore.add_code(account.code_hash, &code)?;
                    }
                    last = Some((address, account));
                    changes.accounts.entry(address).or_default().account = Some(account);
                }
                Leaf::Slot(slot, value) => {
                    let (address, account) = last.expect("a slot follows its account");
                    let change = changes.accounts.entry(address).or_default();
                    change.account = Some(account);
                    change.storage.insert(slot, value);
                }
            }
        }
        restore.add(&changes)?;
    }
    Ok(restore)
}

fn restored(link: &Link) -> RestoredBlock {
    let block = Block { header: link.header.clone(), transactions: Vec::new(), uncles: Vec::new() };
    RestoredBlock { block, hash: link.hash, score: link.score, receipts: Vec::new(), senders: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_past_state_is_shown_whole_and_fills_a_database_that_goes_on(
        seed in 0_u64..1_000_000, length in 1_u64..12, portion in 1_usize..9,
    ) {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (database, mut writer, tree) = open(folder.path());
        let mut chain = vec![genesis()];
        for turn in 0..length {
            let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed + turn);
            chain.push(link);
        }
        persist(&mut writer, &tree, &chain[chain.len() - 1]);
        for link in &chain {
            let shown = leaves(&database, link.header.number).unwrap();
            prop_assert_eq!(&shown, &expected(&link.model));
            let mut root = StateRoot::new();
            shown.iter().try_for_each(|leaf| root.add(*leaf)).unwrap();
            prop_assert_eq!(root.finish().unwrap(), link.header.state_root);
        }
        let above = leaves(&database, length + 1);
        prop_assert!(matches!(above, Err(StorageError::MissingState { .. })), "above the tip");

        let at = &chain[chain.len() - 1];
        let shown = leaves(&database, at.header.number).unwrap();
        let restore = refill(other.path(), &shown, &at.model, portion).unwrap();
        prop_assert_eq!(restore.root(), at.header.state_root);
        let tip = restore.finish(&genesis().header, &[restored(at)], b"engine").unwrap();
        prop_assert_eq!((tip.number, tip.hash), (at.header.number, at.hash));

        let (database, mut writer) = Database::open(other.path()).unwrap();
        let tree = database.state_tree();
        prop_assert_eq!(database.genesis().unwrap(), Some(genesis().hash));
        prop_assert_eq!(database.engine().unwrap().unwrap(), alloy::primitives::Bytes::from_static(b"engine"));
        check_state(&tree, at);
        // What was before is not there, and says so.
        prop_assert!(tree.state_at(genesis().hash).unwrap().is_none());
        let next = grow(&mut writer, &tree, at, seed + 77);
        persist(&mut writer, &tree, &next);
        check_state(&tree, &next);
        prop_assert_eq!(writer.recompute_root().unwrap(), next.header.state_root);
    }
}

#[test]
fn a_database_is_filled_once_and_only_with_its_tips_state() {
    let folder = tempfile::tempdir().unwrap();
    let at = genesis();
    let shown = expected(&at.model);
    let restore = refill(folder.path(), &shown[..shown.len() - 1], &at.model, 3).unwrap();
    let mut block = restored(&at);
    block.block.header.number = 1;
    assert!(matches!(restore.finish(&at.header, &[block], b""), Err(StorageError::Corrupt { .. })));
    // Half a state has no tip, and is not filled on.
    assert!(matches!(Restore::open(folder.path()), Err(StorageError::NotEmpty { .. })));
    assert_eq!(Database::open(folder.path()).unwrap().0.persisted(), None);

    let other = tempfile::tempdir().unwrap();
    drop(open(other.path()));
    assert!(matches!(Restore::open(other.path()), Err(StorageError::NotEmpty { .. })));
}
