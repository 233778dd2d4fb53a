//! What the relayer shows: written by its loop, read by the API.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256};
use aurum_contracts::{BridgeSide, Sides, TokenPair};
use serde::Serialize;

use crate::{
    chain::{BlockRef, View},
    state::Key,
};

/// How old the last round of the loop may be for the process to count as alive: longer than any one answer may take.
const ALIVE: Duration = Duration::from_secs(120);

/// Shared by loop and API.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<RwLock<Shown>>);

#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: Status,
    /// Why transfers wait, and how many attested them.
    pub(crate) notes: BTreeMap<Key, Note>,
    pub(crate) beat: Instant,
}

/// The answer of `/api/v1/status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) relayer: Address,
    /// Whether both chains are followed.
    pub(crate) ready: bool,
    /// Seconds each relayer of the rotation has.
    pub(crate) takeover_delay: f64,
    pub(crate) home: SideStatus,
    pub(crate) foreign: SideStatus,
    pub(crate) tokens: Vec<TokenPair>,
    pub(crate) lanes: Vec<LaneStatus>,
}

/// One chain in [`Status`].
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SideStatus {
    pub(crate) chain_id: u64,
    pub(crate) bridge: Address,
    /// Why the chain is not followed now.
    pub(crate) fault: Option<String>,
    pub(crate) latest: Option<BlockRef>,
    #[serde(rename = "final")]
    pub(crate) last_final: Option<BlockRef>,
    pub(crate) paused: bool,
    pub(crate) epoch: u64,
    pub(crate) validators: Vec<Address>,
    pub(crate) threshold: usize,
    /// Coins of the relayer's account, decimal wei.
    pub(crate) balance: Option<String>,
    /// Transactions on their way.
    pub(crate) in_flight: usize,
}

/// One direction in [`Status`].
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LaneStatus {
    pub(crate) direction: &'static str,
    /// Deposits read.
    pub(crate) deposits: u64,
    /// Of these not done.
    pub(crate) open: usize,
}

/// What is known of an open transfer beyond its record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    pub(crate) waiting: Option<String>,
    pub(crate) attestations: Option<(usize, usize)>,
}

impl Board {
    pub(crate) fn new(
        relayer: Address,
        takeover_delay: Duration,
        sides: &Sides<BridgeSide>,
        tokens: Vec<TokenPair>,
    ) -> Self {
        let side = |at: &BridgeSide| SideStatus {
            chain_id: at.chain_id,
            bridge: at.bridge,
            fault: Some("not asked yet".to_owned()),
            ..SideStatus::default()
        };
        let status = Status {
            relayer,
            ready: false,
            takeover_delay: takeover_delay.as_secs_f64(),
            home: side(&sides.home),
            foreign: side(&sides.foreign),
            tokens,
            lanes: Vec::new(),
        };
        Self(Arc::new(RwLock::new(Shown { status, notes: BTreeMap::new(), beat: Instant::now() })))
    }

    /// Changes what is shown.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Shown)) {
        // Every change leaves the value whole, also one that panics.
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reads what is shown.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Shown) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the loop still turns.
    pub(crate) fn is_alive(&self) -> bool {
        self.read(|shown| shown.beat.elapsed() < ALIVE)
    }
}

impl SideStatus {
    /// Takes over what a look showed.
    pub(crate) fn show(&mut self, view: Option<&View>, fault: Option<String>, in_flight: usize) {
        self.fault = fault;
        self.in_flight = in_flight;
        if let Some(view) = view {
            self.latest = Some(view.latest);
            self.last_final = Some(view.last_final);
            self.paused = view.paused;
            self.epoch = view.epoch;
            self.validators.clone_from(&view.validators);
            self.threshold = view.threshold;
        }
    }

    pub(crate) fn show_balance(&mut self, balance: U256) {
        self.balance = Some(balance.to_string());
    }
}
