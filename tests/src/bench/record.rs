//! One measurement: a line of JSON, so that runs can be kept and compared with any tool.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Experiment;
use crate::load::Report;

/// Figures of one peer in one round of one experiment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Which run: when it began, seconds since 1970.
    pub run: u64,
    /// Word of the [`Experiment`].
    pub experiment: String,
    /// Who was measured: `aurum`, `anvil`, `recovery`…
    pub peer: String,
    /// Under which condition: `100000 transfers`, `rate 2000`…
    pub case: String,
    /// From 1.
    pub round: u32,
    /// Figures by name; the unit is part of the name.
    pub figures: BTreeMap<String, f64>,
    /// The whole report where the figures come from a load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Report>,
    /// The machine.
    pub machine: String,
}

/// A file of records that grows.
#[derive(Debug)]
pub struct Log {
    file: File,
    run: u64,
    machine: String,
    /// Those of this run.
    pub(super) records: Vec<Record>,
}

impl Log {
    /// Appends to `path`, which is made where it is missing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let cannot = || format!("cannot write {}", path.display());
        let file = File::options().create(true).append(true).open(path).with_context(cannot)?;
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Self { file, run, machine: machine(), records: Vec::new() })
    }

    /// Writes one measurement.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn push(
        &mut self,
        experiment: Experiment,
        (peer, case, round): (&str, &str, u32),
        figures: &[(&str, f64)],
        load: Option<Report>,
    ) -> Result<()> {
        let record = Record {
            run: self.run,
            experiment: experiment.name().to_owned(),
            peer: peer.to_owned(),
            case: case.to_owned(),
            round,
            figures: figures.iter().map(|(name, value)| ((*name).to_owned(), rounded(*value))).collect(),
            load,
            machine: self.machine.clone(),
        };
        eprintln!("{} {peer} {case} ({round}): {:?}", record.experiment, record.figures);
        writeln!(self.file, "{}", serde_json::to_string(&record)?)?;
        self.records.push(record);
        Ok(())
    }

    /// All records of a file, oldest first.
    ///
    /// # Errors
    /// When it cannot be read or a line is no record.
    pub fn read(path: &Path) -> Result<Vec<Record>> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let parse = |(index, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("{}, line {}", path.display(), index + 1))
        };
        text.lines().enumerate().filter(|(_, line)| !line.is_empty()).map(parse).collect()
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Processor, how many of it, memory, kernel.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{count} × {processor}, {} GiB, Linux {}", memory >> 20, kernel.trim())
}
