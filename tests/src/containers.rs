//! The same system with every program in a container of its own: what is made before the chains start, and between
//! their start and the relayers'.
//!
//! ```text
//! /company/<n>/<name>   one volume a company: its keys; mounted by its node and its relayer only
//! /operator             the account that deploys
//! /shared               what everybody reads: chain spec, peers, addresses of the bridge, configurations
//! ```
//!
//! All containers mount these folders at the same places, so one configuration is true in all of them. They call each
//! other by the names of their services.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::U256;
use anyhow::{Result, ensure};
use aurum_contracts::BridgedToken;

use crate::{
    bridge::{self, Bridge, BridgeOptions, Operator, RelayerFiles},
    consortium::{self, Authority, Company, Consortium},
    foreign::{DEV_ACCOUNTS, dev_signer, wallet_provider},
    ports::Ports,
    report,
    system::{UiFiles, demonstration},
};

/// How many authorities the compose file has.
const AUTHORITIES: u16 = 4;

/// The home chain for everybody but the relayers, which ask their own company's node.
const HOME: &str = "http://rpcnode:8545";

/// The stand-in for the public chain.
const FOREIGN: &str = "http://public-chain:8545";

/// How long a transfer may take.
const LIMIT: Duration = Duration::from_secs(180);

/// The folders all containers share.
#[derive(Clone, Debug)]
pub struct Containers {
    companies: PathBuf,
    operator: PathBuf,
    shared: PathBuf,
}

impl Default for Containers {
    fn default() -> Self {
        Self { companies: "/company".into(), operator: "/operator".into(), shared: "/shared".into() }
    }
}

impl Containers {
    /// Each company makes its keys and publishes its `authority.json`; then the shared files and everybody's
    /// configuration are written.
    ///
    /// # Errors
    /// What keygen says.
    pub fn keys(&self) -> Result<()> {
        let operator = Operator::create(&self.operator)?;
        let companies: Vec<_> = (0..AUTHORITIES)
            .map(|index| Company {
                folder: self.companies.join((index + 1).to_string()).join(consortium::name(index)),
                endpoint: format!("validator{}:30303", index + 1),
            })
            .collect();
        let consortium = Consortium::agree(&companies, self.shared.join("chain"), &demonstration(operator.address))?;
        for (index, authority) in (1..).zip(&consortium.authorities) {
            let public = self.published(&authority.name);
            fs::create_dir_all(&public)?;
            fs::copy(authority.folder.join("authority.json"), public.join("authority.json"))?;
            let files = RelayerFiles {
                addresses: &self.addresses(),
                authority,
                journal: Path::new("/data/journal"),
                listen: "0.0.0.0:8580".into(),
            };
            let config = files.config(&format!("http://validator{index}:8545"), FOREIGN, &BridgeOptions::default())?;
            fs::write(self.shared.join(format!("relayer{index}.toml")), config)?;
        }
        let pages = UiFiles {
            listen: "0.0.0.0:8080".into(),
            addresses: &self.addresses(),
            relayers: (1..=AUTHORITIES).map(|index| format!("http://relayer{index}:8580")).collect(),
        };
        fs::write(self.shared.join("ui.toml"), pages.config(HOME, FOREIGN, Ports::STANDARD))?;
        Ok(())
    }

    /// Deploys the token and both sides of the bridge, or finds what was deployed before.
    ///
    /// # Errors
    /// What `bridge-relayer deploy` says.
    pub async fn bridge(&self) -> Result<()> {
        let authorities = (0..AUTHORITIES)
            .map(|index| Authority::read(&self.published(&consortium::name(index))))
            .collect::<Result<Vec<_>>>()?;
        let operator = Operator::create(&self.operator)?;
        let token = bridge::rlc_like_token(FOREIGN, &self.shared.join("token")).await?;
        let folder = self.shared.join("bridge");
        let options = BridgeOptions::default();
        bridge::wire(&folder, &authorities, HOME, (FOREIGN, token), &operator, &options).await?;
        Ok(())
    }

    /// The list of endpoints on the machine that runs the containers.
    ///
    /// # Errors
    /// When the bridge is not deployed.
    pub fn endpoints(&self) -> Result<String> {
        let companies: Vec<_> = (0..AUTHORITIES).map(consortium::name).collect();
        let headline = "Aurum is up. `docker-compose stop` stops it; `docker-compose up -d` resumes.";
        Ok(report::endpoints(headline, Ports::STANDARD, &companies, &Bridge::read(&self.addresses())?))
    }

    /// Carries one token to the home chain and 0.4 of it back.
    ///
    /// # Errors
    /// When it does not arrive, or less or more than it.
    pub async fn carry(&self, progress: impl Fn(&str)) -> Result<()> {
        let bridge = Bridge::read(&self.addresses())?;
        let person = DEV_ACCOUNTS[1];
        let (rich, foreign) = (wallet_provider(FOREIGN, dev_signer(0)?)?, wallet_provider(FOREIGN, dev_signer(1)?)?);
        let home = wallet_provider(HOME, dev_signer(1)?)?;
        let (one, back) = (U256::from(1_000_000_000), U256::from(400_000_000));
        let at_home = BridgedToken::new(bridge.home_token, &home).balanceOf(person).call().await?;
        let abroad = BridgedToken::new(bridge.foreign_token, &foreign).balanceOf(person).call().await?;

        let nonce = bridge.deposit(&rich, one, person).await?;
        progress(&format!("deposited 1 RLC (transfer {nonce})"));
        bridge.home_balance_becomes(&home, person, at_home + one, LIMIT).await?;
        progress("it arrived on the home chain");
        bridge.withdraw(&home, back, person).await?;
        progress("sent 0.4 RLC back");
        bridge.foreign_balance_becomes(&foreign, person, abroad + back, LIMIT).await?;
        progress("it arrived on the public chain");
        let (locked, minted) = bridge.totals(&foreign, &home).await?;
        ensure!(locked == minted, "{locked} locked, {minted} minted");
        Ok(())
    }

    fn addresses(&self) -> PathBuf {
        self.shared.join("bridge/addresses.json")
    }

    fn published(&self, company: &str) -> PathBuf {
        self.shared.join("companies").join(company)
    }
}
