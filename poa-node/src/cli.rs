//! The command line: which chain, which options, or what to do instead of running a node.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};

pub use crate::accepted::Accepted;
use crate::{
    commands::{
        self, Answer, Folder, chain::ChainCommand, export::Export, import::Import, snapshot::SnapshotCommand,
        verify_certificate::VerifyCertificate,
    },
    config::{Config, ConfigError, Options},
    dev::DevConfig,
};

/// A node of an AuRa proof-of-authority chain: validator with --engine-signer, observer without.
///
/// Options are taken from the command line, then from AURUM_* variables, then from the configuration file (TOML with
/// Parity's sections), then from the defaults.
#[derive(Debug, Parser)]
#[command(name = "poa-node", version)]
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
    Dev(Box<Dev>),
    /// Ask about a chain spec: genesis, headers, steps, permissions, validators (offline, JSON)
    #[command(subcommand)]
    Chain(Box<ChainCommand>),
    /// Write the chain's blocks to a file, as Parity's `export blocks` does
    #[command(subcommand)]
    Export(Export),
    /// Import a file of blocks, verifying everything
    Import(Box<Import>),
    /// The state at a final block as a file: make one, check one, start a node from one
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Merge the database's files: they take the least room then and are read fastest
    Compact(Box<Folder>),
    /// Verify a finality certificate against the chain spec alone (offline, JSON)
    VerifyCertificate(VerifyCertificate),
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
    /// What web3_clientVersion answers, for tools that work only on nodes they know by name: Hardhat's network helpers want it to
    /// begin with "hardhat" or "anvil" [default: Aurum/…]
    #[arg(long, value_name = "TEXT")]
    pub client_version: Option<String>,
    /// Print the chain's spec and end: another node that is started with it, or `import`, takes what `export blocks` wrote here
    #[arg(long)]
    pub print_chain: bool,
    /// Where it is kept and served. Without --base-path it is forgotten at the end.
    #[command(flatten)]
    pub options: Options,
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
    /// These arguments with the configuration file merged in, and what in the file nobody understands or what was typed
    /// without effect. Only a node reads the file here; a command reads it itself.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that was named and cannot be read, or one that is wrong.
    pub fn complete(mut self) -> Result<(Self, Vec<String>), ConfigError> {
        let mut warnings = Vec::new();
        if self.command.is_none() {
            (self.options, warnings) = self.options.with_file(self.config.as_deref())?;
        }
        warnings.extend(self.accepted.given.iter().map(|flag| format!("--{flag} has no effect in this node")));
        Ok((self, warnings))
    }

    /// The log filter: `--logging`, else `RUST_LOG`, else `info`. A filter of targets alone, as Parity's
    /// `engine=trace,miner=trace`, leaves everything else at `info`.
    pub fn log_filter(&self) -> String {
        let options = match &self.command {
            Some(Command::Dev(dev)) => &dev.options,
            _ => &self.options,
        };
        let given = options.logging.clone().or_else(|| self.options.logging.clone());
        match given.or_else(|| std::env::var("RUST_LOG").ok()) {
            None => "info".to_owned(),
            Some(filter) if filter.split(',').all(|directive| directive.contains('=')) => format!("info,{filter}"),
            Some(filter) => filter,
        }
    }

    /// What to start: a node, or a development chain. Call [`Self::complete`] first.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolve(self) -> Result<Resolved, ConfigError> {
        match self.command {
            Some(Command::Dev(dev)) => dev.resolve(self.options),
            _ => Ok(Resolved { config: Config::resolve(&self.options)?, temporary: None }),
        }
    }

    /// Runs the command that is neither a node nor a development chain, or gives the arguments back.
    ///
    /// # Errors
    /// The arguments, when there is no such command.
    pub fn run_command(self) -> Result<ExitCode, Box<Self>> {
        let Self { command, config, options, accepted } = self;
        let result = match command {
            Some(Command::Dev(dev)) if dev.print_chain => {
                dev.config().map(|dev| Answer::yes(dev.spec_json())).map_err(Into::into)
            }
            None | Some(Command::Dev(_)) => return Err(Box::new(Self { command, config, options, accepted })),
            Some(Command::Chain(command)) => command.run(options.chain),
            Some(Command::Export(Export::Blocks(args))) => commands::export::blocks(*args, options, config),
            Some(Command::Import(args)) => commands::import::import(*args, options, config),
            Some(Command::Snapshot(command)) => command.run(options, config),
            Some(Command::Compact(folder)) => commands::compact::compact(*folder, options, config),
            Some(Command::VerifyCertificate(command)) => command.run(options.chain),
        };
        Ok(commands::finish(result))
    }
}

impl Dev {
    fn config(&self) -> Result<DevConfig, ConfigError> {
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
        Ok(DevConfig { chain_id: self.chain_id, block_time })
    }

    fn resolve(self, before: Options) -> Result<Resolved, ConfigError> {
        let dev = self.config()?;
        let options = self.options.or(before);
        let (base, temporary): (&Path, _) = match &options.base_path {
            Some(path) => (path, None),
            None => {
                let folder = tempfile::Builder::new().prefix("aurum-dev-").tempdir();
                let source = |source| ConfigError::Write { path: std::env::temp_dir(), source };
                (Path::new(""), Some(folder.map_err(source)?))
            }
        };
        let base = temporary.as_ref().map_or(base, |folder| folder.path());
        let mut config = Config::dev(&options, base, dev)?;
        if let Some(version) = self.client_version {
            config.rpc.client_version = version;
        }
        Ok(Resolved { config, temporary })
    }
}
