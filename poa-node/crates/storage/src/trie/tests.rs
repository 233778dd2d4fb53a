//! Tries with keys that are not hashed, so that the shapes hashing makes rare are common: long shared paths, nodes
//! embedded in their parents, branches that collapse.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy::primitives::{B256, Bytes, map::HashMap};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, proof::verify_proof};
use proptest::prelude::*;

use super::{
    NodeSource,
    proof::prove,
    store::NodeStore,
    update::{Write, update},
};
use crate::StorageError;

#[derive(Clone, Default)]
struct Map(Arc<Mutex<HashMap<B256, Bytes>>>);

impl NodeSource for Map {
    fn node(&self, hash: B256) -> Result<Option<Bytes>, StorageError> {
        Ok(self.0.lock().unwrap().get(&hash).cloned())
    }
}

impl Map {
    /// Applies writes through a store without memory, so that every node is decoded from its bytes.
    fn apply(&self, root: B256, writes: &BTreeMap<B256, Vec<u8>>) -> B256 {
        let writes: Vec<_> = writes
            .iter()
            .map(|(key, value)| Write { key: *key, value: (!value.is_empty()).then(|| value.clone()) })
            .collect();
        let (root, fresh) = update(&self.store(), root, &writes).unwrap();
        self.0.lock().unwrap().extend(fresh.into_iter().map(|node| (node.hash, node.rlp)));
        root
    }

    fn store(&self) -> NodeStore {
        NodeStore::new(Arc::new(self.clone()))
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

fn check_proof(map: &Map, root: B256, model: &BTreeMap<B256, Vec<u8>>, key: B256) {
    let (value, proof) = prove(&map.store(), root, &key).unwrap();
    assert_eq!(value.as_ref(), model.get(&key));
    verify_proof(root, Nibbles::unpack_array(&key.0), value, &proof).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_sequence_of_writes_gives_the_root_of_a_rebuild(
        blocks in proptest::collection::vec(writes(), 1..12),
        probes in proptest::collection::vec(key(), 4),
    ) {
        let map = Map::default();
        let mut model = BTreeMap::new();
        let mut root = EMPTY_ROOT_HASH;
        for block in &blocks {
            let before = model.clone();
            let next = map.apply(root, block);
            put_on(&mut model, block);
            prop_assert_eq!(next, rebuilt(&model));
            for key in probes.iter().chain(model.keys()) {
                check_proof(&map, next, &model, *key);
            }
            // Taking the block off again leads back to the same root.
            let undo = block.keys().map(|key| (*key, before.get(key).cloned().unwrap_or_default())).collect();
            prop_assert_eq!(map.apply(next, &undo), root);
            root = next;
        }
        // The first root still answers: nodes are only ever added.
        let all_gone = model.keys().map(|key| (*key, Vec::new())).collect();
        prop_assert_eq!(map.apply(root, &all_gone), EMPTY_ROOT_HASH);
    }

    #[test]
    fn blocks_of_two_forks_do_not_disturb_each_other(base in writes(), left in writes(), right in writes()) {
        let map = Map::default();
        let root = map.apply(EMPTY_ROOT_HASH, &base);
        for fork in [left, right] {
            let mut model = BTreeMap::new();
            put_on(&mut model, &base);
            put_on(&mut model, &fork);
            prop_assert_eq!(map.apply(root, &fork), rebuilt(&model));
        }
    }
}

#[test]
fn many_writes_take_the_parallel_path_to_the_same_root() {
    let key = |n: u64| alloy::primitives::keccak256(n.to_be_bytes());
    let map = Map::default();
    let mut model: BTreeMap<_, _> = (0..5_000).map(|n| (key(n), n.to_be_bytes().to_vec())).collect();
    let root = map.apply(EMPTY_ROOT_HASH, &model);
    assert_eq!(root, rebuilt(&model));
    let block = (4_000..6_000)
        .map(|n| (key(n), if n % 3 == 0 { Vec::new() } else { (n * 7).to_be_bytes().to_vec() }))
        .collect();
    put_on(&mut model, &block);
    assert_eq!(map.apply(root, &block), rebuilt(&model));
}

#[test]
fn a_missing_node_is_named() {
    let map = Map::default();
    let root = map.apply(EMPTY_ROOT_HASH, &BTreeMap::from([(B256::repeat_byte(1), vec![1])]));
    map.0.lock().unwrap().clear();
    let write = Write { key: B256::repeat_byte(2), value: Some(vec![2]) };
    assert_eq!(update(&map.store(), root, &[write]).unwrap_err(), StorageError::MissingNode { hash: root });
}
