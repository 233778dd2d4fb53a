//! Transactions in the order an author takes them.

use std::{cmp::Ordering, collections::BinaryHeap, fmt, sync::Arc};

use crate::{Pooled, lane::Lane, lanes::Lanes, pool::Shared};

/// Executable transactions: the highest tip first, among equals the first that came; nonce order within a sender.
///
/// Reads the pool as it goes (a short lock a step), so a sender's transactions that come while a block is being built
/// are seen. After a new head, ask for another one.
pub struct Best {
    pool: Arc<Shared>,
    heap: BinaryHeap<Candidate>,
    last: Option<Arc<Pooled>>,
}

impl Best {
    pub(crate) fn new(pool: Arc<Shared>) -> Self {
        let heap = {
            let lanes = pool.lanes();
            lanes.lanes().filter_map(|(_, lane)| Candidate::at(&lanes, lane, lane.account().nonce)).collect()
        };
        Self { pool, heap, last: None }
    }

    /// Leaves out the rest of the sender whose transaction came last: it did not fit or did not run, so those behind it
    /// cannot either.
    pub fn skip_sender(&mut self) {
        self.last = None;
    }
}

impl Iterator for Best {
    type Item = Arc<Pooled>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(last) = self.last.take() {
            let lanes = self.pool.lanes();
            let follower = lanes.lane(last.sender()).and_then(|lane| Candidate::at(&lanes, lane, last.nonce() + 1));
            drop(lanes);
            self.heap.extend(follower);
        }
        let tx = self.heap.pop()?.tx;
        self.last = Some(Arc::clone(&tx));
        Some(tx)
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
