//! Finality certificates on a running node: hears votes, counts them, votes, and tells the chain what is justified and
//! certified.
//!
//! ```text
//! head moves ─┐                    ┌─▶ Chain::certify (stored, then shown as final), Chain::justify (branch preferred)
//! vote heard ─┼─▶ Participant ─────┤
//! proof heard ┘   (aurum-aura)     └─▶ ballot ─▶ VoteRecord (on disk) ─▶ sign ─▶ gossip
//! ```
//!
//! One mutex around all of it: votes are few. Whoever has news does the work, on a blocking thread. The task of
//! [`Finality::run`] follows the head, says again what may have been lost, and asks peers for certificates when ours lag.

mod metrics;
mod record;
mod status;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256, Bytes};
use aurum_aura::{
    Clock, Signer,
    certificate::{Certificate, Checkpoint, Guard, Participant, Progress, Vote, VoteDomain},
};
use aurum_chain::{Chain, Fault, ImportError};
use aurum_network::{NetworkHandle, Topic, Verdict};
use tokio::{sync::mpsc, task};
use tokio_util::sync::CancellationToken;

pub use self::{metrics::FinalityMetrics, record::VoteRecord};

/// How often what may have been lost is said again.
const TICK: Duration = Duration::from_secs(2);
/// Blocks that the certified block may be behind the head before anything is said again or asked for.
const LAG: u64 = 3;
/// Blocks to fetch that wait at a time. Beyond it a block is asked for again at the next vote.
const WANTED: usize = 8;
/// A key without a record votes for nothing up to this many blocks above the highest head it knows of.
const FORGOTTEN: u64 = 2;
/// Blocks behind the best peer, and age of our head, from which on we are syncing: votes for old blocks help nobody.
const BEHIND: u64 = 3;
const OLD: Duration = Duration::from_secs(30);

/// Takes part in finality. Shared by the network, JSON-RPC and its own task.
pub struct Finality {
    chain: Chain,
    clock: Arc<dyn Clock>,
    domain: VoteDomain,
    signer: Option<Arc<dyn Signer>>,
    network: OnceLock<NetworkHandle>,
    inner: Mutex<Inner>,
    wanted: mpsc::Sender<B256>,
    faults: mpsc::Sender<Fault>,
    metrics: FinalityMetrics,
}

struct Inner {
    participant: Participant,
    record: Option<VoteRecord>,
    /// Why our key does not vote any more.
    stopped: Option<String>,
    /// Offences that were logged.
    offences: usize,
}

impl fmt::Debug for Finality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.signer.as_ref().map(|signer| signer.address());
        f.debug_struct("Finality").field("key", &key).finish_non_exhaustive()
    }
}

/// Why there is no finality to take part in.
#[derive(Debug, thiserror::Error)]
pub enum FinalityError {
    /// The record of votes cannot be read: voting could contradict it.
    #[error("cannot tell what was voted for last: {0}")]
    Record(#[from] std::io::Error),
    /// The chain cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What takes part, and the blocks it will want.
pub type Opened = (Arc<Finality>, mpsc::Receiver<B256>);

impl Finality {
    /// What takes part on `chain`, if certificates are made there; and the blocks it will want, for [`Self::run`]. With a
    /// `signer` it votes, and remembers in `folder`.
    ///
    /// # Errors
    /// [`FinalityError`].
    pub fn open(
        chain: Chain,
        clock: Arc<dyn Clock>,
        signer: Option<Arc<dyn Signer>>,
        folder: &Path,
        faults: mpsc::Sender<Fault>,
    ) -> Result<Option<Opened>, FinalityError> {
        let Some(from) = chain.certificates_from() else { return Ok(None) };
        let domain = VoteDomain::new(chain.spec().params.chain_id, chain.genesis_hash());
        let key = signer.as_ref().map(|signer| signer.address());
        let record = key.map(|key| VoteRecord::open(folder, key)).transpose()?;
        let mut participant = Participant::new(domain, key, from, chain.head().finalized.into());
        participant.resume(record.as_ref().and_then(VoteRecord::guard).copied().unwrap_or_default());
        let (wanted, to_fetch) = mpsc::channel(WANTED);
        let finality = Arc::new(Self {
            domain,
            clock,
            signer,
            network: OnceLock::new(),
            inner: Mutex::new(Inner { participant, record, stopped: None, offences: 0 }),
            wanted,
            faults,
            metrics: FinalityMetrics::default(),
            chain,
        });
        finality.recall()?;
        Ok(Some((finality, to_fetch)))
    }

    /// Counters and gauges, to be registered.
    pub const fn metrics(&self) -> &FinalityMetrics {
        &self.metrics
    }

    /// From now on votes go to peers.
    pub fn attach(&self, network: NetworkHandle) {
        // Once a run; a second network would be a bug, and changes nothing.
        let _ = self.network.set(network);
    }

    /// Follows the head until the token is cancelled. `to_fetch` came with [`Self::open`].
    pub async fn run(self: Arc<Self>, mut to_fetch: mpsc::Receiver<B256>, shutdown: CancellationToken) {
        let mut head = self.chain.watch_head();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = head.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    head.mark_unchanged();
                    let this = Arc::clone(&self);
                    // Its only error is a panic, printed where it happened.
                    let _ = task::spawn_blocking(move || this.note_head()).await;
                }
                _ = tick.tick() => self.on_tick().await,
                Some(hash) = to_fetch.recv() => {
                    if let Some(network) = self.network.get()
                        && network.fetch_branch(hash).await
                    {
                        let this = Arc::clone(&self);
                        let _ = task::spawn_blocking(move || this.note_head()).await;
                    }
                }
            }
        }
    }

    /// Judges a vote that a peer passed on. Blocks.
    pub fn hear_vote(&self, bytes: &[u8]) -> Verdict {
        let vote = match Vote::decode(&self.domain, bytes) {
            Ok(vote) => vote,
            Err(error) => return Verdict::Invalid(error.to_string()),
        };
        let mut inner = self.inner();
        if inner.stopped.is_none() && inner.participant.is_foreign(&vote) {
            let reason = format!("another node votes with our key: heard a vote for block {}", vote.link().target);
            tracing::error!(key = %vote.signer(), "{reason}; stop one of them. This one votes no more until it is restarted");
            inner.stopped = Some(reason);
        }
        let known =
            inner.participant.tally().votes(vote.link()).is_some_and(|votes| votes.contains_key(&vote.signer()));
        if known {
            return Verdict::Known;
        }
        let head = self.chain.head().latest.into();
        let heard = inner.participant.hear(vote, head, self.chain.branches());
        let result = heard.and_then(|news| if news { self.go_on(&mut inner).map(|()| true) } else { Ok(false) });
        match result {
            Ok(true) => Verdict::Imported,
            // Perhaps later: of a validator that is not one yet, or too far ahead.
            Ok(false) => Verdict::Refused("the vote does not count here".to_owned()),
            Err(fault) => self.fault(fault),
        }
    }

    /// Judges a proof that a peer passed on. Blocks.
    pub fn hear_proof(&self, bytes: &[u8]) -> Verdict {
        let proof = match Certificate::decode(bytes) {
            Ok(proof) => proof,
            Err(error) => return Verdict::Invalid(error.to_string()),
        };
        let mut inner = self.inner();
        match self.take_proof(&mut inner, &proof) {
            Ok(Ok(true)) => Verdict::Imported,
            Ok(Ok(false)) => {
                Verdict::Refused("the proof shows nothing new, or is of blocks that are not here".to_owned())
            }
            Ok(Err(error)) => Verdict::Invalid(error),
            Err(fault) => self.fault(fault),
        }
    }

    /// Certificates that lead a peer whose final block is at `number` to ours, encoded.
    pub fn proofs_above(&self, number: u64) -> Vec<Bytes> {
        match self.chain.certificates_above(number) {
            Ok(certificates) => certificates.iter().map(|certificate| certificate.encode().into()).collect(),
            Err(fault) => {
                self.fault(fault);
                Vec::new()
            }
        }
    }

    /// Takes up what was kept over a restart.
    fn recall(&self) -> Result<(), Fault> {
        let mut inner = self.inner();
        for proof in self.chain.kept_proofs()? {
            if let Err(error) = self.take_proof(&mut inner, &proof)? {
                tracing::warn!(error, "a stored proof of finality is none");
            }
        }
        // A crash may have come between record and signature, and the others may have lost it.
        if let (Some(signer), Some(last)) = (&self.signer, inner.participant.guard().last().copied()) {
            match Vote::sign(&self.domain, last, &**signer) {
                Ok(vote) => {
                    let guard = *inner.participant.guard();
                    inner.participant.voted(vote, guard);
                }
                Err(error) => tracing::warn!(%error, "the last vote could not be signed again"),
            }
        }
        // What our key voted from was justified, proof or not.
        let justified = inner.participant.justified();
        match self.chain.prefer(justified.into()) {
            Err(ImportError::Fault(fault)) => return Err(fault),
            Err(error) => tracing::warn!(block = %justified, %error, "the block our key voted from is not here"),
            Ok(()) => {}
        }
        self.measure(&inner);
        Ok(())
    }

    /// Counts again, and votes, after the head moved or blocks came. [`Self::run`] calls it. Blocks.
    pub fn note_head(&self) {
        let mut inner = self.inner();
        if let Err(fault) = self.go_on(&mut inner) {
            self.fault(fault);
        }
    }

    /// Our key's last vote as it travels, to be said again to who may have missed it.
    pub fn last_vote(&self) -> Option<Bytes> {
        self.inner().participant.last_vote().map(|vote| vote.encode().into())
    }

    /// The proof of the highest justified block as it travels.
    pub fn justification(&self) -> Option<Bytes> {
        self.inner().participant.proof().map(|proof| proof.encode().into())
    }

    /// Says again what others may have missed, and asks for what we may have.
    async fn on_tick(self: &Arc<Self>) {
        let Some(network) = self.network.get() else { return };
        // One after the other: each takes the lock.
        let certified = self.inner().participant.finalized().number;
        let (vote, proof) = (self.last_vote(), self.justification());
        if self.chain.head().latest.number <= certified.saturating_add(LAG) {
            return;
        }
        if let Some(vote) = vote {
            network.gossip_again(Topic::Vote, vote);
        }
        if let Some(proof) = proof {
            network.gossip_again(Topic::Proof, proof);
        }
        let proofs = network.proofs_above(certified).await;
        if proofs.is_empty() {
            return;
        }
        let this = Arc::clone(self);
        let take = move || {
            for proof in proofs {
                if let Verdict::Invalid(error) = this.hear_proof(&proof) {
                    tracing::debug!(error, "a peer answered with a proof that is none");
                    return;
                }
            }
        };
        let _ = task::spawn_blocking(take).await;
    }

    fn take_proof(&self, inner: &mut Inner, proof: &Certificate) -> Result<Result<bool, String>, Fault> {
        let head = self.chain.head().latest.into();
        match inner.participant.absorb(proof, head, self.chain.branches())? {
            Err(error) => Ok(Err(error.to_string())),
            Ok(progress) => {
                let news = self.carry_out(inner, &progress)?;
                if news {
                    self.go_on(inner)?;
                }
                Ok(Ok(news))
            }
        }
    }

    /// Counts, then votes, until there is nothing new.
    fn go_on(&self, inner: &mut Inner) -> Result<(), Fault> {
        loop {
            let head = self.chain.head().latest.into();
            let progress = inner.participant.settle(head, self.chain.branches())?;
            let moved = self.carry_out(inner, &progress)?;
            let voted = self.vote(inner)?;
            if !moved && !voted {
                break;
            }
        }
        self.measure(inner);
        Ok(())
    }

    /// Tells the chain. Whether anything moved.
    fn carry_out(&self, inner: &mut Inner, progress: &Progress) -> Result<bool, Fault> {
        let moved = !progress.certificates.is_empty() || progress.justified.is_some();
        for certificate in &progress.certificates {
            self.told(self.chain.certify(certificate), certificate.link.source)?;
        }
        if let Some(proof) = &progress.justified {
            self.told(self.chain.justify(proof), proof.link.target)?;
        }
        if let Some(wanted) = &progress.wanted {
            // Full: it is asked for again when the next vote names it.
            let _ = self.wanted.try_send(wanted.hash);
        }
        if let Some(proof) = &progress.contradiction {
            let ours = inner.participant.finalized();
            tracing::error!(
                block = %proof.link.source, %ours,
                "a quorum certified a block that contradicts ours: a third of the validators or more signed on both sides"
            );
        }
        let evidence: Vec<_> = inner.participant.tally().evidence().skip(inner.offences).cloned().collect();
        for found in evidence {
            tracing::error!(
                validator = %found.signer(), offence = ?found.offence,
                first = %found.first.link().target, second = %found.second.link().target,
                "a validator signed votes that contradict each other"
            );
            self.metrics.equivocation();
        }
        inner.offences = inner.participant.tally().offences();
        Ok(moved)
    }

    fn told(&self, result: Result<(), ImportError>, block: Checkpoint) -> Result<(), Fault> {
        match result {
            Ok(()) => Ok(()),
            Err(ImportError::Fault(fault)) => Err(fault),
            Err(error) => {
                tracing::error!(%block, %error, "the chain does not take a block that a quorum voted for");
                Ok(())
            }
        }
    }

    /// Votes if there is something to vote for: recorded, signed, told.
    fn vote(&self, inner: &mut Inner) -> Result<bool, Fault> {
        let (Some(signer), None) = (&self.signer, &inner.stopped) else { return Ok(false) };
        let head = self.chain.head().latest;
        let Some((_, guard)) = inner.participant.ballot(head.into(), self.chain.branches())? else { return Ok(false) };
        if self.is_syncing()? {
            return Ok(false);
        }
        let Some(record) = &mut inner.record else { return Ok(false) };
        let forgotten = record.guard().is_none();
        let guard = if forgotten {
            let best = self.network.get().and_then(NetworkHandle::best_peer_height).unwrap_or(0);
            let floor = head.number.max(best).saturating_add(FORGOTTEN);
            tracing::info!(floor, "no record of votes: our key votes for blocks above this one only");
            Guard::forgetful(floor)
        } else {
            guard
        };
        if let Err(error) = record.write(guard) {
            tracing::error!(%error, "a vote cannot be recorded, and is not made");
            inner.stopped = Some(format!("votes cannot be recorded: {error}"));
            return Ok(false);
        }
        if forgotten {
            inner.participant.resume(guard);
            return Ok(false);
        }
        let Some(link) = guard.last().copied() else { return Ok(false) };
        match Vote::sign(&self.domain, link, &**signer) {
            Ok(vote) => {
                let bytes = vote.encode();
                inner.participant.voted(vote, guard);
                self.metrics.voted();
                tracing::debug!(source = link.source.number, target = link.target.number, "voted");
                if let Some(network) = self.network.get() {
                    network.gossip(Topic::Vote, bytes.into());
                }
                Ok(true)
            }
            Err(error) => {
                // Recorded and not signed: the next vote is for a later block.
                inner.participant.resume(guard);
                tracing::error!(%error, "a vote could not be signed");
                Ok(false)
            }
        }
    }

    fn is_syncing(&self) -> Result<bool, Fault> {
        let best = self.network.get().and_then(NetworkHandle::best_peer_height);
        let head = self.chain.head().latest;
        if best.is_none_or(|best| best <= head.number.saturating_add(BEHIND)) {
            return Ok(false);
        }
        let age = self.clock.now().saturating_sub(Duration::from_secs(self.chain.head_timestamp()));
        Ok(age > OLD)
    }

    fn measure(&self, inner: &Inner) {
        let participant = &inner.participant;
        self.metrics.certified(participant.finalized().number, participant.justified().number);
    }

    fn fault(&self, fault: Fault) -> Verdict {
        let reason = fault.to_string();
        // Full when a fault is on its way already: one is enough.
        let _ = self.faults.try_send(fault);
        Verdict::Fault(reason)
    }

    fn key(&self) -> Option<Address> {
        self.signer.as_ref().map(|signer| signer.address())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
