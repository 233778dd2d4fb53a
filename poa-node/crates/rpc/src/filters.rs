//! Filters of clients that poll (`eth_newFilter` and its kin).

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B128, B256, U128},
    rpc::types::Filter,
};
use aurum_chain::Identity;

use crate::{
    cursor::Cursor,
    error::{Answer, Failure},
};

/// Pending transactions remembered for filters.
const PENDING_KEPT: usize = 32_768;

/// What a filter waits for, and how far it has been told.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Hashes of new blocks.
    Blocks(Cursor),
    /// Logs.
    Logs(Cursor, Box<Filter>),
    /// Pooled transactions from this place in the feed on; whole ones, or hashes.
    Pending { next: u64, full: bool },
}

/// All filters of a listener's clients. Ids are random: they cannot be guessed, so nobody polls another's; that of an account
/// is that account's, and ends with its right to read.
#[derive(Debug)]
pub(crate) struct Filters {
    entries: Mutex<HashMap<U128, Entry>>,
    pub(crate) pending: PendingFeed,
    most: usize,
    ttl: Duration,
}

#[derive(Debug)]
struct Entry {
    /// The account that made it, if it was one that logged in.
    owner: Option<Address>,
    waiting: Arc<Mutex<Waiting>>,
    polled: Instant,
}

impl Filters {
    /// At most `most` filters, each forgotten when not polled for `ttl`.
    pub(crate) fn new(most: usize, ttl: Duration) -> Self {
        Self { entries: Mutex::default(), pending: PendingFeed::default(), most, ttl }
    }

    /// A new filter's id.
    ///
    /// # Errors
    /// [`Failure::Limit`].
    pub(crate) fn install(&self, owner: Identity, waiting: Waiting) -> Answer<U128> {
        let mut entries = lock(&self.entries);
        let now = Instant::now();
        entries.retain(|_, entry| now.duration_since(entry.polled) < self.ttl);
        if entries.len() >= self.most {
            return Err(Failure::Limit(
                "FILTER_LIMIT",
                format!("too many filters: this node keeps at most {}", self.most),
            ));
        }
        let id = U128::from_be_bytes(B128::random().0);
        entries.insert(id, Entry { owner: account(owner), waiting: Arc::new(Mutex::new(waiting)), polled: now });
        Ok(id)
    }

    /// The filter, now polled.
    ///
    /// # Errors
    /// [`Failure::UnknownFilter`].
    pub(crate) fn poll(&self, owner: Identity, id: U128) -> Answer<Arc<Mutex<Waiting>>> {
        let mut entries = lock(&self.entries);
        let now = Instant::now();
        let entry = entries
            .get_mut(&id)
            .filter(|entry| now.duration_since(entry.polled) < self.ttl && entry.owner == account(owner))
            .ok_or(Failure::UnknownFilter)?;
        entry.polled = now;
        Ok(Arc::clone(&entry.waiting))
    }

    /// Forgets it; whether there was one.
    pub(crate) fn remove(&self, owner: Identity, id: U128) -> bool {
        let mut entries = lock(&self.entries);
        let is_owners = entries.get(&id).is_some_and(|entry| entry.owner == account(owner));
        is_owners && entries.remove(&id).is_some()
    }

    /// The accounts that have filters.
    pub(crate) fn owners(&self) -> HashSet<Address> {
        lock(&self.entries).values().filter_map(|entry| entry.owner).collect()
    }

    /// Forgets all filters of an account.
    pub(crate) fn forget(&self, owner: Address) {
        lock(&self.entries).retain(|_, entry| entry.owner != Some(owner));
    }
}

/// The account that logged in, if one did.
const fn account(identity: Identity) -> Option<Address> {
    match identity {
        Identity::Address(account) => Some(account),
        Identity::Local | Identity::Anonymous | Identity::Public | Identity::Stranger => None,
    }
}

/// The last pooled transactions in order of arrival, each with a number that only grows.
#[derive(Debug, Default)]
pub(crate) struct PendingFeed(Mutex<Feed>);

#[derive(Debug, Default)]
struct Feed {
    hashes: VecDeque<B256>,
    /// Number of the next one.
    next: u64,
}

impl PendingFeed {
    /// One more was pooled.
    pub(crate) fn push(&self, hash: B256) {
        let mut feed = lock(&self.0);
        if feed.hashes.len() == PENDING_KEPT {
            feed.hashes.pop_front();
        }
        feed.hashes.push_back(hash);
        feed.next += 1;
    }

    /// The number the next one will have.
    pub(crate) fn next(&self) -> u64 {
        lock(&self.0).next
    }

    /// Those from number `from` on that are still remembered, and the number after the last.
    pub(crate) fn since(&self, from: u64) -> (Vec<B256>, u64) {
        let feed = lock(&self.0);
        let new = usize::try_from(feed.next.saturating_sub(from)).unwrap_or(usize::MAX).min(feed.hashes.len());
        (feed.hashes.iter().skip(feed.hashes.len() - new).copied().collect(), feed.next)
    }
}

/// A panic while the lock was held leaves a value that is still whole: every change here is a single step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alloy::primitives::{Address, B256, U128};
    use aurum_chain::Identity;

    use super::{Filters, PENDING_KEPT, PendingFeed, Waiting};
    use crate::error::LIMIT;

    const PENDING: Waiting = Waiting::Pending { next: 0, full: false };

    #[test]
    fn a_filter_lives_until_removed() {
        let filters = Filters::new(10, Duration::from_secs(60));
        let id = filters.install(Identity::Local, PENDING).unwrap();
        filters.poll(Identity::Local, id).unwrap();
        assert!(filters.poll(Identity::Local, id.wrapping_add(U128::from(1))).is_err());
        assert!(filters.remove(Identity::Local, id) && !filters.remove(Identity::Local, id));
        assert!(filters.poll(Identity::Local, id).is_err());
    }

    #[test]
    fn an_accounts_filter_is_nobody_elses_and_goes_with_its_right() {
        let filters = Filters::new(10, Duration::from_secs(60));
        let (one, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let id = filters.install(Identity::Address(one), PENDING).unwrap();
        let of_other = filters.install(Identity::Address(other), PENDING).unwrap();
        for stranger in [Identity::Address(other), Identity::Local, Identity::Anonymous] {
            assert!(filters.poll(stranger, id).is_err() && !filters.remove(stranger, id));
        }
        filters.poll(Identity::Address(one), id).unwrap();
        assert_eq!(filters.owners(), [one, other].into());
        filters.forget(one);
        assert!(filters.poll(Identity::Address(one), id).is_err());
        filters.poll(Identity::Address(other), of_other).unwrap();
    }

    #[test]
    fn filters_time_out_and_make_room() {
        let filters = Filters::new(1, Duration::from_millis(30));
        let first = filters.install(Identity::Local, PENDING).unwrap();
        assert_eq!(filters.install(Identity::Local, PENDING).unwrap_err().code(), LIMIT);
        std::thread::sleep(Duration::from_millis(40));
        assert!(filters.poll(Identity::Local, first).is_err());
        filters.install(Identity::Local, PENDING).unwrap();
    }

    #[test]
    fn the_feed_tells_each_transaction_once_and_forgets_the_oldest() {
        let feed = PendingFeed::default();
        let start = feed.next();
        feed.push(B256::repeat_byte(1));
        feed.push(B256::repeat_byte(2));
        let (new, next) = feed.since(start);
        assert_eq!(new, [B256::repeat_byte(1), B256::repeat_byte(2)]);
        assert_eq!(feed.since(next).0, Vec::<B256>::new());
        for _ in 0..PENDING_KEPT {
            feed.push(B256::ZERO);
        }
        assert_eq!(feed.since(next).0.len(), PENDING_KEPT);
        assert_eq!(feed.since(0).0.len(), PENDING_KEPT);
    }
}
