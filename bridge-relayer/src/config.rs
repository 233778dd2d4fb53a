//! What a person writes, and what it means.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use aurum_contracts::{Addresses, AddressesError, Finality, Sides};
use serde::Deserialize;

/// Settings of one relayer, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the bridge is.
    pub addresses: Addresses,
    /// Web3 v3 key file of the validator.
    pub keystore: PathBuf,
    /// File with its password.
    pub password_file: PathBuf,
    /// Folder of the journal.
    pub journal: PathBuf,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// How long each relayer of the rotation has before the next acts in its place.
    pub takeover_delay: Duration,
    /// The nodes.
    pub chains: Sides<ChainConfig>,
}

/// How one chain is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainConfig {
    /// URL of a node.
    pub rpc: String,
    /// When a block counts as final.
    pub finality: Finality,
    /// How often the chain is looked at.
    pub poll: Duration,
    /// How long a transaction may wait before it is offered for more.
    pub replace_after: Duration,
    /// Most ever offered, in wei per gas.
    pub max_fee: u128,
}

/// What overrides the file: flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// For `addresses`.
    pub addresses: Option<PathBuf>,
    /// For `keystore`.
    pub keystore: Option<PathBuf>,
    /// For `password_file`.
    pub password_file: Option<PathBuf>,
    /// For `journal`.
    pub journal: Option<PathBuf>,
    /// For `listen`.
    pub listen: Option<SocketAddr>,
    /// For `[home] rpc`.
    pub home_rpc: Option<String>,
    /// For `[foreign] rpc`.
    pub foreign_rpc: Option<String>,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML of this shape; unknown keys are named.
    #[error("{path}: {source}")]
    Toml {
        /// Which file.
        path: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// A number of seconds that is none.
    #[error("{key} = {value} is not a length of time")]
    Seconds {
        /// Which key.
        key: &'static str,
        /// What it says.
        value: f64,
    },
    /// The addresses file cannot be used.
    #[error(transparent)]
    Addresses(#[from] AddressesError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    addresses: PathBuf,
    keystore: PathBuf,
    password_file: PathBuf,
    journal: PathBuf,
    #[serde(default = "default_listen")]
    listen: SocketAddr,
    #[serde(default = "default_takeover")]
    takeover_delay: f64,
    home: FileChain,
    foreign: FileChain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileChain {
    rpc: String,
    finality: Option<Finality>,
    #[serde(default = "default_poll")]
    poll: f64,
    #[serde(default = "default_replace")]
    replace_after: f64,
    #[serde(default = "default_max_fee")]
    max_fee_gwei: u64,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8580))
}

const fn default_takeover() -> f64 {
    30.0
}

const fn default_poll() -> f64 {
    1.0
}

const fn default_replace() -> f64 {
    60.0
}

const fn default_max_fee() -> u64 {
    1000
}

const GWEI: u128 = 1_000_000_000;

impl Config {
    /// Reads the file and the addresses file it names. Paths in the file are relative to its folder, those of
    /// `overrides` to the current one.
    ///
    /// # Errors
    /// When a file is missing, has unknown keys (named) or impossible values.
    pub fn read(path: &Path, overrides: Overrides) -> Result<Self, ConfigError> {
        let name = || path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Io { path: name(), source })?;
        let file: File =
            toml::from_str(&text).map_err(|source| ConfigError::Toml { path: name(), source: Box::new(source) })?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let place = |given: Option<PathBuf>, written: PathBuf| given.unwrap_or_else(|| folder.join(written));

        let addresses = Addresses::read(&place(overrides.addresses, file.addresses))?;
        let chains = Sides {
            home: chain(file.home, overrides.home_rpc, addresses.home.finality)?,
            foreign: chain(file.foreign, overrides.foreign_rpc, addresses.foreign.finality)?,
        };
        Ok(Self {
            addresses,
            keystore: place(overrides.keystore, file.keystore),
            password_file: place(overrides.password_file, file.password_file),
            journal: place(overrides.journal, file.journal),
            listen: overrides.listen.unwrap_or(file.listen),
            takeover_delay: seconds("takeover_delay", file.takeover_delay)?,
            chains,
        })
    }
}

fn chain(file: FileChain, rpc: Option<String>, deployed: Option<Finality>) -> Result<ChainConfig, ConfigError> {
    Ok(ChainConfig {
        rpc: rpc.unwrap_or(file.rpc),
        finality: file.finality.or(deployed).unwrap_or_default(),
        poll: seconds("poll", file.poll)?,
        replace_after: seconds("replace_after", file.replace_after)?,
        max_fee: u128::from(file.max_fee_gwei) * GWEI,
    })
}

fn seconds(key: &'static str, value: f64) -> Result<Duration, ConfigError> {
    Duration::try_from_secs_f64(value).map_err(|_| ConfigError::Seconds { key, value })
}
