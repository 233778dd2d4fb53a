//! Transactions that arrive from peers, on the pool's threads.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use alloy::primitives::{B256, Bytes};
use aurum_pool::{Origin, Pool, PoolError, SubmitError};
use aurum_types::{TransactionError, decode_transaction};
use lru::LruCache;

use crate::{known::Known, message::Wanted};

/// Transactions that were pooled or mined not long ago and are not wanted again, at least.
const RECENT: usize = 65_536;
/// Transactions asked for and not yet there.
const ASKED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
/// After which another peer's offer of the same is taken.
const ASK_AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Inbox {
    pool: Pool,
    recent: Mutex<Known>,
    asked: Mutex<LruCache<B256, Instant>>,
}

impl Inbox {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, recent: Mutex::new(Known::new(RECENT)), asked: Mutex::new(LruCache::new(ASKED)) }
    }

    fn recent(&self) -> MutexGuard<'_, Known> {
        self.recent.lock().expect("nothing panics while holding it")
    }

    /// Pools what is new, senders recovered in parallel.
    ///
    /// # Errors
    /// Any transaction that no honest node forwards: malformed, or without a valid signature.
    pub(crate) fn take(&self, transactions: &[Bytes]) -> Result<(), TransactionError> {
        let mut malformed = Ok(());
        let mut new = Vec::with_capacity(transactions.len());
        for bytes in transactions {
            match decode_transaction(bytes) {
                Ok(tx) => new.push(tx),
                Err(error) => malformed = Err(error),
            }
        }
        {
            let recent = self.recent();
            new.retain(|tx| !recent.contains(tx.tx_hash()));
        }
        let hashes: Vec<B256> = new.iter().map(|tx| *tx.tx_hash()).collect();
        let results = self.pool.add_signed(new, Origin::Network);
        let mut recent = self.recent();
        for (hash, result) in hashes.into_iter().zip(results) {
            match result {
                Ok(_) | Err(SubmitError::Pool(PoolError::AlreadyKnown | PoolError::NonceTooLow { .. })) => {
                    recent.put(hash);
                }
                Err(SubmitError::Transaction(error)) => malformed = Err(error),
                Err(SubmitError::Pool(error)) if error.is_fault() => {
                    tracing::error!(%hash, %error, "transaction could not be judged");
                }
                // Refused by our limits or rules, which may change: not noted, so that it can come again.
                Err(SubmitError::Pool(error)) => tracing::debug!(%hash, %error, "transaction of a peer refused"),
            }
        }
        malformed
    }

    /// Which of the offered are wanted.
    pub(crate) fn want(&self, offered: &[B256]) -> Wanted {
        let now = Instant::now();
        let mut new: Vec<(usize, &B256)> = offered.iter().enumerate().collect();
        {
            let recent = self.recent();
            new.retain(|(_, hash)| !recent.contains(hash));
        }
        let hashes: Vec<B256> = new.iter().map(|(_, hash)| **hash).collect();
        let mut pooled = self.pool.get_many(&hashes).into_iter();
        new.retain(|_| pooled.next().flatten().is_none());
        let mut asked = self.asked.lock().expect("nothing panics while holding it");
        let places = new
            .into_iter()
            .filter(|(_, hash)| {
                let waiting = asked.peek(*hash).is_some_and(|at| now.duration_since(*at) < ASK_AGAIN);
                if !waiting {
                    asked.put(**hash, now);
                }
                !waiting
            })
            .map(|(place, _)| place as u64)
            .collect();
        Wanted { places }
    }
}
