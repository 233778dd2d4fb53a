//! Moving transfers: what is known of each, the transitions without effect, and then the one thing that others notice.

use std::time::{Duration, Instant};

use alloy::{
    contract,
    primitives::{Address, Bytes},
};
use aurum_contracts::Side;
use futures::{StreamExt, stream};
use tracing::{debug, error, info};

use super::{Relayer, RelayerError, unix_now};
use crate::{
    board::Note,
    chain::ChainError,
    decide::{Action, Facts, Why, decide},
    journal::Entry,
    sign,
    state::{Attestation, Event, Key, OwnTx, Record, Work},
    submit::Order,
};

/// Transfers asked about at the same time.
const PARALLEL: usize = 16;

/// A transfer that is not done.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) record: Record,
    pub(super) wake: Instant,
    /// Rounds without progress.
    pub(super) idle: u32,
    /// Since when it could be executed.
    ready_since: Option<Instant>,
    pub(super) note: Note,
}

impl Open {
    pub(super) fn new(record: Record) -> Self {
        Self { record, wake: Instant::now(), idle: 0, ready_since: None, note: Note::default() }
    }

    /// Asks again after a time that grows with every round that brought nothing.
    pub(super) fn wait(&mut self, why: &Why) {
        let (first, most) = match why {
            Why::InFlight(_) => (5_000, 5_000),
            Why::Attestations { .. } | Why::Turn { .. } | Why::Finality | Why::EpochNotFinal => (500, 4_000),
            Why::Obstacle(_) | Why::NotAValidator | Why::NoEpoch => (1_000, 15_000),
            _ => (1_000, 60_000),
        };
        let delay = (first << self.idle.min(10)).min(most);
        self.idle = self.idle.saturating_add(1);
        self.wake = Instant::now() + Duration::from_millis(delay);
        self.note.waiting = Some(why.to_string());
    }
}

impl Relayer {
    /// Moves every transfer whose time has come as far as it goes.
    pub(super) async fn advance(&mut self) -> Result<(), RelayerError> {
        if !self.digests_checked {
            return Ok(());
        }
        let Some(scene) = self.scene() else { return Ok(()) };
        let now = Instant::now();
        let due: Vec<(Key, Record, Duration)> = self
            .open
            .iter()
            .filter(|(_, open)| open.wake <= now)
            .map(|(key, open)| {
                (*key, open.record.clone(), open.ready_since.map_or(Duration::ZERO, |since| since.elapsed()))
            })
            .collect();
        let asked: Vec<(Key, Result<Facts, ChainError>)> = stream::iter(due)
            .map(|(key, record, ready_for)| async move { (key, scene.facts(&record, ready_for).await) })
            .buffered(PARALLEL)
            .collect()
            .await;
        let mut known = Vec::new();
        for (key, facts) in asked {
            let Some(open) = self.open.get_mut(&key) else { continue };
            match facts {
                Ok(facts) => {
                    open.note.attestations = Some((facts.count, facts.needed));
                    known.push((key, facts));
                }
                Err(error) => open.wait(&Why::Retry(error.to_string())),
            }
        }
        self.record_all(&known).await?;
        for (key, facts) in known {
            self.act(key, &facts).await?;
        }
        Ok(())
    }

    /// Makes every transition that has no effect outside, in rounds: one batch holds one transition of each transfer.
    async fn record_all(&mut self, known: &[(Key, Facts)]) -> Result<(), RelayerError> {
        loop {
            let mut changed = Vec::new();
            for (key, facts) in known {
                let Some(open) = self.open.get(key) else { continue };
                let Some(event) = self.silent_event(&open.record, facts) else { continue };
                match open.record.after(event, unix_now()) {
                    Ok(after) => changed.push(after),
                    Err(error) => error!(transfer = %key, %error, "a transfer is left as it is"),
                }
            }
            if changed.is_empty() {
                return Ok(());
            }
            let entries: Vec<Entry> = changed.iter().cloned().map(Entry::Transfer).collect();
            self.writer.commit(&entries)?;
            for record in changed {
                debug!(transfer = %record.key, state = record.step.name(), "journalled");
                if let Some(open) = self.open.get_mut(&record.key) {
                    open.record = record;
                    open.idle = 0;
                }
            }
        }
    }

    /// The event that follows without any effect outside this process.
    fn silent_event(&self, record: &Record, facts: &Facts) -> Option<Event> {
        match decide(&record.step, facts) {
            Action::Verify => Some(Event::Verified),
            Action::Approve => Some(Event::Approved),
            Action::NoteOnHome => Some(Event::OnHome),
            Action::NoteOffHome => Some(Event::OffHome),
            Action::Sign { epoch } => match self.attest(record, epoch) {
                Ok(attestation) => Some(Event::Signed(attestation)),
                Err(error) => {
                    error!(transfer = %record.key, %error, "a transfer cannot be signed");
                    None
                }
            },
            Action::Rest | Action::Submit(_) | Action::Finish | Action::Wait(_) => None,
        }
    }

    fn attest(&self, record: &Record, epoch: u64) -> Result<Attestation, sign::KeyError> {
        let lane = record.key.lane;
        let (source, destination) = (&self.chains.get(lane.from()).at, &self.chains.get(lane.to()).at);
        let message = record.deposit.message(source, epoch);
        let (digest, signature) = self.key.attest(&message, destination.chain_id, destination.bridge)?;
        Ok(Attestation { epoch, digest, signature })
    }

    /// The one thing to do that others notice.
    async fn act(&mut self, key: Key, facts: &Facts) -> Result<(), RelayerError> {
        let Some(open) = self.open.get_mut(&key) else { return Ok(()) };
        let ready = facts.needed > 0 && facts.count >= facts.needed && facts.obstacle.is_none();
        open.ready_since = if ready { open.ready_since.or_else(|| Some(Instant::now())) } else { None };
        match decide(&open.record.step, facts) {
            Action::Wait(why) => {
                open.wait(&why);
                Ok(())
            }
            Action::Submit(work) => self.submit(key, work).await,
            Action::Finish => self.finish(key).await,
            // Left over only when a transition was impossible or signing failed.
            _ => {
                open.wait(&Why::Retry("an internal fault, see the log".to_owned()));
                Ok(())
            }
        }
    }

    async fn submit(&mut self, key: Key, work: Work) -> Result<(), RelayerError> {
        let side = match work {
            Work::Attest => Side::Home,
            Work::Execute => key.lane.to(),
        };
        let prepared = match self.order(key, work).await {
            Ok(order) => self.followed.get(side).account.prepare(order).await.map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        let Some(open) = self.open.get_mut(&key) else { return Ok(()) };
        let flight = match prepared {
            Ok(flight) => flight,
            Err(reason) => {
                open.wait(&Why::Retry(reason));
                return Ok(());
            }
        };
        let event = Event::Submitted { work, nonce: flight.draft.nonce };
        let mut after = match open.record.after(event, unix_now()) {
            Ok(after) => after,
            Err(error) => {
                error!(transfer = %key, %error, "a transfer is left as it is");
                open.wait(&Why::Retry(error.to_string()));
                return Ok(());
            }
        };
        after.txs.push(OwnTx { work, hash: flight.newest().hash });
        self.writer.commit(&[Entry::Flight(flight.clone()), Entry::Transfer(after.clone())])?;
        open.record = after;
        open.idle = 0;
        open.wait(&Why::InFlight(work));
        self.metrics.sent.get_or_create(&side.into()).inc();
        if let Some(report) = self.followed.get_mut(side).account.dispatch(flight).await {
            self.take(side, report)?;
        }
        Ok(())
    }

    /// The transaction that does `work`. An execution is tried out first, as the reasons to refuse are many.
    async fn order(&self, key: Key, work: Work) -> Result<Order, String> {
        let (Some(scene), Some(open)) = (self.scene(), self.open.get(&key)) else {
            return Err("a chain does not answer".to_owned());
        };
        let attestation = open.record.step.attestation().ok_or("there is no attestation")?;
        let source = &self.chains.get(key.lane.from()).at;
        let message = open.record.deposit.message(source, attestation.epoch);
        let home = scene.home_bridge();
        let own = self.key.address();
        let worst = Gas::worst(scene.home.validators.len(), scene.foreign.validators.len());
        let made = |to: Address, input: &Bytes, gas| Order { transfer: key, work, to, input: input.clone(), gas };
        match (work, key.lane.to()) {
            (Work::Attest, _) => {
                let call = home.attest(message.into(), attestation.signature.clone());
                Ok(made(*home.address(), call.calldata(), worst.attest))
            }
            (Work::Execute, Side::Home) => {
                let call = home.execute(message.into()).from(own);
                let estimate = call.estimate_gas().await.map_err(|error| told(&error))?;
                Ok(made(*home.address(), call.calldata(), worst.mint.max(estimate + estimate / 2)))
            }
            (Work::Execute, Side::Foreign) => {
                let signatures = scene.usable(key.lane, attestation).await.map_err(|error| error.to_string())?;
                let foreign = self.chains.foreign.bridge();
                let call = foreign.execute(message.into(), signatures).from(own);
                let estimate = call.estimate_gas().await.map_err(|error| told(&error))?;
                Ok(made(*foreign.address(), call.calldata(), worst.unlock.max(estimate + estimate / 2)))
            }
        }
    }

    async fn finish(&mut self, key: Key) -> Result<(), RelayerError> {
        let to = key.lane.to();
        let Some(open) = self.open.get(&key) else { return Ok(()) };
        let last_final = self.followed.get(to).view.as_ref().map(|view| view.last_final.number);
        let Some(last_final) = last_final else { return Ok(()) };
        let found = self.chains.get(to).execution_of(open.record.deposit.id, last_final).await;
        let event = Event::Executed { tx: found.map(|(tx, _)| tx), block: found.map(|(_, block)| block) };
        match open.record.after(event, unix_now()) {
            Ok(after) => {
                self.writer.commit(&[Entry::Transfer(after)])?;
                info!(transfer = %key, "done");
                self.open.remove(&key);
                self.metrics.done.get_or_create(&key.lane.into()).inc();
            }
            Err(error) => error!(transfer = %key, %error, "a transfer is left as it is"),
        }
        Ok(())
    }
}

/// Gas of each kind of transaction in its worst case, which another's transaction in front of ours can bring about: the
/// attestation that is estimated as one of many may be the one that mints.
#[derive(Clone, Copy, Debug)]
struct Gas {
    attest: u64,
    mint: u64,
    unlock: u64,
}

impl Gas {
    const fn worst(home_validators: usize, foreign_validators: usize) -> Self {
        let (home, foreign) = (home_validators as u64, foreign_validators as u64);
        Self { attest: 550_000 + 20_000 * home, mint: 350_000 + 15_000 * home, unlock: 220_000 + 12_000 * foreign }
    }
}

/// What a contract said, in the words of its error.
fn told(error: &contract::Error) -> String {
    use aurum_contracts::{ForeignBridge::ForeignBridgeErrors, HomeBridge::HomeBridgeErrors};
    if let Some(error) = error.as_decoded_interface_error::<ForeignBridgeErrors>() {
        return format!("{error:?}");
    }
    match error.as_decoded_interface_error::<HomeBridgeErrors>() {
        Some(error) => format!("{error:?}"),
        None => error.to_string(),
    }
}
