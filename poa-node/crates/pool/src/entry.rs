//! How transactions come in: a batch at a time, each judged as if it had come alone after those before it.

use std::{collections::hash_map::Entry, io, sync::Arc};

use alloy::primitives::map::{AddressMap, AddressSet};
use aurum_types::{Account, Recovered, Transaction};

use crate::{Added, Departure, Origin, PoolError, Pooled, Refusal, journal::encode_record, lanes::Lanes, pool::Shared};

/// How often an answer of the chain may be outdated by a new head before it is used all the same.
const STALE_RETRIES: usize = 8;

/// A transaction that waits now.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) tx: Arc<Pooled>,
    pub(crate) added: Added,
    /// The one it replaced.
    replaced: Option<Arc<Pooled>>,
}

/// One that is on its way in, with what the chain says to it.
struct Candidate {
    tx: Arc<Pooled>,
    /// Whether it is refused already.
    refused: Option<PoolError>,
    verdict: Option<Result<Account, PoolError>>,
}

impl Shared {
    /// Checks and inserts, in the given order. Cheap reasons to refuse come before those that ask the chain, so that an
    /// overload costs little.
    pub(crate) fn admit(
        &self,
        txs: Vec<Recovered<Transaction>>,
        origin: Origin,
        limited: bool,
    ) -> Vec<Result<Placed, PoolError>> {
        let first_arrival = self.take_arrivals(txs.len() as u64);
        let mut candidates: Vec<Candidate> = (first_arrival..)
            .zip(txs)
            .map(|(arrival, tx)| {
                let tx = Arc::new(Pooled::new(tx, origin, arrival, &self.config));
                Candidate { tx, refused: None, verdict: None }
            })
            .collect();
        let mut heads = self.refuse_early(&mut candidates, limited);
        for retries_left in (0..=STALE_RETRIES).rev() {
            self.judge(&mut candidates);
            let mut lanes = self.lanes();
            // With no retry left heads come faster than answers. The next head that touches the account corrects a stale
            // one.
            if lanes.heads == heads || retries_left == 0 {
                return candidates.into_iter().map(|candidate| lanes.place(candidate, limited)).collect();
            }
            heads = lanes.heads;
        }
        unreachable!("the last round returns")
    }

    /// Refuses what the pool need not ask the chain about, and returns the count of heads before the chain is asked.
    fn refuse_early(&self, candidates: &mut [Candidate], limited: bool) -> u64 {
        let limit = self.config.max_transaction_bytes;
        let lanes = self.lanes();
        let bytes = candidates.iter().map(|candidate| candidate.tx.encoded_len()).sum();
        // What an earlier one of the batch changes is seen only when it is in its place: another of the same sender, or
        // any that makes others yield.
        let may_evict = lanes.may_evict(candidates.len(), bytes);
        let mut earlier = AddressSet::default();
        for Candidate { tx, refused, .. } in candidates {
            let have = tx.encoded_len();
            *refused = if limited && have > limit {
                Some(Refusal::Oversized { have, limit }.into())
            } else {
                let is_certain = earlier.is_empty() || !may_evict && !earlier.contains(&tx.sender());
                lanes.check_room(tx, limited).err().filter(|_| is_certain)
            };
            if refused.is_none() {
                earlier.insert(tx.sender());
            }
        }
        lanes.heads
    }

    /// Asks the chain, about each sender's account once.
    fn judge(&self, candidates: &mut [Candidate]) {
        let mut accounts: AddressMap<Account> = AddressMap::default();
        for candidate in candidates.iter_mut().filter(|candidate| candidate.refused.is_none()) {
            candidate.verdict = Some(self.verdict(&candidate.tx, &mut accounts));
        }
    }

    fn verdict(&self, tx: &Pooled, accounts: &mut AddressMap<Account>) -> Result<Account, PoolError> {
        if tx.nonce() == u64::MAX {
            return Err(PoolError::NonceMax);
        }
        let account = match accounts.entry(tx.sender()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert(self.chain.account(tx.sender())?),
        };
        if tx.nonce() < account.nonce {
            return Err(PoolError::NonceTooLow { next: account.nonce, nonce: tx.nonce() });
        }
        if tx.cost() > account.balance {
            return Err(PoolError::InsufficientFunds { balance: account.balance, cost: tx.cost() });
        }
        self.chain.admits(tx.transaction(), tx.origin())?;
        Ok(account)
    }

    /// Journals what was placed, all of it in one write. What cannot be journalled is not accepted: all of it leaves again.
    pub(crate) fn write_to_journal(&self, placed: &mut [Result<Placed, PoolError>]) {
        let Some(journal) = &self.journal else { return };
        let mut records = Vec::new();
        for placed in placed.iter().flatten() {
            encode_record(placed.tx.transaction().inner(), &mut records);
        }
        if records.is_empty() {
            return;
        }
        let mut journal = journal.lock().expect("nothing panics while holding the journal");
        if let Err(error) = journal.append(&records) {
            drop(journal);
            return self.take_back_out(placed, &error);
        }
        if journal.wants_compaction() {
            let live = self.journalled();
            // The old file stays whole, so this is no reason to refuse what is written already.
            if let Err(error) = journal.compact(live.iter().map(|tx| tx.transaction().inner())) {
                tracing::error!(%error, "transaction journal could not be rewritten");
            }
        }
    }

    fn take_back_out(&self, placed: &mut [Result<Placed, PoolError>], error: &io::Error) {
        let mut lanes = self.lanes();
        // The last first: one may have replaced another of the same batch.
        for result in placed.iter_mut().rev() {
            let Ok(placed) = result else { continue };
            let why = Departure::Removed(format!("not journalled: {error}"));
            lanes.revert(&placed.tx.hash(), placed.replaced.take(), why);
            *result = Err(PoolError::Journal(io::Error::new(error.kind(), error.to_string())));
        }
    }
}

impl Lanes {
    /// Puts a candidate in its lane, unless something speaks against it now.
    fn place(&mut self, candidate: Candidate, limited: bool) -> Result<Placed, PoolError> {
        let Candidate { tx, refused, verdict } = candidate;
        if let Some(error) = refused {
            return Err(error);
        }
        self.check_room(&tx, limited)?;
        let account = verdict.expect("whatever is not refused was judged")?;
        if limited {
            self.check_funds(&tx, account.balance)?;
        }
        let replaced = self.insert(Arc::clone(&tx), account);
        let pending = self.lane(tx.sender()).is_some_and(|lane| tx.nonce() < lane.next_nonce());
        let added = Added { hash: tx.hash(), pending, replaced: replaced.as_ref().map(|tx| tx.hash()) };
        Ok(Placed { tx, added, replaced })
    }
}
