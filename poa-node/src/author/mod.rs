//! At our step: take from the pool, build, seal, import through the same door as foreign blocks, announce.
//!
//! ```text
//! step begins ─▶ ours? ─▶ parent older? epoch not just changed? not syncing? ─▶ build ─▶ step used up, on disk
//!                                                                              ─▶ sign ─▶ import (durable) ─▶ announce
//! ```
//!
//! One action a step. The author is an OS thread: building is CPU work, and revm belongs to one thread.

mod build;
mod last_sealed;
mod metrics;
mod status;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use aurum_aura::{Clock, StepSchedule};
use aurum_chain::{Authoring, BlockRef, Chain, Fault, ImportError};
use aurum_network::NetworkHandle;
use aurum_types::Step;

use self::build::{BuildError, Recipe};
pub use self::{
    last_sealed::{LastSealed, UseError},
    metrics::AuthorMetrics,
    status::{NoBlock, Status},
};
use crate::config::Sealing;

/// How often a waiting author looks whether a transaction has come, when empty blocks are suppressed.
const LOOK_FOR_TRANSACTIONS: Duration = Duration::from_millis(100);
/// Blocks behind the best peer from which on we catch up instead of sealing.
const BEHIND: u64 = 3;
/// How long being behind keeps us from sealing without our head moving: a peer that lies about its height must not stop
/// an authority.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(20);

/// What an authority does in a step without transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyBlocks {
    /// Seals all the same. Finality needs it.
    Always,
    /// Seals only if the head is at least this old.
    AfterSilence(Duration),
}

/// Makes blocks. Shared by the thread that follows the clock and, on a development chain, by requests to mine.
pub struct Author {
    chain: Chain,
    sealing: Sealing,
    steps: StepSchedule,
    clock: Arc<dyn Clock>,
    network: Option<NetworkHandle>,
    inner: Mutex<Inner>,
    metrics: AuthorMetrics,
}

struct Inner {
    record: LastSealed,
    status: Status,
    /// The step of the clock at the start.
    started: Step,
    /// The newest head that ended an epoch, and the step in which it came.
    epoch_changed: Option<(B256, Step)>,
    behind_since: Option<(Instant, BlockRef)>,
}

impl fmt::Debug for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Author").field("signer", &self.sealing.signer).finish_non_exhaustive()
    }
}

impl Author {
    /// An author for `chain` whose record of used steps is `record`.
    pub fn new(
        chain: Chain,
        sealing: Sealing,
        clock: Arc<dyn Clock>,
        record: LastSealed,
        network: Option<NetworkHandle>,
    ) -> Self {
        let steps = StepSchedule::new(&chain.spec().engine);
        let metrics = AuthorMetrics::default();
        let started = steps.step_at(clock.now());
        let inner = Inner { record, status: Status::default(), started, epoch_changed: None, behind_since: None };
        Self { chain, sealing, steps, clock, network, inner: Mutex::new(inner), metrics }
    }

    /// Its counters, to be registered.
    pub const fn metrics(&self) -> &AuthorMetrics {
        &self.metrics
    }

    /// What the author did last, and why it made no block.
    pub fn status(&self) -> Status {
        self.inner().status.clone()
    }

    /// Whose key it seals with.
    pub fn address(&self) -> Address {
        self.sealing.signer.address()
    }

    /// Seals a block at `step` if it may. Blocks the thread while it builds.
    ///
    /// # Errors
    /// [`NoBlock`] says why there is none.
    pub fn try_seal(&self, step: Step) -> Result<BlockRef, NoBlock> {
        let mut inner = self.inner();
        let result = self.seal_at(&mut inner, step);
        inner.status.note(step, &result);
        self.metrics.note(step, &result);
        result
    }

    fn seal_at(&self, inner: &mut Inner, step: Step) -> Result<BlockRef, NoBlock> {
        let started = Instant::now();
        let address = self.address();
        let parent = self.chain.authoring()?;
        let head = BlockRef { number: parent.parent().number, hash: parent.parent_hash() };
        let validators = parent.engine().child_validators();
        match validators.proposer(step) {
            None => return Err(NoBlock::NoValidators),
            Some(_) if !validators.contains(address) => return Err(NoBlock::NotAValidator),
            Some(proposer) if proposer != address => return Err(NoBlock::NotOurStep { proposer }),
            Some(_) => {}
        }
        if let Some(last) = inner.record.step().filter(|last| step <= *last) {
            return Err(NoBlock::StepUsed { last });
        }
        if let Some(parent_step) = parent.parent().step().filter(|parent| step <= *parent) {
            return Err(NoBlock::HeadHasStep { step: parent_step });
        }
        if inner.epoch_changed.is_some_and(|(hash, seen_in)| hash == head.hash && step <= seen_in) {
            return Err(NoBlock::EpochJustChanged);
        }
        self.wait_while_behind(inner, head)?;
        if let EmptyBlocks::AfterSilence(most) = self.sealing.empty_blocks {
            let silent = self.clock.now().saturating_sub(Duration::from_secs(parent.parent().timestamp));
            if silent < most && self.chain.pool().status().pending == 0 {
                return Err(NoBlock::NothingToSeal);
            }
        }

        let recipe = Recipe {
            signer: &*self.sealing.signer,
            pool: self.chain.pool(),
            step,
            gas_target: self.sealing.gas_target,
            extra_data: self.sealing.extra_data.clone(),
            // Others have to receive and run the block within the step as well.
            time: self.steps.duration_of(step).min(Duration::from_secs(10)).mul_f64(0.4),
        };
        let unsealed = recipe.build(&parent)?;
        let transactions = unsealed.len();
        inner.record.use_step(step)?;
        let (block, built) = unsealed.seal(&*self.sealing.signer, &parent)?;
        let sealed = BlockRef { number: block.number(), hash: block.hash() };
        inner.status.remember(sealed.hash);
        self.chain.import_built(block.clone(), built)?;
        if let Some(network) = &self.network {
            network.announce(block);
        }
        self.metrics.sealed(transactions, started.elapsed());
        let took = started.elapsed().as_millis();
        tracing::info!(number = sealed.number, hash = %sealed.hash, %step, transactions, took_ms = took, "sealed block");
        Ok(sealed)
    }

    /// Tells the author of a new head. One that ends an epoch keeps it from sealing for the rest of the step: two
    /// authorities may own that step, one of the old set and one of the new, and the new one waits so that it sees the
    /// old one's block (OpenEthereum `can_propose`).
    pub fn note_head(&self, head: &Authoring) {
        if head.engine().records_epoch() && head.parent().number > 0 && head.engine().child_validators().len() > 1 {
            let mut inner = self.inner();
            if inner.epoch_changed.is_none_or(|(hash, _)| hash != head.parent_hash()) {
                inner.epoch_changed = Some((head.parent_hash(), self.steps.step_at(self.clock.now())));
            }
        }
    }

    /// Looks at a canonical block by our own key. One that this process did not make, and could not have forgotten,
    /// was made by another with the same key: two blocks for one step will follow.
    pub fn recognise(&self, hash: B256, step: Step) {
        let inner = self.inner();
        if step > inner.started && !inner.status.sealed(hash) {
            tracing::error!(%hash, %step, address = %self.address(), "another node seals with our key: stop one of them");
        }
    }

    fn wait_while_behind(&self, inner: &mut Inner, head: BlockRef) -> Result<(), NoBlock> {
        let best = self.network.as_ref().and_then(NetworkHandle::best_peer_height);
        let Some(best) = best.filter(|best| *best > head.number.saturating_add(BEHIND)) else {
            inner.behind_since = None;
            return Ok(());
        };
        let (since, _) = match inner.behind_since {
            Some(known) if known.1 == head => known,
            _ => *inner.behind_since.insert((Instant::now(), head)),
        };
        if since.elapsed() < CATCH_UP_PATIENCE { Err(NoBlock::CatchingUp { best }) } else { Ok(()) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the clock until `stop` hangs up.
    fn follow(&self, stop: &mpsc::Receiver<()>, faults: &tokio::sync::mpsc::Sender<Fault>) {
        let mut done = None;
        loop {
            let now = self.clock.now();
            let step = self.steps.step_at(now);
            let mut look_again = None;
            if done != Some(step) {
                match self.try_seal(step) {
                    Err(NoBlock::NothingToSeal) => look_again = Some(LOOK_FOR_TRANSACTIONS),
                    Err(NoBlock::Fault(fault)) => {
                        // The disk or the state failed: a node that cannot write must not go on as if it could.
                        let _ = faults.try_send(fault);
                        return;
                    }
                    _ => done = Some(step),
                }
            }
            let next = self.steps.start_of(step.next()).saturating_sub(self.clock.now());
            let wait =
                look_again.map_or(next, |look| look.min(next)).clamp(Duration::from_millis(1), Duration::from_secs(1));
            match stop.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl From<BuildError> for NoBlock {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Evm(aurum_evm::EvmError::Fault(fault)) => Self::Fault(fault.into()),
            BuildError::Evm(error) => Self::Failed { reason: error.to_string() },
            BuildError::Fault(fault) => Self::Fault(fault),
            BuildError::Signer(error) => Self::Failed { reason: error.to_string() },
        }
    }
}

impl From<UseError> for NoBlock {
    fn from(error: UseError) -> Self {
        match error {
            UseError::Used { last } => Self::StepUsed { last },
            UseError::Disk(error) => Self::Failed { reason: format!("the step cannot be recorded: {error}") },
        }
    }
}

impl From<ImportError> for NoBlock {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Fault(fault) => Self::Fault(fault),
            error => Self::Failed { reason: format!("our own block was refused: {error}") },
        }
    }
}

/// The thread that follows the clock. Dropping it stops and joins it.
#[derive(Debug)]
pub struct AuthorThread {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AuthorThread {
    /// Starts sealing; what ends it for good comes out of `faults`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(author: Arc<Author>, faults: tokio::sync::mpsc::Sender<Fault>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let run = move || author.follow(&stopped, &faults);
        let thread = thread::Builder::new().name("author".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for AuthorThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed where it happened.
            let _ = thread.join();
        }
    }
}
