//! A home chain, a public chain and the bridge between them, without the pages.

use std::{fs, path::Path, time::Duration};

use alloy::{
    primitives::{Address, Bytes, U256},
    providers::{DynProvider, Provider},
    rpc::types::TransactionRequest,
};
use anyhow::{Context, Result, ensure};
use aurum_contracts::BridgedToken;

use crate::{
    bridge::{Bridge, BridgeOptions, Operator, RECEIPT, deploy_rlc_like},
    consortium::ChainOptions,
    foreign::{dev_signer, wallet_provider},
    home::Home,
    node::Node,
    ports::Ports,
    tools,
};

/// Which token the public chain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Our stand-in for RLC.
    Development,
    /// iExec's own, as published in the npm package `rlc-faucet-contract`.
    Published,
}

/// Both chains and the bridge, running.
#[derive(Debug)]
pub struct TwoChains {
    /// The consortium's chain.
    pub home: Home,
    /// The public chain.
    pub foreign: Node,
    /// Contracts and relayers.
    pub bridge: Bridge,
}

/// What both sides of the bridge say about the token, in its smallest units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Locked, says the bridge on the public chain.
    pub locked: U256,
    /// What the token says the bridge holds there.
    pub held: U256,
    /// Minted and not burned, says the bridge on the home chain.
    pub minted: U256,
    /// The token's supply there.
    pub supply: U256,
}

impl Totals {
    /// Totals with `locked` on the public chain and `minted` on the home chain.
    pub fn of(locked: u64, minted: u64) -> Self {
        let (locked, minted) = (U256::from(locked), U256::from(minted));
        Self { locked, held: locked, minted, supply: minted }
    }
}

impl TwoChains {
    /// Starts everything below `folder`; `foreign` is the public chain, not started yet.
    ///
    /// # Errors
    /// The first step that fails.
    pub async fn start(
        folder: &Path,
        ports: Ports,
        chain: ChainOptions,
        mut foreign: Node,
        token: Token,
        options: &BridgeOptions,
    ) -> Result<Self> {
        let operator = Operator::create(folder)?;
        let mut chain = chain;
        chain.grants.push(format!("{}=read,basic,call,create", operator.address));
        let mut home = Home::prepare(folder, &chain, ports)?;
        foreign.start()?;
        home.start().await?;
        foreign.ready().await?;
        home.healthy(Duration::from_secs(60)).await?;
        let url = foreign.url();
        let token = match token {
            Token::Development => deploy_rlc_like(&url).await?,
            Token::Published => deploy_published_rlc(&url).await?,
        };
        let mut bridge = Bridge::deploy(folder, &home, &url, token, &operator, options, ports).await?;
        bridge.start().await?;
        Ok(Self { home, foreign, bridge })
    }

    /// What both sides say now.
    ///
    /// # Errors
    /// When a chain does not answer.
    pub async fn totals(&self) -> Result<Totals> {
        let (foreign, home) = (self.foreign.provider()?, self.home.observer.provider()?);
        let (locked, minted) = self.bridge.totals(&foreign, &home).await?;
        let held = balance(&foreign, self.bridge.foreign_token, self.bridge.foreign_bridge).await?;
        let supply = BridgedToken::new(self.bridge.home_token, &home).totalSupply().call().await?;
        Ok(Totals { locked, held, minted, supply })
    }

    /// Fails unless both sides say exactly this.
    ///
    /// # Errors
    /// When they say something else.
    pub async fn expect_totals(&self, expected: Totals) -> Result<()> {
        let totals = self.totals().await?;
        ensure!(totals == expected, "the books do not agree: {totals:?}, expected {expected:?}");
        Ok(())
    }
}

/// Balance of `holder` in `token`.
///
/// # Errors
/// When the chain does not answer.
pub async fn balance(chain: &DynProvider, token: Address, holder: Address) -> Result<U256> {
    Ok(BridgedToken::new(token, chain).balanceOf(holder).call().await?)
}

/// Deploys iExec's RLC from its published artifact; all of it belongs to the first development account.
async fn deploy_published_rlc(url: &str) -> Result<Address> {
    let path = tools::repository().join("tests/node_modules/rlc-faucet-contract/build/contracts/RLC.json");
    let text = fs::read_to_string(&path).with_context(|| format!("{}: run `make setup-test`", path.display()))?;
    let artifact: serde_json::Value = serde_json::from_str(&text)?;
    let code: Bytes = artifact["bytecode"].as_str().context("the artifact has no bytecode")?.parse()?;
    let provider = wallet_provider(url, dev_signer(0)?)?;
    let request = TransactionRequest::default().create().input(code.into());
    let receipt = provider.send_transaction(request).await?.with_timeout(Some(RECEIPT)).get_receipt().await?;
    ensure!(receipt.status(), "deploying RLC failed");
    receipt.contract_address.context("RLC has no address")
}
