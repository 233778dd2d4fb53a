//! What was configured (`ui.toml`) and where the bridge is (`addresses.json`).

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use aurum_contracts::{Addresses, AddressesError, Sides};
use serde::Deserialize;

/// Everything [`run`](crate::run) needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the pages are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the bridge is.
    pub addresses: Addresses,
    /// APIs of relayers, without trailing slash. Asked by the server, never by the browser.
    pub relayers: Vec<String>,
    /// How the chains are reached.
    pub chains: Sides<ChainConfig>,
}

/// How one chain is reached and called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// URL of the node the server asks: http(s) or ws(s).
    pub rpc: String,
    /// URL given to wallets; `rpc` where absent.
    pub public_rpc: Option<String>,
    /// Name shown to people.
    pub name: String,
    /// Symbol of the coin, 18 decimals.
    pub currency: String,
    /// The permission contract; only of interest on home, where it is at its genesis address unless said here.
    pub permissions: Option<Address>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The configuration is not one; names the key at fault.
    #[error("{path}: {source}")]
    Toml {
        /// Which file.
        path: String,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// The addresses file cannot be used.
    #[error(transparent)]
    Addresses(#[from] AddressesError),
    /// A URL is none.
    #[error("{key} = \"{url}\" is not a URL: {reason}")]
    Url {
        /// Which key.
        key: &'static str,
        /// What was given.
        url: String,
        /// Why it is none.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_listen")]
    listen: SocketAddr,
    addresses: PathBuf,
    #[serde(default)]
    relayers: Vec<String>,
    home: ChainConfig,
    foreign: ChainConfig,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

impl Config {
    /// Reads `ui.toml` and the addresses file it names; relative paths are relative to it.
    ///
    /// # Errors
    /// When one of the files is missing or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let File { listen, addresses, relayers, home, foreign } = toml::from_str(&text)
            .map_err(|source| ConfigError::Toml { path: path.display().to_string(), source: Box::new(source) })?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let relayers = relayers.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let config = Self {
            listen,
            addresses: Addresses::read(&folder.join(addresses))?,
            relayers,
            chains: Sides { home, foreign },
        };
        config.check_urls()?;
        Ok(config)
    }

    fn check_urls(&self) -> Result<(), ConfigError> {
        let chains = &self.chains;
        let urls = [("home.rpc", &chains.home.rpc), ("foreign.rpc", &chains.foreign.rpc)];
        let public =
            [("home.public_rpc", chains.home.wallet_rpc()), ("foreign.public_rpc", chains.foreign.wallet_rpc())];
        let all = urls.into_iter().map(|(key, url)| (key, url.as_str())).chain(public);
        for (key, url) in all.chain(self.relayers.iter().map(|url| ("relayers", url.as_str()))) {
            reqwest::Url::parse(url).map_err(|error| ConfigError::Url {
                key,
                url: url.to_owned(),
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }
}

impl ChainConfig {
    /// URL wallets are given.
    pub fn wallet_rpc(&self) -> &str {
        self.public_rpc.as_deref().unwrap_or(&self.rpc)
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Io { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use aurum_contracts::Finality;

    use super::*;

    const ADDRESSES: &str = r#"{ "version": 1,
        "home": { "chainId": 2026, "bridge": "0x0000000000000000000000000000000000000011", "validators": "0x0000000000000000000000000000000000000012", "deployBlock": 12, "genesis": "0x0101010101010101010101010101010101010101010101010101010101010101" },
        "foreign": { "chainId": 1337, "bridge": "0x0000000000000000000000000000000000000021", "validators": "0x0000000000000000000000000000000000000022", "deployBlock": 34, "genesis": "0x0202020202020202020202020202020202020202020202020202020202020202", "finality": { "confirmations": 12 } },
        "tokens": [] }"#;
    const TOML: &str = "addresses = \"a.json\"\nrelayers = [\"http://127.0.0.1:8580/\"]\n\
        [home]\nrpc = \"http://127.0.0.1:8545\"\nname = \"Home\"\ncurrency = \"AUR\"\n\
        [foreign]\nrpc = \"http://127.0.0.1:28545\"\nname = \"Public\"\ncurrency = \"ETH\"\n";

    fn config(toml: &str, addresses: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json"), addresses).unwrap();
        fs::write(folder.path().join("ui.toml"), toml).unwrap();
        Config::read(&folder.path().join("ui.toml"))
    }

    #[test]
    fn reads_what_the_deployment_writes() {
        let config = config(TOML, ADDRESSES).unwrap();
        assert_eq!(config.listen, default_listen());
        assert_eq!(config.relayers, ["http://127.0.0.1:8580"]);
        assert_eq!(config.chains.home.wallet_rpc(), "http://127.0.0.1:8545");
        assert_eq!(config.addresses.foreign.finality(), Finality::Confirmations(12));
    }

    #[test]
    fn names_the_key_at_fault() {
        let unknown = config(&format!("{TOML}colour = \"red\"\n"), ADDRESSES).unwrap_err();
        assert!(unknown.to_string().contains("colour"), "{unknown}");
        let url = config(&TOML.replace("http://127.0.0.1:28545", "nowhere"), ADDRESSES).unwrap_err();
        assert!(url.to_string().contains("foreign.rpc"), "{url}");
        let version = config(TOML, &ADDRESSES.replace("\"version\": 1", "\"version\": 2")).unwrap_err();
        assert!(matches!(version, ConfigError::Addresses(AddressesError::Version { version: 2, .. })), "{version}");
    }
}
