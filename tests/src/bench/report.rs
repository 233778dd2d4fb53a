//! Records as tables in docs/benchmarks.md and a drawing for each experiment.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::{
    Experiment, Log, Record,
    svg::{Chart, Plot, number},
};

/// A column: name of the figure, heading.
type Column = (&'static str, &'static str);

const LOAD: [Column; 9] = [
    ("accepted_per_s", "accepted/s"),
    ("included_per_s", "included/s"),
    ("final_per_s", "final/s"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("cpu_us_per_tx", "CPU µs/tx"),
    ("rss_peak_mib", "peak RSS MiB"),
    ("missing", "missing"),
    ("reorganised", "reorganised"),
];

const fn columns(experiment: Experiment) -> &'static [Column] {
    match experiment {
        Experiment::Single | Experiment::Four | Experiment::Permissions | Experiment::State => &LOAD,
        Experiment::Overload => &[
            ("knee_per_s", "knee: included/s"),
            ("offered_per_s", "offered/s"),
            ("included_per_s", "included/s"),
            ("kept", "kept"),
            ("accepted", "accepted"),
            ("busy", "refused busy"),
            ("refused", "refused else"),
            ("missing", "accepted and lost"),
            ("reorganised", "reorganised"),
            ("p99_ms", "p99 ms"),
        ],
        Experiment::Latency => &[
            ("p50_ms", "inclusion p50 ms"),
            ("p95_ms", "p95"),
            ("p99_ms", "p99"),
            ("final_p50_ms", "final p50"),
            ("final_p99_ms", "final p99"),
            ("missing", "missing"),
        ],
        Experiment::Import => &[
            ("tx_per_s", "tx/s"),
            ("of_bound", "of recovery"),
            ("seconds", "s"),
            ("disk_b_per_tx", "disk B/tx"),
            ("chain_b_per_tx", "chain B/tx"),
        ],
        Experiment::Sync => &[("tx_per_s", "tx/s"), ("of_bound", "of recovery"), ("seconds", "s")],
        Experiment::Idle => &[
            ("cpu_percent_of_a_core", "CPU, % of a core"),
            ("rss_largest_mib", "largest RSS MiB"),
            ("rss_mean_mib", "mean RSS MiB"),
        ],
        Experiment::Growth => {
            &[("rss_mib", "RSS MiB"), ("rss_peak_mib", "peak RSS MiB"), ("disk_b_per_tx", "disk B/tx")]
        }
    }
}

/// Peer, case, figures by name.
type Row = (String, String, BTreeMap<String, f64>);

/// Medians of one experiment by peer and case, in the order they were first measured.
#[derive(Debug)]
struct Medians {
    experiment: Experiment,
    rows: Vec<Row>,
    rounds: u32,
    machine: String,
}

impl Medians {
    /// Of the newest run that has the experiment.
    fn newest(experiment: Experiment, records: &[Record]) -> Option<Self> {
        let of_it = || records.iter().filter(|record| record.experiment == experiment.name());
        let run = of_it().map(|record| record.run).max()?;
        let mut rows: Vec<(String, String, BTreeMap<String, Vec<f64>>)> = Vec::new();
        for record in of_it().filter(|record| record.run == run) {
            let known = rows.iter().position(|(peer, case, _)| (peer, case) == (&record.peer, &record.case));
            let at = known.unwrap_or_else(|| {
                rows.push((record.peer.clone(), record.case.clone(), BTreeMap::new()));
                rows.len() - 1
            });
            for (name, value) in &record.figures {
                rows[at].2.entry(name.clone()).or_default().push(*value);
            }
        }
        let last = of_it().rfind(|record| record.run == run)?;
        let rounds = of_it().filter(|record| record.run == run).map(|record| record.round).max()?;
        let median = |(peer, case, figures): (String, String, BTreeMap<String, Vec<f64>>)| {
            (peer, case, figures.into_iter().map(|(name, values)| (name, median(values))).collect())
        };
        let rows = rows.into_iter().map(median).collect();
        Some(Self { experiment, rows, rounds, machine: last.machine.clone() })
    }

    fn figure(&self, peer: &str, case: Option<&str>, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.0.starts_with(peer) && case.is_none_or(|case| row.1 == case))?;
        row.2.get(name).copied()
    }

    fn table(&self) -> String {
        let shown: Vec<&Column> = columns(self.experiment)
            .iter()
            .filter(|(name, _)| self.rows.iter().any(|(_, _, figures)| figures.contains_key(*name)))
            .collect();
        let heads: Vec<&str> = shown.iter().map(|(_, head)| *head).collect();
        let mut out =
            format!("| measured | case | {} |\n|---|---|{}\n", heads.join(" | "), "---:|".repeat(heads.len()));
        for (peer, case, figures) in &self.rows {
            let cells = shown.iter().map(|(name, _)| figures.get(*name).map_or_else(|| "–".to_owned(), |v| number(*v)));
            let _ = writeln!(out, "| {peer} | {case} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        for line in self.ratios() {
            let _ = writeln!(out, "\n{line}");
        }
        let (rounds, machine) = (self.rounds, &self.machine);
        let what = if rounds == 1 { "One round".to_owned() } else { format!("Medians of {rounds} rounds") };
        let _ = writeln!(out, "\n{what}; {machine}.");
        out
    }

    /// What is compared, in words.
    fn ratios(&self) -> Vec<String> {
        let ratio = |what: &str, name: &str| {
            let (ours, theirs) = (self.figure("aurum", None, name)?, self.figure("anvil", None, name)?);
            (theirs > 0.0).then(|| format!("{what}: **{:.2} ×** anvil.", ours / theirs))
        };
        match self.experiment {
            Experiment::Single | Experiment::Four => [
                ratio("Included a second", "included_per_s"),
                ratio("Processor time for a transfer", "cpu_us_per_tx"),
                ratio("Peak memory", "rss_peak_mib"),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Experiment::Latency => ratio("Inclusion p99", "p99_ms").into_iter().collect(),
            Experiment::State => self.by_holders(),
            Experiment::Permissions => {
                let (with, without) = ("with", "without");
                let rate = |case| self.figure("aurum", Some(case), "included_per_s");
                let cpu = |case| self.figure("aurum", Some(case), "cpu_us_per_tx");
                match (rate(with), rate(without), cpu(with), cpu(without)) {
                    (Some(a), Some(b), Some(c), Some(d)) if b > 0.0 && d > 0.0 => vec![format!(
                        "With permissions: **{:.2} ×** the throughput and **{:.2} ×** the processor time.",
                        a / b,
                        c / d
                    )],
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    /// The rate over the largest state beside that over the smallest, for each number of authorities.
    fn by_holders(&self) -> Vec<String> {
        let figure = |row: &Row, name: &str| row.2.get(name).copied().unwrap_or(f64::NAN);
        let mut counts: Vec<f64> = self.rows.iter().map(|row| figure(row, "authorities")).collect();
        counts.dedup();
        let line = |count: f64| {
            let of_count = || self.rows.iter().filter(|row| figure(row, "authorities") == count);
            let size = |row: &&Row| figure(row, "holders");
            let small = of_count().min_by(|a, b| size(a).total_cmp(&size(b)))?;
            let large = of_count().max_by(|a, b| size(a).total_cmp(&size(b)))?;
            let ratio = |name: &str| figure(large, name) / figure(small, name);
            Some(format!(
                "{count} sealing, {} holders beside {}: **{:.2} ×** included a second, **{:.2} ×** final a second, \
                 {:.2} × the processor time.",
                figure(large, "holders"),
                figure(small, "holders"),
                ratio("included_per_s"),
                ratio("final_per_s"),
                ratio("cpu_us_per_tx"),
            ))
        };
        counts.into_iter().filter_map(line).collect()
    }

    fn chart(&self) -> Chart {
        if self.experiment == Experiment::Four {
            return self.sweep();
        }
        let (name, title, unit) = match self.experiment {
            Experiment::Single | Experiment::Four => ("included_per_s", "ERC-20 transfers, closed loop", "included/s"),
            Experiment::Permissions => ("included_per_s", "With and without the permission contract", "included/s"),
            Experiment::Overload => ("included_per_s", "Three times the knee", "transfers/s"),
            Experiment::Latency => ("p99_ms", "Due to included", "ms"),
            Experiment::Import => ("tx_per_s", "Import, and recovering its senders alone", "transfers/s"),
            Experiment::Sync => ("tx_per_s", "Sync, and recovering its senders alone", "transfers/s"),
            Experiment::Idle => ("rss_largest_mib", "Four idle authorities: the largest", "MiB"),
            Experiment::Growth => ("rss_mib", "Memory after transfers", "MiB"),
            Experiment::State => ("included_per_s", "The closed loop over states of several sizes", "included/s"),
        };
        let (series, groups) = match self.experiment {
            Experiment::Overload => self.figures_as_series(&["knee_per_s", "offered_per_s", "included_per_s"]),
            Experiment::Latency => self.figures_as_series(&["p50_ms", "p95_ms", "p99_ms"]),
            _ => self.peers_as_series(name),
        };
        Chart { title: title.to_owned(), unit: unit.to_owned(), plot: Plot::Bars { series, groups } }
    }

    /// A group for each case, a bar for each peer.
    fn peers_as_series(&self, name: &str) -> (Vec<String>, Vec<(String, Vec<f64>)>) {
        let (mut peers, mut cases): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (peer, case, _) in self.rows.iter().filter(|row| row.2.contains_key(name)) {
            if !peers.contains(&peer.as_str()) {
                peers.push(peer);
            }
            if !cases.contains(&case.as_str()) {
                cases.push(case);
            }
        }
        let value = |peer: &str, case: &str| {
            let row = self.rows.iter().find(|row| row.0 == peer && row.1 == case);
            row.and_then(|row| row.2.get(name)).copied().unwrap_or(f64::NAN)
        };
        let group = |case: &&str| ((*case).to_owned(), peers.iter().map(|peer| value(peer, case)).collect());
        (peers.iter().map(|peer| (*peer).to_owned()).collect(), cases.iter().map(group).collect())
    }

    /// A group for each row, a bar for each figure.
    fn figures_as_series(&self, names: &[&str]) -> (Vec<String>, Vec<(String, Vec<f64>)>) {
        let heads = columns(self.experiment);
        let head =
            |name: &&str| heads.iter().find(|(other, _)| other == name).map_or(*name, |(_, head)| *head).to_owned();
        let group = |(peer, case, figures): &(String, String, BTreeMap<String, f64>)| {
            let values = names.iter().map(|name| figures.get(*name).copied().unwrap_or(f64::NAN));
            (format!("{peer}, {case}"), values.collect())
        };
        (names.iter().map(head).collect(), self.rows.iter().map(group).collect())
    }

    /// Included over offered, beside what was asked for.
    fn sweep(&self) -> Chart {
        let point = |figures: &BTreeMap<String, f64>| {
            let holds = figures.contains_key("holds");
            holds.then(|| Some((*figures.get("offered_per_s")?, *figures.get("included_per_s")?))).flatten()
        };
        let mut points: Vec<(f64, f64)> = self.rows.iter().filter_map(|row| point(&row.2)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ideal = points.iter().map(|(offered, _)| (*offered, *offered)).collect();
        Chart {
            title: "Four authorities: included for what is offered".to_owned(),
            unit: "transfers/s".to_owned(),
            plot: Plot::Lines {
                x: "offered/s".to_owned(),
                series: vec![("included/s".to_owned(), points), ("offered/s".to_owned(), ideal)],
            },
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// Rewrites the tables of `docs/benchmarks.md` between their markers and the drawings in `docs/benchmarks/`, for every
/// experiment in the file of records. Returns which, and what was compared in words.
///
/// # Errors
/// When a file cannot be read or written, or the page lacks a marker.
pub fn write(records: &Path, docs: &Path) -> Result<Vec<(Experiment, Vec<String>)>> {
    let records = Log::read(records)?;
    let page_path = docs.join("benchmarks.md");
    let mut page = fs::read_to_string(&page_path).with_context(|| format!("cannot read {}", page_path.display()))?;
    let drawings = docs.join("benchmarks");
    fs::create_dir_all(&drawings).with_context(|| format!("cannot create {}", drawings.display()))?;
    let mut written = Vec::new();
    for experiment in Experiment::value_variants() {
        let Some(medians) = Medians::newest(*experiment, &records) else { continue };
        let name = experiment.name();
        fs::write(drawings.join(format!("{name}.svg")), medians.chart().svg())?;
        let text = format!("\n{}\n![{name}](benchmarks/{name}.svg)\n", medians.table());
        page = replace(&page, name, &text)?;
        written.push((*experiment, medians.ratios()));
    }
    fs::write(&page_path, page).with_context(|| format!("cannot write {}", page_path.display()))?;
    Ok(written)
}

/// `page` with what stands between the markers of `name` replaced.
fn replace(page: &str, name: &str, text: &str) -> Result<String> {
    let (open, close) = (format!("<!-- bench:{name} -->"), format!("<!-- /bench:{name} -->"));
    let (before, rest) = page.split_once(&open).with_context(|| format!("the page has no {open}"))?;
    let (_, after) = rest.split_once(&close).with_context(|| format!("the page has no {close}"))?;
    Ok(format!("{before}{open}\n{text}\n{close}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(run: u64, peer: &str, round: u32, rate: f64) -> Record {
        Record {
            run,
            experiment: "single".to_owned(),
            peer: peer.to_owned(),
            case: "9 transfers".to_owned(),
            round,
            figures: BTreeMap::from([("included_per_s".to_owned(), rate)]),
            load: None,
            machine: "here".to_owned(),
        }
    }

    #[test]
    fn a_table_has_medians_of_the_newest_run_and_the_ratio() {
        let mut records = vec![record(1, "aurum", 1, 9_999.0)];
        for (round, (ours, theirs)) in (1..).zip([(10.0, 4.0), (30.0, 5.0), (20.0, 100.0)]) {
            records.extend([record(2, "aurum", round, ours), record(2, "anvil", round, theirs)]);
        }
        let table = Medians::newest(Experiment::Single, &records).unwrap().table();
        assert!(table.contains("| aurum | 9 transfers | 20 |"), "{table}");
        assert!(table.contains("| anvil | 9 transfers | 5.00 |") || table.contains("| anvil | 9 transfers | 5 |"));
        assert!(table.contains("**4.00 ×** anvil") && table.contains("Medians of 3 rounds; here."), "{table}");
        assert!(Medians::newest(Experiment::Idle, &records).is_none());
    }

    #[test]
    fn the_largest_state_is_compared_with_the_smallest_of_as_many_authorities() {
        let row = |authorities: f64, holders: f64, rate: f64| Record {
            experiment: "state".to_owned(),
            case: format!("{authorities} sealing, {holders} holders"),
            figures: BTreeMap::from([
                ("authorities".to_owned(), authorities),
                ("holders".to_owned(), holders),
                ("included_per_s".to_owned(), rate),
                ("final_per_s".to_owned(), rate / 2.0),
                ("cpu_us_per_tx".to_owned(), 1e6 / rate),
            ]),
            ..record(1, "aurum", 1, 0.0)
        };
        let records = [(1.0, 10.0, 8.0), (1.0, 99.0, 7.0), (1.0, 1000.0, 6.0), (4.0, 10.0, 2.0), (4.0, 1000.0, 1.8)];
        let records = records.map(|(authorities, holders, rate)| row(authorities, holders, rate));
        let table = Medians::newest(Experiment::State, &records).unwrap().table();
        assert!(table.contains("1 sealing, 1000 holders beside 10: **0.75 ×** included a second"), "{table}");
        assert!(table.contains("4 sealing, 1000 holders beside 10: **0.90 ×** included a second"), "{table}");
        assert!(table.contains("1.33 × the processor time"), "{table}");
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = "a\n<!-- bench:idle -->\nold\n<!-- /bench:idle -->\nb";
        let once = replace(page, "idle", "new").unwrap();
        assert_eq!(once, "a\n<!-- bench:idle -->\nnew\n<!-- /bench:idle -->\nb");
        assert_eq!(replace(&once, "idle", "new").unwrap(), once);
        assert!(replace(page, "sync", "new").is_err());
    }

    #[test]
    fn the_page_of_this_repository_has_a_place_for_every_experiment() {
        let page = fs::read_to_string(crate::tools::repository().join("docs/benchmarks.md")).unwrap();
        for experiment in Experiment::value_variants() {
            replace(&page, experiment.name(), "").unwrap();
        }
    }
}
