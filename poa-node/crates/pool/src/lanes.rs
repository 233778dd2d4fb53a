//! All lanes, with the indexes and sums over them. Plain data: no lock, no journal, no questions to the chain.

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Arc};

use alloy::primitives::{
    Address, B256, U256, U512,
    map::{AddressMap, B256Map},
};
use aurum_types::{Account, BlockNumber};
use lru::LruCache;

use crate::{
    Content, Departed, Departure, Origin, PoolConfig, PoolError, Pooled, Status, lane::Lane, senders::Senders,
};

/// How far [`Lanes::evict_one`] looks for a victim; keeps the refusal of a full pool cheap.
const EVICTION_SEARCH: usize = 64;

/// One in so many places is for this node's own clients, whatever comes from others.
const LOCAL_SHARE: usize = 8;
/// Own clients beyond that leave others as many places as others have, up to one in so many. Every node's pool so holds nearly
/// all that any node has accepted: what only its author has makes a block slow to check for all others.
const OTHERS_SHARE: usize = 4;

/// What remains of a transaction that left.
#[derive(Clone, Debug)]
struct Gone {
    /// `None` of one that was refused before it cost a recovery.
    sender: Option<Address>,
    departed: Departed,
}

/// What transactions take, or may.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    transactions: usize,
    bytes: usize,
}

impl Room {
    /// Of one transaction.
    const fn of(bytes: usize) -> Self {
        Self { transactions: 1, bytes }
    }

    const fn plus(self, other: Self) -> Self {
        Self { transactions: self.transactions + other.transactions, bytes: self.bytes.saturating_add(other.bytes) }
    }

    const fn minus(self, other: Self) -> Self {
        Self { transactions: self.transactions - other.transactions, bytes: self.bytes - other.bytes }
    }

    /// Whether `is` holds of the numbers or of the bytes, each with those of two other rooms.
    fn any(self, one: Self, other: Self, is: impl Fn(usize, usize, usize) -> bool) -> bool {
        is(self.transactions, one.transactions, other.transactions) || is(self.bytes, one.bytes, other.bytes)
    }
}

#[derive(Debug)]
pub(crate) struct Lanes {
    config: PoolConfig,
    base_fee: Option<u64>,
    head: BlockNumber,
    by_sender: AddressMap<Lane>,
    by_hash: B256Map<Arc<Pooled>>,
    /// Senders with something behind a nonce gap.
    gapped: BTreeSet<Address>,
    used: Room,
    /// Of that, what this node answers for.
    ours: Room,
    gone: LruCache<B256, Gone>,
    /// Of transactions that left for a block.
    included: Senders,
    /// Counts heads; an answer of the chain obtained under another count is stale.
    pub(crate) heads: u64,
}

impl Lanes {
    pub(crate) fn new(config: PoolConfig) -> Self {
        let departures = NonZeroUsize::new(config.departures).unwrap_or(NonZeroUsize::MIN);
        Self {
            base_fee: config.base_fee,
            head: config.head,
            config,
            by_sender: AddressMap::default(),
            by_hash: B256Map::default(),
            gapped: BTreeSet::new(),
            used: Room::default(),
            ours: Room::default(),
            gone: LruCache::new(departures),
            included: Senders::default(),
            heads: 0,
        }
    }

    pub(crate) const fn config(&self) -> &PoolConfig {
        &self.config
    }

    pub(crate) const fn base_fee(&self) -> Option<u64> {
        self.base_fee
    }

    /// Takes over a new head: its number, and the base fee of the block after it.
    pub(crate) const fn set_head(&mut self, head: BlockNumber, base_fee: Option<u64>) {
        self.heads += 1;
        self.head = head;
        self.base_fee = base_fee;
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<Pooled>> {
        self.by_hash.get(hash)
    }

    pub(crate) fn lane(&self, sender: Address) -> Option<&Lane> {
        self.by_sender.get(&sender)
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = (&Address, &Lane)> {
        self.by_sender.iter()
    }

    pub(crate) fn lanes_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.by_sender.values_mut()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.by_hash.values()
    }

    /// The sender of a transaction that waits or left not long ago.
    pub(crate) fn sender_of(&self, hash: &B256) -> Option<Address> {
        let waits = self.by_hash.get(hash).map(|tx| tx.sender());
        waits.or_else(|| self.included.get(hash)).or_else(|| self.gone.peek(hash).and_then(|gone| gone.sender))
    }

    pub(crate) fn departure(&self, hash: &B256) -> Option<Departed> {
        self.gone.peek(hash).map(|gone| gone.departed.clone())
    }

    pub(crate) fn status(&self) -> Status {
        let queued = self.gapped.iter().filter_map(|sender| self.by_sender.get(sender)).map(Lane::queued_len).sum();
        Status { pending: self.by_hash.len() - queued, queued, bytes: self.used.bytes }
    }

    pub(crate) fn content(&self) -> Content {
        let mut content = Content::default();
        for (sender, lane) in &self.by_sender {
            if lane.pending_len() > 0 {
                content.pending.insert(*sender, lane.pending().cloned().collect());
            }
            if lane.queued_len() > 0 {
                content.queued.insert(*sender, lane.queued().cloned().collect());
            }
        }
        content
    }

    /// Whether there is a place for `tx`, by the pool's own rules that need no answer of the chain.
    pub(crate) fn check_room(&self, tx: &Pooled, limited: bool) -> Result<(), PoolError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        let (sender, nonce) = (tx.sender(), tx.nonce());
        let lane = self.by_sender.get(&sender);
        if let Some(lane) = lane {
            if nonce < lane.account().nonce {
                // The account may have gone back by a reorg that is not applied yet; the caller's fresh answer decides.
                return Ok(());
            }
            if let Some(existing) = lane.get(nonce) {
                return self.check_replacement(lane, existing, tx);
            }
            if limited {
                if lane.len() >= self.config.max_per_sender {
                    return Err(PoolError::SenderFull { sender, waiting: lane.len() });
                }
                let next = lane.next_nonce();
                if nonce > next && lane.queued_len() >= self.config.max_queued_per_sender {
                    return Err(PoolError::TooManyGapped { next, nonce, waiting: lane.queued_len() });
                }
            }
        }
        let (origin, bytes) = (tx.origin(), tx.encoded_len());
        let none_yields = || origin == Origin::Network || self.victim(sender).is_none();
        if limited && (self.is_beyond_share(origin, bytes) || self.is_full(bytes) && none_yields()) {
            return Err(PoolError::Full { transactions: self.by_hash.len() });
        }
        Ok(())
    }

    const fn limit(&self) -> Room {
        Room { transactions: self.config.max_transactions, bytes: self.config.max_bytes }
    }

    /// Whether so many more bytes have no place, as long as nobody makes room.
    fn is_full(&self, bytes: usize) -> bool {
        let after = self.used.plus(Room::of(bytes));
        after.any(self.limit(), after, |after, limit, _| after > limit)
    }

    /// Whether one more transaction of so many bytes would take a place that is left to others: to this node's own clients, or
    /// to those of other nodes.
    fn is_beyond_share(&self, origin: Origin, bytes: usize) -> bool {
        let (one, others) = (Room::of(bytes), self.used.minus(self.ours));
        match origin {
            Origin::Network => {
                let after = others.plus(one);
                after.any(self.limit(), after, |after, limit, _| after > limit - limit / LOCAL_SHARE)
            }
            Origin::Local => self.ours.plus(one).any(self.limit(), others, |ours, limit, others| {
                let left = others.min(limit / OTHERS_SHARE);
                left > 0 && ours > limit / LOCAL_SHARE && ours + others > limit - left
            }),
            Origin::Retracted => false,
        }
    }

    /// Whether taking in so many of so many bytes together may make others yield.
    pub(crate) fn may_evict(&self, transactions: usize, bytes: usize) -> bool {
        let after = self.used.plus(Room { transactions, bytes });
        !self.gapped.is_empty() && after.any(self.limit(), after, |after, limit, _| after > limit)
    }

    /// The number that wait, if no new transaction of this origin has a place, whoever sends it.
    pub(crate) fn full_for_all(&self, origin: Origin) -> Option<usize> {
        let none_yields = origin == Origin::Network || self.gapped.is_empty();
        let is_full = self.is_beyond_share(origin, 1) || none_yields && self.is_full(1);
        (origin != Origin::Retracted && is_full).then_some(self.by_hash.len())
    }

    /// Whether `balance` covers `tx` together with the sender's other pending transactions; it covers `tx` alone.
    pub(crate) fn check_funds(&self, tx: &Arc<Pooled>, balance: U256) -> Result<(), PoolError> {
        let Some(lane) = self.by_sender.get(&tx.sender()) else { return Ok(()) };
        let (needed, others) = lane.expenditure_with(tx);
        if needed <= U512::from(balance) {
            return Ok(());
        }
        let (queued, cost) = (others.saturating_to(), tx.cost());
        Err(PoolError::Overdraft { balance, queued, cost })
    }

    fn check_replacement(&self, lane: &Lane, existing: &Pooled, tx: &Pooled) -> Result<(), PoolError> {
        let nonce = existing.nonce();
        // One that the balance no longer covers may always be replaced, or the account could never send again.
        if existing.cost() > lane.account().balance && tx.cost() <= lane.account().balance {
            return Ok(());
        }
        if self.config.gas_free {
            return Err(PoolError::ReplacementOnFreeChain { existing: existing.hash(), nonce });
        }
        if !tx.outbids(existing) {
            return Err(PoolError::ReplacementUnderpriced { existing: existing.hash(), nonce });
        }
        Ok(())
    }

    /// Puts `tx` in its lane. `account` is the sender's at the head; [`Self::check_room`] said yes under the same lock.
    ///
    /// Returns the transaction it replaced.
    pub(crate) fn insert(&mut self, tx: Arc<Pooled>, account: Account) -> Option<Arc<Pooled>> {
        let sender = tx.sender();
        let hash = tx.hash();
        while self.is_full(tx.encoded_len()) && self.evict_one(sender) {}
        self.count(&tx, Room::plus);
        self.by_hash.insert(hash, Arc::clone(&tx));
        self.gone.pop(&hash);
        let lane = self.by_sender.entry(sender).or_insert_with(|| Lane::new(account));
        let used = lane.set_account(account);
        let replaced = lane.insert(tx);
        if let Some(replaced) = &replaced {
            self.forget(replaced, Departure::Replaced { by: hash });
        }
        for tx in used {
            self.forget(&tx, Departure::NonceUsed);
        }
        self.settle(sender);
        replaced
    }

    /// Takes out one transaction. Those behind it in its lane wait for its nonce from now on.
    pub(crate) fn remove(&mut self, hash: &B256, why: Departure) -> Option<Arc<Pooled>> {
        let tx = self.by_hash.get(hash).map(Arc::clone)?;
        if let Some(lane) = self.by_sender.get_mut(&tx.sender()) {
            lane.remove(tx.nonce());
        }
        self.forget(&tx, why);
        self.settle(tx.sender());
        Some(tx)
    }

    /// Undoes an insertion that could not be made durable: what it replaced comes back.
    pub(crate) fn revert(&mut self, hash: &B256, replaced: Option<Arc<Pooled>>, why: Departure) {
        let Some(account) = self.by_hash.get(hash).and_then(|tx| self.lane(tx.sender())).map(|lane| *lane.account())
        else {
            return;
        };
        self.remove(hash, why);
        if let Some(replaced) = replaced.filter(|replaced| replaced.nonce() >= account.nonce) {
            self.insert(replaced, account);
        }
    }

    /// Takes over a sender's account at a new head. Transactions with used nonces leave; `included` tells which of them
    /// are in blocks, so that nothing needs to be told about them.
    pub(crate) fn set_account(&mut self, sender: Address, account: Account, included: impl Fn(&B256) -> bool) {
        let Some(lane) = self.by_sender.get_mut(&sender) else { return };
        for tx in lane.set_account(account) {
            let hash = tx.hash();
            if included(&hash) {
                self.by_hash.remove(&hash);
                self.count(&tx, Room::minus);
                self.included.put(hash, sender);
            } else {
                self.forget(&tx, Departure::NonceUsed);
            }
        }
        self.settle(sender);
    }

    pub(crate) fn note_departure(&mut self, hash: B256, sender: Option<Address>, why: Departure) {
        self.gone.put(hash, Gone { sender, departed: Departed { why: why.short(), at: self.head } });
    }

    fn count(&mut self, tx: &Pooled, change: fn(Room, Room) -> Room) {
        let room = Room::of(tx.encoded_len());
        self.used = change(self.used, room);
        if tx.origin().is_ours() {
            self.ours = change(self.ours, room);
        }
    }

    fn forget(&mut self, tx: &Pooled, why: Departure) {
        let hash = tx.hash();
        if self.by_hash.remove(&hash).is_some() {
            self.count(tx, Room::minus);
        }
        tracing::debug!(%hash, sender = %tx.sender(), nonce = tx.nonce(), ?why, "transaction left the pool");
        self.note_departure(hash, Some(tx.sender()), why);
    }

    /// Restores what must hold about a lane after it changed: none is empty, and `gapped` lists it rightly.
    fn settle(&mut self, sender: Address) {
        let gapped = self.by_sender.get(&sender).is_some_and(|lane| lane.queued_len() > 0);
        if gapped {
            self.gapped.insert(sender);
        } else {
            self.gapped.remove(&sender);
        }
        if self.by_sender.get(&sender).is_some_and(Lane::is_empty) {
            self.by_sender.remove(&sender);
        }
    }

    /// A transaction that may make room: last of its lane, behind a gap, and from another node.
    fn victim(&self, newcomer: Address) -> Option<B256> {
        self.gapped
            .iter()
            .take(EVICTION_SEARCH)
            .filter(|sender| **sender != newcomer)
            .filter_map(|sender| self.by_sender.get(sender)?.last())
            .find(|tx| tx.origin() == Origin::Network)
            .map(|tx| tx.hash())
    }

    fn evict_one(&mut self, newcomer: Address) -> bool {
        self.victim(newcomer).is_some_and(|hash| self.remove(&hash, Departure::Evicted).is_some())
    }
}
