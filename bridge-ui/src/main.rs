//! parse → run → exit code.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use bridge_ui::Config;
use clap::Parser;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Web pages of the bridge and the home chain.
#[derive(Debug, Parser)]
#[command(name = "bridge-ui", version)]
struct Args {
    /// Configuration file.
    #[arg(long, env = "AURUM_UI_CONFIG", default_value = "ui.toml")]
    config: PathBuf,
    /// Where to listen, instead of the file's `listen`.
    #[arg(long, env = "AURUM_UI_LISTEN")]
    listen: Option<SocketAddr>,
    /// Log filter, as `tracing` reads it.
    #[arg(long, env = "AURUM_LOG", default_value = "info")]
    log: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_new(&args.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn start(args: &Args) -> anyhow::Result<()> {
    let mut config = Config::read(&args.config)?;
    config.listen = args.listen.unwrap_or(config.listen);
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone())?);
    let handle = bridge_ui::run(config, shutdown).await?;
    tracing::info!(address = %handle.addr, "serving");
    Ok(handle.wait().await?)
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
