//! `load`: load on any Ethereum JSON-RPC endpoint; one line of JSON on standard output, progress on standard error.

use std::process::ExitCode;

use aurum_tests::load::{self, LoadOptions};
use clap::Parser;

#[derive(Parser)]
#[command(about = "Load on any Ethereum JSON-RPC endpoint; prints one line of JSON")]
struct Args {
    #[command(flatten)]
    load: LoadOptions,
}

fn main() -> ExitCode {
    let outcome = load::run(&Args::parse().load).and_then(|report| Ok(serde_json::to_string(&report)?));
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
