//! The handle everybody holds.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy::primitives::{
    Address, B256,
    map::{AddressSet, B256Map, B256Set},
};
use aurum_types::{Account, BlockNumber, Recovered, Transaction, recover_sender};
use rayon::{ThreadPool, prelude::*};
use tokio::sync::broadcast;

use crate::{
    Admission, Best, Content, Departed, Departure, OpenError, Origin, PoolConfig, PoolError, Pooled, Refusal, Status,
    entry::Placed, journal::Journal, lane::Lane, lanes::Lanes, threads,
};

/// Transactions pooled together, pending and queued, in order of arrival; never none.
pub type Newly = Arc<[Arc<Pooled>]>;

/// Batches of newly pooled transactions a slow subscriber may be behind. Past that it loses the oldest and is told so; it
/// can read [`Pool::content`] to catch up.
const SUBSCRIPTION_BACKLOG: usize = 512;
/// Heads after which the first pending transaction of a sender is asked about again: nobody takes it, perhaps the
/// sender's rights are gone, and it would block the sender's later ones.
const RECHECK_AFTER_HEADS: u32 = 16;
/// At most so many of them per head.
const RECHECKS_PER_HEAD: usize = 128;

/// Transactions waiting for a block. A cheap handle; clones are the same pool.
#[derive(Clone)]
pub struct Pool(pub(crate) Arc<Shared>);

/// Lock order: `head`, `journal`, `lanes`. No question goes to the chain while `journal` or `lanes` is held.
pub(crate) struct Shared {
    pub(crate) config: PoolConfig,
    pub(crate) chain: Arc<dyn Admission>,
    /// Held while a head change is applied, so that they are applied in order.
    head: Mutex<()>,
    pub(crate) journal: Option<Mutex<Journal>>,
    lanes: Mutex<Lanes>,
    arrivals: AtomicU64,
    newly: broadcast::Sender<Newly>,
    pub(crate) threads: ThreadPool,
}

impl Shared {
    pub(crate) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().expect("nothing panics while holding the pool's lock")
    }

    /// Takes `count` places in the order of arrival and returns the first.
    pub(crate) fn take_arrivals(&self, count: u64) -> u64 {
        self.arrivals.fetch_add(count, Ordering::Relaxed)
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
    /// Number of the new head.
    pub number: BlockNumber,
    /// Base fee of the next block in wei; `None` before EIP-1559.
    pub base_fee: Option<u64>,
}

impl Pool {
    /// Opens the pool and takes back the journalled transactions that `chain` still admits.
    ///
    /// # Errors
    /// [`OpenError`] if the journal is unreadable, the chain's state is, or the system gives no threads. A torn or refused
    /// record is no error.
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
            lanes: Mutex::new(Lanes::new(config.clone())),
            config,
            arrivals: AtomicU64::new(1),
            newly: broadcast::Sender::new(SUBSCRIPTION_BACKLOG),
            threads: threads::start()?,
        };
        let found = kept.len();
        shared.replay(kept)?;
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

    /// Takes a transaction in, or says at once why not: [`Self::add_many`] of one.
    ///
    /// # Errors
    /// [`PoolError`]; the pool is then as before.
    pub fn add(&self, tx: Recovered<Transaction>, origin: Origin) -> Result<Added, PoolError> {
        self.add_many(vec![tx], origin).pop().expect("one answer to one transaction")
    }

    /// Takes transactions in, or says at once why not; one answer to each, in their order, each as if it had come alone
    /// after those before it. What is `Ok` for [`Origin::Local`] survives the death of the process. One lock and one write
    /// to the journal serve them all.
    ///
    /// Blocks for as long as [`Admission`] does; not for an async worker.
    pub fn add_many(&self, txs: Vec<Recovered<Transaction>>, origin: Origin) -> Vec<Result<Added, PoolError>> {
        let shared = &self.0;
        let names: Vec<_> = txs.iter().map(|tx| (*tx.inner().tx_hash(), tx.signer())).collect();
        let mut placed = shared.admit(txs, origin, origin != Origin::Retracted);
        if origin.is_ours() {
            shared.write_to_journal(&mut placed);
        }
        let newly: Newly = placed.iter().flatten().map(|placed| Arc::clone(&placed.tx)).collect();
        if !newly.is_empty() {
            // No subscriber is no error.
            let _ = shared.newly.send(newly);
        }
        shared.note_refusals(&names, &placed);
        placed.into_iter().map(|placed| placed.map(|placed: Placed| placed.added)).collect()
    }

    /// Runs `work`, which takes transactions in, on one of the pool's own threads; it may block as [`Self::add_signed`]
    /// does. If it panics that is logged, and what it holds is dropped.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.0.threads.spawn(work);
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
        let included: B256Set = change.included.iter().copied().collect();
        let senders: AddressSet = {
            let mut lanes = shared.lanes();
            lanes.set_head(change.number, change.base_fee);
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
        let lost = change.retracted.iter().filter(|tx| !included.contains(tx.inner().tx_hash()));
        self.take_back(lost.cloned().collect());
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

    /// The waiting transactions with these hashes, in their order: one short lock for a block's.
    pub fn get_many(&self, hashes: &[B256]) -> Vec<Option<Arc<Pooled>>> {
        let lanes = self.0.lanes();
        hashes.iter().map(|hash| lanes.get(hash).cloned()).collect()
    }

    /// The senders of those transactions that wait, or left not long ago (into a block or not), by their hashes, without
    /// recovering them again: one short lock for a block's.
    pub fn senders_of<'a>(&self, hashes: impl Iterator<Item = &'a B256>) -> B256Map<Address> {
        let lanes = self.0.lanes();
        hashes.filter_map(|hash| Some((*hash, lanes.sender_of(hash)?))).collect()
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

    /// Why and when a transaction was refused, or left without being in a block; remembered for the last
    /// [`PoolConfig::departures`].
    pub fn departure(&self, hash: B256) -> Option<Departed> {
        self.0.lanes().departure(&hash)
    }

    /// Newly accepted transactions from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Newly> {
        self.0.newly.subscribe()
    }

    /// Takes a transaction out, such as one the author found not to run, and remembers `why`. The sender's later ones
    /// wait for its nonce from then on. Returns it if it was there.
    pub fn remove(&self, hash: B256, why: impl Into<String>) -> Option<Arc<Pooled>> {
        self.0.lanes().remove(&hash, Departure::Removed(why.into()))
    }

    /// Empties the pool, for a chain that was taken back to the block `number`, and takes `with` in as far as the chain admits it
    /// now; `base_fee` is the next block's. The head must be readable through [`Admission`] already.
    ///
    /// # Errors
    /// When the journal cannot be rewritten: a restart would bring back what was dropped.
    pub fn start_over(
        &self,
        with: Vec<Recovered<Transaction>>,
        number: BlockNumber,
        base_fee: Option<u64>,
    ) -> io::Result<()> {
        let shared = &self.0;
        let _in_order = shared.head.lock().expect("nothing panics while a head is applied");
        {
            let mut lanes = shared.lanes();
            lanes.set_head(number, base_fee);
            let all: Vec<_> = lanes.all().map(|tx| tx.hash()).collect();
            for hash in all {
                lanes.remove(&hash, Departure::Removed("the chain was taken back".to_owned()));
            }
        }
        self.take_back(with);
        let Some(journal) = &shared.journal else { return Ok(()) };
        let live = shared.journalled();
        let mut journal = journal.lock().expect("nothing panics while holding the journal");
        journal.compact(live.iter().map(|tx| tx.transaction().inner()))
    }

    fn take_back(&self, txs: Vec<Recovered<Transaction>>) {
        let names: Vec<_> = txs.iter().map(|tx| (*tx.inner().tx_hash(), tx.signer())).collect();
        for ((hash, sender), result) in names.into_iter().zip(self.add_many(txs, Origin::Retracted)) {
            match result {
                Ok(_) => tracing::debug!(%hash, "retracted transaction waits again"),
                // In a block of the other branch too, or pooled meanwhile.
                Err(PoolError::AlreadyKnown) => {}
                Err(error) => {
                    tracing::info!(%hash, %error, "retracted transaction is not pooled again");
                    let why = Departure::NoLongerAdmitted(error.to_string());
                    self.0.lanes().note_departure(hash, Some(sender), why);
                }
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Remembers why each of `names` was refused that was. Our own faults say nothing of a transaction, and one that waits
    /// already was not refused.
    fn note_refusals(&self, names: &[(B256, Address)], placed: &[Result<Placed, PoolError>]) {
        let refused = names.iter().zip(placed).filter_map(|(name, placed)| Some((name, placed.as_ref().err()?)));
        let mut refused = refused.filter(|(_, error)| !error.is_fault() && !matches!(error, PoolError::AlreadyKnown));
        let Some(first) = refused.next() else { return };
        let mut lanes = self.lanes();
        for ((hash, sender), error) in std::iter::once(first).chain(refused) {
            lanes.note_departure(*hash, Some(*sender), Departure::Refused(error.to_string()));
        }
    }

    /// Takes journalled transactions back, their senders recovered in parallel on rayon.
    fn replay(&self, kept: Vec<Transaction>) -> Result<(), OpenError> {
        let recovered: Vec<_> = kept
            .into_par_iter()
            .filter_map(|tx| recover_sender(&tx).ok().map(|sender| Recovered::new_unchecked(tx, sender)))
            .collect();
        let names: Vec<_> = recovered.iter().map(|tx| (*tx.inner().tx_hash(), tx.signer())).collect();
        for ((hash, sender), result) in names.into_iter().zip(self.admit(recovered, Origin::Local, false)) {
            match result {
                Ok(_) | Err(PoolError::AlreadyKnown | PoolError::NonceTooLow { .. }) => {}
                Err(PoolError::Refused(fault @ Refusal::Fault(_))) => return Err(OpenError::Fault(fault)),
                Err(error) => {
                    tracing::info!(%hash, %error, "journalled transaction is not pooled again");
                    self.lanes().note_departure(hash, Some(sender), Departure::NoLongerAdmitted(error.to_string()));
                }
            }
        }
        Ok(())
    }

    /// What the journal must hold, in order of arrival.
    pub(crate) fn journalled(&self) -> Vec<Arc<Pooled>> {
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
