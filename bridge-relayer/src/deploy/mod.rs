//! `bridge-relayer deploy`: both sides of a bridge from one TOML file.
//!
//! ```text
//! deploy.toml ─► plan: every transaction of both chains, with its nonce ─► addresses.json.progress
//!                       │ signed and saved, sent, saved again when mined
//!                       ▼
//!               both bridges name each other ─► addresses.json, in one piece, at the very end
//! ```
//!
//! Run again after any interruption it goes on with the plan in the progress file; run again after success it finds the
//! addresses file and does nothing.

mod config;
mod plan;
mod track;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use alloy::{
    contract,
    primitives::{Address, B256, keccak256},
    providers::DynProvider,
    transports::{RpcError, TransportErrorKind},
};
use aurum_contracts::{Addresses, AddressesError, BridgeValidators, ForeignBridge, Side, Sides};
use tokio::sync::Mutex;

pub use self::config::{Amounts, DeployConfig, DeployConfigError, ForeignConfig, HomeConfig, TokenConfig};
use self::plan::{Plan, Site};
use crate::{
    chain::{self, ChainError},
    files,
    sign::{Key, KeyError},
};

/// Why a deployment stopped. It can be run again.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The settings are impossible.
    #[error(transparent)]
    Config(#[from] DeployConfigError),
    /// A key does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The addresses file that is there cannot be used.
    #[error(transparent)]
    Addresses(#[from] AddressesError),
    /// The addresses file cannot be written.
    #[error("addresses file {path}: {source}")]
    Write {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A chain refuses.
    #[error(transparent)]
    Rpc(#[from] RpcError<TransportErrorKind>),
    /// A contract refuses.
    #[error(transparent)]
    Contract(#[from] contract::Error),
    /// The progress file cannot be read or written.
    #[error("progress file {path}: {source}")]
    Progress {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The progress file is of a deployment with other settings.
    #[error("{path} is of a deployment with other settings; restore those, or move it away to start another one")]
    OtherDeployment {
        /// Which file.
        path: String,
    },
    /// Both nodes serve the same chain.
    #[error("both sides are on chain {chain_id}")]
    SameChain {
        /// Its id.
        chain_id: u64,
    },
    /// The token does not say its name, symbol or decimals.
    #[error("{token} is not a token on the foreign chain: {source}")]
    NotAToken {
        /// Address given.
        token: Address,
        /// What it answered.
        source: Box<contract::Error>,
    },
    /// The deployer may not create contracts on home.
    #[error("on home, {deployer} must be allowed to call and create; it may {have}")]
    DeployerRights {
        /// The account.
        deployer: Address,
        /// Its rights in words.
        have: String,
    },
    /// The deployer cannot pay.
    #[error("{side}: the deployer {deployer} cannot pay for `{step}`")]
    NoFunds {
        /// Which chain.
        side: Side,
        /// The account.
        deployer: Address,
        /// Which transaction.
        step: String,
    },
    /// A node refuses a transaction.
    #[error("{side}: `{step}` is refused: {reason}")]
    Refused {
        /// Which chain.
        side: Side,
        /// Which transaction.
        step: String,
        /// What the node says.
        reason: String,
    },
    /// A transaction was mined and failed.
    #[error("{side}: `{step}` failed in transaction {tx}")]
    Failed {
        /// Which chain.
        side: Side,
        /// Which transaction.
        step: String,
        /// Its hash.
        tx: B256,
    },
    /// The deployer's key sent something else meanwhile.
    #[error(
        "{side}: nonce {nonce} of the deployer, meant for `{step}`, was used by another transaction; move the progress file away to start again"
    )]
    NonceUsed {
        /// Which chain.
        side: Side,
        /// The nonce.
        nonce: u64,
        /// Which transaction it was meant for.
        step: String,
    },
    /// A transaction is not mined for a long time.
    #[error("{side}: `{step}` is still not mined; run the command again to go on")]
    NotMined {
        /// Which chain.
        side: Side,
        /// Which transaction.
        step: String,
    },
    /// What was deployed is not what was planned.
    #[error("{side}: {what} is {actual}, not {expected}")]
    Wiring {
        /// Which chain.
        side: Side,
        /// Which setting.
        what: &'static str,
        /// What the contract says.
        actual: String,
        /// What it should say.
        expected: String,
    },
}

/// The plan and the file it lives in.
#[derive(Debug)]
struct Progress {
    path: PathBuf,
    plan: Plan,
}

impl Progress {
    fn save(&self) -> Result<(), DeployError> {
        let failed = |source| DeployError::Progress { path: self.path.display().to_string(), source };
        let json = serde_json::to_vec(&self.plan).map_err(|error| failed(error.into()))?;
        files::write_atomically(&self.path, &json).map_err(failed)
    }

    /// The plan saved earlier, if there is one.
    fn read(path: &Path) -> Result<Option<Plan>, DeployError> {
        let failed = |source| DeployError::Progress { path: path.display().to_string(), source };
        match fs::read(path) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json).map_err(|error| failed(error.into()))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Deploys and wires both sides, or goes on where an earlier run stopped. `say` hears every step. Returns what the
/// addresses file holds.
///
/// # Errors
/// The first thing that goes wrong; run again to go on.
pub async fn deploy(config: &DeployConfig, say: impl Fn(&str) + Sync) -> Result<Addresses, DeployError> {
    if config.addresses.exists() {
        say(&format!("{} exists: nothing to do", config.addresses.display()));
        return Ok(Addresses::read(&config.addresses)?);
    }
    let keys = Sides {
        home: Key::unlock(&config.home.keystore, &config.home.password_file)?,
        foreign: Key::unlock(&config.foreign.keystore, &config.foreign.password_file)?,
    };
    let sites = Sides {
        home: Site { provider: chain::connect(&config.home.rpc).await?, deployer: keys.home.address() },
        foreign: Site { provider: chain::connect(&config.foreign.rpc).await?, deployer: keys.foreign.address() },
    };
    let settings = settings_hash(config);
    let mut path = config.addresses.as_os_str().to_owned();
    path.push(".progress");
    let path = PathBuf::from(path);
    let plan = match Progress::read(&path)? {
        Some(plan) if plan.settings == settings => plan,
        Some(_) => return Err(DeployError::OtherDeployment { path: path.display().to_string() }),
        None => plan::plan(config, settings, &sites).await?,
    };
    for side in Side::ALL {
        let (deployer, expected) = (sites.get(side).deployer, plan.tracks.get(side).deployer);
        if deployer != expected {
            return Err(DeployError::OtherDeployment { path: path.display().to_string() });
        }
        let actual = chain::genesis(&sites.get(side).provider).await?;
        let genesis = plan.addresses.side(side).genesis;
        if actual != genesis {
            let (actual, expected) = (actual.to_string(), genesis.to_string());
            return Err(ChainError::OtherChain { side, what: "genesis", actual, expected }.into());
        }
    }
    let progress = Mutex::new(Progress { path: path.clone(), plan });
    progress.lock().await.save()?;

    let run = |side| track::run(side, &sites.get(side).provider, keys.get(side), &progress, &say);
    tokio::try_join!(run(Side::Home), run(Side::Foreign))?;

    let plan = progress.into_inner().plan;
    let mut addresses = plan.addresses;
    addresses.home.deploy_block = plan.tracks.home.mined_at(plan.bridge_steps.home);
    addresses.foreign.deploy_block = plan.tracks.foreign.mined_at(plan.bridge_steps.foreign);
    for side in Side::ALL {
        check_wiring(side, &sites.get(side).provider, &addresses, config).await?;
    }
    files::write_atomically(&config.addresses, addresses.to_json().as_bytes())
        .map_err(|source| DeployError::Write { path: config.addresses.display().to_string(), source })?;
    for remark in &plan.remarks {
        say(remark);
    }
    say(&format!("{} written", config.addresses.display()));
    Ok(addresses)
}

/// What a plan depends on. Not: URLs, which may change, nor key files, whose accounts are compared by themselves.
fn settings_hash(config: &DeployConfig) -> B256 {
    let DeployConfig { validators, threshold, fund, token, .. } = config;
    let permissions = config.home.permissions;
    keccak256(format!("{validators:?}{threshold}{fund:?}{token:?}{permissions:?}{:?}", config.foreign.finality))
}

/// Reads back what matters: the bridges name each other, the validators and the tokens.
async fn check_wiring(
    side: Side,
    provider: &DynProvider,
    addresses: &Addresses,
    config: &DeployConfig,
) -> Result<(), DeployError> {
    let check = |what, actual: String, expected: String| {
        if actual == expected { Ok(()) } else { Err(DeployError::Wiring { side, what, actual, expected }) }
    };
    let (here, there) = (addresses.side(side), addresses.side(side.other()));
    let bridge = ForeignBridge::new(here.bridge, provider);
    check("the other bridge", bridge.remoteBridge().call().await?.to_string(), there.bridge.to_string())?;
    check("the other chain", bridge.remoteChainId().call().await?.to_string(), there.chain_id.to_string())?;
    check("the set of validators", bridge.validators().call().await?.to_string(), here.validators.to_string())?;
    let set = BridgeValidators::new(here.validators, provider);
    check("the threshold", set.threshold().call().await?.to_string(), config.threshold.to_string())?;
    for pair in &addresses.tokens {
        let (local, remote) = match side {
            Side::Home => (pair.home, pair.foreign),
            Side::Foreign => (pair.foreign, pair.home),
        };
        check("the token's pair", bridge.remoteToken(local).call().await?.to_string(), remote.to_string())?;
    }
    Ok(())
}
