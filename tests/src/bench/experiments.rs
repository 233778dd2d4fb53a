//! The experiments. Each takes turns with its peers and writes a record for every turn.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::{
    Bench, Experiment,
    chains::ChainFile,
    network::{Network, Shape, offer},
};
use crate::load::{self, LoadOptions, Report, Usage, folder_bytes};

/// Steps that a transfer may take at the knee, 99 of 100.
const KNEE_STEPS: f64 = 4.0;
/// How many times the knee overload is.
const OVERLOAD: f64 = 3.0;
/// Most for a fresh node to catch up.
const SYNC_LIMIT: Duration = Duration::from_secs(600);

/// What every load is recorded with.
pub(super) fn figures(report: &Report) -> Vec<(&'static str, f64)> {
    let mut figures = vec![
        ("accepted_per_s", report.accepted_per_s),
        ("included_per_s", report.included_per_s),
        ("missing", report.missing as f64),
        ("reorganised", report.reorganised as f64),
        ("cpu_us_per_tx", report.node_cpu_us_per_tx),
        ("p50_ms", report.inclusion_ms.p50),
        ("p95_ms", report.inclusion_ms.p95),
        ("p99_ms", report.inclusion_ms.p99),
        ("rss_peak_mib", report.rss_peak_mib),
    ];
    figures.extend(report.final_per_s.map(|rate| ("final_per_s", rate)));
    figures.extend(report.finality_ms.map(|times| ("final_p99_ms", times.p99)));
    figures
}

/// Checks that a run counts: every receipt that was looked at says what it should.
pub(super) fn counts(report: &Report) -> Result<()> {
    let Report { receipts_wrong, receipts_sampled, .. } = report;
    ensure!(*receipts_wrong == 0, "{receipts_wrong} of {receipts_sampled} receipts are wrong");
    ensure!(report.included > 0, "nothing was included: {:?}", report.refusals);
    Ok(())
}

pub(super) async fn single(bench: &mut Bench) -> Result<()> {
    let n = bench.sizes.transfers;
    for round in 1..=bench.sizes.repeat {
        closed_loop(bench, Experiment::Single, Shape::SINGLE, n, round).await?;
        anvil_loop(bench, Experiment::Single, n, round).await?;
    }
    Ok(())
}

/// As fast as our node takes them, and the disk it needs for each when it has stopped.
async fn closed_loop(bench: &mut Bench, experiment: Experiment, shape: Shape, n: usize, round: u32) -> Result<()> {
    let mut network = Network::aurum(&bench.folder.join("aurum"), shape).await?;
    let report = offer(network.load(experiment.name(), n)?).await?;
    counts(&report)?;
    network.stop()?;
    let taken = folder_bytes(network.folders()) as f64;
    let mut figures = figures(&report);
    figures.push(("disk_b_per_tx", taken / network.folders().len() as f64 / report.included as f64));
    let case = format!("{n} transfers");
    bench.log.push(experiment, ("aurum", &case, round), &figures, Some(report))
}

async fn anvil_loop(bench: &mut Bench, experiment: Experiment, n: usize, round: u32) -> Result<()> {
    let mut network = Network::anvil(&bench.folder.join("anvil")).await?;
    let report = offer(network.load("anvil", n)?).await?;
    counts(&report)?;
    network.stop()?;
    let case = format!("{n} transfers");
    bench.log.push(experiment, ("anvil", &case, round), &figures(&report), Some(report))
}

pub(super) async fn four(bench: &mut Bench) -> Result<()> {
    let n = bench.sizes.transfers;
    for round in 1..=bench.sizes.repeat {
        closed_loop(bench, Experiment::Four, Shape::FOUR, n, round).await?;
        anvil_loop(bench, Experiment::Four, n, round).await?;
        let knee = sweep(bench, round).await?;
        bench.log.push(Experiment::Four, ("aurum", "knee", round), &knee, None)?;
    }
    Ok(())
}

/// An open loop at `rate` over four endpoints for some seconds.
async fn at_rate(network: &mut Network, label: &str, rate: f64, seconds: f64) -> Result<Report> {
    let n = (rate * seconds) as usize;
    let load = LoadOptions { rate, retry: false, batch: 10, ..network.load(label, n)? };
    offer(load).await
}

/// Raises the offered rate until one is too much; the highest that was not.
async fn sweep(bench: &mut Bench, round: u32) -> Result<Vec<(&'static str, f64)>> {
    let shape = Shape { large_pool: false, ..Shape::FOUR };
    let mut network = Network::aurum(&bench.folder.join("aurum"), shape).await?;
    let mut knee = vec![("offered_per_s", 0.0), ("included_per_s", 0.0)];
    for rate in bench.sizes.rates.clone() {
        let report = at_rate(&mut network, "sweep", rate, bench.sizes.sweep_s).await?;
        counts(&report)?;
        let holds = report.missing + report.busy + report.refused + report.unanswered == 0
            && report.included_per_s >= bench.sizes.knee_share * rate
            && report.inclusion_ms.p99 < KNEE_STEPS * 1_000.0 * shape.step_s as f64;
        let included = report.included_per_s;
        let mut figures = figures(&report);
        figures.extend([("offered_per_s", rate), ("holds", f64::from(u8::from(holds)))]);
        let case = format!("{rate} a second");
        bench.log.push(Experiment::Four, ("aurum", &case, round), &figures, Some(report))?;
        if !holds {
            break;
        }
        knee = vec![("offered_per_s", rate), ("included_per_s", included)];
    }
    network.stop()?;
    Ok(knee)
}

pub(super) async fn overload(bench: &mut Bench) -> Result<()> {
    for round in 1..=bench.sizes.repeat {
        // The knee of this round: of the experiment `four` where it ran, else found now.
        let is_knee = |record: &&super::Record| record.case == "knee" && record.round == round;
        let found = bench.log.records.iter().rfind(is_knee).map(|record| {
            let figure = |name| record.figures.get(name).copied().unwrap_or(0.0);
            (figure("offered_per_s"), figure("included_per_s"))
        });
        let (offered, included) = match found {
            Some(knee) => knee,
            None => {
                let knee = sweep(bench, round).await?;
                bench.log.push(Experiment::Four, ("aurum", "knee", round), &knee, None)?;
                (knee[0].1, knee[1].1)
            }
        };
        ensure!(offered > 0.0, "no offered rate holds, so there is no knee to overload");
        let shape = Shape { large_pool: false, ..Shape::FOUR };
        let mut network = Network::aurum(&bench.folder.join("aurum"), shape).await?;
        let report = at_rate(&mut network, "overload", OVERLOAD * offered, bench.sizes.overload_s).await?;
        network.stop()?;
        counts(&report)?;
        let mut figures = figures(&report);
        figures.extend([
            ("knee_per_s", included),
            ("offered_per_s", OVERLOAD * offered),
            ("kept", report.included_per_s / included),
            ("accepted", report.accepted as f64),
            ("busy", report.busy as f64),
            ("refused", report.refused as f64),
            ("stranded", report.stranded as f64),
        ]);
        bench.log.push(Experiment::Overload, ("aurum", "3 × knee", round), &figures, Some(report))?;
    }
    Ok(())
}

pub(super) async fn latency(bench: &mut Bench) -> Result<()> {
    let (rate, seconds) = bench.sizes.latency;
    let case = format!("{rate} a second");
    for round in 1..=bench.sizes.repeat {
        let shape = Shape { large_pool: false, ..Shape::FOUR };
        let mut network = Network::aurum(&bench.folder.join("aurum"), shape).await?;
        let load = network.load("latency", (rate * seconds) as usize)?;
        let report = offer(LoadOptions { rate, retry: false, batch: 1, ..load }).await?;
        network.stop()?;
        counts(&report)?;
        let mut all = figures(&report);
        all.extend(report.finality_ms.map(|times| ("final_p50_ms", times.p50)));
        bench.log.push(Experiment::Latency, ("aurum, four", &case, round), &all, Some(report))?;

        let mut network = Network::anvil(&bench.folder.join("anvil")).await?;
        let load = network.load("latency", (rate * seconds) as usize)?;
        let report = offer(LoadOptions { rate, retry: false, batch: 1, ..load }).await?;
        network.stop()?;
        counts(&report)?;
        bench.log.push(Experiment::Latency, ("anvil, one", &case, round), &figures(&report), Some(report))?;
    }
    Ok(())
}

pub(super) async fn import(bench: &mut Bench) -> Result<()> {
    for holders in bench.sizes.holders.clone() {
        let folder = bench.folder.join(format!("chain-{holders}"));
        let (chain, _) = ChainFile::make(&folder, holders, bench.sizes.imported).await?;
        let case = format!("{holders} holders");
        for round in 1..=bench.sizes.repeat {
            let bound = chain.recover_transfers()?;
            let bound = chain.transfers as f64 / bound.as_secs_f64();
            bench.log.push(Experiment::Import, ("recovery", &case, round), &[("tx_per_s", bound)], None)?;
            let data = folder.join("imported");
            let spent = chain.import_transfers(&data)?.as_secs_f64();
            let before = folder_bytes(&[chain.filled().to_path_buf()]);
            let grown = folder_bytes(&[data]).saturating_sub(before) as f64;
            let rate = chain.transfers as f64 / spent;
            let figures = [
                ("tx_per_s", rate),
                ("of_bound", rate / bound),
                ("seconds", spent),
                ("disk_b_per_tx", grown / chain.transfers as f64),
                ("chain_b_per_tx", chain.bytes()? as f64 / chain.transfers as f64),
            ];
            bench.log.push(Experiment::Import, ("aurum", &case, round), &figures, None)?;
        }
    }
    Ok(())
}

pub(super) async fn sync(bench: &mut Bench) -> Result<()> {
    let holders = bench.sizes.holders.first().copied().context("no size of a chain")?;
    let folder = bench.folder.join("sync");
    let (chain, mut source) = ChainFile::make(&folder, holders, bench.sizes.imported).await?;
    let case = format!("{} transfers", chain.transfers);
    for round in 1..=bench.sizes.repeat {
        let bound = chain.transfers as f64 / chain.recover_transfers()?.as_secs_f64();
        bench.log.push(Experiment::Sync, ("recovery", &case, round), &[("tx_per_s", bound)], None)?;
        source.start().await?;
        let fresh = source.fresh()?;
        let started = Instant::now();
        fresh.start()?;
        fresh.ready().await?;
        fresh.reaches(chain.last, SYNC_LIMIT).await?;
        let spent = started.elapsed().as_secs_f64();
        let rate = chain.transfers as f64 / spent;
        let figures = [("tx_per_s", rate), ("of_bound", rate / bound), ("seconds", spent)];
        source.stop()?;
        bench.log.push(Experiment::Sync, ("aurum", &case, round), &figures, None)?;
    }
    Ok(())
}

pub(super) async fn permissions(bench: &mut Bench) -> Result<()> {
    let n = bench.sizes.transfers;
    for round in 1..=bench.sizes.repeat {
        for (case, permissions) in [("with", true), ("without", false)] {
            let shape = Shape { permissions, ..Shape::SINGLE };
            let mut network = Network::aurum(&bench.folder.join("aurum"), shape).await?;
            let report = offer(network.load("permissions", n)?).await?;
            network.stop()?;
            counts(&report)?;
            bench.log.push(Experiment::Permissions, ("aurum", case, round), &figures(&report), Some(report))?;
        }
    }
    Ok(())
}

pub(super) async fn idle(bench: &mut Bench) -> Result<()> {
    let shape = Shape { step_s: 2, large_pool: false, ..Shape::FOUR };
    let mut network = Network::aurum(&bench.folder.join("aurum"), shape).await?;
    let pids = network.pids()?;
    for round in 1..=bench.sizes.repeat {
        let (before, started) = (Usage::of(&pids), Instant::now());
        sleep(Duration::from_secs_f64(bench.sizes.idle_s)).await;
        let (after, spent) = (Usage::of(&pids), started.elapsed().as_secs_f64());
        let largest = pids.iter().map(|pid| Usage::of(&[*pid]).resident_mib).fold(0.0, f64::max);
        let figures = [
            ("cpu_percent_of_a_core", 100.0 * (after.cpu_s - before.cpu_s) / spent),
            ("rss_largest_mib", largest),
            ("rss_mean_mib", after.resident_mib / pids.len() as f64),
        ];
        bench.log.push(Experiment::Idle, ("aurum", "four, 2 s steps", round), &figures, None)?;
    }
    network.stop()
}

pub(super) async fn growth(bench: &mut Bench) -> Result<()> {
    let mut network = Network::aurum(&bench.folder.join("aurum"), Shape::SINGLE).await?;
    // One token for all parts: the state stays as large as it is, so what grows is the node.
    let options = network.load("growth", 1)?;
    let token = tokio::task::spawn_blocking(move || load::fill(&options, 0)).await??;
    let mut done = 0;
    for total in bench.sizes.growth.clone() {
        let mut peak = 0.0f64;
        // Offered in parts, so that the load generator's own memory stays small beside the node's.
        while done < total {
            let part = (total - done).min(100_000);
            let load = LoadOptions { token: Some(token), ..network.load("growth", part)? };
            let report = offer(load).await?;
            counts(&report)?;
            ensure!(report.included == part as u64, "{} of {part} were included", report.included);
            peak = peak.max(report.rss_peak_mib);
            done += part;
        }
        let now = Usage::of(&network.pids()?).resident_mib;
        let running = folder_bytes(network.folders()) as f64 / done as f64;
        let figures = [("rss_mib", now), ("rss_peak_mib", peak), ("disk_b_per_tx", running)];
        bench.log.push(Experiment::Growth, ("aurum", &format!("{total} transfers"), 1), &figures, None)?;
    }
    // Memory is of one process from the first transfer to the last, so the folder of a stopped node comes only now.
    network.stop()?;
    let stopped = folder_bytes(network.folders()) as f64 / done as f64;
    let case = format!("{done} transfers, stopped");
    bench.log.push(Experiment::Growth, ("aurum", &case, 1), &[("disk_b_per_tx", stopped)], None)
}
