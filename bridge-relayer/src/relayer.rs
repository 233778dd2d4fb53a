//! The loop: look at both chains, look after what is on its way, read deposits, move every transfer one step.
//!
//! It runs on a thread of its own, because the journal's disk writes belong on no async worker, and it is the only
//! writer of the journal. A transfer that cannot go on is asked about again later and later, up to a limit; nothing
//! waits for it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    contract,
    primitives::{Address, Bytes},
};
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    board::{Board, LaneStatus, Note},
    chain::{Chain, ChainError, View},
    config::ChainConfig,
    decide::{Action, Facts, Why, decide},
    facts::{DigestMismatch, Scene},
    journal::{Cursor, Entry, Journal, JournalError, Writer},
    lane::{Lane, Side, Sides},
    metrics::Metrics,
    sign,
    state::{Attestation, Event, Key, OwnTx, Record, Work},
    submit::{Account, Order, Report, SubmitError},
    watch::{self, Span},
};

/// Transfers asked about at the same time.
const PARALLEL: usize = 16;
/// Ranges of blocks read in one round, per direction.
const RANGES: usize = 20;
/// How often the account's coins are looked at.
const BALANCE_EVERY: Duration = Duration::from_secs(30);

/// What ends a relayer for good; everything else is waited out.
#[derive(Debug, thiserror::Error)]
pub enum RelayerError {
    /// The journal cannot be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A node serves another chain than the deployment's.
    #[error(transparent)]
    OtherChain(ChainError),
    /// The contracts mean something else than this program.
    #[error(transparent)]
    Digest(#[from] DigestMismatch),
    /// The loop ended without a word: a fault of this program.
    #[error("the relayer's loop ended unexpectedly")]
    Died,
}

/// A transfer that is not done.
#[derive(Debug)]
struct Open {
    record: Record,
    wake: Instant,
    /// Rounds without progress.
    idle: u32,
    /// Since when it could be executed.
    ready_since: Option<Instant>,
    note: Note,
}

impl Open {
    fn new(record: Record) -> Self {
        Self { record, wake: Instant::now(), idle: 0, ready_since: None, note: Note::default() }
    }

    /// Asks again after a time that grows with every round that brought nothing.
    fn wait(&mut self, why: &Why) {
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

/// One chain as the loop follows it.
#[derive(Debug)]
struct Followed {
    account: Account,
    poll: Duration,
    /// Chain id and genesis are those of the deployment.
    identified: bool,
    looked: Option<Instant>,
    /// What the last look showed, if it succeeded.
    view: Option<View>,
    fault: Option<String>,
    /// The last final block ever seen.
    known: Option<crate::BlockRef>,
    cursor: Option<Cursor>,
    span: Span,
    balance_at: Option<Instant>,
}

/// The loop's state.
#[derive(Debug)]
pub(crate) struct Relayer {
    key: sign::Key,
    chains: Sides<Chain>,
    followed: Sides<Followed>,
    takeover_delay: Duration,
    journal: Journal,
    writer: Writer,
    open: BTreeMap<Key, Open>,
    digests_checked: bool,
    board: Board,
    metrics: Arc<Metrics>,
}

/// What the loop is built from.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) key: sign::Key,
    pub(crate) chains: Sides<Chain>,
    pub(crate) settings: Sides<ChainConfig>,
    pub(crate) takeover_delay: Duration,
    pub(crate) journal: Journal,
    pub(crate) writer: Writer,
    pub(crate) board: Board,
    pub(crate) metrics: Arc<Metrics>,
}

impl Relayer {
    /// Resumes from the journal.
    pub(crate) fn resume(parts: Parts) -> Result<Self, RelayerError> {
        let Parts { key, chains, settings, takeover_delay, journal, writer, board, metrics } = parts;
        let follow = |side| {
            let settings: &ChainConfig = settings.get(side);
            let flights = journal.flights(side)?;
            let chain = chains.get(side).clone();
            let account = Account::resume(chain, key.clone(), settings.replace_after, settings.max_fee, flights);
            let cursor = journal.cursor(side)?;
            Ok::<_, RelayerError>(Followed {
                account,
                poll: settings.poll,
                identified: false,
                looked: None,
                view: None,
                fault: Some("not asked yet".to_owned()),
                known: cursor.map(|cursor| cursor.read),
                cursor,
                span: Span::new(),
                balance_at: None,
            })
        };
        let followed = Sides { home: follow(Side::Home)?, foreign: follow(Side::Foreign)? };
        let open: BTreeMap<Key, Open> =
            journal.open_transfers()?.into_iter().map(|record| (record.key, Open::new(record))).collect();
        info!(relayer = %key.address(), open = open.len(), "journal read");
        Ok(Self {
            key,
            chains,
            followed,
            takeover_delay,
            journal,
            writer,
            open,
            digests_checked: false,
            board,
            metrics,
        })
    }

    /// Turns until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), RelayerError> {
        let pause = self.followed.home.poll.min(self.followed.foreign.poll).max(Duration::from_millis(20));
        while !shutdown.is_cancelled() {
            let round = Instant::now();
            self.round().await?;
            self.show();
            let rest = pause.saturating_sub(round.elapsed());
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(rest) => {}
            }
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<(), RelayerError> {
        self.look().await?;
        for side in Side::ALL {
            self.tend(side).await?;
        }
        for lane in Lane::ALL {
            self.read_deposits(lane).await?;
        }
        self.advance().await
    }

    // ---------------------------------------------------------------- chains

    /// Looks at each chain whose time has come.
    async fn look(&mut self) -> Result<(), RelayerError> {
        let now = Instant::now();
        let (home, foreign) = tokio::join!(
            look_at(&self.chains.home, &self.followed.home, now),
            look_at(&self.chains.foreign, &self.followed.foreign, now),
        );
        for (side, seen) in [(Side::Home, home), (Side::Foreign, foreign)] {
            let Some(seen) = seen else { continue };
            let followed = self.followed.get_mut(side);
            followed.looked = Some(now);
            match seen {
                Ok(view) => {
                    let changed = followed.view.as_ref().is_none_or(|before| before.bridge_differs(&view));
                    if followed.fault.take().is_some() {
                        info!(%side, latest = view.latest.number, last_final = view.last_final.number, "following");
                    }
                    followed.identified = true;
                    followed.known = Some(view.last_final);
                    followed.view = Some(view);
                    if changed {
                        self.wake_all();
                    }
                }
                Err(error @ ChainError::OtherChain { .. }) => return Err(RelayerError::OtherChain(error)),
                Err(error) => self.doubt(side, &error),
            }
            self.measure(side).await;
        }
        if !self.digests_checked
            && let Some(scene) = self.scene()
        {
            match scene.check_digests().await {
                Ok(compared) => {
                    compared?;
                    self.digests_checked = true;
                }
                Err(error) => self.doubt(Side::Home, &error),
            }
        }
        Ok(())
    }

    /// A chain cannot be used in this round.
    fn doubt(&mut self, side: Side, error: &ChainError) {
        let followed = self.followed.get_mut(side);
        let fault = error.to_string();
        if followed.fault.as_ref() != Some(&fault) {
            warn!(%side, %error, "a chain cannot be followed");
        }
        followed.fault = Some(fault);
        followed.view = None;
        if error.is_contradiction() {
            self.metrics.contradictions.get_or_create(&side.label()).inc();
        }
    }

    async fn measure(&mut self, side: Side) {
        let followed = self.followed.get_mut(side);
        if followed.view.is_some() && followed.balance_at.is_none_or(|at| at.elapsed() > BALANCE_EVERY) {
            followed.balance_at = Some(Instant::now());
            if let Ok(balance) = followed.account.balance().await {
                self.board.update(|shown| match side {
                    Side::Home => shown.status.home.show_balance(balance),
                    Side::Foreign => shown.status.foreign.show_balance(balance),
                });
            }
        }
        let (metrics, followed) = (&self.metrics, self.followed.get(side));
        metrics.up.get_or_create(&side.label()).set(u64::from(followed.view.is_some()));
        if let Some(view) = &followed.view {
            metrics.head.get_or_create(&side.label()).set(view.latest.number);
            metrics.last_final.get_or_create(&side.label()).set(view.last_final.number);
        }
    }

    /// Something the bridges decide by has changed.
    fn wake_all(&mut self) {
        let now = Instant::now();
        for open in self.open.values_mut() {
            open.wake = now;
            open.idle = 0;
        }
    }

    /// Both chains, if both were seen in this round.
    fn scene(&self) -> Option<Scene<'_>> {
        Some(Scene {
            chains: &self.chains,
            home: self.followed.home.view.as_ref()?,
            foreign: self.followed.foreign.view.as_ref()?,
            own: self.key.address(),
            takeover_delay: self.takeover_delay,
        })
    }

    // ---------------------------------------------------------------- transactions

    async fn tend(&mut self, side: Side) -> Result<(), RelayerError> {
        let followed = self.followed.get_mut(side);
        let Some(view) = &followed.view else { return Ok(()) };
        match followed.account.tend(view).await {
            Ok(reports) => {
                for report in reports {
                    self.take(side, report)?;
                }
            }
            Err(SubmitError::Chain(error)) => self.doubt(side, &error),
            Err(error @ SubmitError::Key(_)) => error!(%side, %error, "a transaction cannot be signed again"),
        }
        self.metrics.in_flight.get_or_create(&side.label()).set(self.followed.get(side).account.in_flight() as u64);
        Ok(())
    }

    /// Journals what became of a transaction, and what that means for its transfer, at once.
    fn take(&mut self, side: Side, report: Report) -> Result<(), RelayerError> {
        let Report { transfer, nonce, event, flight, trouble } = report;
        let mut entries = vec![flight.map_or(Entry::Landed(side, nonce), Entry::Flight)];
        let failed = matches!(event, Some(Event::Failed { .. }));
        if failed {
            self.metrics.failed.get_or_create(&side.label()).inc();
        }
        let Some(open) = self.open.get_mut(&transfer) else {
            self.writer.commit(&entries)?;
            return Ok(());
        };
        let mut after = match event.map(|event| open.record.after(event, unix_now())) {
            None => open.record.clone(),
            Some(Ok(after)) => after,
            Some(Err(error)) => {
                error!(%transfer, %error, "a transfer is left as it is");
                open.record.clone()
            }
        };
        if let Some(Entry::Flight(flight)) = entries.first() {
            let own = OwnTx { work: flight.work, hash: flight.newest().hash };
            if !after.txs.contains(&own) {
                after.txs.push(own);
            }
        }
        let changed = after.step != open.record.step;
        if after != open.record {
            entries.push(Entry::Transfer(after.clone()));
        }
        self.writer.commit(&entries)?;
        open.record = after;
        match trouble {
            Some(reason) => {
                warn!(%transfer, %reason, "a transaction failed");
                open.wait(&Why::Retry(reason));
            }
            None if changed => {
                open.wake = Instant::now();
                open.idle = 0;
            }
            None => {}
        }
        Ok(())
    }

    // ---------------------------------------------------------------- deposits

    /// Journals the deposits of final blocks.
    async fn read_deposits(&mut self, lane: Lane) -> Result<(), RelayerError> {
        let side = lane.from();
        for _ in 0..RANGES {
            let (chain, followed) = (self.chains.get(side), self.followed.get_mut(side));
            let Some(view) = &followed.view else { return Ok(()) };
            let found = match watch::read(chain, view, followed.cursor, &mut followed.span).await {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(()),
                Err(error) => {
                    if let (true, Some(cursor)) = (error.is_contradiction(), followed.cursor) {
                        let last = cursor.next.checked_sub(1).map(|nonce| Key { lane, nonce });
                        let last = last.map(|key| self.journal.transfer(key)).transpose()?.flatten();
                        let rewound = watch::rewind(chain, cursor, last.as_ref().map(|record| &record.deposit));
                        followed.cursor = Some(rewound);
                    }
                    self.doubt(side, &error);
                    return Ok(());
                }
            };
            let now = unix_now();
            let records: Vec<Record> =
                found.deposits.into_iter().map(|deposit| Record::seen(lane, deposit, now)).collect();
            let mut entries: Vec<Entry> = records.iter().cloned().map(Entry::Transfer).collect();
            entries.push(Entry::Cursor(side, found.cursor));
            self.writer.commit(&entries)?;
            followed.cursor = Some(found.cursor);
            for record in records {
                info!(transfer = %record.key, id = %record.deposit.id, amount = %record.deposit.amount, "deposit");
                self.open.insert(record.key, Open::new(record));
            }
        }
        Ok(())
    }

    // ---------------------------------------------------------------- transfers

    /// Moves every transfer whose time has come as far as it goes.
    async fn advance(&mut self) -> Result<(), RelayerError> {
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
        self.metrics.sent.get_or_create(&side.label()).inc();
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
                self.metrics.done.get_or_create(&key.lane.label()).inc();
            }
            Err(error) => error!(transfer = %key, %error, "a transfer is left as it is"),
        }
        Ok(())
    }

    // ---------------------------------------------------------------- what is shown

    fn show(&self) {
        let lanes = Lane::ALL.map(|lane| {
            let deposits = self.followed.get(lane.from()).cursor.map_or(0, |cursor| cursor.next);
            let open = self.open.keys().filter(|key| key.lane == lane).count();
            self.metrics.deposits.get_or_create(&lane.label()).set(deposits);
            self.metrics.open.get_or_create(&lane.label()).set(open as u64);
            LaneStatus { direction: lane.name(), deposits, open }
        });
        let notes = self.open.iter().map(|(key, open)| (*key, open.note.clone())).collect();
        let (home, foreign) = (&self.followed.home, &self.followed.foreign);
        self.board.update(|shown| {
            shown.beat = Instant::now();
            shown.notes = notes;
            let status = &mut shown.status;
            status.home.show(home.view.as_ref(), home.fault.clone(), home.account.in_flight());
            status.foreign.show(foreign.view.as_ref(), foreign.fault.clone(), foreign.account.in_flight());
            status.ready = home.view.is_some() && foreign.view.is_some() && self.digests_checked;
            status.lanes = lanes.to_vec();
        });
    }
}

/// Looks at one chain, if its time has come.
async fn look_at(chain: &Chain, followed: &Followed, now: Instant) -> Option<Result<View, ChainError>> {
    if followed.looked.is_some_and(|looked| now.duration_since(looked) < followed.poll) {
        return None;
    }
    if !followed.identified
        && let Err(error) = chain.check_identity().await
    {
        return Some(Err(error));
    }
    Some(chain.look(followed.known).await)
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

/// Seconds since 1970, for people.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
