//! Following both chains: what they show, what becomes of our transactions, which deposits are final.

use std::time::{Duration, Instant};

use aurum_contracts::Side;
use tracing::{error, info, warn};

use super::{Open, Relayer, RelayerError, unix_now};
use crate::{
    chain::{BlockRef, Chain, ChainError, View},
    config::ChainConfig,
    decide::Why,
    journal::{Cursor, Entry, Journal},
    lane::Lane,
    sign,
    state::{Event, Key, OwnTx, Record},
    submit::{Account, Report, SubmitError},
    watch::{self, Span},
};

/// Ranges of blocks read in one round, per direction.
const RANGES: usize = 20;
/// How often the account's coins are looked at.
const BALANCE_EVERY: Duration = Duration::from_secs(30);

/// One chain as the loop follows it.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) account: Account,
    pub(super) poll: Duration,
    /// Chain id and genesis are those of the deployment.
    identified: bool,
    looked: Option<Instant>,
    /// What the last look showed, if it succeeded.
    pub(super) view: Option<View>,
    pub(super) fault: Option<String>,
    /// The last final block ever seen.
    known: Option<BlockRef>,
    pub(super) cursor: Option<Cursor>,
    span: Span,
    balance_at: Option<Instant>,
}

impl Followed {
    /// Goes on where the journal ends.
    pub(super) fn resume(
        side: Side,
        chain: Chain,
        key: sign::Key,
        settings: &ChainConfig,
        journal: &Journal,
    ) -> Result<Self, RelayerError> {
        let flights = journal.flights(side)?;
        let account = Account::resume(chain, key, settings.replace_after, settings.max_fee, flights);
        let cursor = journal.cursor(side)?;
        Ok(Self {
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
    }
}

impl Relayer {
    /// Looks at each chain whose time has come.
    pub(super) async fn look(&mut self) -> Result<(), RelayerError> {
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
            self.metrics.contradictions.get_or_create(&side.into()).inc();
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
        metrics.up.get_or_create(&side.into()).set(u64::from(followed.view.is_some()));
        if let Some(view) = &followed.view {
            metrics.head.get_or_create(&side.into()).set(view.latest.number);
            metrics.last_final.get_or_create(&side.into()).set(view.last_final.number);
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

    pub(super) async fn tend(&mut self, side: Side) -> Result<(), RelayerError> {
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
        self.metrics.in_flight.get_or_create(&side.into()).set(self.followed.get(side).account.in_flight() as u64);
        Ok(())
    }

    /// Journals what became of a transaction, and what that means for its transfer, at once.
    pub(super) fn take(&mut self, side: Side, report: Report) -> Result<(), RelayerError> {
        let Report { transfer, nonce, event, flight, trouble } = report;
        let mut entries = vec![flight.map_or(Entry::Landed(side, nonce), Entry::Flight)];
        let failed = matches!(event, Some(Event::Failed { .. }));
        if failed {
            self.metrics.failed.get_or_create(&side.into()).inc();
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
                // Usual for the slowest of several: the attestation that comes after the transfer was paid out reverts.
                info!(%transfer, %reason, "a transaction brought nothing; its transfer is looked at again");
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

    /// Journals the deposits of final blocks.
    pub(super) async fn read_deposits(&mut self, lane: Lane) -> Result<(), RelayerError> {
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
