//! From the file's text to a [`ChainSpec`]: the top level and the engine (aura.md §4, §4.1).

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};

use super::{
    AuraParams, ChainSpec, RewardContract, SpecError, SpecWarning, SpecWarningKind, ValidatorsSpec,
    accounts::{self, parse_genesis},
    json::{Json, Node, Notes, Object, parse_address, parse_block_key},
    params::parse_params,
};
use crate::BlockNumber;

/// Longest step in seconds; OpenEthereum clamps longer ones to it.
const MAX_STEP_DURATION: u64 = 65_535;

/// How a spec is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// Every warning is an error.
    pub strict: bool,
    /// Take a spec of any engine, as one without authorities: only its state, genesis and rules mean something then.
    /// For tools that compute genesis blocks; a node never sets it.
    pub any_engine: bool,
}

impl ChainSpec {
    /// Reads a Parity chain spec. What is odd but harmless comes back as warnings.
    ///
    /// # Errors
    /// [`SpecError`], naming the place in the file.
    pub fn parse(text: &str) -> Result<(Self, Vec<SpecWarning>), SpecError> {
        Self::parse_with(text, ParseOptions::default())
    }

    /// Reads a Parity chain spec in which nothing may be odd: [`Self::parse`] with every warning an error.
    ///
    /// # Errors
    /// [`SpecError`], naming the place in the file.
    pub fn parse_strict(text: &str) -> Result<Self, SpecError> {
        Self::parse_with(text, ParseOptions { strict: true, any_engine: false }).map(|(spec, _)| spec)
    }

    /// Reads a Parity chain spec as `options` say.
    ///
    /// # Errors
    /// [`SpecError`], naming the place in the file.
    pub fn parse_with(text: &str, options: ParseOptions) -> Result<(Self, Vec<SpecWarning>), SpecError> {
        let mut notes = Notes::new(options.strict);
        let spec = parse_spec(Node::root(Json::parse(text)?).object()?, options, &mut notes)?;
        Ok((spec, notes.warnings))
    }
}

fn parse_spec(mut root: Object, options: ParseOptions, notes: &mut Notes) -> Result<ChainSpec, SpecError> {
    let name = root.need("name")?.string()?;
    let data_dir = root.take("dataDir").map(Node::string).transpose()?.unwrap_or_else(|| name.clone());
    let engine = parse_engine(&root.need("engine")?, options, notes)?;
    let params = parse_params(root.need("params")?.object()?, notes)?;
    let genesis = parse_genesis(root.need("genesis")?.object()?, notes)?;
    let accounts = match root.take("accounts") {
        Some(node) => node.map(parse_address, |account| accounts::parse_account(account.object()?, notes))?,
        None => BTreeMap::new(),
    };
    let nodes = match root.take("nodes") {
        Some(nodes) => nodes.array()?.into_iter().map(Node::string).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    // A checkpoint for light clients (Parity Ethereum): nothing here reads it.
    root.ignore(&["hardcodedSync"]);
    root.finish(notes)?;
    Ok(ChainSpec { name, data_dir, engine, params, genesis, accounts, nodes })
}

fn parse_engine(node: &Node, options: ParseOptions, notes: &mut Notes) -> Result<AuraParams, SpecError> {
    let mut engines = node.clone().object()?;
    if let Some(engine) = engines.take("authorityRound") {
        if let Some(other) = engines.keys().first() {
            return node.invalid(format_args!("one engine expected, found `authorityRound` and `{other}`"));
        }
        let mut engine = engine.object()?;
        let params = parse_aura(engine.need("params")?.object()?, notes)?;
        engine.finish(notes)?;
        return Ok(params);
    }
    match engines.keys().into_iter().next() {
        None => node.invalid("no engine is given"),
        Some(_) if options.any_engine => Ok(AuraParams::without_authorities()),
        Some(name) => Err(SpecError::Engine { name }),
    }
}

impl AuraParams {
    /// Parity's defaults, a step of one second, and nobody who seals.
    fn without_authorities() -> Self {
        Self {
            step_duration: BTreeMap::from([(0, 1)]),
            start_step: None,
            validators: ValidatorsSpec::List(Vec::new()),
            validate_score_transition: 0,
            validate_step_transition: 0,
            immediate_transitions: false,
            block_reward: BTreeMap::new(),
            block_reward_contracts: BTreeMap::new(),
            maximum_uncle_count_transition: 0,
            maximum_uncle_count: 0,
            empty_steps_transition: None,
            maximum_empty_steps: 0,
            strict_empty_steps_transition: 0,
            two_thirds_majority_transition: None,
            finality_certificates_transition: None,
            randomness_contracts: BTreeMap::new(),
            block_gas_limit_contracts: BTreeMap::new(),
            posdao_transition: None,
            rewrite_bytecode: BTreeMap::new(),
        }
    }
}

fn parse_aura(mut params: Object, notes: &mut Notes) -> Result<AuraParams, SpecError> {
    let aura = AuraParams {
        step_duration: parse_step_duration(params.need("stepDuration")?, notes)?,
        start_step: params.u64("startStep", notes)?,
        validators: parse_validators(&params.need("validators")?, false, notes)?,
        validate_score_transition: params.u64("validateScoreTransition", notes)?.unwrap_or(0),
        validate_step_transition: params.u64("validateStepTransition", notes)?.unwrap_or(0),
        immediate_transitions: params.take("immediateTransitions").map(Node::bool).transpose()?.unwrap_or(false),
        block_reward: params.take("blockReward").map(parse_block_reward).transpose()?.unwrap_or_default(),
        block_reward_contracts: parse_reward_contracts(&mut params, notes)?,
        maximum_uncle_count_transition: params.u64("maximumUncleCountTransition", notes)?.unwrap_or(0),
        maximum_uncle_count: params.u64("maximumUncleCount", notes)?.unwrap_or(0),
        // OpenEthereum clamps to 1: the genesis header never has empty steps.
        empty_steps_transition: params.u64("emptyStepsTransition", notes)?.map(|from| from.max(1)),
        maximum_empty_steps: params.u64("maximumEmptySteps", notes)?.unwrap_or(0),
        strict_empty_steps_transition: params.u64("strictEmptyStepsTransition", notes)?.unwrap_or(0),
        two_thirds_majority_transition: params.u64("twoThirdsMajorityTransition", notes)?,
        finality_certificates_transition: params.u64("finalityCertificatesTransition", notes)?,
        randomness_contracts: parse_addresses_by_block(params.take("randomnessContractAddress"))?,
        block_gas_limit_contracts: parse_addresses_by_block(params.take("blockGasLimitContractTransitions"))?,
        posdao_transition: params.u64("posdaoTransition", notes)?,
        rewrite_bytecode: match params.take("rewriteBytecode") {
            Some(node) => node.map(parse_block_key, |block| block.map(parse_address, |code| code.bytes()))?,
            None => BTreeMap::new(),
        },
    };
    // Who pays withdrawals out once the chain has left AuRa (Nethermind).
    params.ignore(&["withdrawalContractAddress"]);
    if aura.immediate_transitions && aura.finality_certificates_transition.is_some() {
        let path = params.path_of("finalityCertificatesTransition");
        return Err(SpecError::invalid(&path, "there is no finality with immediateTransitions"));
    }
    params.finish(notes)?;
    Ok(aura)
}

/// A number, or `{Unix time: seconds}` with a key 0.
fn parse_step_duration(node: Node, notes: &mut Notes) -> Result<BTreeMap<u64, u64>, SpecError> {
    let path = node.path.clone();
    let mut seconds = |node: Node| {
        let duration = node.uint()?;
        if duration.is_zero() {
            return node.invalid("a step cannot last 0 seconds");
        }
        if duration > U256::from(MAX_STEP_DURATION) {
            let how = format!("a step of {duration} s is too long; as in OpenEthereum it lasts {MAX_STEP_DURATION} s");
            notes.warn(&node.path, SpecWarningKind::Adjusted(how))?;
            return Ok(MAX_STEP_DURATION);
        }
        Ok(duration.to::<u64>())
    };
    let durations =
        if node.is_object() { node.map(parse_block_key, seconds)? } else { BTreeMap::from([(0, seconds(node)?)]) };
    if durations.contains_key(&0) {
        Ok(durations)
    } else {
        Err(SpecError::invalid(&path, "key 0, the duration from the beginning on, is missing"))
    }
}

fn parse_validators(node: &Node, nested: bool, notes: &mut Notes) -> Result<ValidatorsSpec, SpecError> {
    let mut kinds = node.clone().object()?;
    let found = kinds.keys();
    let [kind] = found.as_slice() else {
        return node.invalid(format_args!(
            "exactly one of `list`, `safeContract`, `contract` and `multi` expected, found {}",
            found.len()
        ));
    };
    let value = kinds.need(kind)?;
    match kind.as_str() {
        "list" => parse_list(value, notes).map(ValidatorsSpec::List),
        "safeContract" => value.address().map(ValidatorsSpec::SafeContract),
        "contract" => value.address().map(ValidatorsSpec::Contract),
        "multi" if nested => value.invalid("a `multi` inside a `multi` is not supported"),
        "multi" => {
            let path = value.path.clone();
            let sets = value.map(parse_block_key, |set| parse_validators(&set, true, notes))?;
            if sets.contains_key(&0) {
                Ok(ValidatorsSpec::Multi(sets))
            } else {
                Err(SpecError::invalid(&path, "key 0, the authorities from the beginning on, is missing"))
            }
        }
        other => node.invalid(format_args!("unknown kind of validator set `{other}`")),
    }
}

fn parse_list(node: Node, notes: &mut Notes) -> Result<Vec<Address>, SpecError> {
    let path = node.path.clone();
    let mut list = Vec::new();
    for item in node.array()? {
        let address = item.address()?;
        if list.contains(&address) {
            let how = format!("{address} is listed more than once; it seals several steps of each round");
            notes.warn(&item.path, SpecWarningKind::Adjusted(how))?;
        }
        list.push(address);
    }
    if list.is_empty() {
        return Err(SpecError::invalid(&path, "the list of authorities is empty: nobody could seal"));
    }
    Ok(list)
}

/// A number, or `{block: wei}`; before the first block of the map the reward is 0.
fn parse_block_reward(node: Node) -> Result<BTreeMap<BlockNumber, U256>, SpecError> {
    if node.is_object() {
        node.map(parse_block_key, |reward| reward.uint())
    } else {
        Ok(BTreeMap::from([(0, node.uint()?)]))
    }
}

/// The four keys of aura.md §2.6 as one map: code wins over the address, and either must come before the map's first.
fn parse_reward_contracts(
    params: &mut Object,
    notes: &mut Notes,
) -> Result<BTreeMap<BlockNumber, RewardContract>, SpecError> {
    let mut contracts: BTreeMap<_, _> = parse_addresses_by_block(params.take("blockRewardContractTransitions"))?
        .into_iter()
        .map(|(block, address)| (block, RewardContract::Address(address)))
        .collect();
    let from = params.u64("blockRewardContractTransition", notes)?.unwrap_or(0);
    let address = params.address("blockRewardContractAddress")?.map(RewardContract::Address);
    let code = params.take("blockRewardContractCode").map(|node| node.bytes()).transpose()?.map(RewardContract::Code);
    if let Some(contract) = code.or(address) {
        if contracts.keys().next().is_some_and(|first| *first <= from) {
            let path = params.path_of("blockRewardContractTransition");
            return Err(SpecError::invalid(&path, "must be less than every key of blockRewardContractTransitions"));
        }
        contracts.insert(from, contract);
    }
    Ok(contracts)
}

fn parse_addresses_by_block(node: Option<Node>) -> Result<BTreeMap<BlockNumber, Address>, SpecError> {
    node.map_or_else(|| Ok(BTreeMap::new()), |node| node.map(parse_block_key, |address| address.address()))
}
