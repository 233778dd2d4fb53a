//! Prometheus: what this crate counts itself, and what it reads of the chain at each scrape.

use std::{fmt, sync::Arc, time::Duration};

use alloy::primitives::Address;
use aurum_chain::{Gate, Identity, View};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{peers::PeersApi, process};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    /// `ok`, or the JSON-RPC error code.
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

type Durations = Family<MethodLabels, Histogram, fn() -> Histogram>;

/// What the RPC server counts.
#[derive(Debug)]
pub(crate) struct RpcMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Durations,
    denied: Family<ReasonLabels, Counter>,
    running: Family<KindLabels, Gauge>,
    pub(crate) connections: Gauge,
    pub(crate) subscriptions: Gauge,
}

impl RpcMetrics {
    /// Registers the families.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        // 0.1 ms to 26 s.
        let durations = Durations::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_1, 4.0, 10)));
        let metrics = Self {
            requests: Family::default(),
            durations,
            denied: Family::default(),
            running: Family::default(),
            connections: Gauge::default(),
            subscriptions: Gauge::default(),
        };
        registry.register(
            "aurum_rpc_requests",
            "JSON-RPC requests by method and error code (ok without error)",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "aurum_rpc_duration",
            "Time from a JSON-RPC request to its response, waiting included",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "aurum_permission_denied",
            "Transactions refused by the permission contract, by reason",
            metrics.denied.clone(),
        );
        registry.register(
            "aurum_rpc_running",
            "Requests that have a worker now: usual ones, and long ones (traces, simulations)",
            metrics.running.clone(),
        );
        registry.register("aurum_rpc_connections", "Open RPC connections", metrics.connections.clone());
        registry.register("aurum_rpc_subscriptions", "Open subscriptions", metrics.subscriptions.clone());
        metrics
    }

    /// One request was answered.
    pub(crate) fn observe(&self, method: &'static str, error: Option<i32>, took: Duration) {
        let code = error.map_or_else(|| "ok".to_owned(), |code| code.to_string());
        self.requests.get_or_create(&RequestLabels { method, code }).inc();
        self.durations.get_or_create(&MethodLabels { method }).observe(took.as_secs_f64());
    }

    /// Requests of one method were answered together, each with its error code or none.
    pub(crate) fn observe_all(&self, method: &'static str, errors: &[Option<i32>], took: Duration) {
        for run in errors.chunk_by(|one, next| one == next) {
            let code = run[0].map_or_else(|| "ok".to_owned(), |code| code.to_string());
            self.requests.get_or_create(&RequestLabels { method, code }).inc_by(run.len() as u64);
        }
        let durations = self.durations.get_or_create(&MethodLabels { method });
        errors.iter().for_each(|_| durations.observe(took.as_secs_f64()));
    }

    /// How many requests of a kind have a worker, on all listeners.
    pub(crate) fn running(&self, kind: &'static str) -> Gauge {
        self.running.get_or_create_owned(&KindLabels { kind })
    }

    /// One transaction was refused for want of a right.
    pub(crate) fn permission_denied(&self, reason: &str) {
        self.denied.get_or_create(&ReasonLabels { reason: reason.to_owned() }).inc();
    }
}

/// The chain, the pool, the network and the process at the moment of the scrape.
pub(crate) struct NodeCollector {
    gate: Gate,
    peers: Arc<dyn PeersApi>,
}

impl fmt::Debug for NodeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeCollector").finish_non_exhaustive()
    }
}

impl NodeCollector {
    pub(crate) const fn new(gate: Gate, peers: Arc<dyn PeersApi>) -> Self {
        Self { gate, peers }
    }

    fn chain(&self, view: &View, out: &mut Out<'_, '_>) -> fmt::Result {
        let head = view.head();
        let best = self.peers.best_peer_height().unwrap_or(0).max(head.latest.number);
        out.gauge("ethereum_blockchain_height", "Height of the head", head.latest.number)?;
        out.gauge("ethereum_best_known_block_number", "Highest block this node or a peer knows", best)?;
        out.gauge("ethereum_peer_count", "Connected peers", self.peers.peers().len() as u64)?;
        out.gauge("aurum_finality_height", "Height of the newest final block", head.finalized.number)?;
        let lag = head.latest.number.saturating_sub(head.finalized.number);
        out.gauge("aurum_finality_lag_blocks", "Blocks between head and newest final block", lag)?;
        let pool = view.pool().status();
        out.gauge("aurum_txpool_size", "Transactions waiting", (pool.pending + pool.queued) as u64)?;
        out.gauge("aurum_txpool_pending", "Transactions that could be in the next block", pool.pending as u64)?;
        out.gauge("aurum_txpool_bytes", "Encoded bytes of waiting transactions", pool.bytes as u64)?;
        out.counter("aurum_sender_recoveries", "Senders recovered from signatures", aurum_types::recoveries() as f64)?;
        if let Ok(Some((_, header))) = view.header(head.latest.hash.into()) {
            out.gauge("aurum_head_timestamp_seconds", "Timestamp of the head", header.timestamp)?;
            out.gauge("aurum_head_gas_used", "Gas used by the head", header.gas_used)?;
        }
        if let Ok(engine) = view.engine() {
            out.gauge("aurum_aura_step", "AuRa step by this node's clock", engine.step.0)?;
            out.gauge("aurum_aura_head_step", "AuRa step of the head", engine.head_step.0)?;
            out.gauge("aurum_validators", "Authorities in force", engine.validators.len() as u64)?;
            let pending = u64::from(engine.pending_change.is_some());
            out.gauge(
                "aurum_validator_change_pending",
                "1 while a signalled validator change is not in force",
                pending,
            )?;
            out.recent_missed_steps(&engine.validators, |validator| {
                engine.missed.iter().filter(|missed| missed.validator == validator).count() as u64
            })?;
        }
        Ok(())
    }

    fn process(out: &mut Out<'_, '_>) -> fmt::Result {
        let Some(usage) = process::usage() else { return Ok(()) };
        out.gauge("process_resident_memory_bytes", "Resident memory", usage.resident_bytes)?;
        out.gauge("process_virtual_memory_bytes", "Virtual memory", usage.virtual_bytes)?;
        out.gauge("process_threads", "Threads", usage.threads)?;
        out.gauge("process_open_fds", "Open file descriptors", usage.open_files)?;
        out.counter("process_cpu_seconds", "User and system time", usage.cpu_seconds)
    }
}

impl Collector for NodeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(&mut encoder);
        if let Ok(grant) = self.gate.grant_read(&Identity::Local) {
            self.chain(&self.gate.view(&grant), &mut out)?;
        }
        Self::process(&mut out)
    }
}

/// Writes single values.
struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, help, None, gauge.metric_type())?)
    }

    fn counter(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, counter.metric_type())?)
    }

    fn recent_missed_steps(&mut self, validators: &[Address], count: impl Fn(Address) -> u64) -> fmt::Result {
        let mut family = self.0.encode_descriptor(
            "aurum_aura_recent_missed_steps",
            "Steps between recent blocks in which this authority did not seal",
            None,
            MetricType::Gauge,
        )?;
        for validator in validators {
            let labels = [("validator", validator.to_string())];
            let gauge = ConstGauge::new(count(*validator));
            gauge.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Everything registered, in the text format of OpenMetrics.
pub(crate) fn render(registry: &Registry) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(16 << 10);
    prometheus_client::encoding::text::encode(&mut out, registry)?;
    Ok(out)
}
