//! The chain spec's transitions as the rules of one block.
//!
//! Parity switches EIPs one by one; revm knows named forks. For now a block runs under the fork whose set of EIPs differs
//! least from the block's, and [`unsupported`] names each difference. Per-EIP gating (instruction table, gas parameters)
//! would replace the choice of the nearest fork and nothing else: no other file looks at an EIP number or at revm's `SpecId` choice.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use aurum_types::{BlockNumber, ChainSpec};
use revm::{context::CfgEnv, context_interface::cfg::GasParams, primitives::hardfork::SpecId};

/// What a receipt's first field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptForm {
    /// Success or failure (EIP-658).
    Status,
    /// The state root after the transaction: needs the commitment once per transaction.
    StateRoot,
    /// Nothing (EIP-98).
    Bare,
}

/// Everything the spec says about executing one block.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) spec: SpecId,
    pub(crate) chain_id: u64,
    pub(crate) replay_protection: bool,
    pub(crate) validate_chain_id: bool,
    pub(crate) access_lists: bool,
    pub(crate) fee_market: bool,
    pub(crate) delegations: bool,
    pub(crate) reject_senders_with_code: bool,
    pub(crate) code_limit: Option<usize>,
    pub(crate) initcode_limit: Option<usize>,
    pub(crate) max_transaction_size: u64,
    pub(crate) gas_free: bool,
    pub(crate) fixed_base_fee: Option<u64>,
    pub(crate) fee_collector: Option<Address>,
    pub(crate) permission_contract: Option<Address>,
    pub(crate) certified_zero_price_only: bool,
    pub(crate) receipts: ReceiptForm,
}

impl Rules {
    /// The rules of the block at `number` with this `timestamp`.
    pub fn at(spec: &ChainSpec, number: BlockNumber, timestamp: u64) -> Self {
        let params = &spec.params;
        let from = |transition: Option<BlockNumber>| transition.is_some_and(|first| number >= first);
        let eips = active_eips(spec, number, timestamp);
        let code_limit = params
            .max_code_size
            .filter(|_| number >= params.max_code_size_transition)
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self {
            spec: nearest(&eips).0,
            chain_id: params.chain_id,
            replay_protection: from(params.eip155_transition),
            validate_chain_id: from(params.validate_chain_id_transition),
            access_lists: from(params.eip2930_transition),
            fee_market: from(params.eip1559_transition),
            delegations: eips.contains(&7702),
            reject_senders_with_code: from(params.eip3607_transition),
            code_limit,
            initcode_limit: code_limit.filter(|_| eips.contains(&3860)).map(|limit| limit.saturating_mul(2)),
            max_transaction_size: params.max_transaction_size,
            gas_free: params.gas_free,
            fixed_base_fee: params.fixed_base_fee,
            fee_collector: params.eip1559_fee_collector.filter(|_| from(params.eip1559_fee_collector_transition)),
            permission_contract: params
                .transaction_permission_contract
                .filter(|_| number >= params.transaction_permission_contract_transition),
            certified_zero_price_only: from(params.validate_service_transactions_transition),
            receipts: if from(params.eip658_transition) {
                ReceiptForm::Status
            } else if from(params.eip98_transition) && from(params.validate_receipts_transition) {
                ReceiptForm::Bare
            } else {
                ReceiptForm::StateRoot
            },
        }
    }

    /// What a receipt's first field is.
    pub const fn receipt_form(&self) -> ReceiptForm {
        self.receipts
    }

    /// The contract that decides about transactions of this block, if any.
    pub const fn permission_contract(&self) -> Option<Address> {
        self.permission_contract
    }

    /// Whether a zero-price transaction pays no base fee (aura.md §3.3). A fixed base fee has no such exception: it would
    /// make the price voluntary.
    pub(crate) const fn zero_price_is_exempt(&self) -> bool {
        self.fixed_base_fee.is_none()
    }

    /// Nonce a contract starts with (EIP-161).
    pub(crate) const fn contracts_start_at_one(&self) -> bool {
        self.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON)
    }

    /// Why this may not be deployed as code, if so (EIP-170, EIP-3541).
    pub(crate) fn refuse_code(&self, code: &[u8]) -> Option<&'static str> {
        if self.code_limit.is_some_and(|limit| code.len() > limit) {
            return Some("code exceeds the size limit");
        }
        (self.spec.is_enabled_in(SpecId::LONDON) && code.first() == Some(&0xef)).then_some("code starts with 0xEF")
    }

    pub(crate) fn gas_params(&self) -> GasParams {
        GasParams::new_spec(self.spec)
    }

    /// revm's configuration for transactions of a block.
    pub(crate) fn cfg(&self) -> CfgEnv {
        let mut cfg = CfgEnv::new_with_spec(self.spec);
        cfg.chain_id = self.chain_id;
        // The check is ours (crate::transaction): it has transitions of its own.
        cfg.tx_chain_id_check = false;
        cfg.limit_contract_code_size = Some(self.code_limit.unwrap_or(usize::MAX));
        cfg.limit_contract_initcode_size = Some(self.initcode_limit.unwrap_or(usize::MAX));
        cfg.disable_eip3607 = !self.reject_senders_with_code;
        // The check is ours: it counts what earlier transactions of the block used.
        cfg.disable_block_gas_limit = true;
        cfg
    }

    /// revm's configuration for calls outside blocks: no demands on nonce, fees and balance.
    pub(crate) fn call_cfg(&self) -> CfgEnv {
        let mut cfg = self.cfg();
        cfg.disable_nonce_check = true;
        cfg.disable_fee_charge = true;
        cfg.disable_base_fee = true;
        cfg.disable_eip3607 = true;
        cfg
    }
}

/// revm's forks, each with the EIPs it adds that change execution. Missing on purpose: what has a switch of its own here
/// (155, 170, 658, 1559's fees, 2930's type, 3607), precompiles (from the spec's `builtin`s), and what this chain never
/// has (blobs, beacon roots, withdrawals). EIP-2200 is 1283 and 1706 together; 161 is its parts abc and d together.
const FORKS: [(SpecId, &[u64]); 11] = [
    (SpecId::HOMESTEAD, &[]),
    (SpecId::TANGERINE, &[150]),
    (SpecId::SPURIOUS_DRAGON, &[160, 161]),
    (SpecId::BYZANTIUM, &[140, 211, 214]),
    (SpecId::PETERSBURG, &[145, 1014, 1052]),
    (SpecId::ISTANBUL, &[1344, 1884, 2028, 2200]),
    (SpecId::BERLIN, &[2929]),
    (SpecId::LONDON, &[3198, 3529, 3541]),
    (SpecId::SHANGHAI, &[3651, 3855, 3860]),
    (SpecId::CANCUN, &[1153, 5656, 6780]),
    (SpecId::PRAGUE, &[7623, 7702]),
];

/// EIPs that a spec may switch on without any effect on execution here.
const WITHOUT_EFFECT: [u64; 5] = [2537, 2565, 4895, 7516, 1559];

fn active_eips(spec: &ChainSpec, number: BlockNumber, timestamp: u64) -> BTreeSet<u64> {
    let params = &spec.params;
    let from = |transition: Option<BlockNumber>| transition.is_some_and(|first| number >= first);
    let net_metering = (from(params.eip1283_transition) && !from(params.eip1283_disable_transition))
        || from(params.eip1283_reenable_transition);
    let stipend_guard = from(params.eip1706_transition);
    let by_block = [
        (140, from(params.eip140_transition)),
        (145, from(params.eip145_transition)),
        (150, from(params.eip150_transition)),
        (160, from(params.eip160_transition)),
        (161, from(params.eip161abc_transition) && from(params.eip161d_transition)),
        (211, from(params.eip211_transition)),
        (214, from(params.eip214_transition)),
        (1014, from(params.eip1014_transition)),
        (1052, from(params.eip1052_transition)),
        (1283, net_metering && !stipend_guard),
        (1706, stipend_guard && !net_metering),
        (2200, net_metering && stipend_guard),
        (1344, from(params.eip1344_transition)),
        (1884, from(params.eip1884_transition)),
        (2028, from(params.eip2028_transition)),
        (2929, from(params.eip2929_transition)),
        (3198, from(params.eip3198_transition)),
        (3529, from(params.eip3529_transition)),
        (3541, from(params.eip3541_transition)),
    ];
    let later = params.eip_timestamps.keys().chain(params.eip_transitions.keys()).copied();
    by_block
        .into_iter()
        .filter_map(|(eip, active)| active.then_some(eip))
        .chain(later.filter(|eip| params.later_eip_active(*eip, number, timestamp)))
        .filter(|eip| !WITHOUT_EFFECT.contains(eip))
        .collect()
}

/// The fork that differs least from `eips` (the older one of equals), and the EIPs in which it differs.
fn nearest(eips: &BTreeSet<u64>) -> (SpecId, BTreeSet<u64>) {
    let mut of_fork = BTreeSet::new();
    let mut best: Option<(SpecId, BTreeSet<u64>)> = None;
    for (spec, added) in FORKS {
        of_fork.extend(added.iter().copied());
        let difference: BTreeSet<u64> = of_fork.symmetric_difference(eips).copied().collect();
        if best.as_ref().is_none_or(|(_, least)| difference.len() < least.len()) {
            best = Some((spec, difference));
        }
    }
    best.expect("there is at least one fork")
}

/// What the spec asks for that execution does otherwise, one line each with the block or time it starts at. Empty for a
/// chain that is executed exactly.
pub fn unsupported(spec: &ChainSpec) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last = BTreeSet::new();
    for (number, timestamp) in boundaries(spec) {
        let eips = active_eips(spec, number, timestamp);
        let (fork, difference) = nearest(&eips);
        if difference != last {
            let when = if timestamp == 0 { format!("block {number}") } else { format!("time {timestamp}") };
            for eip in difference.difference(&last) {
                let state = if eips.contains(eip) { "on, executed as off" } else { "off, executed as on" };
                lines.push(format!("from {when}: EIP-{eip} is {state} (nearest fork: {fork:?})"));
            }
            last = difference;
        }
    }
    let params = &spec.params;
    if Rules::at(spec, 0, 0).receipts == ReceiptForm::StateRoot {
        lines.push("before EIP-658: receipts with state roots need Evm::execute_with_roots".to_owned());
    }
    if params.account_start_nonce != 0 {
        lines.push(format!("accountStartNonce is {}, executed as 0", params.account_start_nonce));
    }
    lines.extend(spec.accounts.iter().filter_map(|(address, account)| {
        let builtin = account.builtin.as_ref()?;
        (!crate::precompiles::is_known(&builtin.name))
            .then(|| format!("builtin {} at {address} is unknown, executed as an ordinary account", builtin.name))
    }));
    lines
}

/// Points at which any rule may change, in order: blocks first (at time 0), then timestamps (at the last block number).
fn boundaries(spec: &ChainSpec) -> Vec<(BlockNumber, u64)> {
    let p = &spec.params;
    let blocks: BTreeSet<BlockNumber> = [
        p.eip140_transition,
        p.eip145_transition,
        p.eip150_transition,
        p.eip160_transition,
        p.eip161abc_transition,
        p.eip161d_transition,
        p.eip211_transition,
        p.eip214_transition,
        p.eip1014_transition,
        p.eip1052_transition,
        p.eip1283_transition,
        p.eip1283_disable_transition,
        p.eip1283_reenable_transition,
        p.eip1344_transition,
        p.eip1706_transition,
        p.eip1884_transition,
        p.eip2028_transition,
        p.eip2929_transition,
        p.eip3198_transition,
        p.eip3529_transition,
        p.eip3541_transition,
        Some(0),
    ]
    .into_iter()
    .flatten()
    .chain(p.eip_transitions.values().copied())
    .collect();
    let last = blocks.last().copied().unwrap_or_default();
    let times: BTreeSet<u64> = p.eip_timestamps.values().copied().collect();
    blocks.into_iter().map(|number| (number, 0)).chain(times.into_iter().map(|time| (last, time))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest_of(eips: &[u64]) -> (SpecId, Vec<u64>) {
        let (spec, difference) = nearest(&eips.iter().copied().collect());
        (spec, difference.into_iter().collect())
    }

    #[test]
    fn named_forks_are_exact() {
        let mut eips = Vec::new();
        for (spec, added) in FORKS {
            eips.extend_from_slice(added);
            assert_eq!(nearest_of(&eips), (spec, vec![]));
        }
    }

    #[test]
    fn odd_combinations_take_the_nearest_fork_and_say_so() {
        let through = |spec: SpecId| -> Vec<u64> {
            let forks = FORKS.iter().filter(|(fork, _)| *fork <= spec);
            forks.flat_map(|(_, added)| added.iter().copied()).collect()
        };
        // xDai: net metering without the stipend guard.
        let mut eips = through(SpecId::PETERSBURG);
        eips.push(1283);
        assert_eq!(nearest_of(&eips), (SpecId::PETERSBURG, vec![1283]));
        // Bellecour: 3529 and 3541 without 3198.
        let mut eips = through(SpecId::BERLIN);
        eips.extend([3529, 3541]);
        assert_eq!(nearest_of(&eips), (SpecId::LONDON, vec![3198]));
    }
}
