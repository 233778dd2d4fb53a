//! `keygen`: parse, run, tell, exit code (0 done, 1 this machine failed, 2 the command line is wrong, 3 refused).

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    match cli::run(&args) {
        Ok(report) => {
            println!("{}", report.render(args.json()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let refused = error.is_refusal();
            if args.json() {
                eprintln!("{}", serde_json::json!({ "error": error.to_string(), "refused": refused }));
            } else {
                eprintln!("{}: {error}", if refused { "refused" } else { "failed" });
            }
            ExitCode::from(if refused { 3 } else { 1 })
        }
    }
}
