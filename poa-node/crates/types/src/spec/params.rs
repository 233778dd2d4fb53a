//! `params` of a chain spec: limits, and which rule applies from when (aura.md §4.2).

use alloy::primitives::{Address, U256};

use super::{
    Params, SpecError, SpecWarningKind,
    json::{Node, Notes, Object},
};
use crate::BlockNumber;

/// OpenEthereum `MAX_TRANSACTION_SIZE`: 300 KiB.
const DEFAULT_MAX_TRANSACTION_SIZE: u64 = 300 * 1024;

/// Keys that change nothing here. For precompiles the `builtin` entries decide (aura.md §4.2); KIP-4, KIP-6 and the
/// details of EIP-210 and of dust protection mean something only with the transition that switches their rule on, which
/// has a field of its own; the rest is about other engines, other protocols, or the chain after it has left AuRa.
const IGNORED: [&str; 20] = [
    "applyReward",
    "beaconChainGenesisTimestamp",
    "depositContractAddress",
    "eip1108Transition",
    "eip152Transition",
    "eip198Transition",
    "eip210ContractAddress",
    "eip210ContractCode",
    "eip210ContractGas",
    "eip212Transition",
    "eip213Transition",
    "eip2565Transition",
    "eip2Transition",
    "eip7Transition",
    "kip4Transition",
    "kip6Transition",
    "mergeForkIdTransition",
    "nonceCapIncrement",
    "removeDustContracts",
    "subprotocolName",
];

/// EIPs that Nethermind's keys (and of EIP-86 old Parity's) name, beside those with a field of their own. Some of them
/// cannot be executed; a spec that makes them active is then refused, not read past.
const NAMED_EIPS: [u64; 29] = [
    86, 1153, 2200, 2537, 2935, 3651, 3855, 3860, 4788, 4844, 4895, 5656, 6110, 6780, 7002, 7251, 7516, 7594, 7623,
    7642, 7691, 7702, 7825, 7883, 7918, 7934, 7939, 7951, 8037,
];

impl Params {
    /// Whether an EIP after London is active in the block with this number and Unix time.
    pub fn later_eip_active(&self, eip: u64, number: BlockNumber, timestamp: u64) -> bool {
        self.eip_timestamps.get(&eip).is_some_and(|from| timestamp >= *from)
            || self.eip_transitions.get(&eip).is_some_and(|from| number >= *from)
    }
}

pub(super) fn parse_params(mut o: Object, n: &mut Notes) -> Result<Params, SpecError> {
    let network_id = o.need("networkID")?.u64(n)?;
    let fork = match (o.u64("forkBlock", n)?, o.take("forkCanonHash")) {
        (Some(block), Some(hash)) => Some((block, hash.hash()?)),
        (None, None) => None,
        _ => return Err(SpecError::invalid(&o.path, "forkBlock and forkCanonHash only mean something together")),
    };
    let bound_divisor = o.need("gasLimitBoundDivisor")?;
    let mut params = Params {
        network_id,
        chain_id: o.u64("chainID", n)?.unwrap_or(network_id),
        maximum_extra_data_size: o.need("maximumExtraDataSize")?.u64(n)?,
        min_gas_limit: o.need("minGasLimit")?.u64(n)?,
        gas_limit_bound_divisor: match bound_divisor.u64(n)? {
            0 => return bound_divisor.invalid("the divisor cannot be 0"),
            divisor => divisor,
        },
        account_start_nonce: o.u64("accountStartNonce", n)?.unwrap_or(0),
        max_transaction_size: o.u64("maxTransactionSize", n)?.unwrap_or(DEFAULT_MAX_TRANSACTION_SIZE),
        max_code_size: o.u64("maxCodeSize", n)?,
        max_code_size_transition: o.u64("maxCodeSizeTransition", n)?.unwrap_or(0),
        registrar: o.address("registrar")?.filter(|address| *address != Address::ZERO),
        node_permission_contract: o.address("nodePermissionContract")?,
        transaction_permission_contract: o.address("transactionPermissionContract")?,
        transaction_permission_contract_transition: o.u64("transactionPermissionContractTransition", n)?.unwrap_or(0),
        validate_service_transactions_transition: o.u64("validateServiceTransactionsTransition", n)?,
        restrict_internal_creation_transition: o.u64("restrictInternalCreationTransition", n)?,
        restrict_internal_calls_transition: o.u64("restrictInternalCallsTransition", n)?,
        fork,
        eip98_transition: o.u64("eip98Transition", n)?,
        eip140_transition: o.u64("eip140Transition", n)?,
        eip145_transition: o.u64("eip145Transition", n)?,
        eip150_transition: zero_by_default(&mut o, "eip150Transition", n)?,
        eip155_transition: zero_by_default(&mut o, "eip155Transition", n)?,
        eip160_transition: zero_by_default(&mut o, "eip160Transition", n)?,
        eip161abc_transition: zero_by_default(&mut o, "eip161abcTransition", n)?,
        eip161d_transition: zero_by_default(&mut o, "eip161dTransition", n)?,
        eip211_transition: o.u64("eip211Transition", n)?,
        eip214_transition: o.u64("eip214Transition", n)?,
        eip658_transition: o.u64("eip658Transition", n)?,
        eip1014_transition: o.u64("eip1014Transition", n)?,
        eip1052_transition: o.u64("eip1052Transition", n)?,
        eip1283_transition: o.u64("eip1283Transition", n)?,
        eip1283_disable_transition: o.u64("eip1283DisableTransition", n)?,
        eip1283_reenable_transition: o.u64("eip1283ReenableTransition", n)?,
        eip1344_transition: o.u64("eip1344Transition", n)?,
        eip1559_transition: o.u64("eip1559Transition", n)?,
        eip1706_transition: o.u64("eip1706Transition", n)?,
        eip1884_transition: o.u64("eip1884Transition", n)?,
        eip2028_transition: o.u64("eip2028Transition", n)?,
        eip2929_transition: o.u64("eip2929Transition", n)?,
        eip2930_transition: o.u64("eip2930Transition", n)?,
        eip3198_transition: o.u64("eip3198Transition", n)?,
        eip3529_transition: o.u64("eip3529Transition", n)?,
        eip3541_transition: o.u64("eip3541Transition", n)?,
        eip3607_transition: zero_by_default(&mut o, "eip3607Transition", n)?,
        validate_chain_id_transition: zero_by_default(&mut o, "validateChainIdTransition", n)?,
        validate_receipts_transition: zero_by_default(&mut o, "validateReceiptsTransition", n)?,
        eip_timestamps: Default::default(),
        eip_transitions: Default::default(),
        eip1559_base_fee_initial_value: o.u64("eip1559BaseFeeInitialValue", n)?,
        eip1559_base_fee_max_change_denominator: o.u64("eip1559BaseFeeMaxChangeDenominator", n)?,
        eip1559_elasticity_multiplier: o.u64("eip1559ElasticityMultiplier", n)?,
        eip1559_base_fee_min_value: o.u64("eip1559BaseFeeMinValue", n)?,
        eip1559_base_fee_min_value_transition: o.u64("eip1559BaseFeeMinValueTransition", n)?,
        eip1559_fee_collector: o.address("eip1559FeeCollector")?,
        eip1559_fee_collector_transition: o.u64("eip1559FeeCollectorTransition", n)?,
        gas_free: o.take("gasFree").map(Node::bool).transpose()?.unwrap_or(false),
        fixed_base_fee: o.take("fixedBaseFee").map(|node| fixed_base_fee(&node)).transpose()?,
        eip210_transition: o.u64("eip210Transition", n)?,
        eip2315_transition: o.u64("eip2315Transition", n)?,
        dust_protection_transition: o.u64("dustProtectionTransition", n)?,
        wasm_activation_transition: o.u64("wasmActivationTransition", n)?,
        wasm_disable_transition: o.u64("wasmDisableTransition", n)?,
        terminal_total_difficulty: o.take("terminalTotalDifficulty").map(|node| node.uint()).transpose()?,
    };
    check_fees(&mut params, &o, n)?;
    check_restrictions(&params, &o)?;
    o.ignore(&IGNORED);
    if params.terminal_total_difficulty.is_some() {
        let why = "the chain leaves AuRa at this total difficulty; it cannot be followed beyond";
        n.warn(&o.path_of("terminalTotalDifficulty"), SpecWarningKind::Unsupported(why))?;
    }
    parse_later_eips(&mut params, &mut o, n)?;
    o.finish(n)?;
    Ok(params)
}

fn zero_by_default(o: &mut Object, key: &str, n: &mut Notes) -> Result<Option<BlockNumber>, SpecError> {
    Ok(Some(o.u64(key, n)?.unwrap_or(0)))
}

/// The extension's value has no older client to agree with, so one that does not fit is an error.
fn fixed_base_fee(node: &Node) -> Result<u64, SpecError> {
    let value: U256 = node.uint()?;
    u64::try_from(value).or_else(|_| node.invalid("the base fee does not fit in 64 bits"))
}

/// Which of the base fee's rules hold together, and the values EIP-1559 cannot do without.
fn check_fees(params: &mut Params, o: &Object, n: &mut Notes) -> Result<(), SpecError> {
    if params.gas_free && params.fixed_base_fee.is_some() {
        return Err(SpecError::invalid(&o.path_of("gasFree"), "a chain is gasFree or has a fixedBaseFee, not both"));
    }
    for (key, value) in [
        ("eip1559BaseFeeMaxChangeDenominator", params.eip1559_base_fee_max_change_denominator),
        ("eip1559ElasticityMultiplier", params.eip1559_elasticity_multiplier),
    ] {
        if value == Some(0) {
            return Err(SpecError::invalid(&o.path_of(key), "cannot be 0"));
        }
    }
    if params.fixed_base_fee.is_some() && params.eip1559_transition.is_none() {
        return Err(SpecError::invalid(
            &o.path_of("fixedBaseFee"),
            "needs eip1559Transition: without it there is no base fee",
        ));
    }
    if params.eip1559_transition.is_none() || params.gas_free || params.fixed_base_fee.is_some() {
        return Ok(());
    }
    // OpenEthereum stops at the first such block; Nethermind assumes Ethereum's values.
    for (key, value, default) in [
        ("eip1559BaseFeeMaxChangeDenominator", &mut params.eip1559_base_fee_max_change_denominator, 8),
        ("eip1559ElasticityMultiplier", &mut params.eip1559_elasticity_multiplier, 2),
    ] {
        if value.is_none() {
            let how = format!("missing although eip1559Transition is set; {default} is assumed, as in Nethermind");
            n.warn(&o.path_of(key), SpecWarningKind::Adjusted(how))?;
            *value = Some(default);
        }
    }
    Ok(())
}

/// The extensions ask the permission contract: without one they would silently restrict nothing.
fn check_restrictions(params: &Params, o: &Object) -> Result<(), SpecError> {
    for (key, from) in [
        ("restrictInternalCreationTransition", params.restrict_internal_creation_transition),
        ("restrictInternalCallsTransition", params.restrict_internal_calls_transition),
    ] {
        if from.is_some() && params.transaction_permission_contract.is_none() {
            return Err(SpecError::invalid(&o.path_of(key), "needs transactionPermissionContract, which decides"));
        }
    }
    Ok(())
}

/// `eipNNNNTransitionTimestamp` and `eipNNNNTransition` in Nethermind's key names: of EIPs after London, and EIP-2200 where
/// OpenEthereum says EIP-1283 with EIP-1706. Which of them execution knows is for crate `aurum-evm` to say.
fn parse_later_eips(params: &mut Params, o: &mut Object, n: &mut Notes) -> Result<(), SpecError> {
    for key in o.keys() {
        let Some(rest) = key.strip_prefix("eip") else { continue };
        let (digits, by_time) = match (rest.strip_suffix("TransitionTimestamp"), rest.strip_suffix("Transition")) {
            (Some(digits), _) => (digits, true),
            (None, Some(digits)) => (digits, false),
            (None, None) => continue,
        };
        // `+7` and `007` parse as numbers and are no EIP's name; a number nobody knows is an unknown key like any other.
        let Some(eip) = NAMED_EIPS.into_iter().find(|eip| eip.to_string() == digits) else { continue };
        let Some(node) = o.take(&key) else { continue };
        let from = node.u64(n)?;
        if by_time {
            params.eip_timestamps.insert(eip, from)
        } else {
            params.eip_transitions.insert(eip, from)
        };
    }
    Ok(())
}
