//! Transactions on their way to one peer.
//!
//! Those of our own clients go whole to every peer at once. Those that other nodes sent are offered by hash a moment
//! later, to peers that have not shown to have them: in a full mesh nobody wants them, in a partial one they travel on.

use std::{collections::VecDeque, num::NonZeroUsize, sync::Arc};

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{B256, Bytes},
};
use aurum_pool::Pooled;
use lru::LruCache;

use crate::message::{MAX_OFFER, MAX_TRANSACTIONS, MAX_TRANSACTIONS_BYTES, TxMessage};

/// Messages on their way at a time.
const IN_FLIGHT: usize = 2;
/// Transactions waiting for one peer. What does not fit is offered when the queue is empty again.
const QUEUE: usize = 16_384;
const KNOWN: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[derive(Debug)]
pub(crate) struct TxLane {
    known: LruCache<B256, ()>,
    whole: VecDeque<Arc<Pooled>>,
    offers: VecDeque<B256>,
    /// How many of `offers` may go: those that were there at the last tick.
    ripe: usize,
    in_flight: usize,
    deferred: bool,
}

impl TxLane {
    pub(crate) fn new() -> Self {
        Self {
            known: LruCache::new(KNOWN),
            whole: VecDeque::new(),
            offers: VecDeque::new(),
            ripe: 0,
            in_flight: 0,
            deferred: false,
        }
    }

    /// The peer has shown to have it.
    pub(crate) fn knows(&mut self, hash: B256) {
        self.known.put(hash, ());
    }

    /// Queues a newly pooled transaction. False if it did not fit.
    pub(crate) fn push(&mut self, tx: &Arc<Pooled>) -> bool {
        let hash = tx.hash();
        if self.known.contains(&hash) {
            return true;
        }
        if self.whole.len() + self.offers.len() >= QUEUE {
            self.deferred = true;
            return false;
        }
        if tx.origin().is_ours() {
            self.known.put(hash, ());
            self.whole.push_back(Arc::clone(tx));
        } else {
            self.offers.push_back(hash);
        }
        true
    }

    /// Queues one the peer asked for.
    pub(crate) fn push_wanted(&mut self, tx: Arc<Pooled>) {
        if self.whole.len() < QUEUE {
            self.known.put(tx.hash(), ());
            self.whole.push_back(tx);
        }
    }

    /// Queues an offer even of what the peer was told before: it may have had no room then.
    pub(crate) fn offer_again(&mut self, hash: B256) {
        if self.offers.len() < QUEUE {
            self.known.pop(&hash);
            self.offers.push_back(hash);
        }
    }

    /// The next message, if one may go; whole ones first.
    pub(crate) fn next_whole(&mut self) -> Option<(TxMessage, Vec<B256>)> {
        if self.in_flight >= IN_FLIGHT || self.whole.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let (mut whole, mut hashes) = (Vec::new(), Vec::new());
        while let Some(tx) = self.whole.front() {
            bytes += tx.encoded_len();
            if whole.len() == MAX_TRANSACTIONS || (bytes > MAX_TRANSACTIONS_BYTES && !whole.is_empty()) {
                break;
            }
            whole.push(Bytes::from(tx.transaction().inner().encoded_2718()));
            hashes.push(tx.hash());
            self.whole.pop_front();
        }
        self.in_flight += 1;
        Some((TxMessage::Whole(whole), hashes))
    }

    /// A tick passed: what waits now may be offered from the next on. Whoever has it had time to show so.
    pub(crate) fn ripen(&mut self) {
        self.ripe = self.offers.len();
    }

    /// The next offer, without those the peer has shown to have meanwhile.
    pub(crate) fn next_offer(&mut self) -> Option<(TxMessage, Vec<B256>)> {
        if self.in_flight >= IN_FLIGHT {
            return None;
        }
        let mut hashes = Vec::new();
        while hashes.len() < MAX_OFFER && self.ripe > 0 {
            self.ripe -= 1;
            let Some(hash) = self.offers.pop_front() else { break };
            if self.known.put(hash, ()).is_none() {
                hashes.push(hash);
            }
        }
        if hashes.is_empty() {
            return None;
        }
        self.in_flight += 1;
        Some((TxMessage::Offer(hashes.clone()), hashes))
    }

    pub(crate) const fn acknowledged(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The message did not arrive: its transactions are offered again later.
    pub(crate) fn failed(&mut self, hashes: &[B256]) {
        self.acknowledged();
        for hash in hashes {
            self.known.pop(hash);
        }
        self.deferred = true;
    }

    /// Whether all that was queued is out and something was left out before; resets that mark.
    pub(crate) fn take_deferred(&mut self) -> bool {
        let idle = self.in_flight == 0 && self.whole.is_empty() && self.offers.is_empty();
        idle && std::mem::take(&mut self.deferred)
    }
}
