//! The figures of one run: one line of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Ledger, NEVER,
    offer::{LIMIT, Tally},
    options::LoadOptions,
    plan::Plan,
    stage::Stage,
    usage::Usage,
    watch::Seen,
};

/// Figures of one run. Rates are over the time from the first due request to the last event of their kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// As given.
    pub label: String,
    /// Name and version of the node's program.
    pub client: String,
    /// Word of the [`super::Kind`].
    pub kind: String,
    /// As given.
    pub n: usize,
    /// Offers a second; 0 in the closed loop.
    pub rate: f64,
    /// As given.
    pub batch: usize,
    /// As given.
    pub connections: usize,
    /// As given.
    pub accounts: usize,
    /// As given.
    pub recipients: u64,
    /// How many endpoints.
    pub endpoints: usize,

    /// Offers, each time a transaction was offered.
    pub offered: u64,
    /// Transactions the node said it took.
    pub accepted: u64,
    /// Transactions in a canonical block.
    pub included: u64,
    /// Transactions in a final block; none where the node does not tell.
    #[serde(rename = "final")]
    pub finalized: Option<u64>,
    /// Offers refused with −32005: a limit of the node.
    pub busy: u64,
    /// Offers refused for anything else.
    pub refused: u64,
    /// All refusals by code and message.
    pub refusals: Vec<Refusal>,
    /// Offers without an answer.
    pub unanswered: u64,
    /// Accepted and in no block when the run was given up, although nothing of the sender before it was refused: lost or stuck.
    pub missing: u64,
    /// Accepted and in no block because an earlier transaction of the sender was refused: the nonces have a gap.
    pub stranded: u64,

    /// Acceptances a second.
    pub accepted_per_s: f64,
    /// Inclusions a second.
    pub included_per_s: f64,
    /// Finalizations a second.
    pub final_per_s: Option<f64>,
    /// Time to the last inclusion, seconds.
    pub span_s: f64,
    /// Blocks with transactions of this run.
    pub blocks: u64,
    /// Most of this run's transactions in a block.
    pub largest_block: usize,
    /// Gas used by those blocks a second, millions.
    pub mgas_per_s: f64,
    /// From due to readable in a block.
    pub inclusion_ms: Percentiles,
    /// From due to final.
    pub finality_ms: Option<Percentiles>,
    /// Round trips.
    pub request_ms: Percentiles,
    /// Block numbers whose hash changed.
    pub reorganised: u64,
    /// Those of them that had been final.
    pub final_reverted: u64,
    /// Receipts looked at.
    pub receipts_sampled: usize,
    /// Those that did not say what they should.
    pub receipts_wrong: usize,

    /// Processor time of the nodes until the last inclusion, seconds.
    pub node_cpu_s: f64,
    /// The same for one included transaction, microseconds.
    pub node_cpu_us_per_tx: f64,
    /// Processor time of the load generator, seconds.
    pub loader_cpu_s: f64,
    /// Resident memory of the nodes at the last inclusion, MiB.
    pub rss_mib: f64,
    /// The most seen.
    pub rss_peak_mib: f64,
    /// Growth of the folders for one included transaction, before whatever the nodes write later.
    pub disk_bytes_per_tx: Option<f64>,
}

/// How often one thing was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// JSON-RPC code, or an HTTP status where there was no JSON.
    pub code: i64,
    /// Its beginning.
    pub message: String,
    /// Offers.
    pub count: u64,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 95 of 100 are no higher.
    pub p95: f64,
    /// 99 of 100 are no higher.
    pub p99: f64,
    /// Highest.
    pub max: f64,
}

impl Percentiles {
    /// Of times in microseconds, by nearest rank; zeroes when there are none.
    pub fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |share: f64| {
            let rank = (micros.len() as f64 * share).ceil() as usize;
            micros.get(rank.saturating_sub(1)).map_or(0.0, |micros| *micros as f64 / 1e3)
        };
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

impl Report {
    pub(super) fn of(
        options: &LoadOptions,
        stage: &Stage,
        plan: &Plan,
        ledger: &Ledger,
        tallies: &[Tally],
        seen: &Seen,
    ) -> Self {
        let transactions = 0..plan.len();
        let since_due = |at: &[u64]| {
            let waited = |id: usize| (at[id] != NEVER).then(|| at[id].saturating_sub(due(ledger, id)));
            transactions.clone().filter_map(waited).collect::<Vec<_>>()
        };
        let last = |at: &[u64]| at.iter().filter(|at| **at != NEVER).max().map_or(0.0, |at| *at as f64 / 1e6);
        let (included, finals) = (since_due(&seen.included_at), since_due(&seen.final_at));
        let accepted = transactions.clone().filter(|id| ledger.is_accepted(*id)).count() as u64;
        let (missing, stranded) = left_behind(options.accounts, ledger, &seen.included_at);
        let refusals = refusals(tallies);
        let refused: u64 = refusals.iter().map(|refusal| refusal.count).sum();
        let busy = refusals.iter().filter(|refusal| refusal.code == LIMIT).map(|refusal| refusal.count).sum();
        let offering_s = tallies.iter().map(|tally| tally.ended).max().unwrap_or(0) as f64 / 1e6;
        let span_s = last(&seen.included_at);
        Self {
            label: options.label.clone(),
            client: stage.client.clone(),
            kind: options.kind.name().to_owned(),
            n: options.n,
            rate: options.rate,
            batch: options.batch,
            connections: options.connections,
            accounts: options.accounts,
            recipients: options.recipients,
            endpoints: options.rpc.len(),
            offered: tallies.iter().map(|tally| tally.offered).sum(),
            accepted,
            included: included.len() as u64,
            finalized: seen.knows_finality.then_some(finals.len() as u64),
            busy,
            refused: refused - busy,
            refusals,
            unanswered: tallies.iter().map(|tally| tally.unanswered).sum(),
            missing,
            stranded,
            accepted_per_s: per_second(accepted as f64, offering_s),
            included_per_s: per_second(included.len() as f64, span_s),
            final_per_s: seen.knows_finality.then(|| per_second(finals.len() as f64, last(&seen.final_at))),
            span_s,
            blocks: seen.blocks,
            largest_block: seen.largest_block,
            mgas_per_s: per_second(seen.gas as f64 / 1e6, span_s),
            inclusion_ms: Percentiles::of(included),
            finality_ms: seen.knows_finality.then(|| Percentiles::of(finals)),
            request_ms: Percentiles::of(tallies.iter().flat_map(|tally| tally.request_us.iter().copied()).collect()),
            reorganised: seen.reorganised,
            final_reverted: seen.final_reverted,
            ..Self::default()
        }
    }

    pub(super) fn set_usage(&mut self, before: &Usage, after: &Usage, peak: f64) {
        self.node_cpu_s = after.cpu_s - before.cpu_s;
        self.node_cpu_us_per_tx = per_second(self.node_cpu_s * 1e6, self.included as f64);
        self.rss_mib = after.resident_mib;
        self.rss_peak_mib = peak;
    }

    pub(super) fn set_disk(&mut self, before: u64, after: u64) {
        self.disk_bytes_per_tx = Some(per_second(after as f64 - before as f64, self.included as f64));
    }
}

fn due(ledger: &Ledger, id: usize) -> u64 {
    ledger.due[id].load(std::sync::atomic::Ordering::Relaxed)
}

/// `what` over `seconds`, to the tenth, and 0 over no time.
fn per_second(what: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { (what / seconds * 10.0).round() / 10.0 } else { 0.0 }
}

fn refusals(tallies: &[Tally]) -> Vec<Refusal> {
    let mut sums: BTreeMap<&(i64, String), u64> = BTreeMap::new();
    for (reason, count) in tallies.iter().flat_map(|tally| &tally.refused) {
        *sums.entry(reason).or_default() += count;
    }
    let refusal =
        |((code, message), count): (&(i64, String), u64)| Refusal { code: *code, message: message.clone(), count };
    sums.into_iter().map(refusal).collect()
}

/// Accepted and in no block: those whose sender has no earlier transaction that was not accepted, and the others.
fn left_behind(accounts: usize, ledger: &Ledger, included_at: &[u64]) -> (u64, u64) {
    let (mut missing, mut stranded) = (0, 0);
    for sender in 0..accounts.min(included_at.len()) {
        let mut gap = false;
        for id in (sender..included_at.len()).step_by(accounts) {
            match (included_at[id] != NEVER, ledger.is_accepted(id)) {
                (true, _) => {}
                (false, true) if gap => stranded += 1,
                (false, true) => missing += 1,
                (false, false) => gap = true,
            }
        }
    }
    (missing, stranded)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let micros = (1..=200).rev().map(|ms| ms * 1_000).collect();
        assert_eq!(Percentiles::of(micros), Percentiles { p50: 100.0, p95: 190.0, p99: 198.0, max: 200.0 });
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
    }

    #[test]
    fn what_a_gap_holds_back_is_not_called_missing() {
        // Two senders, three transactions each: 0 2 4 and 1 3 5.
        let ledger = Ledger::new(6, 1);
        for id in [0, 4, 1, 3, 5] {
            ledger.accepted[id].store(true, Relaxed);
        }
        let mut included_at = vec![NEVER; 6];
        included_at[0] = 1;
        included_at[1] = 1;
        // 2 was never accepted, so 4 is stranded; 3 and 5 have no excuse.
        assert_eq!(left_behind(2, &ledger, &included_at), (2, 1));
    }
}
