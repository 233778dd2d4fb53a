//! Tries with keys that are not hashed, so that the shapes hashing makes rare are common: long shared paths, nodes
//! embedded in their parents, branches that collapse.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy::primitives::{B256, Bytes};
use alloy_trie::{HashBuilder, Nibbles, proof::verify_proof};
use proptest::prelude::*;

use super::{
    NodeSource, Owner, StateTrie, Unsaved,
    node::Node,
    proof::{has_record_at, prove},
    shrink::shrink,
    store::NodeStore,
    unsaved,
    update::{Target, Trace, Write, update},
};
use crate::StorageError;

/// The table of nodes.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<BTreeMap<Vec<u8>, Bytes>>>);

impl NodeSource for Table {
    fn node(&self, owner: Owner, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        assert_eq!(owner, None);
        Ok(self.0.lock().unwrap().get(&path.to_vec()).cloned())
    }
}

impl Table {
    /// Without memory, so that every node that is not held is decoded from its bytes.
    fn store(&self) -> NodeStore {
        NodeStore::new(Arc::new(self.clone()))
    }

    fn rows(&self) -> BTreeMap<Vec<u8>, Bytes> {
        self.0.lock().unwrap().clone()
    }

    /// Makes the table hold `trie`, whose place of nodes is that of the one it holds but for `vacated`.
    fn save(&self, trie: &StateTrie, vacated: &[Nibbles]) {
        for path in vacated {
            if !has_record_at(&self.store(), None, trie.root(), path).unwrap() {
                self.0.lock().unwrap().remove(&path.to_vec());
            }
        }
        let unsaved: Unsaved = unsaved(trie, |_, path, rlp| {
            self.0.lock().unwrap().insert(path.to_vec(), rlp.into());
        })
        .unwrap();
        unsaved.set_saved();
    }

    fn apply(&self, trie: &StateTrie, writes: &BTreeMap<B256, Vec<u8>>, vacated: &mut Vec<Nibbles>) -> StateTrie {
        let (trie, mut trace) = self.traced(trie, writes);
        vacated.append(&mut trace.vacated);
        trie
    }

    fn traced(&self, trie: &StateTrie, writes: &BTreeMap<B256, Vec<u8>>) -> (StateTrie, Trace) {
        static GENERATION: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let writes: Vec<_> = writes
            .iter()
            .map(|(key, value)| Write { key: *key, value: (!value.is_empty()).then(|| value.clone()), below: None })
            .collect();
        let store = self.store();
        let born = GENERATION.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut trace = Trace::default();
        let target = Target { store: &store, owner: None, born };
        let root = update(&target, trie.root(), &writes, &mut trace).unwrap();
        (StateTrie::of(root), trace)
    }
}

fn rebuilt(model: &BTreeMap<B256, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in model {
        builder.add_leaf(Nibbles::unpack_array(&key.0), value);
    }
    builder.root()
}

fn put_on(model: &mut BTreeMap<B256, Vec<u8>>, writes: &BTreeMap<B256, Vec<u8>>) {
    for (key, value) in writes {
        if value.is_empty() {
            model.remove(key);
        } else {
            model.insert(*key, value.clone());
        }
    }
}

/// Few distinct keys that fork early, late and in the middle.
fn key() -> impl Strategy<Value = B256> {
    (0usize..3, 0u8..3, 0usize..4, 0u8..8).prop_map(|(early, first, place, last)| {
        let mut key = B256::ZERO;
        key[early] = first << 4;
        key[[3, 16, 30, 31][place]] |= last;
        key[31] |= last << 5;
        key
    })
}

/// An empty value removes the key.
fn writes() -> impl Strategy<Value = BTreeMap<B256, Vec<u8>>> {
    let value = prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<u8>(), 1..3), Just(vec![7; 40])];
    proptest::collection::btree_map(key(), value, 0..12)
}

fn check_proof(table: &Table, trie: &StateTrie, model: &BTreeMap<B256, Vec<u8>>, key: B256) {
    let (found, proof) = prove(&table.store(), None, trie.root(), &key).unwrap();
    let value = found.map(|found| found.value.to_vec());
    assert_eq!(value.as_ref(), model.get(&key));
    verify_proof(trie.root_hash(), Nibbles::unpack_array(&key.0), value, &proof).unwrap();
}

/// What the table is after saving a trie that was made at once.
fn table_of(model: &BTreeMap<B256, Vec<u8>>) -> BTreeMap<Vec<u8>, Bytes> {
    let table = Table::default();
    let trie = table.apply(&StateTrie::default(), model, &mut Vec::new());
    table.save(&trie, &[]);
    table.rows()
}

/// What happens to the newest trie after a block.
#[derive(Clone, Copy, Debug)]
enum Care {
    Nothing,
    Save,
    SaveAndShrink(usize),
    Reopen,
}

fn care() -> impl Strategy<Value = Care> {
    prop_oneof![
        3 => Just(Care::Nothing),
        1 => Just(Care::Save),
        1 => (0usize..6_000).prop_map(Care::SaveAndShrink),
        1 => Just(Care::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_sequence_of_writes_gives_the_root_and_the_table_of_a_rebuild(
        blocks in proptest::collection::vec((writes(), care()), 1..12),
        probes in proptest::collection::vec(key(), 4),
    ) {
        let (table, mut vacated) = (Table::default(), Vec::new());
        let (mut model, mut trie) = (BTreeMap::new(), StateTrie::default());
        for (block, care) in &blocks {
            let before = model.clone();
            let next = table.apply(&trie, block, &mut vacated);
            put_on(&mut model, block);
            prop_assert_eq!(next.root_hash(), rebuilt(&model));
            for key in probes.iter().chain(model.keys()) {
                check_proof(&table, &next, &model, *key);
            }
            // Taking the block off again leads back to the same root.
            let undo = block.keys().map(|key| (*key, before.get(key).cloned().unwrap_or_default())).collect();
            prop_assert_eq!(table.apply(&next, &undo, &mut Vec::new()).root_hash(), trie.root_hash());
            trie = next;
            if !matches!(care, Care::Nothing) {
                table.save(&trie, &std::mem::take(&mut vacated));
                prop_assert_eq!(table.rows(), table_of(&model));
            }
            match care {
                Care::SaveAndShrink(budget) => {
                    let kept = shrink(&trie, *budget);
                    prop_assert!(kept <= *budget);
                }
                Care::Reopen => trie = StateTrie::stored(trie.root_hash()),
                Care::Nothing | Care::Save => {}
            }
        }
        let all_gone = model.keys().map(|key| (*key, Vec::new())).collect();
        let empty = table.apply(&trie, &all_gone, &mut vacated);
        prop_assert_eq!(empty.root_hash(), alloy_trie::EMPTY_ROOT_HASH);
        table.save(&empty, &vacated);
        prop_assert!(table.rows().is_empty());
    }

    #[test]
    fn a_branch_taken_back_and_replaced_by_another_leaves_nothing_in_the_table(
        base in writes(), left in writes(), right in writes(), save_left: bool,
    ) {
        let table = Table::default();
        let mut model = BTreeMap::new();
        put_on(&mut model, &base);
        let trie = table.apply(&StateTrie::default(), &base, &mut Vec::new());
        table.save(&trie, &[]);

        // Up along one branch, ...
        let mut vacated = Vec::new();
        let up = table.apply(&trie, &left, &mut vacated);
        if save_left {
            table.save(&up, &std::mem::take(&mut vacated));
        }
        // ... back by its undoing, and up along the other, on a trie that shares the base's own nodes where it may.
        let undo = left.keys().map(|key| (*key, model.get(key).cloned().unwrap_or_default())).collect();
        let back = table.apply(&up, &undo, &mut vacated);
        prop_assert_eq!(back.root_hash(), rebuilt(&model));
        let from = if save_left { &back } else { &trie };
        let other = table.apply(from, &right, &mut vacated);
        put_on(&mut model, &right);
        prop_assert_eq!(other.root_hash(), rebuilt(&model));
        table.save(&other, &vacated);
        prop_assert_eq!(table.rows(), table_of(&model));
    }
}

#[test]
fn many_writes_take_the_parallel_path_to_the_same_root() {
    let key = |n: u64| alloy::primitives::keccak256(n.to_be_bytes());
    let (table, mut vacated) = (Table::default(), Vec::new());
    let mut model: BTreeMap<_, _> = (0..5_000).map(|n| (key(n), n.to_be_bytes().to_vec())).collect();
    let trie = table.apply(&StateTrie::default(), &model, &mut vacated);
    assert_eq!(trie.root_hash(), rebuilt(&model));
    table.save(&trie, &vacated);
    let before = shrink(&trie, usize::MAX);
    assert!(before > 1 << 20);
    assert!(shrink(&trie, 100 << 10) <= 100 << 10);
    let block = (4_000..6_000)
        .map(|n| (key(n), if n % 3 == 0 { Vec::new() } else { (n * 7).to_be_bytes().to_vec() }))
        .collect();
    put_on(&mut model, &block);
    let mut vacated = Vec::new();
    let trie = table.apply(&trie, &block, &mut vacated);
    assert_eq!(trie.root_hash(), rebuilt(&model));
    table.save(&trie, &vacated);
    assert_eq!(table.rows(), table_of(&model));
}

#[test]
fn what_was_made_and_what_it_replaced_say_how_much_memory_a_trie_takes() {
    let key = |n: u64| alloy::primitives::keccak256(n.to_be_bytes());
    let (table, mut trie, mut held) = (Table::default(), StateTrie::default(), 0);
    for block in 0..20 {
        // The first makes all keys, the others write over some of them.
        let keys = if block == 0 { 0..5_000 } else { block * 200..block * 200 + 400 };
        let writes = keys.map(|n| (key(n), (n + block).to_be_bytes().repeat(5))).collect();
        let (grown, trace) = table.traced(&trie, &writes);
        (trie, held) = (grown, held + trace.created - trace.replaced);
        table.save(&trie, &trace.vacated);
    }
    assert_eq!(held, shrink(&trie, usize::MAX));
    // What is not in memory any more is not replaced either.
    shrink(&trie, 0);
    let (_, trace) = table.traced(&trie, &BTreeMap::from([(key(1), vec![1; 40])]));
    assert!(trace.replaced * 3 < trace.created, "only the root was in memory: {trace:?}");
}

#[test]
fn a_missing_and_a_wrong_node_are_named_with_table_and_place() {
    let table = Table::default();
    let key = |first: u8| B256::with_last_byte(first);
    let writes = BTreeMap::from([(key(1), vec![1; 40]), (key(2), vec![2; 40])]);
    let trie = table.apply(&StateTrie::default(), &writes, &mut Vec::new());
    table.save(&trie, &[]);
    let reopened = StateTrie::stored(trie.root_hash());
    let look = || prove(&table.store(), None, reopened.root(), &key(1)).map(|_| ()).unwrap_err();

    let place = vec![0; 63];
    let another = Node::Leaf { path: Nibbles::from_nibbles([1]), value: [1; 40].into(), below: None };
    let another = another.to_record().into();
    let below = table.0.lock().unwrap().insert(place.clone(), another).expect("a branch");
    let said = look().to_string();
    assert!(said.contains("AccountNodes") && said.contains(&"00".repeat(63)), "{said}");
    table.0.lock().unwrap().remove(&place);
    let StorageError::MissingNode { table: name, path, hash } = look() else { panic!("another error") };
    let below = Node::decode(&below).expect("a record");
    assert_eq!((name, path, hash), ("AccountNodes", "00".repeat(63), alloy::primitives::keccak256(below.encode())));
}
