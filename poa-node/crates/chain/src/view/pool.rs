//! The pool, read only.

use std::fmt;

use alloy::primitives::{Address, B256};
use aurum_pool::{Content, Departed, Newly, Pool, Status};
use aurum_types::{Recovered, Transaction};
use tokio::sync::broadcast;

/// Reads of the pool. Cheap to clone.
#[derive(Clone)]
pub struct PoolView {
    pool: Pool,
}

impl fmt::Debug for PoolView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolView").finish_non_exhaustive()
    }
}

impl PoolView {
    pub(crate) fn new(pool: &Pool) -> Self {
        Self { pool: pool.clone() }
    }

    /// How many transactions can go into a block now, and how many wait for a nonce.
    pub fn status(&self) -> Status {
        self.pool.status()
    }

    /// Every transaction by sender and nonce.
    pub fn content(&self) -> Content {
        self.pool.content()
    }

    /// A waiting transaction.
    pub fn get(&self, hash: B256) -> Option<Recovered<Transaction>> {
        self.pool.get(hash).map(|pooled| pooled.transaction().clone())
    }

    /// The nonce after this sender's last executable transaction in the pool; `None` when it has none.
    pub fn next_nonce(&self, address: Address) -> Option<u64> {
        self.pool.next_nonce(address)
    }

    /// Why and when a transaction left the pool other than by being in a block, while that is remembered.
    pub fn departure(&self, hash: B256) -> Option<Departed> {
        self.pool.departure(hash)
    }

    /// Transactions as they are pooled (`newPendingTransactions`).
    pub fn subscribe(&self) -> broadcast::Receiver<Newly> {
        self.pool.subscribe()
    }
}
