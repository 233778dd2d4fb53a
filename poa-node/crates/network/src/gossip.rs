//! Transactions on their way to one peer.
//!
//! Those of our own clients go whole to every peer at once. Those that other nodes sent are offered by hash a moment
//! later, to peers that have not shown to have them: in a partial mesh they travel on. In a full one nobody wants them: a
//! peer that wanted none of the many that came from one neighbour is offered a sample of what comes from there, and the
//! rest only if it still waits for a block some time later.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{B256, Bytes},
};
use aurum_pool::Pooled;

use crate::{
    known::Known,
    message::{MAX_OFFER, MAX_TRANSACTIONS, MAX_TRANSACTIONS_BYTES, Message as _, TxMessage, Wanted},
};

/// Messages on their way at a time.
const IN_FLIGHT: usize = 2;
/// Transactions waiting for one peer. What does not fit is offered when the queue is empty again.
const QUEUE: usize = 16_384;
/// Transactions a peer is remembered to know, at least.
const KNOWN: usize = 16_384;
/// Offers from one neighbour that a peer did not want in a row, after which it is taken to be that one's neighbour too.
const UNWANTED: u32 = 1_024;
/// Of what comes from there, one in so many is offered all the same, to see whether that is still so.
const SAMPLE: u8 = 16;
/// The rest is offered after this time, if it waits even then.
const LATER: Duration = Duration::from_secs(2);
/// Neighbours that are told apart for a peer.
const MAX_SOURCES: usize = 256;

/// A transaction that is offered, and the number of the peer it came from, if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) hash: B256,
    from: Option<u32>,
}

/// A message that is on its way.
#[derive(Debug)]
pub(crate) enum Sent {
    Whole(Vec<B256>),
    Offers(Vec<Offer>),
}

impl Sent {
    /// The transaction at a place of the message.
    pub(crate) fn at(&self, place: u64) -> Option<B256> {
        let place = usize::try_from(place).ok()?;
        match self {
            Self::Whole(hashes) => hashes.get(place).copied(),
            Self::Offers(offers) => offers.get(place).map(|offer| offer.hash),
        }
    }
}

#[derive(Debug)]
pub(crate) struct TxLane {
    known: Known,
    whole: VecDeque<Arc<Pooled>>,
    offers: VecDeque<Offer>,
    /// Offers the peer will most likely not want, with when they may go.
    later: VecDeque<(Instant, Offer)>,
    /// By the peer they came from, how many the peer did not want in a row.
    unwanted: HashMap<u32, u32>,
    /// How many of `offers` may go: those that were there at the last tick.
    ripe: usize,
    in_flight: usize,
    deferred: bool,
}

impl TxLane {
    pub(crate) fn new() -> Self {
        Self {
            known: Known::new(KNOWN),
            whole: VecDeque::new(),
            offers: VecDeque::new(),
            later: VecDeque::new(),
            unwanted: HashMap::new(),
            ripe: 0,
            in_flight: 0,
            deferred: false,
        }
    }

    /// The peer has shown to have it.
    pub(crate) fn knows(&mut self, hash: B256) {
        self.known.put(hash);
    }

    /// Whether it was sent to the peer, offered, or shown by it.
    pub(crate) fn is_known(&self, hash: &B256) -> bool {
        self.known.contains(hash)
    }

    /// Queues a newly pooled transaction that came `from` another peer, if that is known. False if it did not fit.
    pub(crate) fn push(&mut self, tx: &Arc<Pooled>, from: Option<u32>, now: Instant) -> bool {
        let hash = tx.hash();
        if self.known.contains(&hash) {
            return true;
        }
        let offer = Offer { hash, from };
        // What is put off takes no place from what may go now.
        if !tx.origin().is_ours() && self.later.len() < QUEUE && self.is_hardly_wanted(&offer) {
            self.later.push_back((now + LATER, offer));
            return true;
        }
        if self.whole.len() + self.offers.len() >= QUEUE {
            self.deferred = true;
            return false;
        }
        if tx.origin().is_ours() {
            self.known.put(hash);
            self.whole.push_back(Arc::clone(tx));
        } else {
            self.offers.push_back(offer);
        }
        true
    }

    /// Whether the peer seems to be told by itself what comes from there.
    fn is_hardly_wanted(&self, offer: &Offer) -> bool {
        let in_a_row = offer.from.and_then(|from| self.unwanted.get(&from));
        in_a_row.is_some_and(|count| *count >= UNWANTED) && !offer.hash[0].is_multiple_of(SAMPLE)
    }

    /// Queues one the peer asked for.
    pub(crate) fn push_wanted(&mut self, tx: Arc<Pooled>) {
        if self.whole.len() < QUEUE {
            self.known.put(tx.hash());
            self.whole.push_back(tx);
        }
    }

    /// Queues an offer even of what the peer was told before: it may have had no room then.
    pub(crate) fn offer_again(&mut self, hash: B256) {
        if self.offers.len() < QUEUE {
            self.known.forget(&hash);
            self.offers.push_back(Offer { hash, from: None });
        }
    }

    /// Whether transactions wait to go out in full.
    pub(crate) fn has_whole(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Whether nothing waits, neither to go out nor to be put together again.
    pub(crate) fn is_idle(&self) -> bool {
        self.whole.is_empty() && self.offers.is_empty() && self.later.is_empty() && !self.deferred
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

    /// A tick passed: what waits now may be offered from the next on. Whoever has it had time to show so. What was put
    /// off is offered if it still `waits` for a block.
    pub(crate) fn ripen(&mut self, now: Instant, waits: impl Fn(B256) -> bool) {
        self.ripe = self.offers.len();
        while let Some((_, offer)) = self.later.pop_front_if(|(due, _)| *due <= now) {
            if !self.known.contains(&offer.hash) && waits(offer.hash) {
                self.offers.push_back(offer);
            }
        }
    }

    /// The next offer, without those the peer has shown to have meanwhile.
    pub(crate) fn next_offer(&mut self) -> Option<(TxMessage, Vec<Offer>)> {
        if self.in_flight >= IN_FLIGHT {
            return None;
        }
        let mut offers = Vec::new();
        while offers.len() < MAX_OFFER && self.ripe > 0 {
            self.ripe -= 1;
            let Some(offer) = self.offers.pop_front() else { break };
            if self.known.put(offer.hash) {
                offers.push(offer);
            }
        }
        if offers.is_empty() {
            return None;
        }
        self.in_flight += 1;
        Some((TxMessage::Offer(offers.iter().map(|offer| offer.hash).collect()), offers))
    }

    /// The message arrived; of what was offered, these places were wanted.
    pub(crate) fn acknowledged(&mut self, sent: &Sent, wanted: &Wanted) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Sent::Offers(offers) = sent else { return };
        if self.unwanted.len() > MAX_SOURCES {
            self.unwanted.clear();
        }
        for from in offers.iter().filter_map(|offer| offer.from) {
            let count = self.unwanted.entry(from).or_default();
            *count = count.saturating_add(1);
        }
        let wanted = wanted.places.iter().filter_map(|place| offers.get(usize::try_from(*place).ok()?));
        for from in wanted.filter_map(|offer| offer.from) {
            self.unwanted.remove(&from);
        }
    }

    /// The message did not arrive: its transactions are offered again later.
    pub(crate) fn failed(&mut self, sent: &Sent) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match sent {
            Sent::Whole(hashes) => hashes.iter().for_each(|hash| self.known.forget(hash)),
            Sent::Offers(offers) => offers.iter().for_each(|offer| self.known.forget(&offer.hash)),
        }
        self.deferred = true;
    }

    /// Whether all that was queued is out and something was left out before; resets that mark.
    pub(crate) fn take_deferred(&mut self) -> bool {
        // What is put off is no reason to wait: there is always some of it.
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
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use alloy::{
        consensus::{SignableTransaction as _, TxLegacy},
        primitives::{Address, Signature, U256},
    };
    use aurum_pool::{Admission, Origin, Pool, PoolConfig, Pooled, Refusal};
    use aurum_types::{Account, Recovered, Transaction};

    use super::{Encoder, LATER, SAMPLE, Sent, TxLane};
    use crate::message::{Message as _, TxMessage, Wanted};

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

    fn pooled(count: u64, origin: Origin) -> Vec<Arc<Pooled>> {
        let config = PoolConfig { max_per_sender: 10_000, ..PoolConfig::default() };
        let pool = Pool::open(config, Arc::new(AdmitAll)).unwrap();
        let mut newly = pool.subscribe();
        let sent = (0..count).map(|nonce| {
            let tx = TxLegacy { chain_id: Some(1), nonce, gas_limit: 21_000, ..TxLegacy::default() };
            let signed = tx.into_signed(Signature::new(U256::ONE, U256::ONE, false));
            Recovered::new_unchecked(signed.into(), Address::repeat_byte(1))
        });
        assert!(pool.add_many(sent.collect(), origin).iter().all(Result::is_ok));
        newly.try_recv().unwrap().to_vec()
    }

    #[test]
    fn peers_that_are_sent_the_same_share_the_bytes_and_others_get_their_own() {
        let txs = pooled(3, Origin::Local);
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
        let txs = pooled(4, Origin::Local);
        let mut lane = TxLane::new();
        lane.knows(txs[1].hash());
        let now = Instant::now();
        assert!(txs.iter().chain(&txs).all(|tx| lane.push(tx, None, now)));
        let sent: Vec<_> = lane.next_whole().unwrap().iter().map(|tx| tx.nonce()).collect();
        assert_eq!(sent, [0, 2, 3]);
        assert!(!lane.has_whole() && lane.next_whole().is_none());
    }

    /// How many of `txs`, which came from peer 7, the lane offers at once; the peer wants those at `wanted`.
    fn offered(lane: &mut TxLane, txs: &[Arc<Pooled>], wanted: &[u64], now: Instant) -> usize {
        assert!(txs.iter().all(|tx| lane.push(tx, Some(7), now)));
        lane.ripen(now, |_| true);
        let mut count = 0;
        while let Some((_, offers)) = lane.next_offer() {
            count += offers.len();
            lane.acknowledged(&Sent::Offers(offers), &Wanted { places: wanted.to_vec() });
        }
        count
    }

    #[test]
    fn what_a_peer_never_wants_from_somebody_is_offered_in_samples_until_it_wants_one() {
        let txs = pooled(4_000, Origin::Network);
        let mut lane = TxLane::new();
        let now = Instant::now();
        assert_eq!(offered(&mut lane, &txs[..1_100], &[], now), 1_100);
        let sampled = offered(&mut lane, &txs[1_100..2_100], &[], now);
        assert!((1..=200).contains(&sampled), "{sampled} of 1000");
        let mut others = TxLane::new();
        assert_eq!(offered(&mut others, &txs[1_100..2_100], &[], now), 1_000, "another peer is offered all");
        // It wants one of the sample.
        let sampled = offered(&mut lane, &txs[2_100..3_100], &[0], now);
        assert!((1..=200).contains(&sampled), "{sampled} of 1000");
        assert_eq!(offered(&mut lane, &txs[3_100..], &[0], now), 900, "all of them again");
    }

    #[test]
    fn what_was_put_off_is_offered_later_if_it_still_waits() {
        let txs = pooled(2_000, Origin::Network);
        let mut lane = TxLane::new();
        let now = Instant::now();
        offered(&mut lane, &txs[..1_100], &[], now);
        let sampled = offered(&mut lane, &txs[1_100..], &[], now);
        let mined = txs[1_100].hash();
        let later = now + LATER;
        lane.ripen(later - Duration::from_millis(1), |_| true);
        assert!(lane.next_offer().is_none(), "not yet");
        lane.ripen(later, |hash| hash != mined);
        lane.ripen(later, |_| true);
        let (_, offers) = lane.next_offer().unwrap();
        assert!(offers.iter().all(|offer| offer.hash != mined));
        let is_sampled = mined[0].is_multiple_of(SAMPLE);
        assert_eq!(offers.len() + sampled, 900 - usize::from(!is_sampled));
    }
    #[test]
    fn what_was_lost_is_offered_again_while_other_offers_are_put_off() {
        let txs = pooled(1_200, Origin::Network);
        let mut lane = TxLane::new();
        let now = Instant::now();
        offered(&mut lane, &txs[..1_100], &[], now);
        offered(&mut lane, &txs[1_100..1_199], &[], now);
        assert!(lane.later.len() > 50 && !lane.take_deferred(), "nothing was lost");
        lane.offer_again(txs[1_199].hash());
        lane.ripen(now, |_| true);
        let (_, lost) = lane.next_offer().unwrap();
        assert!(!lane.take_deferred(), "on its way");
        lane.failed(&Sent::Offers(lost));
        assert!(lane.take_deferred() && !lane.take_deferred());
    }
}
