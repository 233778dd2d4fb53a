//! Counters of sealing, with the names `docs` and dashboards use.

use std::{
    sync::atomic::{AtomicI64, AtomicU64},
    time::Duration,
};

use alloy::primitives::Address;
use aurum_chain::BlockRef;
use aurum_types::Step;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{Lookout, NoBlock};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Validator {
    validator: String,
}

/// What the author, and the watcher of others' steps, count.
#[derive(Clone, Debug)]
pub struct AuthorMetrics {
    step: Gauge<u64, AtomicU64>,
    blocks: Counter,
    transactions: Counter,
    no_block: Family<Reason, Counter>,
    missed: Family<Validator, Counter>,
    duration: Histogram,
    clock_offset: Gauge<i64, AtomicI64>,
    key_elsewhere: Gauge<u64, AtomicU64>,
    pace: Gauge<u64, AtomicU64>,
}

impl Default for AuthorMetrics {
    fn default() -> Self {
        Self {
            step: Gauge::default(),
            blocks: Counter::default(),
            transactions: Counter::default(),
            no_block: Family::default(),
            missed: Family::default(),
            // 1 ms to 4 s.
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 13)),
            clock_offset: Gauge::default(),
            key_elsewhere: Gauge::default(),
            pace: Gauge::default(),
        }
    }
}

impl AuthorMetrics {
    /// Registers them all.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("aurum_aura_step", "Step this node looked at last", self.step.clone());
        registry.register("aurum_sealed_blocks", "Blocks this node sealed", self.blocks.clone());
        registry.register(
            "aurum_sealed_transactions",
            "Transactions in blocks this node sealed",
            self.transactions.clone(),
        );
        registry.register("aurum_no_block", "Steps without a block of ours, by reason", self.no_block.clone());
        registry.register(
            "aurum_aura_missed_steps",
            "Steps between canonical blocks that their authority did not use",
            self.missed.clone(),
        );
        registry.register(
            "aurum_clock_offset_ms",
            "Milliseconds by which our clock is ahead of the authorities', the time blocks take on the way included",
            self.clock_offset.clone(),
        );
        registry.register(
            "aurum_key_seen_elsewhere",
            "1 while this node does not seal since another node seals with its key",
            self.key_elsewhere.clone(),
        );
        registry.register(
            "aurum_block_gas_bound",
            "Gas up to which this node fills its blocks, so that all finish them in time",
            self.pace.clone(),
        );
        registry.register_with_unit(
            "aurum_seal_duration",
            "Time from the start of building to the announcement",
            Unit::Seconds,
            self.duration.clone(),
        );
    }

    pub(super) fn note(&self, step: Step, result: &Result<BlockRef, NoBlock>) {
        self.step.set(step.0);
        if let Err(reason) = result {
            self.no_block.get_or_create(&Reason { reason: reason.code() }).inc();
        }
    }

    pub(super) fn sealed(&self, transactions: usize, took: Duration) {
        self.blocks.inc();
        self.transactions.inc_by(u64::try_from(transactions).unwrap_or(u64::MAX));
        self.duration.observe(took.as_secs_f64());
    }

    /// Notes what the lookout has found.
    pub fn looked_out(&self, lookout: &Lookout) {
        if let Some(offset) = lookout.clock_offset_ms() {
            self.clock_offset.set(offset);
        }
        self.key_elsewhere.set(u64::from(lookout.key_elsewhere().is_some()));
        self.pace.set(lookout.pace().most());
    }

    /// Counts a step that `validator` let pass.
    pub fn missed(&self, validator: Address) {
        self.missed.get_or_create(&Validator { validator: validator.to_string() }).inc();
    }
}
