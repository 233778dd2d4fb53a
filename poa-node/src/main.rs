//! parse → run → exit code.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use poa_node::{
    cli::{Args, Command, Resolved},
    commands::one_line,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Blocks make short-lived allocations on many threads, of which the system's allocator keeps several times as much after a
/// million transactions. RocksDB and other foreign code stay with the system's: replaced for them too, it would come to
/// life inside of whatever a preloaded library does first.
#[cfg(all(unix, not(target_env = "musl")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    aurum_types::crypto::install();
    match Args::parse().complete() {
        Ok((args, warnings)) => run(args, &warnings),
        Err(error) => failed(&error),
    }
}

fn run(args: Args, warnings: &[String]) -> ExitCode {
    let filter = EnvFilter::try_new(args.log_filter()).unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    for warning in warnings {
        tracing::warn!("configuration: {warning}");
    }
    match args.run_command() {
        Ok(code) => code,
        Err(args) => match start(*args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(error.as_ref()),
        },
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("error: {}", one_line(error));
    ExitCode::FAILURE
}

#[tokio::main]
async fn start(args: Args) -> anyhow::Result<()> {
    let dev = matches!(args.command, Some(Command::Dev(_)));
    let Resolved { config, temporary } = args.resolve()?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone())?);
    let node = poa_node::run(config, shutdown).await?;
    let served =
        |address: Option<std::net::SocketAddr>| address.map_or("off".to_owned(), |address| address.to_string());
    tracing::info!(http = served(node.http), ws = served(node.ws), metrics = served(node.metrics), "ready");
    if dev {
        poa_node::dev::print_accounts(&node);
    }
    let result = node.run().await;
    drop(temporary);
    Ok(result?)
}

/// The future that cancels at SIGINT or SIGTERM.
fn cancel_on_signal(shutdown: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        shutdown.cancel();
    })
}
