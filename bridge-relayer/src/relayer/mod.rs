//! The loop: look at both chains, look after what is on its way, read deposits, move every transfer one step.
//!
//! It runs on a thread of its own, because the journal's disk writes belong on no async worker, and it is the only
//! writer of the journal. A transfer that cannot go on is asked about again later and later, up to a limit; nothing
//! waits for it.

mod advance;
mod follow;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aurum_contracts::{Side, Sides};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{advance::Open, follow::Followed};
use crate::{
    board::{Board, LaneStatus},
    chain::{Chain, ChainError},
    config::ChainConfig,
    facts::{DigestMismatch, Scene},
    journal::{Journal, JournalError, Writer},
    lane::Lane,
    metrics::Metrics,
    sign,
    state::Key,
};

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
        let follow = |side| Followed::resume(side, chains.get(side).clone(), key.clone(), settings.get(side), &journal);
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

    fn show(&self) {
        let lanes = Lane::ALL.map(|lane| {
            let deposits = self.followed.get(lane.from()).cursor.map_or(0, |cursor| cursor.next);
            let open = self.open.keys().filter(|key| key.lane == lane).count();
            self.metrics.deposits.get_or_create(&lane.into()).set(deposits);
            self.metrics.open.get_or_create(&lane.into()).set(open as u64);
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

/// Seconds since 1970, for people.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
