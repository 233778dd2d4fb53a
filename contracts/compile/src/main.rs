//! Compiles the contracts and rewrites `contracts/artifacts`, or only tells whether they are what the sources say.

mod project;

use std::{error::Error, fs, process::ExitCode};

use clap::Parser;

/// Compiles the contracts with the solc of contracts/node_modules and rewrites contracts/artifacts.
#[derive(Parser)]
struct Args {
    /// Write nothing; fail if an artifact differs from the sources
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    project::check_tools()?;
    fs::create_dir_all(project::root().join("artifacts"))?;
    let mut code = ExitCode::SUCCESS;
    for (name, text) in project::compile()? {
        let path = project::artifact_path(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let word = if project::same(&committed, &text) {
            "unchanged"
        } else if args.check {
            code = ExitCode::FAILURE;
            "differs from the sources: run `make contracts`"
        } else {
            fs::write(&path, text)?;
            "written"
        };
        println!("{name} {word}");
    }
    Ok(code)
}
