//! `poa-node dev`: one authority, funded accounts that everybody knows, blocks on demand or at an interval.
//!
//! The chain is a real one, sealed and verified as every other; only its keys are public, so it is served on loopback
//! unless another interface is asked for. Fees are those of a public chain (EIP-1559), nobody needs a permission.

mod accounts;
mod clock;
mod miner;
mod services;

use std::time::Duration;

use alloy::primitives::keccak256;
use aurum_aura::KeySigner;
use aurum_types::ChainSpec;
use secp256k1::SecretKey;
use serde_json::{Value, json};

use crate::NodeHandle;

pub use self::{
    accounts::{ACCOUNTS, FUNDS},
    clock::{DevClock, Reading},
    miner::{Miner, Mode},
    services::DevServices,
};

/// What of a development chain can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevConfig {
    /// Chain and network id.
    pub chain_id: u64,
    /// A block every so often; `None` makes one as soon as a transaction waits.
    pub block_time: Option<Duration>,
}

impl DevConfig {
    /// The chain's spec.
    pub fn spec(&self) -> ChainSpec {
        ChainSpec::parse_strict(&self.spec_json().to_string()).expect("a test reads this file")
    }

    /// The chain's spec as a file says it, for other nodes that are to have what this one exported.
    pub fn spec_json(&self) -> Value {
        let mut spec: Value = serde_json::from_str(include_str!("spec.json")).expect("a test reads this file");
        spec["params"]["chainID"] = self.chain_id.into();
        spec["params"]["networkID"] = self.chain_id.into();
        spec["dataDir"] = format!("dev-{}", self.chain_id).into();
        for (address, _) in ACCOUNTS {
            spec["accounts"][address.to_string()] = json!({ "balance": format!("{FUNDS:#x}") });
        }
        spec
    }
}

/// Prints where the chain is served and who has money, with keys: they are public.
pub fn print_accounts(node: &NodeHandle) {
    println!(
        "Development chain, id {}. Everybody knows these keys: never send them real money.",
        node.chain.spec().params.chain_id
    );
    for (number, (address, secret)) in ACCOUNTS.iter().enumerate() {
        println!("  ({number}) {address}  key {secret}  10000 ETH");
    }
    if let Some(http) = node.http {
        println!("JSON-RPC: http://{http}");
    }
    if let Some(ws) = node.ws {
        println!("          ws://{ws}");
    }
}

/// The key that seals every development chain, and nothing else.
pub fn authority() -> KeySigner {
    let secret = keccak256("aurum development authority");
    KeySigner::new(SecretKey::from_byte_array(secret.0).expect("this hash is a number of the group"))
}

#[cfg(test)]
mod tests {
    use aurum_aura::Signer as _;
    use aurum_types::spec::ValidatorsSpec;

    use super::*;

    #[test]
    fn the_spec_is_read_and_nothing_in_it_is_unsupported() {
        let spec = DevConfig { chain_id: 31_337, block_time: None }.spec();
        assert_eq!((spec.params.chain_id, spec.params.network_id), (31_337, 31_337));
        assert_eq!(aurum_evm::check_rules(&spec), Ok(()));
        assert_eq!(authority().address(), aurum_evm::dev::AUTHORITY);
        assert_eq!(spec.engine.validators, ValidatorsSpec::List(vec![authority().address()]));
        assert_eq!(spec.accounts[&ACCOUNTS[9].0].balance, Some(FUNDS));
    }
}
