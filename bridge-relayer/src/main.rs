//! The relayer's program.

use std::{io::IsTerminal as _, net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use bridge_relayer::{
    Config, Overrides,
    deploy::{DeployConfig, deploy},
    run,
};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Carries transfers between two chains, exactly once.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Relay (what happens without a command).
    Run(RunArgs),
    /// Deploy and wire both sides of a bridge; run again to go on after an interruption.
    Deploy(DeployArgs),
}

#[derive(Args)]
struct RunArgs {
    /// Settings.
    #[arg(long, env = "AURUM_RELAYER_CONFIG", default_value = "relayer.toml")]
    config: PathBuf,
    /// Instead of `addresses`.
    #[arg(long, env = "AURUM_RELAYER_ADDRESSES")]
    addresses: Option<PathBuf>,
    /// Instead of `keystore`.
    #[arg(long, env = "AURUM_RELAYER_KEYSTORE")]
    keystore: Option<PathBuf>,
    /// Instead of `password_file`.
    #[arg(long, env = "AURUM_RELAYER_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// Instead of `journal`.
    #[arg(long, env = "AURUM_RELAYER_JOURNAL")]
    journal: Option<PathBuf>,
    /// Instead of `listen`.
    #[arg(long, env = "AURUM_RELAYER_LISTEN")]
    listen: Option<SocketAddr>,
    /// Instead of `rpc` in [home].
    #[arg(long, env = "AURUM_RELAYER_HOME_RPC")]
    home_rpc: Option<String>,
    /// Instead of `rpc` in [foreign].
    #[arg(long, env = "AURUM_RELAYER_FOREIGN_RPC")]
    foreign_rpc: Option<String>,
}

#[derive(Args)]
struct DeployArgs {
    /// What to deploy.
    #[arg(long, default_value = "deploy.toml")]
    config: PathBuf,
    /// Instead of `addresses`.
    #[arg(long)]
    addresses: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    let Cli { command, run } = Cli::parse();
    match command {
        None => relay(run).await,
        Some(Command::Run(args)) => relay(args).await,
        Some(Command::Deploy(args)) => {
            let mut config = DeployConfig::read(&args.config)?;
            if let Some(addresses) = args.addresses {
                config.addresses = addresses;
            }
            deploy(&config, |line| println!("{line}")).await.context("the deployment is not complete")?;
            Ok(())
        }
    }
}

async fn relay(args: RunArgs) -> Result<()> {
    let RunArgs { config, addresses, keystore, password_file, journal, listen, home_rpc, foreign_rpc } = args;
    let overrides = Overrides { addresses, keystore, password_file, journal, listen, home_rpc, foreign_rpc };
    let config = Config::read(&config, overrides)?;
    let shutdown = CancellationToken::new();
    let handle = run(config, shutdown.clone()).await?;
    let mut terminate = signal(SignalKind::terminate()).context("no signals on this system")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        shutdown.cancel();
    });
    Ok(handle.finished().await?)
}
