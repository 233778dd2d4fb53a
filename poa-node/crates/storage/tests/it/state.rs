//! States on every fork and at every height, before, while and after blocks are persisted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::support::{
    Link, address, check_state, child, child_with, compare, crash_copy, genesis, grow, open, open_with, options,
    persist,
};
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use aurum_storage::{AccountProof, Database, History, Options, StorageError, TrieNodes};
use aurum_types::{Account, AccountChange, StateChanges};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Action {
    /// A block on the n-th youngest held one.
    Grow(usize),
    /// Persist the chain up to the n-th youngest block, giving up all other forks.
    Persist(usize),
    /// The same, with the other forks staying.
    PersistKeepingForks(usize),
    /// Take the last n persisted blocks off.
    Unwind(usize),
    /// Save the trie.
    Checkpoint,
    /// Prove something at the n-th youngest block.
    Prove(usize),
    /// Close the database and open it again; cleanly, or as after a crash.
    Reopen(bool),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        8 => (0usize..5).prop_map(Action::Grow),
        1 => (0usize..6).prop_map(Action::Persist),
        2 => (0usize..6).prop_map(Action::PersistKeepingForks),
        1 => (0usize..4).prop_map(Action::Unwind),
        1 => Just(Action::Checkpoint),
        2 => (0usize..8).prop_map(Action::Prove),
        1 => any::<bool>().prop_map(Action::Reopen),
    ];
    proptest::collection::vec(action, 1..50)
}

/// What the tree should hold.
struct Expected {
    /// Every block ever grown, in that order.
    grown: Vec<Link>,
    canonical: Vec<Link>,
    layers: Vec<Link>,
}

impl Expected {
    fn nth_youngest(&self, n: usize) -> Link {
        let held: Vec<_> = self.grown.iter().rev().filter(|link| self.holds(link)).collect();
        held[n % held.len()].clone()
    }

    fn holds(&self, link: &Link) -> bool {
        self.canonical.iter().chain(&self.layers).any(|other| other.hash == link.hash)
    }

    fn tip(&self) -> &Link {
        &self.canonical[self.canonical.len() - 1]
    }

    /// Layers on the way from the persisted chain to `link`, ascending.
    fn path(&self, link: &Link) -> Vec<Link> {
        let mut path = Vec::new();
        let mut cursor = link.hash;
        while let Some(layer) = self.layers.iter().find(|layer| layer.hash == cursor) {
            path.insert(0, layer.clone());
            cursor = layer.header.parent_hash;
        }
        path
    }

    fn root(&self, link: &Link) -> B256 {
        self.path(link)[0].header.parent_hash
    }

    fn drop_layers(&mut self, gone: impl Fn(&Self, &Link) -> bool) {
        let kept = self.layers.iter().filter(|layer| !gone(self, layer)).cloned().collect();
        self.layers = kept;
    }
}

/// `child` checks each root against a full rebuild on the way.
fn run(actions: &[Action], seed: u64) {
    let mut directory = tempfile::tempdir().expect("a directory");
    let (mut database, mut writer, mut tree) = open_with(directory.path(), options(seed));
    let mut expected = Expected { grown: vec![genesis()], canonical: vec![genesis()], layers: Vec::new() };
    for (step, action) in (seed..).zip(actions) {
        match *action {
            Action::Grow(n) => {
                let link = grow(&mut writer, &tree, &expected.nth_youngest(n), step);
                expected.grown.push(link.clone());
                expected.layers.push(link);
            }
            Action::Persist(n) | Action::PersistKeepingForks(n) => {
                let link = expected.nth_youngest(n);
                let path = expected.path(&link);
                if path.first().is_none_or(|first| first.header.parent_hash != expected.tip().hash) {
                    continue;
                }
                if matches!(action, Action::Persist(_)) {
                    persist(&mut writer, &tree, &link);
                } else {
                    writer.advance_keeping_forks(&tree.path(link.hash), b"").expect("continues");
                }
                assert_eq!(database.persisted().expect("has genesis").hash, link.hash);
                expected.layers.retain(|layer| path.iter().all(|block| block.hash != layer.hash));
                expected.canonical.extend(path);
                if matches!(action, Action::Persist(_)) {
                    expected.drop_layers(|expected, layer| expected.root(layer) != link.hash);
                }
            }
            Action::Unwind(n) => {
                let to = expected.canonical.len().saturating_sub(n).max(1);
                writer.unwind_to(to as u64 - 1, b"").expect("history is whole");
                let unwound = expected.canonical.split_off(to);
                expected.drop_layers(|expected, layer| unwound.iter().any(|block| block.hash == expected.root(layer)));
            }
            Action::Checkpoint => {
                writer.checkpoint().expect("disk");
            }
            Action::Prove(n) => {
                let link = expected.nth_youngest(n);
                for address in [address(1), address(2), Address::repeat_byte(0xee)] {
                    let proof = tree.prove(link.hash, address, &[U256::from(step % 8)]).expect("disk").expect("held");
                    check_proof(link.header.state_root, &link, &proof);
                }
            }
            Action::Reopen(cleanly) => {
                let copy = tempfile::tempdir().expect("a directory");
                if !cleanly {
                    crash_copy(directory.path(), copy.path());
                }
                drop((database, writer, tree));
                if !cleanly {
                    directory = copy;
                }
                (database, writer, tree) = open_with(directory.path(), options(step));
                expected.layers.clear();
            }
        }
        writer.check_trie().expect("the tables hold one whole trie");
        assert_eq!(tree.len(), expected.layers.len());
        for link in &expected.grown {
            if expected.holds(link) {
                check_state(&tree, link);
            } else {
                assert!(tree.state_at(link.hash).expect("disk").is_none());
            }
        }
    }
    let tip = expected.tip().clone();
    assert_eq!(writer.recompute_root().expect("disk"), tip.header.state_root);

    // The same from disk alone, where every stored block that continues the tip is found again.
    drop((database, writer, tree));
    let (database, _writer, tree) = open(directory.path());
    expected.canonical.iter().for_each(|link| check_state(&tree, link));
    let mut known = vec![tip.hash];
    for link in &expected.grown {
        if known.contains(&link.header.parent_hash) && link.header.number > tip.header.number {
            known.push(link.hash);
        }
    }
    let listed = database.unpersisted().expect("disk").iter().map(|block| block.hash).collect();
    assert_eq!(sorted(listed), sorted(known.split_off(1)));
}

fn sorted(mut hashes: Vec<B256>) -> Vec<B256> {
    hashes.sort_unstable();
    hashes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_held_state_equals_its_model(actions in actions(), seed in 0u64..1_000_000) {
        run(&actions, seed);
    }
}

#[test]
fn reads_through_many_layers_and_after_they_are_persisted_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let mut chain = vec![genesis()];
    for seed in 1..=150 {
        let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed);
        chain.push(link);
    }
    assert_eq!(tree.len(), 150);
    let readers: Vec<_> = chain.iter().map(|link| tree.state_at(link.hash).unwrap().expect("held")).collect();
    chain.iter().for_each(|link| check_state(&tree, link));
    persist(&mut writer, &tree, &chain[150]);
    assert!(tree.is_empty());
    chain.iter().for_each(|link| check_state(&tree, link));
    // Readers made before stay right, and know their own ancestors.
    for (reader, link) in readers.iter().zip(&chain) {
        compare(&**reader, &link.model);
        assert_eq!(reader.block_hash(0).unwrap(), Some(chain[0].hash));
        assert_eq!(reader.block_hash(link.header.number + 1).unwrap(), None);
    }
}

#[test]
fn readers_on_other_threads_never_see_a_half_written_block() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let mut chain = vec![genesis()];
    for seed in 1..=60 {
        let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed * 31);
        chain.push(link);
    }
    let done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        for offset in [0, 20] {
            let (tree, chain, done) = (tree.clone(), chain.clone(), Arc::clone(&done));
            scope.spawn(move || {
                let mut turn = offset;
                while !done.load(Ordering::Relaxed) {
                    check_state(&tree, &chain[turn % chain.len()]);
                    turn += 1;
                }
            });
        }
        for link in chain.iter().skip(1).step_by(2) {
            persist(&mut writer, &tree, link);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(writer.recompute_root().unwrap(), chain[59].header.state_root);
}

#[test]
fn a_wipe_removes_slots_of_blocks_persisted_in_the_same_batch() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let contract = address(2);
    let storage = |slots: &[(u64, u64)]| slots.iter().map(|(k, v)| (U256::from(*k), U256::from(*v))).collect();
    let account = Some(Account { nonce: 1, ..Account::default() });
    let changes =
        |change| StateChanges { accounts: [(contract, change)].into_iter().collect(), ..StateChanges::default() };

    let mut links = vec![genesis()];
    for change in [
        AccountChange { account, storage: storage(&[(3, 33), (4, 0)]), ..AccountChange::default() },
        AccountChange { account, storage_wiped: true, storage: storage(&[(5, 55)]) },
        AccountChange { account: None, ..AccountChange::default() },
        AccountChange { account, storage: storage(&[(6, 66)]), ..AccountChange::default() },
    ] {
        let parent = &links[links.len() - 1];
        let (block, nodes, link) = child_with(&tree, parent, 1, changes(change));
        writer.appender().put_block(block.sealed(), link.score).unwrap();
        tree.insert(block, nodes).unwrap();
        links.push(link);
    }
    links.iter().for_each(|link| check_state(&tree, link));
    persist(&mut writer, &tree, &links[4]);
    links.iter().for_each(|link| check_state(&tree, link));
    assert_eq!(writer.recompute_root().unwrap(), links[4].header.state_root);
}

#[test]
fn pruned_states_are_gone_and_say_so() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    let options = Options { history: History::Last(1), checkpoint_blocks: 1, ..Options::default() };
    let (database, mut writer) = Database::open_with(directory.path(), options).unwrap();
    let tree = database.state_tree();
    let mut chain = vec![genesis()];
    let early = tree.state_at(chain[0].hash).unwrap().expect("held");
    for seed in 1..=140 {
        let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed);
        persist(&mut writer, &tree, &link);
        chain.push(link);
    }
    assert_eq!(database.history_from(), 140 - History::LEAST);
    for link in &chain {
        if link.header.number < database.history_from() {
            assert!(tree.state_at(link.hash).unwrap().is_none());
            assert!(tree.slots(link.hash, address(2), 100, &|| true).unwrap().is_none());
        } else {
            check_state(&tree, link);
        }
    }
    let error = early.account(address(1)).unwrap_err();
    assert!(error.to_string().contains("is not available"), "{error}");
    let to = database.history_from() - 1;
    let error = writer.unwind(to).unwrap_err();
    assert_eq!(error, StorageError::UnwindTooDeep { to, oldest: database.history_from() });
}

fn check_proof(root: B256, link: &Link, proof: &AccountProof) {
    let key = |bytes: &[u8]| Nibbles::unpack(keccak256(bytes));
    let leaf = proof.account.map(|account| {
        alloy::rlp::encode(TrieAccount::new(account.nonce, account.balance, proof.storage_root, account.code_hash))
    });
    verify_proof(root, key(proof.address.as_slice()), leaf, &proof.proof).expect("account proof holds");
    use aurum_types::StateReader;
    assert_eq!(proof.account, link.model.account(proof.address).expect("memory"));
    for storage in &proof.storage {
        let leaf = (!storage.value.is_zero()).then(|| alloy::rlp::encode(storage.value));
        let key = key(&storage.slot.to_be_bytes::<32>());
        verify_proof(proof.storage_root, key, leaf, &storage.proof).expect("slot proof holds");
        assert_eq!(storage.value, link.model.storage(proof.address, storage.slot).expect("memory"));
    }
}

#[test]
fn proofs_hold_at_unpersisted_persisted_and_old_blocks() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let mut chain = vec![genesis()];
    for seed in 100..130 {
        let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed);
        chain.push(link);
    }
    persist(&mut writer, &tree, &chain[20]);
    let slots: Vec<_> = (0..10).map(U256::from).collect();
    let absent = Address::repeat_byte(0xee);
    for link in &chain {
        for address in (0..10).map(address).chain([Address::ZERO, absent]) {
            let proof = tree.prove(link.hash, address, &slots).unwrap().expect("held");
            assert_eq!(proof.storage.len(), slots.len());
            check_proof(link.header.state_root, link, &proof);
        }
    }
    assert_eq!(tree.prove(B256::repeat_byte(1), absent, &[]).unwrap(), None);
}

#[test]
fn blocks_receipts_and_places_are_found_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (database, mut writer, tree) = open(directory.path());
    let (block, nodes, link) = child(&tree, &genesis(), 8);
    assert!(database.block(link.hash).unwrap().is_none());
    writer.appender().put_block(block.sealed(), link.score).unwrap();
    let tx_hash = *block.sealed().block().transactions[0].tx_hash();
    assert_eq!(database.block(link.hash).unwrap().as_ref(), Some(block.sealed().block()));
    assert_eq!(database.score(link.hash).unwrap(), Some(link.score));
    assert_eq!(database.tx_location(tx_hash).unwrap(), None, "not persisted yet");

    tree.insert(block.clone(), nodes).unwrap();
    assert_eq!(tree.block(link.hash).map(|block| block.hash()), Some(link.hash));
    persist(&mut writer, &tree, &link);
    writer.appender().put_meta("head", b"value").unwrap();
    drop((database, writer, tree));
    let (database, _writer, _tree) = open(directory.path());
    assert_eq!(database.tx_location(tx_hash).unwrap(), Some((link.hash, 0)));
    assert_eq!(database.receipts(link.hash).unwrap().as_deref(), Some(block.receipts()));
    assert_eq!(database.senders(link.hash).unwrap().as_deref(), Some(block.senders()));
    assert_eq!(database.canonical_hash(1).unwrap(), Some(link.hash));
    assert_eq!(database.header(link.hash).unwrap(), Some(link.header));
    assert_eq!(database.genesis().unwrap(), Some(genesis().hash));
    assert_eq!(database.engine().unwrap(), Some("engine 1".into()));
    assert_eq!(database.meta("head").unwrap().as_deref(), Some(b"value".as_slice()));
    assert_eq!(database.meta("tip").unwrap(), None, "own facts are not reachable as meta");
}

#[test]
fn what_does_not_continue_the_chain_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let first = grow(&mut writer, &tree, &genesis(), 2);
    let second = grow(&mut writer, &tree, &first, 3);
    let path = tree.path(second.hash);
    let error = writer.advance(&path[1..], b"").unwrap_err();
    assert_eq!(error, StorageError::NotNext { hash: second.hash, tip_number: 0, tip_hash: genesis().hash });
    let unknown = B256::repeat_byte(7);
    assert_eq!(
        tree.commit(unknown, &StateChanges::default()).unwrap_err(),
        StorageError::MissingState { block: unknown }
    );
    let (orphan, nodes, _) = child(&tree, &second, 4);
    persist(&mut writer, &tree, &first);
    assert_eq!(writer.unwind_to(0, b"").unwrap().number, 0);
    assert_eq!(tree.insert(orphan, nodes).unwrap_err(), StorageError::MissingState { block: second.hash });
    // What is persisted is not held twice.
    tree.insert(path[0].clone(), TrieNodes::default()).unwrap();
    persist(&mut writer, &tree, &first);
    tree.insert(path[0].clone(), TrieNodes::default()).unwrap();
    assert!(tree.is_empty());
}

#[test]
fn blocks_are_added_while_those_below_them_are_persisted() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (_database, _writer, tree) = open(elsewhere.path());
    let mut link = genesis();
    let mut blocks = Vec::new();
    for seed in 0..600 {
        let (block, nodes, next) = child(&tree, &link, seed);
        tree.insert(Arc::clone(&block), nodes.clone()).expect("its parent is there");
        blocks.push((block, nodes, next.score));
        link = next;
    }

    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let (added, next) = std::sync::mpsc::channel();
    let behind = tree.clone();
    let persisting = std::thread::spawn(move || {
        for (hash, score) in next {
            let path = behind.path(hash);
            writer.appender().put_block(path.last().expect("was added").sealed(), score).expect("disk");
            writer.advance_keeping_forks(&path, b"").expect("continues");
        }
    });
    for (number, (block, nodes, score)) in blocks.into_iter().enumerate() {
        let hash = block.hash();
        tree.insert(block, nodes).expect("its parent is in the tree or persisted");
        added.send((hash, score)).expect("the other thread waits");
        // The next one comes at any moment of its parent's way to disk.
        let spins = number % 97 * 40;
        (0..spins).for_each(|_| std::hint::spin_loop());
    }
    drop(added);
    persisting.join().expect("every block was persisted");
    check_state(&tree, &link);
}

#[test]
fn a_fork_below_the_tip_lives_on_history_until_it_is_forgotten() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let mut chain = vec![genesis()];
    for seed in 1..=20 {
        let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed);
        chain.push(link);
    }
    let mut fork = vec![grow(&mut writer, &tree, &chain[10], 1_000)];
    writer.advance_keeping_forks(&tree.path(chain[20].hash), b"").unwrap();
    for seed in 1_001..1_020 {
        let link = grow(&mut writer, &tree, &fork[fork.len() - 1], seed);
        fork.push(link);
    }
    chain.iter().chain(&fork).for_each(|link| check_state(&tree, link));

    // The other branch wins: back to where they part, and up along the fork.
    let tip = writer.unwind_to(10, b"engine 10").unwrap();
    assert_eq!(tip.hash, chain[10].hash);
    fork.iter().for_each(|link| check_state(&tree, link));
    persist(&mut writer, &tree, &fork[19]);
    chain[..=10].iter().chain(&fork).for_each(|link| check_state(&tree, link));
    assert_eq!(writer.recompute_root().unwrap(), fork[19].header.state_root);

    let late = grow(&mut writer, &tree, &fork[5], 2_000);
    check_state(&tree, &late);
    tree.forget(&[late.hash]);
    assert!(tree.state_at(late.hash).unwrap().is_none());
    assert!(tree.is_empty());
}

#[test]
fn readers_of_every_branch_stay_right_while_one_is_persisted_block_by_block() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_database, mut writer, tree) = open(directory.path());
    let mut chain = vec![genesis()];
    for seed in 1..=12 {
        let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed);
        chain.push(link);
    }
    let mut fork = vec![grow(&mut writer, &tree, &chain[4], 1_000)];
    for seed in 1_001..1_008 {
        let link = grow(&mut writer, &tree, &fork[fork.len() - 1], seed);
        fork.push(link);
    }
    let reader = |link: &Link| (tree.state_at(link.hash).unwrap().expect("held"), link.clone());
    let readers: Vec<_> = chain.iter().chain(&fork).map(reader).collect();
    for link in &chain[1..] {
        writer.advance_keeping_forks(&tree.path(link.hash), b"").unwrap();
        readers.iter().for_each(|(reader, link)| compare(&**reader, &link.model));
    }
}

#[test]
fn blocks_above_a_rewind_are_not_offered_for_replay_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (database, mut writer, tree) = open(directory.path());
    let mut chain = vec![genesis()];
    for seed in 1..=12 {
        let link = grow(&mut writer, &tree, &chain[chain.len() - 1], seed);
        chain.push(link);
    }
    let fork = grow(&mut writer, &tree, &chain[11], 77);
    writer.advance(&tree.path(chain[10].hash), b"").unwrap();
    assert_eq!(database.unpersisted().unwrap().len(), 3);
    assert_eq!(writer.rewind_to(4, b"engine 4").unwrap().hash, chain[4].hash);
    assert!(tree.is_empty());
    assert_eq!(database.unpersisted().unwrap(), vec![]);
    chain[..=4].iter().for_each(|link| check_state(&tree, link));
    assert!(tree.state_at(fork.hash).unwrap().is_none());
    assert_eq!(writer.recompute_root().unwrap(), chain[4].header.state_root);
    // The very same block may come again, and is listed again.
    grow(&mut writer, &tree, &chain[4], 5);
    let listed = database.unpersisted().unwrap();
    assert_eq!(listed.iter().map(|block| block.hash).collect::<Vec<_>>(), vec![chain[5].hash]);
    assert_eq!(database.engine().unwrap().unwrap().as_ref(), b"engine 4");
}
