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

use crate::message::{MAX_OFFER, MAX_TRANSACTIONS, MAX_TRANSACTIONS_BYTES, Message as _, TxMessage};

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

    /// Whether transactions wait to go out in full.
    pub(crate) fn has_whole(&self) -> bool {
        !self.whole.is_empty()
    }

    /// The transactions of the next message, if one may go; whole ones first.
    pub(crate) fn next_whole(&mut self) -> Option<Vec<Arc<Pooled>>> {
        if self.in_flight >= IN_FLIGHT || self.whole.is_empty() {
            return None;
        }
        let (mut count, mut bytes) = (0, 0);
        for tx in &self.whole {
            bytes += tx.encoded_len();
            if count == MAX_TRANSACTIONS || (bytes > MAX_TRANSACTIONS_BYTES && count > 0) {
                break;
            }
            count += 1;
        }
        self.in_flight += 1;
        Some(self.whole.drain(..count).collect())
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

/// The last message of whole transactions: most peers are sent the same ones, which are encoded once.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    last: Option<(Vec<B256>, Bytes)>,
}

impl Encoder {
    /// The message with these transactions, and their hashes.
    pub(crate) fn encode(&mut self, transactions: &[Arc<Pooled>]) -> (Bytes, Vec<B256>) {
        let hashes: Vec<B256> = transactions.iter().map(|tx| tx.hash()).collect();
        if let Some((same, bytes)) = &self.last
            && *same == hashes
        {
            return (bytes.clone(), hashes);
        }
        let whole = transactions.iter().map(|tx| tx.transaction().inner().encoded_2718().into()).collect();
        let bytes = Bytes::from(TxMessage::Whole(whole).to_bytes());
        self.last = Some((hashes.clone(), bytes.clone()));
        (bytes, hashes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy::{
        consensus::{SignableTransaction as _, TxLegacy},
        primitives::{Address, Signature, U256},
    };
    use aurum_pool::{Admission, Origin, Pool, PoolConfig, Pooled, Refusal};
    use aurum_types::{Account, Recovered, Transaction};

    use super::{Encoder, TxLane};
    use crate::message::{Message as _, TxMessage};

    #[derive(Debug)]
    struct AdmitAll;

    impl Admission for AdmitAll {
        fn account(&self, _: Address) -> Result<Account, Refusal> {
            Ok(Account::default())
        }

        fn admits(&self, _: &Recovered<Transaction>, _: Origin) -> Result<(), Refusal> {
            Ok(())
        }
    }

    fn pooled(count: u64) -> Vec<Arc<Pooled>> {
        let pool = Pool::open(PoolConfig::default(), Arc::new(AdmitAll)).unwrap();
        let mut newly = pool.subscribe();
        let sent = (0..count).map(|nonce| {
            let tx = TxLegacy { chain_id: Some(1), nonce, gas_limit: 21_000, ..TxLegacy::default() };
            let signed = tx.into_signed(Signature::new(U256::ONE, U256::ONE, false));
            Recovered::new_unchecked(signed.into(), Address::repeat_byte(1))
        });
        assert!(pool.add_many(sent.collect(), Origin::Local).iter().all(Result::is_ok));
        newly.try_recv().unwrap().to_vec()
    }

    #[test]
    fn peers_that_are_sent_the_same_share_the_bytes_and_others_get_their_own() {
        let txs = pooled(3);
        let mut encoder = Encoder::default();
        let (first, hashes) = encoder.encode(&txs);
        assert_eq!(hashes, txs.iter().map(|tx| tx.hash()).collect::<Vec<_>>());
        let (second, _) = encoder.encode(&txs);
        assert_eq!(first.as_ptr(), second.as_ptr(), "one encoding for both");
        let (other, hashes) = encoder.encode(&txs[1..]);
        assert_eq!(hashes.len(), 2);
        let TxMessage::Whole(sent) = TxMessage::from_bytes(&other).unwrap() else { panic!("whole ones") };
        let decoded = sent.iter().map(|bytes| *aurum_types::decode_transaction(bytes).unwrap().tx_hash());
        assert_eq!(decoded.collect::<Vec<_>>(), hashes);
    }

    #[test]
    fn a_lane_sends_each_once_in_order_and_nothing_to_whom_it_came_from() {
        let txs = pooled(4);
        let mut lane = TxLane::new();
        lane.knows(txs[1].hash());
        assert!(txs.iter().chain(&txs).all(|tx| lane.push(tx)));
        let sent: Vec<_> = lane.next_whole().unwrap().iter().map(|tx| tx.nonce()).collect();
        assert_eq!(sent, [0, 2, 3]);
        assert!(!lane.has_whole() && lane.next_whole().is_none());
    }
}
