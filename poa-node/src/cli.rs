//! The command line: which chain, which options.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, ConfigError, Options},
    dev::DevConfig,
};

/// A node of an AuRa proof-of-authority chain: validator with --engine-signer, observer without.
///
/// Options are taken from the command line, then from AURUM_* variables, then from the configuration file (TOML with
/// Parity's sections), then from the defaults.
#[derive(Debug, Parser)]
#[command(name = "poa-node", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do instead of joining a chain
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Configuration file [default: $BASE/config.toml if it is there]
    #[arg(long, env = "AURUM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where a chain is joined.
    #[command(flatten)]
    pub options: Options,
    /// Flags of Parity that change nothing.
    #[command(flatten)]
    pub accepted: Accepted,
}

/// What to do instead of joining a chain.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a development chain: one authority, ten funded accounts, on loopback unless told otherwise
    Dev(Dev),
}

/// A development chain.
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// Seconds between blocks; without it a block is made as soon as a transaction waits
    #[arg(long, value_name = "SECONDS")]
    pub block_time: Option<f64>,
    /// Chain id [default: 1337]
    #[arg(long, value_name = "ID", default_value_t = 1337)]
    pub chain_id: u64,
    /// Where it is kept and served. Without --base-path it is forgotten at the end.
    #[command(flatten)]
    pub options: Options,
}

/// Flags of Parity that change nothing here, so that start scripts keep working.
#[derive(Debug, clap::Args)]
pub struct Accepted {
    /// Peers are found by reserved peers and boot nodes alone
    #[arg(long, hide = true)]
    no_discovery: bool,
    /// There is no warp sync
    #[arg(long, hide = true)]
    no_warp: bool,
    /// There is no IPC socket
    #[arg(long, hide = true)]
    no_ipc: bool,
    /// Logs have no colour unless they go to a terminal
    #[arg(long, hide = true)]
    no_color: bool,
    /// Steps decide when a block is made
    #[arg(long, hide = true, value_name = "MS")]
    reseal_min_period: Option<u64>,
    /// Gas is priced in wei
    #[arg(long, hide = true, value_name = "USD")]
    usd_per_tx: Option<String>,
    /// The limit moves to --gas-floor-target
    #[arg(long, hide = true, value_name = "GAS")]
    gas_cap: Option<String>,
    /// All state is kept
    #[arg(long, hide = true, value_name = "MODE")]
    pruning: Option<String>,
    /// Tracing needs no preparation
    #[arg(long, hide = true, value_name = "MODE")]
    tracing: Option<String>,
    /// State is enumerable in any case
    #[arg(long, hide = true, value_name = "MODE")]
    fat_db: Option<String>,
    /// The node is always awake
    #[arg(long, hide = true, value_name = "MODE")]
    mode: Option<String>,
}

/// A configuration, and a folder that goes when the node ends.
#[derive(Debug)]
pub struct Resolved {
    /// What to start.
    pub config: Config,
    /// Removed when dropped; after the node, please.
    pub temporary: Option<tempfile::TempDir>,
}

impl Args {
    /// The log filter: `--logging`, else `RUST_LOG`, else `info`.
    pub fn log_filter(&self) -> String {
        let options = match &self.command {
            Some(Command::Dev(dev)) => &dev.options,
            None => &self.options,
        };
        let filter = options.logging.clone().or_else(|| std::env::var("RUST_LOG").ok());
        filter.unwrap_or_else(|| "info".to_owned())
    }

    /// What was typed, as a configuration.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolve(self) -> Result<Resolved, ConfigError> {
        match self.command {
            None => {
                let (options, warnings) = self.options.with_file(self.config.as_deref())?;
                for warning in warnings {
                    tracing::warn!("configuration: {warning}");
                }
                Ok(Resolved { config: Config::resolve(&options)?, temporary: None })
            }
            Some(Command::Dev(dev)) => dev.resolve(),
        }
    }
}

impl Dev {
    fn resolve(self) -> Result<Resolved, ConfigError> {
        let block_time = match self.block_time {
            None => None,
            Some(seconds) => {
                Some(Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(|| {
                    ConfigError::Value {
                        flag: "block-time",
                        value: seconds.to_string(),
                        reason: "must be a positive number of seconds".to_owned(),
                    }
                })?)
            }
        };
        let dev = DevConfig { chain_id: self.chain_id, block_time };
        let (base, temporary): (&Path, _) = match &self.options.base_path {
            Some(path) => (path, None),
            None => {
                let folder = tempfile::Builder::new().prefix("aurum-dev-").tempdir();
                let source = |source| ConfigError::Write { path: std::env::temp_dir(), source };
                (Path::new(""), Some(folder.map_err(source)?))
            }
        };
        let base = temporary.as_ref().map_or(base, |folder| folder.path());
        Ok(Resolved { config: Config::dev(&self.options, base, dev)?, temporary })
    }
}
