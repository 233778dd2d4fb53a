//! The base fee a block must state.

use alloy::primitives::U256;
use aurum_types::{BlockNumber, ChainSpec, Header};

/// The base fee in wei of block `number` on top of `parent`; `None` before `eip1559Transition`.
///
/// OpenEthereum `calc_base_fee`, with its minimum value. Two Aurum extensions fix it instead: `gasFree` (always 0) and
/// `fixedBaseFee`. Parameters a spec leaves out are Ethereum's (denominator 8, elasticity 2); OpenEthereum would not start.
pub fn next_base_fee(spec: &ChainSpec, parent: &Header, number: BlockNumber) -> Option<u64> {
    let params = &spec.params;
    let transition = params.eip1559_transition.filter(|from| number >= *from)?;
    if params.gas_free {
        return Some(0);
    }
    if let Some(fixed) = params.fixed_base_fee {
        return Some(fixed);
    }
    let initial = params.eip1559_base_fee_initial_value.unwrap_or(0);
    // A genesis that states no base fee has none, also where the rule holds from the beginning. (Nethermind gives it 1 gwei.)
    let fee = if number > transition { adjusted(spec, parent, parent.base_fee_per_gas.unwrap_or(0)) } else { initial };
    let floor = match (params.eip1559_base_fee_min_value, params.eip1559_base_fee_min_value_transition) {
        (Some(minimum), Some(from)) if number >= from => minimum,
        _ => 0,
    };
    Some(fee.max(floor))
}

/// EIP-1559's rule: towards a parent that used `gas limit / elasticity`.
fn adjusted(spec: &ChainSpec, parent: &Header, parent_fee: u64) -> u64 {
    let target = parent.gas_limit / elasticity(spec);
    if target == 0 || parent.gas_used == target {
        return parent_fee;
    }
    let denominator = spec.params.eip1559_base_fee_max_change_denominator.unwrap_or(8).max(1);
    let delta = |gas: u64| {
        let wide = U256::from(parent_fee) * U256::from(gas) / U256::from(target) / U256::from(denominator);
        u64::try_from(wide).unwrap_or(u64::MAX)
    };
    if parent.gas_used > target {
        parent_fee.saturating_add(delta(parent.gas_used - target).max(1))
    } else {
        parent_fee.saturating_sub(delta(target - parent.gas_used))
    }
}

/// By how much a block's gas limit exceeds its target; also what the limit is multiplied by at the transition.
pub(crate) fn elasticity(spec: &ChainSpec) -> u64 {
    spec.params.eip1559_elasticity_multiplier.unwrap_or(2).max(1)
}
