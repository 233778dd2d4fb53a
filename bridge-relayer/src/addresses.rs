//! The public file that says where a bridge is: written by `deploy`, read by everybody.

use std::{fs, io, path::Path};

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Finality,
    files,
    lane::{Side, Sides},
};

/// Version of the file this program writes and reads.
pub(crate) const VERSION: u32 = 1;

/// Contents of `addresses.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// 1.
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
    /// The file cannot be read or written.
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
    #[error("addresses file {path} has version {version}, this program reads {VERSION}")]
    Version {
        /// Which file.
        path: String,
        /// What it says.
        version: u32,
    },
}

impl Addresses {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is missing, no such file, or of another version.
    pub fn read(path: &Path) -> Result<Self, AddressesError> {
        let name = || path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| AddressesError::Io { path: name(), source })?;
        let addresses: Self =
            serde_json::from_str(&text).map_err(|source| AddressesError::Json { path: name(), source })?;
        if addresses.version == VERSION {
            Ok(addresses)
        } else {
            Err(AddressesError::Version { path: name(), version: addresses.version })
        }
    }

    /// Writes the file so that a reader sees either nothing or all of it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), AddressesError> {
        let name = || path.display().to_string();
        let mut text =
            serde_json::to_string_pretty(self).map_err(|source| AddressesError::Json { path: name(), source })?;
        text.push('\n');
        files::write_atomically(path, text.as_bytes()).map_err(|source| AddressesError::Io { path: name(), source })
    }

    /// One side.
    pub const fn side(&self, side: Side) -> &BridgeSide {
        match side {
            Side::Home => &self.home,
            Side::Foreign => &self.foreign,
        }
    }

    /// Both sides.
    pub fn sides(&self) -> Sides<BridgeSide> {
        Sides { home: self.home.clone(), foreign: self.foreign.clone() }
    }
}
