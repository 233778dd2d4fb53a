//! Every transaction of a deployment, decided before the first is sent.
//!
//! The two bridges must know each other's address when they are created, and a deployment cut off anywhere must go on
//! without doing anything twice. Both follow from giving every transaction its nonce in advance: the nonce decides the
//! address of what is created, and a nonce can be used once.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider},
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolConstructor},
};
use aurum_contracts::{
    Addresses, BridgeSide, BridgeValidators, BridgedToken, Erc1967Proxy, ForeignBridge, HomeBridge, Permissions, Side,
    Sides, TokenPair, rights,
};
use serde::{Deserialize, Serialize};

use super::{
    DeployError,
    config::{DeployConfig, units},
};
use crate::{
    chain::{BlockRef, genesis},
    sign::{Draft, SignedTx},
};

/// What one side's deployer sends, in order of nonce.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) deployer: Address,
    pub(crate) steps: Vec<Step>,
}

/// One transaction and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) draft: Draft,
    /// Every version signed: later ones offer more.
    pub(crate) signed: Vec<SignedTx>,
    pub(crate) mined: Option<BlockRef>,
}

/// The whole deployment; what the progress file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Hash of the settings it was made from.
    pub(crate) settings: B256,
    pub(crate) tracks: Sides<Track>,
    /// Complete but for the blocks of deployment.
    pub(crate) addresses: Addresses,
    /// Step that creates the bridge, whose block is the deployment's.
    pub(crate) bridge_steps: Sides<usize>,
    /// What a person has to do.
    pub(crate) remarks: Vec<String>,
}

/// A chain a plan is made for.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) provider: DynProvider,
    pub(crate) deployer: Address,
}

/// Collects one side's transactions.
struct Builder<'a> {
    site: &'a Site,
    chain_id: u64,
    next: u64,
    steps: Vec<Step>,
}

/// Gas of what cannot be estimated before its predecessors are mined: a proxy whose constructor initialises, or a
/// change of settings.
const CALL_GAS: u64 = 1_000_000;
/// Further gas of an initialiser for each validator it stores.
const VALIDATOR_GAS: u64 = 60_000;
const TRANSFER_GAS: u64 = 50_000;
/// What a relayer's account must be allowed to do on home.
const RELAYER_RIGHTS: u32 = rights::READ | rights::CALL;

impl<'a> Builder<'a> {
    async fn new(site: &'a Site) -> Result<Self, DeployError> {
        let chain_id = site.provider.get_chain_id().await?;
        let next = site.provider.get_transaction_count(site.deployer).pending().await?;
        Ok(Self { site, chain_id, next, steps: Vec::new() })
    }

    fn push(&mut self, name: String, to: Option<Address>, value: U256, input: Bytes, gas: u64) -> Address {
        let draft = Draft { chain_id: self.chain_id, nonce: self.next, gas, to, value, input };
        let created = self.site.deployer.create(self.next);
        self.next += 1;
        self.steps.push(Step { name, draft, signed: Vec::new(), mined: None });
        created
    }

    async fn implementation(&mut self, name: &str, code: &Bytes) -> Result<Address, DeployError> {
        let request = TransactionRequest { input: code.clone().into(), ..Default::default() };
        let request = TransactionRequest {
            to: Some(alloy::primitives::TxKind::Create),
            from: Some(self.site.deployer),
            ..request
        };
        let gas = self.site.provider.estimate_gas(request).await?;
        Ok(self.push(name.to_owned(), None, U256::ZERO, code.clone(), gas + gas / 8))
    }

    fn proxy(&mut self, name: &str, implementation: Address, initialize: &impl SolCall, gas: u64) -> Address {
        let arguments =
            Erc1967Proxy::constructorCall { implementation, _data: initialize.abi_encode().into() }.abi_encode();
        let code = [Erc1967Proxy::BYTECODE.as_ref(), &arguments].concat();
        self.push(name.to_owned(), None, U256::ZERO, code.into(), gas)
    }

    fn call(&mut self, name: String, to: Address, call: &impl SolCall, gas: u64) {
        self.push(name, Some(to), U256::ZERO, call.abi_encode().into(), gas);
    }

    /// Address of what the `ahead`-th transaction from here on creates.
    fn ahead(&self, ahead: u64) -> Address {
        self.site.deployer.create(self.next + ahead)
    }

    fn finish(self) -> Track {
        Track { deployer: self.site.deployer, steps: self.steps }
    }
}

/// A token as it calls itself, and its limits in smallest units.
struct Token {
    address: Address,
    name: String,
    symbol: String,
    decimals: u8,
    deposit: [U256; 3],
    withdraw: [U256; 3],
}

/// Decides the whole deployment. Reads both chains and sends nothing.
pub(crate) async fn plan(config: &DeployConfig, settings: B256, sites: &Sides<Site>) -> Result<Plan, DeployError> {
    let mut home = Builder::new(&sites.home).await?;
    let mut foreign = Builder::new(&sites.foreign).await?;
    if home.chain_id == foreign.chain_id {
        return Err(DeployError::SameChain { chain_id: home.chain_id });
    }
    let (home_id, foreign_id) = (home.chain_id, foreign.chain_id);
    let tokens = tokens(config, &sites.foreign.provider).await?;

    // Per side: validators' implementation and proxy, then the bridge's; the bridge's proxy is the fourth.
    let bridges = Sides { home: home.ahead(3), foreign: foreign.ahead(3) };
    let set_gas = CALL_GAS + VALIDATOR_GAS * config.validators.len() as u64;
    let mut validators = Sides::<Address>::default();
    for (side, builder, code) in
        [(Side::Home, &mut home, &HomeBridge::BYTECODE), (Side::Foreign, &mut foreign, &ForeignBridge::BYTECODE)]
    {
        let owner = builder.site.deployer;
        let implementation = builder.implementation("validators, code", &BridgeValidators::BYTECODE).await?;
        let initialize = BridgeValidators::initializeCall {
            owner_: owner,
            validators_: config.validators.clone(),
            threshold_: U256::from(config.threshold),
        };
        let set = builder.proxy("validators", implementation, &initialize, set_gas);
        *validators.get_mut(side) = set;
        let implementation = builder.implementation("bridge, code", code).await?;
        let initialize = ForeignBridge::initializeCall {
            owner_: owner,
            guardian_: Address::ZERO,
            validators_: set,
            remoteChainId_: U256::from(if side == Side::Home { foreign_id } else { home_id }),
            remoteBridge_: *bridges.get(side.other()),
        };
        builder.proxy("bridge", implementation, &initialize, CALL_GAS);
    }

    let token_code = home.implementation("bridged token, code", &BridgedToken::BYTECODE).await?;
    let mut pairs = Vec::new();
    for token in &tokens {
        let initialize = BridgedToken::initializeCall {
            owner_: sites.home.deployer,
            bridge_: bridges.home,
            name_: token.name.clone(),
            symbol_: token.symbol.clone(),
            decimals_: token.decimals,
        };
        let address = home.proxy(&format!("token {}", token.symbol), token_code, &initialize, CALL_GAS);
        pairs.push(TokenPair {
            symbol: token.symbol.clone(),
            name: token.name.clone(),
            decimals: token.decimals,
            foreign: token.address,
            home: address,
        });
    }
    for (token, pair) in tokens.iter().zip(&pairs) {
        let name = format!("pair {}", token.symbol);
        let limits = limits(token.withdraw, token.deposit);
        let add = HomeBridge::addTokenCall { token: pair.home, remote: pair.foreign, limits_: limits };
        home.call(name.clone(), bridges.home, &add, CALL_GAS);
        let limits = foreign_limits(token.deposit, token.withdraw);
        let add = ForeignBridge::addTokenCall { token: pair.foreign, remote: pair.home, limits_: limits };
        foreign.call(name, bridges.foreign, &add, CALL_GAS);
    }
    fund(config, &mut foreign).await?;
    let remarks = grant(config, &mut home).await?;

    let side = async |builder: &Builder<'_>, bridge, validators, finality| {
        Ok::<_, DeployError>(BridgeSide {
            chain_id: builder.chain_id,
            bridge,
            validators,
            deploy_block: 0,
            genesis: genesis(&builder.site.provider).await?,
            finality,
        })
    };
    let addresses = Addresses {
        version: Addresses::VERSION,
        home: side(&home, bridges.home, validators.home, None).await?,
        foreign: side(&foreign, bridges.foreign, validators.foreign, config.foreign.finality).await?,
        tokens: pairs,
    };
    let bridge_steps = Sides { home: 3, foreign: 3 };
    Ok(Plan {
        settings,
        tracks: Sides { home: home.finish(), foreign: foreign.finish() },
        addresses,
        bridge_steps,
        remarks,
    })
}

async fn tokens(config: &DeployConfig, foreign: &DynProvider) -> Result<Vec<Token>, DeployError> {
    let mut tokens = Vec::new();
    for wanted in &config.token {
        let contract = BridgedToken::new(wanted.foreign, foreign);
        let bad = |source| DeployError::NotAToken { token: wanted.foreign, source: Box::new(source) };
        let decimals = contract.decimals().call().await.map_err(bad)?;
        let in_units = |amounts: &super::config::Amounts| {
            Ok::<_, DeployError>([
                units(&amounts.min, decimals)?,
                units(&amounts.max, decimals)?,
                units(&amounts.daily, decimals)?,
            ])
        };
        tokens.push(Token {
            address: wanted.foreign,
            name: contract.name().call().await.map_err(bad)?,
            symbol: contract.symbol().call().await.map_err(bad)?,
            decimals,
            deposit: in_units(&wanted.deposit)?,
            withdraw: in_units(&wanted.withdraw)?,
        });
    }
    Ok(tokens)
}

/// A side's limits: what may be deposited there, and what may be paid out.
fn limits([min, max, daily]: [U256; 3], [_, execution_max, execution_daily]: [U256; 3]) -> HomeBridge::Limits {
    HomeBridge::Limits {
        depositMin: min,
        depositMax: max,
        depositDaily: daily,
        executionMax: execution_max,
        executionDaily: execution_daily,
    }
}

fn foreign_limits(deposit: [U256; 3], execution: [U256; 3]) -> ForeignBridge::Limits {
    let HomeBridge::Limits { depositMin, depositMax, depositDaily, executionMax, executionDaily } =
        limits(deposit, execution);
    ForeignBridge::Limits { depositMin, depositMax, depositDaily, executionMax, executionDaily }
}

/// Coins on the public chain for whoever executes there.
async fn fund(config: &DeployConfig, foreign: &mut Builder<'_>) -> Result<(), DeployError> {
    let Some(wanted) = config.fund else { return Ok(()) };
    for &relayer in &config.validators {
        let has = foreign.site.provider.get_balance(relayer).await?;
        if let Some(missing) = wanted.checked_sub(has).filter(|missing| !missing.is_zero()) {
            foreign.push(format!("coins for {relayer}"), Some(relayer), missing, Bytes::new(), TRANSFER_GAS);
        }
    }
    Ok(())
}

/// Rights on home: the deployer's are a condition, the relayers' are granted through the council where its key can.
/// The bridge itself needs none: it sends no transactions.
async fn grant(config: &DeployConfig, home: &mut Builder<'_>) -> Result<Vec<String>, DeployError> {
    let Some(address) = config.home.permissions else { return Ok(Vec::new()) };
    let deployer = home.site.deployer;
    let contract = Permissions::new(address, &home.site.provider);
    let have = contract.rightsOf(deployer).call().await?;
    if have & (rights::CREATE | rights::CALL) != rights::CREATE | rights::CALL {
        return Err(DeployError::DeployerRights { deployer, have: names(have) });
    }
    let mut lacking = Vec::new();
    for &relayer in &config.validators {
        let have = contract.rightsOf(relayer).call().await?;
        if have & RELAYER_RIGHTS != RELAYER_RIGHTS {
            lacking.push((relayer, have));
        }
    }
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let list = lacking.iter().map(|(relayer, _)| relayer.to_string()).collect::<Vec<_>>().join(", ");
    let missing = format!("on home, {list} must be allowed to {}", names(RELAYER_RIGHTS));
    if !contract.isAdmin(deployer).call().await? {
        return Ok(vec![format!(
            "{missing}; the deployer is not in the council of {address}, its members must grant it"
        )]);
    }
    let set = Permissions::setRightsCall {
        accounts: lacking.iter().map(|&(relayer, _)| relayer).collect(),
        rights: lacking.iter().map(|&(_, have)| have | RELAYER_RIGHTS).collect(),
    };
    let propose = Permissions::proposeCall { target: address, data: set.abi_encode().into() };
    home.call("rights of relayers".to_owned(), address, &propose, CALL_GAS + VALIDATOR_GAS * lacking.len() as u64);
    let needed = contract.threshold().call().await?;
    Ok(if needed == U256::from(1) {
        Vec::new()
    } else {
        let number = contract.proposalCount().call().await?;
        vec![format!("{missing}: proposal {number} of the council at {address} says so and needs {needed} approvals")]
    })
}

/// A sum of rights in words.
fn names(sum: u32) -> String {
    let all =
        [(rights::READ, "read"), (rights::BASIC, "send coins"), (rights::CALL, "call"), (rights::CREATE, "create")];
    let had: Vec<&str> = all.iter().filter(|(bit, _)| sum & bit != 0).map(|&(_, name)| name).collect();
    if had.is_empty() { "nothing".to_owned() } else { had.join(", ") }
}
