//! The chain spec of a new consortium.

mod file;
mod genesis;

use std::{collections::BTreeMap, str::FromStr};

use alloy::primitives::{Address, U256, utils::parse_units};
use aurum_contracts::rights;
use aurum_types::ChainSpec;

use crate::{
    Authority, Grant, KeygenError, Rights,
    authority::{in_order, refuse_development_authorities, refuse_development_key},
    rights::split_assignment,
};

/// What the founders of a chain agree on.
#[derive(Clone, Debug)]
pub struct SpecRequest {
    /// The chain's name; also its folder on every node.
    pub name: String,
    /// EIP-155 chain id, and the network's.
    pub chain_id: u64,
    /// Seconds a step.
    pub step_duration: u64,
    /// What gas costs.
    pub gas_price: GasPrice,
    /// Who receives the base fee of a fixed price; the first admin unless stated.
    pub fee_collector: Option<Address>,
    /// Gas limit of a block.
    pub gas_limit: u64,
    /// Where the list of authorities is kept.
    pub validators: ValidatorsKind,
    /// Accounts with coins at genesis.
    pub funds: Vec<Fund>,
    /// Accounts with rights of their own.
    pub grants: Vec<Grant>,
    /// Rights of accounts without an entry.
    pub default_rights: Rights,
    /// Who decides about rights and authorities; the authorities unless stated.
    pub admins: Vec<Address>,
    /// How many admins must agree; more than half unless stated.
    pub admin_threshold: Option<usize>,
    /// Let in keys that the whole world knows.
    pub dev: bool,
}

impl SpecRequest {
    /// A free chain with the defaults of the command line.
    pub fn new(name: &str, chain_id: u64) -> Self {
        Self {
            name: name.to_owned(),
            chain_id,
            step_duration: 2,
            gas_price: GasPrice::Free,
            fee_collector: None,
            gas_limit: DEFAULT_GAS_LIMIT,
            validators: ValidatorsKind::Contract,
            funds: Vec::new(),
            grants: Vec::new(),
            default_rights: Rights::DEFAULT,
            admins: Vec::new(),
            admin_threshold: None,
            dev: false,
        }
    }
}

/// Gas limit of a new chain's blocks.
pub const DEFAULT_GAS_LIMIT: u64 = 100_000_000;

/// What gas costs on the chain, forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GasPrice {
    /// Nothing: fees are neither required nor charged (`gasFree`).
    Free,
    /// This many wei (`fixedBaseFee`), collected by one account.
    Fixed(u64),
}

impl FromStr for GasPrice {
    type Err = KeygenError;

    fn from_str(text: &str) -> Result<Self, KeygenError> {
        if text == "free" {
            return Ok(Self::Free);
        }
        let wei = text.strip_prefix("fixed:").and_then(|wei| wei.parse().ok()).filter(|wei| *wei > 0);
        wei.map(Self::Fixed).ok_or_else(|| {
            KeygenError::invalid(
                "--gas-price",
                format!("`{text}` is neither `free` nor `fixed:<wei>` with at least 1 wei"),
            )
        })
    }
}

/// Where the list of authorities is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValidatorsKind {
    /// In a contract: the admins can change it while the chain runs.
    #[default]
    Contract,
    /// In the spec, for good.
    List,
}

impl FromStr for ValidatorsKind {
    type Err = KeygenError;

    fn from_str(text: &str) -> Result<Self, KeygenError> {
        match text {
            "contract" => Ok(Self::Contract),
            "list" => Ok(Self::List),
            _ => Err(KeygenError::invalid("--validators", format!("`{text}` is neither `contract` nor `list`"))),
        }
    }
}

/// `ADDRESS=amount`: wei, or with a unit (`1.5ether`, `20gwei`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fund {
    /// The account.
    pub account: Address,
    /// Its balance in wei.
    pub wei: U256,
}

impl FromStr for Fund {
    type Err = KeygenError;

    fn from_str(text: &str) -> Result<Self, KeygenError> {
        let (account, amount) = split_assignment("--fund", text)?;
        let digits = amount.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &amount[digits.len()..];
        let refuse =
            || KeygenError::invalid("--fund", format!("`{amount}` is not an amount: 1000, 20gwei and 1.5ether are"));
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let unit = match unit {
            _ if !plain => return Err(refuse()),
            "" | "wei" if digits.contains('.') => return Err(refuse()),
            "" => "wei",
            "wei" | "gwei" | "ether" => unit,
            _ => return Err(refuse()),
        };
        // alloy drops decimals beyond the unit's; here they are a mistake.
        let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        if decimals > if unit == "ether" { 18 } else { 9 } {
            return Err(refuse());
        }
        let wei = parse_units(digits, unit).map_err(|_| refuse())?.get_absolute();
        Ok(Self { account, wei })
    }
}

/// A request whose parts fit together, in an order that does not depend on the input's.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) request: SpecRequest,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) admins: Vec<Address>,
    pub(crate) threshold: usize,
    pub(crate) fee_collector: Option<Address>,
    pub(crate) balances: BTreeMap<Address, U256>,
    pub(crate) rights: BTreeMap<Address, Rights>,
}

/// The text of `spec.json`. The same inputs in any order give the same bytes.
///
/// # Errors
/// When inputs contradict each other or are refused; the message says which and why.
pub fn build(request: &SpecRequest, authorities: &[Authority]) -> Result<String, KeygenError> {
    let text = file::text(&plan(request, authorities)?)?;
    // What we write is what a node reads, with nothing odd about it.
    ChainSpec::parse_strict(&text)?;
    Ok(text)
}

pub(crate) fn plan(request: &SpecRequest, authorities: &[Authority]) -> Result<Plan, KeygenError> {
    check_chain(request)?;
    let authorities = in_order(authorities.to_vec())?;
    if authorities.is_empty() {
        return Err(KeygenError::invalid("authorities", "at least one authority.json is needed: nobody could seal"));
    }
    refuse_development_authorities(&authorities, request.dev)?;

    let mut admins = request.admins.clone();
    if admins.is_empty() {
        admins = authorities.iter().map(|one| one.address).collect();
    }
    admins.sort();
    if let Some(twice) = admins.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(duplicate(twice[0], "--admin"));
    }
    for admin in &admins {
        refuse_development_key(*admin, request.dev)?;
    }
    let threshold = request.admin_threshold.unwrap_or(admins.len() / 2 + 1);

    let mut balances = BTreeMap::new();
    for fund in &request.funds {
        refuse_development_key(fund.account, request.dev)?;
        if balances.insert(fund.account, fund.wei).is_some() {
            return Err(duplicate(fund.account, "--fund"));
        }
    }
    let rights = entries(request, &authorities, &admins)?;
    for account in balances.keys().chain(rights.keys()).chain(request.fee_collector.iter()) {
        refuse_reserved(*account)?;
    }
    let fee_collector = match request.gas_price {
        GasPrice::Fixed(_) => Some(request.fee_collector.unwrap_or(admins[0])),
        GasPrice::Free if request.fee_collector.is_some() => {
            return Err(KeygenError::invalid("--fee-collector", "a chain with free gas collects no fees"));
        }
        GasPrice::Free => None,
    };
    if let Some(collector) = fee_collector {
        refuse_development_key(collector, request.dev)?;
    }
    Ok(Plan { request: request.clone(), authorities, admins, threshold, fee_collector, balances, rights })
}

fn check_chain(request: &SpecRequest) -> Result<(), KeygenError> {
    crate::files::check_name("--name", &request.name)?;
    if !(1..=i64::MAX as u64 / 2 - 36).contains(&request.chain_id) {
        // Wallets compute v = 35 + 2·id in JavaScript and in signed 64 bits.
        return Err(KeygenError::invalid("--chain-id", "it must be at least 1 and small enough for EIP-155"));
    }
    if !(1..=65_535).contains(&request.step_duration) {
        return Err(KeygenError::invalid("--step-duration", "a step lasts from 1 to 65535 seconds"));
    }
    if !(5_000_000..=10_000_000_000).contains(&request.gas_limit) {
        return Err(KeygenError::invalid(
            "--gas-limit",
            "choose from 5 million to 10 billion; contracts need room to be created",
        ));
    }
    Ok(())
}

/// Authorities and admins may do everything. Whoever has coins may at least use them: read, send and call, even where
/// the default is less. `--grant` says otherwise for anybody but authorities and admins.
fn entries(
    request: &SpecRequest,
    authorities: &[Authority],
    admins: &[Address],
) -> Result<BTreeMap<Address, Rights>, KeygenError> {
    let mut rights = BTreeMap::new();
    let founders = authorities.iter().map(|one| one.address).chain(admins.iter().copied());
    rights.extend(founders.map(|account| (account, Rights::ALL)));
    let mut granted = BTreeMap::new();
    for grant in &request.grants {
        refuse_development_key(grant.account, request.dev)?;
        if rights.contains_key(&grant.account) {
            let reason = format!("{} is an authority or an admin and may do everything", grant.account);
            return Err(KeygenError::invalid("--grant", reason));
        }
        if granted.insert(grant.account, grant.rights).is_some() {
            return Err(duplicate(grant.account, "--grant"));
        }
    }
    let least = request.default_rights.and(Rights::DEFAULT);
    for fund in request.funds.iter().filter(|_| least != request.default_rights) {
        rights.entry(fund.account).or_insert(least);
    }
    rights.extend(granted);
    debug_assert!(rights.values().all(|one| one.bits() & !rights::ALL == 0), "parsed from names");
    Ok(rights)
}

/// Addresses whose accounts genesis writes itself.
fn refuse_reserved(account: Address) -> Result<(), KeygenError> {
    if genesis::is_reserved(account) {
        let reason = format!("{account} is a precompile, a contract of genesis or the engine's own account");
        return Err(KeygenError::invalid("account", reason));
    }
    Ok(())
}

fn duplicate(account: Address, flag: &str) -> KeygenError {
    KeygenError::Duplicate {
        what: "account",
        value: account.to_string(),
        first: flag.to_owned(),
        second: flag.to_owned(),
    }
}
