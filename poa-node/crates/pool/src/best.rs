//! Transactions in the order an author takes them.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
    fmt,
    sync::Arc,
};

use alloy::primitives::Address;

use crate::{Pooled, lane::Lane, lanes::Lanes, pool::Shared};

/// Executable transactions: the highest tip first, among equals the first that came; nonce order within a sender.
///
/// Reads the pool as it goes (a short lock a step), so a sender's transactions that come while a block is being built
/// are seen; of senders without one before, [`Self::look_again`] tells. After a new head, ask for another one.
pub struct Best {
    pool: Arc<Shared>,
    heap: BinaryHeap<Candidate>,
    last: Option<Arc<Pooled>>,
    /// The nonce after the last transaction taken of each sender.
    next: HashMap<Address, u64>,
}

impl Best {
    pub(crate) fn new(pool: Arc<Shared>) -> Self {
        let mut best = Self { pool, heap: BinaryHeap::new(), last: None, next: HashMap::new() };
        best.look_at_all();
        best
    }

    /// Leaves out the rest of the sender whose transaction came last: it did not fit or did not run, so those behind it
    /// cannot either.
    pub fn skip_sender(&mut self) {
        self.last = None;
    }

    /// Looks whether the sender has a transaction now that follows what was taken of it. For senders of whom something was
    /// pooled since this iterator came to its end.
    pub fn look_again(&mut self, sender: Address) {
        self.settle();
        let lanes = self.pool.lanes();
        let found = lanes.lane(sender).and_then(|lane| {
            Candidate::at(&lanes, lane, self.next.get(&sender).copied().unwrap_or(lane.account().nonce))
        });
        drop(lanes);
        self.heap.extend(found);
    }

    /// [`Self::look_again`] for every sender: when it is not known who sent something.
    pub fn look_at_all(&mut self) {
        self.settle();
        let lanes = self.pool.lanes();
        let first = |sender, lane: &Lane| self.next.get(sender).copied().unwrap_or(lane.account().nonce);
        self.heap =
            lanes.lanes().filter_map(|(sender, lane)| Candidate::at(&lanes, lane, first(sender, lane))).collect();
    }

    /// The last transaction was taken: what follows it is next of its sender.
    fn settle(&mut self) {
        let Some(last) = self.last.take() else { return };
        let next = last.nonce().saturating_add(1);
        self.next.insert(last.sender(), next);
        let lanes = self.pool.lanes();
        let follower = lanes.lane(last.sender()).and_then(|lane| Candidate::at(&lanes, lane, next));
        drop(lanes);
        self.heap.extend(follower);
    }
}

impl Iterator for Best {
    type Item = Arc<Pooled>;

    fn next(&mut self) -> Option<Self::Item> {
        self.settle();
        loop {
            let tx = self.heap.pop()?.tx;
            // Looked at twice.
            if self.next.get(&tx.sender()).is_some_and(|next| tx.nonce() < *next) {
                continue;
            }
            self.last = Some(Arc::clone(&tx));
            return Some(tx);
        }
    }
}

impl fmt::Debug for Best {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Best").field("senders_left", &self.heap.len()).finish_non_exhaustive()
    }
}

struct Candidate {
    tip: u128,
    tx: Arc<Pooled>,
}

impl Candidate {
    fn at(lanes: &Lanes, lane: &Lane, nonce: u64) -> Option<Self> {
        let tx = lane.executable(nonce)?;
        let tip = tx.tip(lanes.base_fee(), lanes.config().gas_free)?;
        Some(Self { tip, tx: Arc::clone(tx) })
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.tip.cmp(&other.tip).then_with(|| other.tx.arrival().cmp(&self.tx.arrival()))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}
