//! Load on any Ethereum JSON-RPC endpoint: transactions signed beforehand are offered, and what became of each is told.
//!
//! ```text
//! stage ──▶ plan ──▶ offer (one thread a connection) ──▶ node
//! accounts  signed     │ due times, acceptances            │ blocks
//! token     bytes      └────────────▶ watch ◀──────────────┘
//!                                       └──▶ report: one JSON line
//! ```
//!
//! **Open loop** (`rate` above 0): requests are due at fixed times whatever the node does, and latency counts from when a
//! transaction was due. **Closed loop**: each connection offers its next request when the last one is answered.
//!
//! A sender cannot go on past a gap in its nonces, so a transaction refused for a limit of the node stays first in its sender's
//! lane and is what the lane offers next. Without `retry` that is a further offer of the `n`; with it the connection first
//! waits as it was told, and the run ends when all `n` transactions are accepted.

mod http;
mod offer;
mod options;
mod plan;
mod report;
mod rpc;
mod stage;
mod usage;
mod wallet;
mod watch;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, anyhow};

use self::{offer::Tally, plan::Plan, rpc::Client, watch::Watch};
pub use self::{
    options::{Envelope, Kind, LoadOptions},
    report::{Percentiles, Refusal, Report},
    stage::{Stage, fill},
    usage::{Usage, folder_bytes},
};

/// No such time yet.
pub(crate) const NEVER: u64 = u64::MAX;

/// What the connections and the watcher share. Times are microseconds since the first request was due.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    /// When the offer of each transaction that counts was due.
    due: Vec<AtomicU64>,
    /// Whether the node said it took the transaction.
    accepted: Vec<AtomicBool>,
    /// Connections that still have something to offer.
    offering: AtomicUsize,
}

impl Ledger {
    fn new(transactions: usize, connections: usize) -> Self {
        Self {
            started: Instant::now(),
            due: (0..transactions).map(|_| AtomicU64::new(NEVER)).collect(),
            accepted: (0..transactions).map(|_| AtomicBool::new(false)).collect(),
            offering: AtomicUsize::new(connections),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_micros()).unwrap_or(NEVER)
    }

    fn now(&self) -> u64 {
        self.micros(Instant::now())
    }

    fn is_accepted(&self, id: usize) -> bool {
        self.accepted[id].load(Relaxed)
    }

    fn is_offering(&self) -> bool {
        self.offering.load(Relaxed) > 0
    }
}

/// Prepares accounts and token, offers the load, waits until what was accepted is included and final, and reports. Blocks the
/// thread; progress goes to standard error.
///
/// # Errors
/// When the endpoint cannot be prepared for the load (no funds, no right to create) or stops answering while blocks are read.
pub fn run(options: &LoadOptions) -> Result<Report> {
    options.check()?;
    let mut client = Client::new(options.first_endpoint());
    let stage = Stage::prepare(options, &mut client)?;
    let plan = Plan::sign(options, &stage, &mut client)?;
    eprintln!("{}: {} transactions are signed", options.label, plan.len());

    let finality = client.finality();
    let head = client.head()?;
    let disk_before = folder_bytes(&options.dir);
    let before = Usage::of(&options.pid);
    let own_before = Usage::of(&[std::process::id()]);
    let ledger = Ledger::new(plan.len(), options.connections);
    let (tallies, seen) = thread::scope(|scope| -> Result<_> {
        let connections: Vec<_> = (0..options.connections)
            .map(|connection| {
                let (plan, ledger) = (&plan, &ledger);
                scope.spawn(move || offer::run(options, plan, ledger, connection))
            })
            .collect();
        let seen = Watch::new(options, client, &plan, &ledger, finality, &head).run();
        let tallies: Result<Vec<Tally>> = connections
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a connection's thread panicked")))
            .collect();
        Ok((tallies?, seen.context("while reading blocks")?))
    })?;
    let mut report = Report::of(options, &stage, &plan, &ledger, &tallies, &seen);
    report.set_usage(&before, &seen.usage, seen.resident_peak);
    report.loader_cpu_s = Usage::of(&[std::process::id()]).cpu_s - own_before.cpu_s;
    if !options.dir.is_empty() {
        report.set_disk(disk_before, folder_bytes(&options.dir));
    }
    (report.receipts_sampled, report.receipts_wrong) = seen.sample(options, &plan)?;
    Ok(report)
}
