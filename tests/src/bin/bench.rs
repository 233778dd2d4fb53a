//! `bench run`: experiments beside their peers, recorded line by line; `bench report`: records as tables and drawings.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, ensure};
use aurum_tests::{
    bench::{Bench, Experiment, Sizes, write_report},
    tools,
};
use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "Measures the node beside its peers")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run experiments and append what was measured to a file
    Run {
        /// Which [default: all]
        experiments: Vec<Experiment>,
        /// Rounds; medians are reported
        #[arg(long, default_value_t = 3)]
        repeat: u32,
        /// Transfers of a closed loop
        #[arg(long, default_value_t = 100_000)]
        n: usize,
        /// Growth to a million transfers, and a state of ten million holders
        #[arg(long)]
        long: bool,
        /// A few hundred transfers of everything, to see that it works
        #[arg(long)]
        smoke: bool,
        /// Where networks keep their files while they run
        #[arg(long, value_name = "DIR", default_value = ".aurum/bench")]
        dir: PathBuf,
        /// Where records are appended
        #[arg(long, value_name = "FILE", default_value = ".aurum/bench.jsonl")]
        records: PathBuf,
    },
    /// Rewrite the tables and drawings from a file of records
    Report {
        /// The records
        #[arg(long, value_name = "FILE", default_value = ".aurum/bench.jsonl")]
        records: PathBuf,
        /// The folder of benchmarks.md [default: docs of this checkout]
        #[arg(long, value_name = "DIR")]
        docs: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse().verb).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Run { experiments, repeat, n, long, smoke, dir, records } => {
            ensure!(repeat > 0 && n > 0, "--repeat and --n must be at least 1");
            let sizes = if smoke { Sizes::smoke() } else { Sizes::full(repeat, n, long) };
            let mut bench = Bench::new(sizes, &dir, &records)?;
            let all = Experiment::value_variants().to_vec();
            for experiment in if experiments.is_empty() { all } else { experiments } {
                bench.run(experiment).await?;
            }
            eprintln!("recorded in {}", records.display());
            Ok(())
        }
        Verb::Report { records, docs } => {
            let docs = docs.unwrap_or_else(|| tools::repository().join("docs"));
            for (experiment, ratios) in write_report(&records, &docs)? {
                println!("{}", experiment.name());
                ratios.iter().for_each(|ratio| println!("  {}", ratio.replace("**", "")));
            }
            Ok(())
        }
    }
}
