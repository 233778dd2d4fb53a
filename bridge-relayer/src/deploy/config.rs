//! `deploy.toml`: what is to be deployed, as a person writes it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, U256};
use aurum_contracts::Finality;
use serde::Deserialize;

/// Contents of `deploy.toml`. Paths are relative to its folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployConfig {
    /// Where the addresses file is written; the progress file is beside it.
    #[serde(default = "default_addresses")]
    pub addresses: PathBuf,
    /// Accounts that attest, the same on both sides.
    pub validators: Vec<Address>,
    /// How many of them must agree: more than half.
    pub threshold: usize,
    /// Wei of the foreign coin each of them is topped up to.
    #[serde(default)]
    pub fund: Option<U256>,
    /// The consortium's chain.
    pub home: HomeConfig,
    /// The public chain.
    pub foreign: ForeignConfig,
    /// Tokens that may cross.
    pub token: Vec<TokenConfig>,
}

/// Section `[home]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeConfig {
    /// URL of a node.
    pub rpc: String,
    /// Web3 v3 key file of the deployer, who becomes the owner of the contracts.
    pub keystore: PathBuf,
    /// File with its password.
    pub password_file: PathBuf,
    /// The permission contract, if the chain has one.
    #[serde(default)]
    pub permissions: Option<Address>,
}

/// Section `[foreign]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignConfig {
    /// URL of a node.
    pub rpc: String,
    /// Web3 v3 key file of the deployer, who becomes the owner of the contracts.
    pub keystore: PathBuf,
    /// File with its password.
    pub password_file: PathBuf,
    /// Recorded in the addresses file for relayers that do not say otherwise.
    #[serde(default)]
    pub finality: Option<Finality>,
}

/// One `[[token]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The token on the foreign chain.
    pub foreign: Address,
    /// Foreign to home.
    pub deposit: Amounts,
    /// Home to foreign.
    pub withdraw: Amounts,
}

/// Limits of one direction, in whole tokens: `"1.5"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// Smallest deposit.
    pub min: String,
    /// Largest deposit, and largest payout on the other side.
    pub max: String,
    /// Most deposited, and paid out, in 24 hours.
    pub daily: String,
}

/// A `deploy.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeployConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML of this shape.
    #[error("{path}: {source}")]
    Toml {
        /// Which file.
        path: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// The threshold is not one the contracts accept.
    #[error("threshold {threshold} of {validators} validators: it must be more than half and at most all of them")]
    Threshold {
        /// What was asked for.
        threshold: usize,
        /// How many validators there are.
        validators: usize,
    },
    /// There is nothing to carry.
    #[error("there is no [[token]]")]
    NoToken,
    /// An amount is not a decimal number of the token's precision.
    #[error("{text:?} is not an amount of a token with {decimals} decimals")]
    Amount {
        /// What was written.
        text: String,
        /// Precision of the token.
        decimals: u8,
    },
}

impl DeployConfig {
    /// Reads the file and makes its paths absolute or relative to the current folder.
    ///
    /// # Errors
    /// When it is missing, has unknown keys (named) or impossible values.
    pub fn read(path: &Path) -> Result<Self, DeployConfigError> {
        let name = || path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| DeployConfigError::Io { path: name(), source })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|source| DeployConfigError::Toml { path: name(), source: Box::new(source) })?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        for file in [
            &mut config.addresses,
            &mut config.home.keystore,
            &mut config.home.password_file,
            &mut config.foreign.keystore,
            &mut config.foreign.password_file,
        ] {
            *file = folder.join(&*file);
        }
        let (threshold, validators) = (config.threshold, config.validators.len());
        if threshold <= validators / 2 || threshold > validators {
            return Err(DeployConfigError::Threshold { threshold, validators });
        }
        if config.token.is_empty() {
            return Err(DeployConfigError::NoToken);
        }
        Ok(config)
    }
}

fn default_addresses() -> PathBuf {
    "addresses.json".into()
}

/// Smallest units of a decimal number of whole tokens.
pub(crate) fn units(text: &str, decimals: u8) -> Result<U256, DeployConfigError> {
    let bad = || DeployConfigError::Amount { text: text.to_owned(), decimals };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let precision = usize::from(decimals);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > precision {
        return Err(bad());
    }
    U256::from_str_radix(&format!("{whole}{fraction:0<precision$}"), 10).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_converted_by_decimals() {
        let check = |text, decimals| units(text, decimals).ok();
        assert_eq!(check("1.5", 9), Some(U256::from(1_500_000_000_u64)));
        assert_eq!(check("0.001", 9), Some(U256::from(1_000_000)));
        assert_eq!(check("7", 0), Some(U256::from(7)));
        assert_eq!(check("7.1", 0), None);
        assert_eq!(check("0.0000000001", 9), None);
        assert_eq!(check("-1", 9), None);
        assert_eq!(check("1e3", 9), None);
        assert_eq!(check("", 9), None);
        assert_eq!(check(&"9".repeat(80), 0), None);
    }
}
