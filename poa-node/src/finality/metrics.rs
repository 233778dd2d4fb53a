//! Counters and gauges of finality, with the names dashboards use.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// What finality counts.
#[derive(Clone, Debug, Default)]
pub struct FinalityMetrics {
    certified: Gauge<u64, AtomicU64>,
    justified: Gauge<u64, AtomicU64>,
    votes: Counter,
    equivocations: Counter,
}

impl FinalityMetrics {
    /// Registers them all.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("aurum_certified_block", "Height of the newest certified block", self.certified.clone());
        registry.register(
            "aurum_justified_block",
            "Height of the newest block that a quorum voted for",
            self.justified.clone(),
        );
        registry.register("aurum_votes", "Votes on finality this node signed", self.votes.clone());
        registry.register(
            "aurum_vote_equivocations",
            "Pairs of contradicting votes of one validator that this node has seen",
            self.equivocations.clone(),
        );
    }

    pub(super) fn certified(&self, certified: u64, justified: u64) {
        self.certified.set(certified);
        self.justified.set(justified);
    }

    pub(super) fn voted(&self) {
        self.votes.inc();
    }

    pub(super) fn equivocation(&self) {
        self.equivocations.inc();
    }
}
