//! Random adds, heads and reorgs against a naive pool: a list, searched.

use std::collections::{BTreeMap, HashSet};

use crate::common::{FakeChain, legacy, sender};
use alloy::{consensus::Transaction as _, primitives::B256};
use aurum_pool::{HeadChange, Origin, Pool, PoolConfig};
use aurum_types::{Recovered, Transaction};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Action {
    Add {
        from: u8,
        nonce: u64,
        price: u128,
        salt: u64,
        local: bool,
    },
    /// A block with up to so many of the best.
    Mine(usize),
    /// The last block leaves.
    Retract,
    Remove {
        from: u8,
        nonce: u64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (1..5u8, 0..8u64, 1..40u128, 0..3u64, any::<bool>())
            .prop_map(|(from, nonce, price, salt, local)| Action::Add { from, nonce, price, salt, local }),
        2 => (0..6usize).prop_map(Action::Mine),
        1 => Just(Action::Retract),
        1 => (1..5u8, 0..8u64).prop_map(|(from, nonce)| Action::Remove { from, nonce }),
    ]
}

/// The naive pool, with one sender's transactions in a map by nonce.
#[derive(Default)]
struct Model {
    nonces: BTreeMap<u8, u64>,
    waiting: BTreeMap<(u8, u64), Recovered<Transaction>>,
    blocks: Vec<Vec<Recovered<Transaction>>>,
}

fn id(tx: &Recovered<Transaction>) -> u8 {
    tx.signer()[0]
}

impl Model {
    fn nonce(&self, from: u8) -> u64 {
        self.nonces.get(&from).copied().unwrap_or(0)
    }

    fn accepts(&self, tx: &Recovered<Transaction>) -> bool {
        let key = (id(tx), tx.nonce());
        if tx.nonce() < self.nonce(key.0) {
            return false;
        }
        self.waiting.get(&key).is_none_or(|old| {
            old.inner().tx_hash() != tx.inner().tx_hash()
                && tx.max_fee_per_gas() * 100 >= old.max_fee_per_gas() * 110
                && tx.max_fee_per_gas() > old.max_fee_per_gas()
        })
    }

    fn pending(&self) -> HashSet<B256> {
        (1..5)
            .flat_map(|from| (self.nonce(from)..).map_while(move |nonce| self.waiting.get(&(from, nonce))))
            .map(|tx| *tx.inner().tx_hash())
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_a_naive_pool(actions in prop::collection::vec(action(), 1..80)) {
        let chain = FakeChain::rich();
        let pool = Pool::open(PoolConfig::default(), chain.clone()).unwrap();
        let mut model = Model::default();
        for action in actions {
            match action {
                Action::Add { from, nonce, price, salt, local } => {
                    let tx = legacy(sender(from), nonce, price, salt);
                    let origin = if local { Origin::Local } else { Origin::Network };
                    let accepted = pool.add(tx.clone(), origin).is_ok();
                    prop_assert_eq!(accepted, model.accepts(&tx));
                    if accepted {
                        model.waiting.insert((from, nonce), tx);
                    }
                }
                Action::Mine(most) => {
                    let block: Vec<_> = pool.best().take(most).map(|tx| tx.transaction().clone()).collect();
                    for tx in &block {
                        prop_assert_eq!(tx.nonce(), model.nonce(id(tx)), "nonce order in a block");
                        model.nonces.insert(id(tx), tx.nonce() + 1);
                        model.waiting.remove(&(id(tx), tx.nonce()));
                    }
                    for (from, nonce) in &model.nonces {
                        chain.set(sender(*from), *nonce, u64::MAX);
                    }
                    pool.on_head(&HeadChange {
                        included: block.iter().map(|tx| *tx.inner().tx_hash()).collect(),
                        touched: block.iter().map(Recovered::signer).collect(),
                        ..HeadChange::default()
                    });
                    model.blocks.push(block);
                }
                Action::Retract => {
                    let Some(block) = model.blocks.pop() else { continue };
                    for tx in block.iter().rev() {
                        model.nonces.insert(id(tx), tx.nonce());
                        chain.set(sender(id(tx)), tx.nonce(), u64::MAX);
                    }
                    pool.on_head(&HeadChange {
                        touched: block.iter().map(Recovered::signer).collect(),
                        retracted: block.clone(),
                        ..HeadChange::default()
                    });
                    for tx in block {
                        model.waiting.insert((id(&tx), tx.nonce()), tx);
                    }
                }
                Action::Remove { from, nonce } => {
                    if let Some(tx) = model.waiting.remove(&(from, nonce)) {
                        prop_assert!(pool.remove(*tx.inner().tx_hash(), "test").is_some());
                    }
                }
            }
            let pending = model.pending();
            let status = pool.status();
            prop_assert_eq!(status.pending, pending.len());
            prop_assert_eq!(status.pending + status.queued, model.waiting.len());
            let best: Vec<_> = pool.best().map(|tx| tx.hash()).collect();
            prop_assert_eq!(best.iter().copied().collect::<HashSet<_>>(), pending);
            let bytes: usize = model.waiting.keys().map(|(from, nonce)| {
                pool.get(*model.waiting[&(*from, *nonce)].inner().tx_hash()).map_or(0, |tx| tx.encoded_len())
            }).sum();
            prop_assert_eq!(status.bytes, bytes);
        }
    }
}
