//! `bench`: the node measured beside its peers, in one run on one machine.
//!
//! ```text
//! experiment ──▶ network of real processes ──▶ load / export / import / idle ──▶ Record (a line of JSON) ──▶ report: tables, SVG
//! ```
//!
//! Absolute figures move with the machine and what else it does; ratios of one run say something. So an experiment
//! takes turns with its peers, round after round, and reports medians.

mod chains;
mod experiments;
mod folders;
mod network;
mod record;
mod report;
mod sizes;
mod state;
mod svg;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

pub use self::{
    record::{Log, Record},
    report::write as write_report,
    sizes::Sizes,
};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Experiment {
    /// One authority and anvil: transfers as fast as they are taken
    Single,
    /// Four authorities: the same, and the offered rate raised to the knee
    Four,
    /// Four authorities offered three times their knee
    Overload,
    /// Four authorities at 600 transfers a second: time to inclusion and finality
    Latency,
    /// An exported chain imported over states of several sizes, and the signatures alone
    Import,
    /// A fresh node that catches up with a full one
    Sync,
    /// One authority with and without the permission contract
    Permissions,
    /// Four authorities with nothing to do
    Idle,
    /// Memory and disk after many transfers
    Growth,
    /// One authority and four: the closed loop over states of several sizes
    State,
}

impl Experiment {
    /// Its word on the command line, in records and in the names of files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Four => "four",
            Self::Overload => "overload",
            Self::Latency => "latency",
            Self::Import => "import",
            Self::Sync => "sync",
            Self::Permissions => "permissions",
            Self::Idle => "idle",
            Self::Growth => "growth",
            Self::State => "state",
        }
    }
}

/// A run in progress: sizes, where networks keep their files, and where records go.
#[derive(Debug)]
pub struct Bench {
    sizes: Sizes,
    folder: PathBuf,
    log: Log,
}

impl Bench {
    /// A run that appends to the file `records`; networks live below `folder`, which is emptied.
    ///
    /// # Errors
    /// When either cannot be written.
    pub fn new(sizes: Sizes, folder: &Path, records: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { sizes, folder: folder.to_path_buf(), log: Log::append(records)? })
    }

    /// Runs one experiment, all its rounds.
    ///
    /// # Errors
    /// When a program fails or a figure is missing. What was recorded until then stays.
    pub async fn run(&mut self, experiment: Experiment) -> Result<()> {
        eprintln!("== {}", experiment.name());
        match experiment {
            Experiment::Single => experiments::single(self).await,
            Experiment::Four => experiments::four(self).await,
            Experiment::Overload => experiments::overload(self).await,
            Experiment::Latency => experiments::latency(self).await,
            Experiment::Import => experiments::import(self).await,
            Experiment::Sync => experiments::sync(self).await,
            Experiment::Permissions => experiments::permissions(self).await,
            Experiment::Idle => experiments::idle(self).await,
            Experiment::Growth => experiments::growth(self).await,
            Experiment::State => state::state(self).await,
        }
        .with_context(|| experiment.name())
    }
}
