//! How much of the node one caller may take: a rate with bursts, and requests at once.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use lru::LruCache;

use crate::{
    caller::Who,
    error::{Answer, Failure},
};

/// Callers remembered; of more, those that were silent the longest begin anew.
const CALLERS: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
/// When one of a caller's own requests has probably ended.
const RETRY_CONCURRENT: Duration = Duration::from_millis(100);

/// The share of one caller: an account, an API key, or where nobody logs in a network address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests a second in the long run; each entry of a batch is one.
    pub per_second: u32,
    /// Requests beyond that which may come at once after silence.
    pub burst: u32,
    /// Requests at once.
    pub concurrent: u32,
}

/// Everybody's share on one listener.
#[derive(Debug)]
pub(crate) struct Quotas {
    quota: Quota,
    accounts: Mutex<LruCache<Who, Account>>,
}

/// What one caller has taken. The rate is GCRA (ITU-T I.371): a moment before which it has had its share.
#[derive(Clone, Debug)]
struct Account {
    taken_until: Instant,
    running: Arc<AtomicU32>,
}

/// A place among a caller's requests at once; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Quotas {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, accounts: Mutex::new(LruCache::new(CALLERS)) }
    }

    /// Takes `requests` of `who`'s share and one place among its requests at once.
    ///
    /// # Errors
    /// [`Failure::Busy`] says which limit it is and when to come back; nothing is taken then.
    pub(crate) fn take(&self, who: &Who, requests: u32, now: Instant) -> Answer<Place> {
        let Quota { per_second, burst, concurrent } = self.quota;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Account { taken_until: now, running: Arc::default() };
        let account = accounts.get_or_insert_mut_ref(who, fresh);
        if account.running.load(Ordering::Relaxed) >= concurrent.max(1) {
            return Err(Failure::Busy {
                message: format!("{concurrent} requests of yours are running already, the most at once"),
                reason: "CONCURRENCY_LIMIT",
                retry_after: Some(RETRY_CONCURRENT),
            });
        }
        let each = Duration::from_secs(1) / per_second.max(1);
        let after = account.taken_until.max(now) + each.saturating_mul(requests);
        let ahead = after.saturating_duration_since(now);
        let most = each.saturating_mul(burst.max(1).max(requests));
        if ahead > most {
            return Err(Failure::Busy {
                message: format!("more than {per_second} requests a second (bursts of {burst}), try again later"),
                reason: "RATE_LIMIT",
                retry_after: Some(ahead - most),
            });
        }
        account.taken_until = after;
        account.running.fetch_add(1, Ordering::Relaxed);
        Ok(Place(Arc::clone(&account.running)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Quota, Quotas};
    use crate::{caller::Who, error::Failure};

    fn who(ip: &str) -> Who {
        Who::at(ip.parse().unwrap())
    }

    fn retry(failure: Failure, expected: &str) -> Duration {
        match failure {
            Failure::Busy { reason, retry_after: Some(after), .. } if reason == expected => after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_burst_is_taken_at_once_and_then_the_rate_holds() {
        let quotas = Quotas::new(Quota { per_second: 10, burst: 3, concurrent: 99 });
        let (start, one) = (Instant::now(), who("10.0.0.1"));
        for _ in 0..3 {
            quotas.take(&one, 1, start).unwrap();
        }
        let after = retry(quotas.take(&one, 1, start).unwrap_err(), "RATE_LIMIT");
        assert_eq!(after, Duration::from_millis(100));
        quotas.take(&who("10.0.0.2"), 1, start).expect("another's share is its own");
        quotas.take(&one, 1, start + after).expect("what was said is true");
        let too_soon = start + after + Duration::from_millis(99);
        assert_eq!(retry(quotas.take(&one, 1, too_soon).unwrap_err(), "RATE_LIMIT"), Duration::from_millis(1));
        let later = start + Duration::from_secs(60);
        for _ in 0..3 {
            quotas.take(&one, 1, later).expect("silence gives the burst back, and no more");
        }
        quotas.take(&one, 1, later).unwrap_err();
    }

    #[test]
    fn requests_at_once_are_counted_until_they_end() {
        let quotas = Quotas::new(Quota { per_second: 1000, burst: 1000, concurrent: 2 });
        let (now, one) = (Instant::now(), who("10.0.0.1"));
        let first = quotas.take(&one, 1, now).unwrap();
        let _second = quotas.take(&one, 1, now).unwrap();
        retry(quotas.take(&one, 1, now).unwrap_err(), "CONCURRENCY_LIMIT");
        drop(first);
        quotas.take(&one, 1, now).expect("a place came back");
    }

    #[test]
    fn a_batch_takes_its_length() {
        let quotas = Quotas::new(Quota { per_second: 10, burst: 10, concurrent: 99 });
        let (now, one) = (Instant::now(), who("10.0.0.1"));
        quotas.take(&one, 10, now).unwrap();
        assert_eq!(retry(quotas.take(&one, 5, now).unwrap_err(), "RATE_LIMIT"), Duration::from_millis(500));
        // One that is larger than any burst is taken when nothing was taken before, or it could never be.
        quotas.take(&one, 20, now + Duration::from_secs(1)).unwrap();
    }
}
