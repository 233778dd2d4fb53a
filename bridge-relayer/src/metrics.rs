//! Numbers for Prometheus.

use std::sync::atomic::AtomicU64;

use aurum_contracts::Side;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::lane::Lane;

/// Label of numbers per chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ChainLabel {
    chain: &'static str,
}

/// Label of numbers per direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LaneLabel {
    direction: &'static str,
}

type Number = Gauge<u64, AtomicU64>;

/// All of them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) head: Family<ChainLabel, Number>,
    pub(crate) last_final: Family<ChainLabel, Number>,
    pub(crate) up: Family<ChainLabel, Number>,
    pub(crate) in_flight: Family<ChainLabel, Number>,
    pub(crate) contradictions: Family<ChainLabel, Counter>,
    pub(crate) sent: Family<ChainLabel, Counter>,
    pub(crate) failed: Family<ChainLabel, Counter>,
    pub(crate) deposits: Family<LaneLabel, Number>,
    pub(crate) open: Family<LaneLabel, Number>,
    pub(crate) done: Family<LaneLabel, Counter>,
}

impl From<Side> for ChainLabel {
    fn from(side: Side) -> Self {
        Self { chain: side.name() }
    }
}

impl From<Lane> for LaneLabel {
    fn from(lane: Lane) -> Self {
        Self { direction: lane.name() }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("aurum_relayer"),
            head: Family::default(),
            last_final: Family::default(),
            up: Family::default(),
            in_flight: Family::default(),
            contradictions: Family::default(),
            sent: Family::default(),
            failed: Family::default(),
            deposits: Family::default(),
            open: Family::default(),
            done: Family::default(),
        };
        let r = &mut metrics.registry;
        r.register("head_block", "Latest block of the chain", metrics.head.clone());
        r.register("final_block", "Last final block of the chain", metrics.last_final.clone());
        r.register("chain_up", "1 while the chain is followed", metrics.up.clone());
        r.register("transactions_in_flight", "Transactions that are not final", metrics.in_flight.clone());
        r.register("rpc_contradictions", "Answers of a node that cannot be true", metrics.contradictions.clone());
        r.register("transactions_sent", "Transactions made", metrics.sent.clone());
        r.register("transactions_failed", "Transactions reverted, refused or displaced", metrics.failed.clone());
        r.register("deposits_read", "Deposits read", metrics.deposits.clone());
        r.register("transfers_open", "Transfers that are not done", metrics.open.clone());
        r.register("transfers_done", "Transfers seen done since the start", metrics.done.clone());
        metrics
    }

    /// All numbers in Prometheus' text form.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}
