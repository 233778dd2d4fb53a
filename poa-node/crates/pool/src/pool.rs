//! The handle everybody holds.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use alloy::primitives::{Address, B256};
use aurum_types::{Account, Recovered, Transaction, recover_sender};
use tokio::sync::broadcast;

use crate::{
    Admission, Best, Content, Departure, OpenError, Origin, PoolConfig, PoolError, Pooled, Refusal, Status,
    journal::Journal, lane::Lane, lanes::Lanes,
};

/// Newly pooled transactions a slow subscriber may be behind. Past that it loses the oldest and is told so; it can
/// read [`Pool::content`] to catch up.
const SUBSCRIPTION_BACKLOG: usize = 16_384;
/// How often an answer of the chain may be outdated by a new head before it is used all the same.
const STALE_RETRIES: usize = 8;
/// Heads after which the first pending transaction of a sender is asked about again: nobody takes it, perhaps the
/// sender's rights are gone, and it would block the sender's later ones.
const RECHECK_AFTER_HEADS: u32 = 16;
/// At most so many of them per head.
const RECHECKS_PER_HEAD: usize = 128;

/// Transactions waiting for a block. A cheap handle; clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

/// Lock order: `head`, `journal`, `lanes`. No question goes to the chain while `journal` or `lanes` is held.
pub(crate) struct Shared {
    chain: Arc<dyn Admission>,
    /// Held while a head change is applied, so that they are applied in order.
    head: Mutex<()>,
    journal: Option<Mutex<Journal>>,
    lanes: Mutex<Lanes>,
    newly: broadcast::Sender<Arc<Pooled>>,
}

impl Shared {
    pub(crate) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().expect("nothing panics while holding the pool's lock")
    }
}

/// What came of an accepted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its hash.
    pub hash: B256,
    /// Whether no nonce is missing before it.
    pub pending: bool,
    /// The transaction with the same nonce it took the place of.
    pub replaced: Option<B256>,
}

/// How the canonical chain changed, as far as the pool is concerned.
#[derive(Clone, Debug, Default)]
pub struct HeadChange {
    /// Hashes of the transactions in the blocks that became canonical.
    pub included: Vec<B256>,
    /// Transactions of the blocks that ceased to be canonical, in block order. Those that are in `included` too may be
    /// listed.
    pub retracted: Vec<Recovered<Transaction>>,
    /// Every account whose nonce or balance differs from before: those in the state changes of the blocks that came and
    /// of those that went.
    pub touched: Vec<Address>,
    /// Base fee of the next block in wei; `None` before EIP-1559.
    pub base_fee: Option<u64>,
}

impl Pool {
    /// Opens the pool and takes back the journalled transactions that `chain` still admits.
    ///
    /// # Errors
    /// [`OpenError`] if the journal is unreadable or the chain's state is. A torn or refused record is no error.
    pub fn open(config: PoolConfig, chain: Arc<dyn Admission>) -> Result<Self, OpenError> {
        let path = config.journal.clone();
        let wrap = |source| OpenError::Journal { path: path.clone().unwrap_or_default(), source };
        let (journal, kept) = match &config.journal {
            None => (None, Vec::new()),
            Some(path) => {
                let (journal, kept) = Journal::open(path).map_err(wrap)?;
                (Some(journal), kept)
            }
        };
        let mut shared = Shared {
            chain,
            head: Mutex::new(()),
            journal: None,
            lanes: Mutex::new(Lanes::new(config)),
            newly: broadcast::Sender::new(SUBSCRIPTION_BACKLOG),
        };
        let found = kept.len();
        for tx in kept {
            shared.replay(tx)?;
        }
        if let Some(mut journal) = journal {
            let pooled = shared.journalled();
            if found > 0 {
                tracing::info!(found, pooled = pooled.len(), "took back journalled transactions");
            }
            journal.compact(pooled.iter().map(|tx| tx.transaction().inner())).map_err(wrap)?;
            shared.journal = Some(Mutex::new(journal));
        }
        Ok(Self(Arc::new(shared)))
    }

    /// Takes a transaction in, or says at once why not. What is `Ok` for [`Origin::Local`] survives the death of the
    /// process.
    ///
    /// Blocks for as long as [`Admission`] does; not for an async worker.
    ///
    /// # Errors
    /// [`PoolError`]; the pool is then as before.
    pub fn add(&self, tx: Recovered<Transaction>, origin: Origin) -> Result<Added, PoolError> {
        let shared = &self.0;
        let (pooled, added, replaced) = shared.admit(tx, origin, origin != Origin::Retracted)?;
        if origin.is_ours() {
            shared.write_to_journal(&pooled, replaced)?;
        }
        // No subscriber is no error.
        let _ = shared.newly.send(pooled);
        Ok(added)
    }

    /// Executable transactions in the order an author takes them.
    pub fn best(&self) -> Best {
        Best::new(Arc::clone(&self.0))
    }

    /// Applies a new head: what is in its blocks leaves, nonces and balances advance, retracted transactions come back
    /// through [`Admission`]. The head must be readable through [`Admission`] already. Changes are to be told in order.
    pub fn on_head(&self, change: &HeadChange) {
        let shared = &self.0;
        let _in_order = shared.head.lock().expect("nothing panics while a head is applied");
        let included: HashSet<B256> = change.included.iter().copied().collect();
        let senders: HashSet<Address> = {
            let mut lanes = shared.lanes();
            lanes.heads += 1;
            lanes.set_base_fee(change.base_fee);
            let of_included = change.included.iter().filter_map(|hash| lanes.get(hash).map(|tx| tx.sender()));
            let of_retracted = change.retracted.iter().map(Recovered::signer);
            let touched = change.touched.iter().copied();
            of_included.chain(of_retracted).chain(touched).filter(|sender| lanes.lane(*sender).is_some()).collect()
        };
        let accounts: Vec<(Address, Account)> = senders
            .into_iter()
            .filter_map(|sender| match shared.chain.account(sender) {
                Ok(account) => Some((sender, account)),
                Err(error) => {
                    tracing::error!(%sender, %error, "account could not be read; its transactions stay as they were");
                    None
                }
            })
            .collect();
        let recheck = {
            let mut lanes = shared.lanes();
            for (sender, account) in accounts {
                lanes.set_account(sender, account, |hash| included.contains(hash));
            }
            due_for_recheck(&mut lanes)
        };
        for tx in &change.retracted {
            if !included.contains(tx.inner().tx_hash()) {
                self.take_back(tx);
            }
        }
        for tx in recheck {
            if let Err(refusal) = shared.chain.admits(tx.transaction(), tx.origin())
                && !matches!(refusal, Refusal::Fault(_))
            {
                tracing::info!(hash = %tx.hash(), %refusal, "waiting transaction is no longer admitted");
                shared.lanes().remove(&tx.hash(), Departure::NoLongerAdmitted(refusal.to_string()));
            }
        }
    }

    /// The waiting transaction with this hash.
    pub fn get(&self, hash: B256) -> Option<Arc<Pooled>> {
        self.0.lanes().get(&hash).cloned()
    }

    /// The sender of a transaction that waits, or left not long ago, without recovering it again.
    pub fn sender_of(&self, hash: &B256) -> Option<Address> {
        self.0.lanes().sender_of(hash)
    }

    /// The nonce after the sender's gapless waiting transactions; `None` if none of its transactions waits, and then
    /// the account's nonce is next.
    pub fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.0.lanes().lane(sender).map(Lane::next_nonce)
    }

    /// How much waits.
    pub fn status(&self) -> Status {
        self.0.lanes().status()
    }

    /// All that waits. Copies one pointer a transaction.
    pub fn content(&self) -> Content {
        self.0.lanes().content()
    }

    /// Why a transaction left without being in a block; remembered for the last [`PoolConfig::departures`].
    pub fn departure(&self, hash: B256) -> Option<Departure> {
        self.0.lanes().departure(&hash)
    }

    /// Newly accepted transactions from now on, pending and queued.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Pooled>> {
        self.0.newly.subscribe()
    }

    /// Takes a transaction out, such as one the author found not to run, and remembers `why`. The sender's later ones
    /// wait for its nonce from then on. Returns it if it was there.
    pub fn remove(&self, hash: B256, why: impl Into<String>) -> Option<Arc<Pooled>> {
        self.0.lanes().remove(&hash, Departure::Removed(why.into()))
    }

    fn take_back(&self, tx: &Recovered<Transaction>) {
        let hash = *tx.inner().tx_hash();
        match self.add(tx.clone(), Origin::Retracted) {
            Ok(_) => tracing::debug!(%hash, "retracted transaction waits again"),
            // In a block of the other branch too, or pooled meanwhile.
            Err(PoolError::AlreadyKnown) => {}
            Err(error) => {
                tracing::info!(%hash, %error, "retracted transaction is not pooled again");
                let why = Departure::NoLongerAdmitted(error.to_string());
                self.0.lanes().note_departure(hash, tx.signer(), why);
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The transaction, what to tell about it, and the one it replaced.
type Placed = (Arc<Pooled>, Added, Option<Arc<Pooled>>);

impl Shared {
    /// Checks and inserts. Cheap reasons to refuse come before those that ask the chain, so that an overload costs
    /// little.
    fn admit(&self, tx: Recovered<Transaction>, origin: Origin, limited: bool) -> Result<Placed, PoolError> {
        let (pooled, mut heads) = {
            let mut lanes = self.lanes();
            let arrival = lanes.next_arrival();
            let pooled = Arc::new(Pooled::new(tx, origin, arrival, lanes.config()));
            let limit = lanes.config().max_transaction_bytes;
            if limited && pooled.encoded_len() > limit {
                return Err(Refusal::Oversized { have: pooled.encoded_len(), limit }.into());
            }
            lanes.check_room(&pooled, limited)?;
            (pooled, lanes.heads)
        };
        if pooled.nonce() == u64::MAX {
            return Err(PoolError::NonceMax);
        }
        for _ in 0..STALE_RETRIES {
            let account = self.judge(&pooled)?;
            let mut lanes = self.lanes();
            if lanes.heads == heads {
                return Self::place(&mut lanes, pooled, account, limited);
            }
            heads = lanes.heads;
        }
        // Heads come faster than answers. The next head that touches the account corrects a stale one.
        let account = self.judge(&pooled)?;
        Self::place(&mut self.lanes(), pooled, account, limited)
    }

    fn place(lanes: &mut Lanes, pooled: Arc<Pooled>, account: Account, limited: bool) -> Result<Placed, PoolError> {
        lanes.check_room(&pooled, limited)?;
        if limited {
            lanes.check_funds(&pooled, account.balance)?;
        }
        let replaced = lanes.insert(Arc::clone(&pooled), account);
        let pending = lanes.lane(pooled.sender()).is_some_and(|lane| pooled.nonce() < lane.next_nonce());
        let added = Added { hash: pooled.hash(), pending, replaced: replaced.as_ref().map(|tx| tx.hash()) };
        Ok((pooled, added, replaced))
    }

    fn judge(&self, tx: &Pooled) -> Result<Account, PoolError> {
        let account = self.chain.account(tx.sender())?;
        if tx.nonce() < account.nonce {
            return Err(PoolError::NonceTooLow { next: account.nonce, nonce: tx.nonce() });
        }
        if tx.cost() > account.balance {
            return Err(PoolError::InsufficientFunds { balance: account.balance, cost: tx.cost() });
        }
        self.chain.admits(tx.transaction(), tx.origin())?;
        Ok(account)
    }

    fn replay(&self, tx: Transaction) -> Result<(), OpenError> {
        let hash = *tx.tx_hash();
        let Ok(sender) = recover_sender(&tx) else { return Ok(()) };
        match self.admit(Recovered::new_unchecked(tx, sender), Origin::Local, false) {
            Ok(_) | Err(PoolError::AlreadyKnown | PoolError::NonceTooLow { .. }) => Ok(()),
            Err(PoolError::Refused(fault @ Refusal::Fault(_))) => Err(OpenError::Fault(fault)),
            Err(error) => {
                tracing::info!(%hash, %error, "journalled transaction is not pooled again");
                self.lanes().note_departure(hash, sender, Departure::NoLongerAdmitted(error.to_string()));
                Ok(())
            }
        }
    }

    fn write_to_journal(&self, tx: &Arc<Pooled>, replaced: Option<Arc<Pooled>>) -> Result<(), PoolError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut journal = journal.lock().expect("nothing panics while holding the journal");
        if let Err(error) = journal.append(tx.transaction().inner()) {
            drop(journal);
            let why = Departure::Removed(format!("not journalled: {error}"));
            self.lanes().revert(&tx.hash(), replaced, why);
            return Err(PoolError::Journal(error));
        }
        if journal.wants_compaction() {
            let live = self.journalled();
            // The old file stays whole, so this is no reason to refuse what is written already.
            if let Err(error) = journal.compact(live.iter().map(|tx| tx.transaction().inner())) {
                tracing::error!(%error, "transaction journal could not be rewritten");
            }
        }
        Ok(())
    }

    /// What the journal must hold, in order of arrival.
    fn journalled(&self) -> Vec<Arc<Pooled>> {
        let mut live: Vec<_> = self.lanes().all().filter(|tx| tx.origin().is_ours()).cloned().collect();
        live.sort_unstable_by_key(|tx| tx.arrival());
        live
    }
}

/// Counts a head for each sender and picks those whose first transaction should have been in a block by now.
fn due_for_recheck(lanes: &mut Lanes) -> Vec<Arc<Pooled>> {
    let mut due = Vec::new();
    for lane in lanes.lanes_mut() {
        lane.waited_heads += 1;
        if lane.waited_heads >= RECHECK_AFTER_HEADS && due.len() < RECHECKS_PER_HEAD {
            lane.waited_heads = 0;
            due.extend(lane.first().cloned());
        }
    }
    due
}
