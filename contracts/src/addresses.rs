//! The public file that says where a bridge is: written by `bridge-relayer deploy`, read by everybody.

use std::{fs, io, path::Path};

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::{Side, Sides};

/// Contents of `addresses.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// [`Self::VERSION`].
    pub version: u32,
    /// The consortium's side.
    pub home: BridgeSide,
    /// The public side.
    pub foreign: BridgeSide,
    /// Every pair of tokens wired by the deployment.
    pub tokens: Vec<TokenPair>,
}

/// One side of a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeSide {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Proxy of the bridge.
    pub bridge: Address,
    /// Proxy of its validators.
    pub validators: Address,
    /// Block that holds the bridge's creation: there is nothing to read before it.
    pub deploy_block: u64,
    /// Hash of block 0.
    pub genesis: B256,
    /// When a block counts as final, where the deployer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finality: Option<Finality>,
}

/// When a block counts as final. In TOML and JSON: `"tag"` or `{ confirmations = 12 }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finality {
    /// The chain says so: the block tag `finalized`.
    #[default]
    Tag,
    /// That many blocks are on top of it; for chains without the tag.
    Confirmations(u64),
}

/// A token and its form on the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPair {
    /// As the foreign token calls itself.
    pub symbol: String,
    /// As the foreign token calls itself.
    pub name: String,
    /// Of both tokens.
    pub decimals: u8,
    /// Token on the public chain.
    pub foreign: Address,
    /// Token on the home chain.
    pub home: Address,
}

/// An addresses file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressesError {
    /// The file cannot be read.
    #[error("addresses file {path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not what `deploy` writes.
    #[error("addresses file {path} is not one: {source}")]
    Json {
        /// Which file.
        path: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another program version wrote it.
    #[error("addresses file {path} has version {version}, this program reads {}", Addresses::VERSION)]
    Version {
        /// Which file.
        path: String,
        /// What it says.
        version: u32,
    },
}

impl Addresses {
    /// Version of the file this release writes and reads.
    pub const VERSION: u32 = 1;

    /// Reads the file.
    ///
    /// # Errors
    /// When it is missing, no such file, or of another version.
    pub fn read(path: &Path) -> Result<Self, AddressesError> {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &name),
            Err(source) => Err(AddressesError::Io { path: name, source }),
        }
    }

    fn parse(text: &str, path: &str) -> Result<Self, AddressesError> {
        let path = path.to_owned();
        match serde_json::from_str::<Self>(text) {
            Ok(addresses) if addresses.version == Self::VERSION => Ok(addresses),
            Ok(addresses) => Err(AddressesError::Version { path, version: addresses.version }),
            Err(source) => Err(AddressesError::Json { path, source }),
        }
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("entries have string keys and finite numbers");
        text + "\n"
    }

    /// One side.
    pub const fn side(&self, side: Side) -> &BridgeSide {
        match side {
            Side::Home => &self.home,
            Side::Foreign => &self.foreign,
        }
    }

    /// The pair one of whose tokens is `token` of `side`.
    pub fn pair(&self, side: Side, token: Address) -> Option<&TokenPair> {
        self.tokens.iter().find(|pair| pair.on(side) == token)
    }

    /// Both sides.
    pub fn sides(&self) -> Sides<BridgeSide> {
        Sides { home: self.home.clone(), foreign: self.foreign.clone() }
    }
}

impl BridgeSide {
    /// When a block counts as final: by the chain's tag where the deployer said nothing.
    pub fn finality(&self) -> Finality {
        self.finality.unwrap_or_default()
    }
}

impl TokenPair {
    /// The token on one side.
    pub const fn on(&self, side: Side) -> Address {
        match side {
            Side::Home => self.home,
            Side::Foreign => self.foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{ "version": 1,
        "home": { "chainId": 2026, "bridge": "0x0000000000000000000000000000000000000011", "validators": "0x0000000000000000000000000000000000000012", "deployBlock": 12, "genesis": "0x0101010101010101010101010101010101010101010101010101010101010101" },
        "foreign": { "chainId": 1337, "bridge": "0x0000000000000000000000000000000000000021", "validators": "0x0000000000000000000000000000000000000022", "deployBlock": 34, "genesis": "0x0202020202020202020202020202020202020202020202020202020202020202", "finality": { "confirmations": 12 } },
        "tokens": [] }"#;

    #[test]
    fn reads_what_it_writes() {
        let addresses = Addresses::parse(FILE, "a.json").unwrap();
        assert_eq!(addresses.foreign.finality(), Finality::Confirmations(12));
        assert_eq!(addresses.home.finality(), Finality::Tag);
        assert_eq!(Addresses::parse(&addresses.to_json(), "b.json").unwrap(), addresses);
    }

    #[test]
    fn refuses_another_version() {
        let error = Addresses::parse(&FILE.replace("\"version\": 1", "\"version\": 2"), "a.json").unwrap_err();
        assert!(matches!(error, AddressesError::Version { version: 2, .. }), "{error}");
        assert!(error.to_string().contains("a.json"), "{error}");
    }
}
