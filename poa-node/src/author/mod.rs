//! At our step: take from the pool, build, seal, import through the same door as foreign blocks, announce.
//!
//! ```text
//! step before ─▶ head there, step ours? ─▶ a candidate grows as transactions come (`ahead`)
//! step begins ─▶ key ours alone? our step? ─▶ parent older? epoch not just changed? not syncing? ─▶ candidate, or build
//!     ─▶ step used up, on disk ─┬─▶ sign ─▶ import (durable) ─▶ announce
//!                               └─▶ no transactions, empty steps active: sign an empty step ─▶ gossip
//! ```
//!
//! One action a step. The author is an OS thread: building is CPU work, and revm belongs to one thread. What others do is
//! watched by the [`Lookout`]; what is wrong with it is reported from here.

mod ahead;
mod build;
mod drift;
mod edits;
mod engine_txs;
mod key_guard;
mod last_sealed;
mod lookout;
mod metrics;
mod pace;
mod report_book;
mod reports;
mod status;
mod thread;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256},
};
use aurum_aura::{Clock, EmptyStep, EmptyStepMessage, StepSchedule};
use aurum_chain::{Authoring, BlockRef, Chain, Fault, ImportError};
use aurum_network::{NetworkHandle, Topic};
use aurum_types::Step;

use self::{
    build::{BuildError, Candidate, Recipe, Unsealed},
    engine_txs::Sender,
    key_guard::KeyGuard,
    report_book::ReportBook,
    reports::{ReportQueue, SendError},
};
pub use self::{
    last_sealed::{KeyElsewhere, LastSealed, UseError},
    lookout::Lookout,
    metrics::AuthorMetrics,
    status::{NoBlock, Status},
    thread::AuthorThread,
};
use crate::config::Sealing;

/// Blocks behind the best peer from which on we catch up instead of sealing.
const BEHIND: u64 = 3;
/// Of a step, the time in which transactions are tried once it has begun: others have to receive and run the block within
/// it as well.
const WHOLE_BUILDING: f64 = 0.4;
/// The same for what came last, where the block was begun before its step.
const REST_OF_BUILDING: f64 = 0.1;
/// How long being behind keeps us from sealing without our head moving: a peer that lies about its height must not stop
/// an authority.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(20);

/// What an authority does in a step without transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyBlocks {
    /// Seals all the same. Finality needs it.
    Always,
    /// Seals only if the head is at least so old (Parity without `--force-sealing`). Where empty steps are active, none
    /// is broadcast before that either.
    AfterSilence {
        /// Longest time without a block (`reseal_max_period`).
        most: Duration,
        /// Whose transactions end the silence within a step that has begun.
        reseal: ResealOn,
    },
}

/// For which transactions a step of ours that has begun without any is used all the same (Parity's `reseal_on_txs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResealOn {
    /// None: they wait for our next step.
    None,
    /// Those of our own clients.
    Own,
    /// Those that other nodes passed on.
    External,
    /// All.
    All,
}

impl FromStr for ResealOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "own" => Ok(Self::Own),
            "ext" => Ok(Self::External),
            "all" => Ok(Self::All),
            _ => Err("none, own, ext or all is expected".to_owned()),
        }
    }
}

/// Makes blocks. Shared by the thread that follows the clock and, on a development chain, by requests to mine.
pub struct Author {
    chain: Chain,
    sealing: Sealing,
    steps: StepSchedule,
    clock: Arc<dyn Clock>,
    network: Option<NetworkHandle>,
    lookout: Arc<Lookout>,
    inner: Mutex<Inner>,
    /// Locked alone, or inside `inner`; before the lookout's book.
    reports: Mutex<ReportQueue>,
    metrics: AuthorMetrics,
}

struct Inner {
    record: LastSealed,
    status: Status,
    /// The step of the start, where there is no record of used steps: a former self whose disk is gone may have used it.
    unrecorded: Option<Step>,
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
    /// An author for `chain` whose record of used steps is `record`. It watches the chain from now on.
    pub fn new(
        chain: Chain,
        sealing: Sealing,
        clock: Arc<dyn Clock>,
        record: LastSealed,
        network: Option<NetworkHandle>,
    ) -> Self {
        let steps = StepSchedule::new(&chain.spec().engine);
        let metrics = AuthorMetrics::default();
        let address = sealing.signer.address();
        let started = steps.step_at(clock.now());
        let guard = KeyGuard::new(address, &record, started);
        if let Some(found) = guard.elsewhere() {
            tracing::error!("this node does not seal: {}", NoBlock::KeyElsewhere(found));
        }
        let book = ReportBook::open(record.folder());
        let lookout = Lookout::of_authority(&chain, address, guard, book);
        let unrecorded = record.step().is_none().then_some(started);
        let inner = Inner { record, status: Status::default(), unrecorded, epoch_changed: None, behind_since: None };
        let (inner, reports) = (Mutex::new(inner), Mutex::default());
        Self { chain, sealing, steps, clock, network, lookout, inner, reports, metrics }
    }

    /// What it sees of the other authorities.
    pub const fn lookout(&self) -> &Arc<Lookout> {
        &self.lookout
    }

    /// Its counters, to be registered.
    pub const fn metrics(&self) -> &AuthorMetrics {
        &self.metrics
    }

    /// What the author did last, and why it made no block.
    pub fn status(&self) -> Status {
        let status = self.inner().status.clone();
        Status {
            key_elsewhere: self.lookout.key_elsewhere(),
            clock_offset_ms: self.lookout.clock_offset_ms(),
            ..status
        }
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
        self.seal(step, None)
    }

    /// [`Self::try_seal`] with the block that was begun for the step, which is used if it is still what is to be sealed.
    fn seal(&self, step: Step, ahead: Option<Candidate>) -> Result<BlockRef, NoBlock> {
        let mut inner = self.inner();
        let result = self.seal_at(&mut inner, step, ahead);
        inner.status.note(step, &result);
        self.metrics.note(step, &result);
        result
    }

    fn seal_at(&self, inner: &mut Inner, step: Step, ahead: Option<Candidate>) -> Result<BlockRef, NoBlock> {
        let started = Instant::now();
        let address = self.address();
        if let Some(found) = self.lookout.key_elsewhere() {
            return Err(NoBlock::KeyElsewhere(found));
        }
        let parent = self.chain.authoring()?;
        self.note_epoch(inner, &parent, step);
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
        // A lone authority without a record has no chain either: there is nobody to be shown two blocks.
        if let Some(started) = inner.unrecorded.filter(|started| step <= *started && validators.len() > 1) {
            return Err(NoBlock::NoRecord { started });
        }
        if let Some(parent_step) = parent.parent().step().filter(|parent| step <= *parent) {
            return Err(NoBlock::HeadHasStep { step: parent_step });
        }
        if inner.epoch_changed.is_some_and(|(hash, seen_in)| hash == head.hash && step <= seen_in) {
            return Err(NoBlock::EpochJustChanged);
        }
        self.wait_while_behind(inner, head)?;
        let empty_steps = parent.empty_steps(step);
        let candidate = match ahead.filter(|ahead| self.is_current(ahead, step, &parent, &empty_steps)) {
            Some(ahead) => Ok(ahead),
            None => Err(engine_txs::make(&parent, Sender(&*self.sealing.signer), &mut self.reports())),
        };
        let has_engine_txs = match &candidate {
            Ok(ahead) => ahead.has_engine_txs(),
            Err(engine) => !engine.is_empty(),
        };
        if let EmptyBlocks::AfterSilence { most, .. } = self.sealing.empty_blocks
            && !has_engine_txs
            && self.chain.pool().status().pending == 0
            && !self.is_silent_for(most)
        {
            return Err(NoBlock::NothingToSeal);
        }
        let begun_ahead = candidate.is_ok();
        let candidate = match candidate {
            Ok(ahead) => ahead,
            Err(engine) => {
                let (author, gas_target) = (address, self.sealing.gas_target);
                let (empty_steps, now) = (empty_steps.clone(), self.clock.now());
                let recipe = Recipe { author, step, now, engine, empty_steps, gas_target };
                Candidate::begin(parent.clone(), self.chain.pool(), recipe)?
            }
        };
        let unsealed = self.complete(candidate, begun_ahead)?;
        let (transactions, gas_used) = (unsealed.len(), unsealed.gas_used());
        inner.record.use_step(step)?;
        if transactions == 0 && self.lets_pass(&parent, &empty_steps) {
            return Err(self.let_pass(step, head.hash, empty_steps.len()));
        }
        let sealed = self.seal_and_import(unsealed)?;
        let took = started.elapsed();
        self.lookout.pace().ours(gas_used, took, self.steps.duration_of(step), validators.len() == 1);
        self.metrics.sealed(transactions, took);
        let took = took.as_millis();
        tracing::info!(
            number = sealed.number, hash = %sealed.hash, %step, transactions, begun_ahead, took_ms = took, "sealed block"
        );
        Ok(sealed)
    }

    /// Signs a block whose step is used up, imports and announces it.
    fn seal_and_import(&self, unsealed: Unsealed) -> Result<BlockRef, NoBlock> {
        let (block, built) = unsealed.seal(&*self.sealing.signer)?;
        let sealed = BlockRef { number: block.number(), hash: block.hash() };
        if let Some(guard) = self.lookout.guard() {
            guard.made_block(sealed.hash);
        }
        self.chain.import_built(block.clone(), built)?;
        if let Some(network) = &self.network {
            network.announce(block);
        }
        Ok(sealed)
    }

    /// Takes what else is in the pool, and ends the block.
    fn complete(&self, mut candidate: Candidate, begun_ahead: bool) -> Result<Unsealed, NoBlock> {
        let part = if begun_ahead { REST_OF_BUILDING } else { WHOLE_BUILDING };
        let time = self.steps.duration_of(candidate.step()).min(Duration::from_secs(10)).mul_f64(part);
        candidate.fill(self.chain.pool(), self.lookout.pace().most(), Instant::now() + time)?;
        Ok(candidate.close(self.sealing.extra_data.clone())?)
    }

    /// Whether the head is at least so old.
    fn is_silent_for(&self, time: Duration) -> bool {
        let head = self.chain.view().header(BlockId::latest()).ok().flatten();
        let made = head.map_or(Duration::ZERO, |(_, header)| Duration::from_secs(header.timestamp));
        self.clock.now().saturating_sub(made) >= time
    }

    /// Whether an authority without transactions lets its step pass on this parent (OpenEthereum `generate_seal`): as long
    /// as fewer empty steps were collected than a block must carry.
    fn lets_pass(&self, parent: &Authoring, collected: &[EmptyStep]) -> bool {
        let most = usize::try_from(self.chain.spec().engine.maximum_empty_steps).unwrap_or(usize::MAX);
        parent.has_empty_steps() && collected.len() < most
    }

    /// Signs and broadcasts an empty step. The step is used up before.
    fn let_pass(&self, step: Step, parent_hash: B256, collected: usize) -> NoBlock {
        let message = match EmptyStepMessage::sign(step, parent_hash, &*self.sealing.signer) {
            Ok(message) => message.encode(),
            Err(error) => return BuildError::from(error).into(),
        };
        if let Some(guard) = self.lookout.guard() {
            guard.made_empty_step(step);
        }
        if let Err(error) = self.chain.offer_empty_step(&message) {
            // The head moved on to a later step meanwhile: nobody needs it.
            tracing::debug!(%step, %error, "our own empty step is not collected");
        }
        if let Some(network) = &self.network {
            network.gossip(Topic::EmptyStep, message.into());
        }
        tracing::debug!(%step, parent = %parent_hash, collected, "empty step");
        NoBlock::EmptyStep { collected }
    }

    /// Sends what is to be reported of other authorities, and what they have not been told yet. Blocks the thread.
    ///
    /// # Errors
    /// [`Fault`]; all else is logged.
    pub fn send_reports(&self) -> Result<(), Fault> {
        let sender = Sender(&*self.sealing.signer);
        let mut queue = self.reports();
        if !queue.is_recalled() {
            queue.recall(&self.chain, &sender, &self.lookout)?;
        }
        queue.send(&self.chain, &sender, &self.lookout)?;
        match queue.send_again(&self.chain, &sender) {
            Ok(()) => Ok(()),
            Err(SendError::Fault(fault)) => Err(fault),
            Err(SendError::Evm(error)) => {
                tracing::warn!(%error, "reports could not be sent again");
                Ok(())
            }
        }
    }

    /// Tells the author of a new head. One that ends an epoch keeps it from sealing for the rest of the step: two
    /// authorities may own that step, one of the old set and one of the new, and the new one waits so that it sees the
    /// old one's block (OpenEthereum `can_propose`).
    pub fn note_head(&self, head: &Authoring) {
        let step = self.steps.step_at(self.clock.now());
        self.note_epoch(&mut self.inner(), head, step);
    }

    fn note_epoch(&self, inner: &mut Inner, head: &Authoring, step: Step) {
        let changed = head.engine().records_epoch() && head.parent().number > 0;
        if changed
            && head.engine().child_validators().len() > 1
            && inner.epoch_changed.is_none_or(|(hash, _)| hash != head.parent_hash())
        {
            inner.epoch_changed = Some((head.parent_hash(), step));
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

    fn reports(&self) -> MutexGuard<'_, ReportQueue> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
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
