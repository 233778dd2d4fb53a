//! The chain spec's transitions as the rules of one block (aura.md §4.2).
//!
//! Parity switches EIPs one by one; revm knows forks. A block runs as revm's newest fork that this node has, with
//! everything the fork number decides replaced by what the block's EIPs say:
//!
//! ```text
//! spec, number, time ─▶ Eips ─┬▶ gas parameters and static prices       (gas.rs)
//!                             ├▶ instruction table                      (instructions.rs)
//!                             ├▶ state clearing, first nonces           (crate::database, crate::executor)
//!                             └▶ what a transaction may be              (crate::transaction)
//! ```
//!
//! Blocks before `eip150Transition` are the exception: there OpenEthereum knows no other rule than Homestead's, and revm
//! runs as that. What cannot be had this way is refused when the spec is loaded ([`check_rules`]).

mod check;
mod eips;
mod gas;
mod instructions;

use alloy::primitives::Address;
use aurum_types::{BlockNumber, ChainSpec};
use revm::{
    context::CfgEnv,
    context_interface::{Host, cfg::GasParams},
    handler::instructions::EthInstructions,
    interpreter::interpreter::EthInterpreter,
    primitives::hardfork::SpecId,
};

use crate::database::AccountRules;

pub use check::{UnsupportedRule, UnsupportedRules, check_rules};
pub(crate) use eips::Eips;

/// revm's fork under which blocks run from EIP-150 on.
const NEWEST: SpecId = SpecId::PRAGUE;

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
    eips: Eips,
    gas_params: GasParams,
    start_nonce: u64,
    wasm: bool,
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
        let eips = Eips::at(spec, number, timestamp);
        let code_limit = params
            .max_code_size
            .filter(|_| number >= params.max_code_size_transition && eips.has(150))
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self {
            gas_params: gas::gas_params(&eips),
            start_nonce: params.account_start_nonce,
            wasm: eips.has(150) && from(params.wasm_activation_transition) && !from(params.wasm_disable_transition),
            chain_id: params.chain_id,
            replay_protection: from(params.eip155_transition),
            validate_chain_id: from(params.validate_chain_id_transition),
            access_lists: eips.has(2930),
            fee_market: eips.has(1559),
            delegations: eips.has(7702),
            reject_senders_with_code: from(params.eip3607_transition),
            code_limit,
            initcode_limit: code_limit.filter(|_| eips.has(3860)).map(|limit| limit.saturating_mul(2)),
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
            eips,
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

    /// Nonce a new account starts with (`accountStartNonce`).
    pub(crate) const fn start_nonce(&self) -> u64 {
        self.start_nonce
    }

    /// Nonce a new contract starts with: one more from EIP-161 on.
    pub(crate) fn contract_nonce(&self) -> u64 {
        self.start_nonce.saturating_add(u64::from(self.eips.has(161)))
    }

    /// What holds for accounts.
    pub(crate) const fn accounts(&self) -> AccountRules {
        AccountRules {
            start_nonce: self.start_nonce,
            clears_empty: self.eips.clears_empty(),
            delegations: self.delegations,
        }
    }

    /// Whether code that begins with 0xef may be deployed: without EIP-3541.
    pub(crate) fn allows_ef_code(&self) -> bool {
        !self.eips.has(3541)
    }

    /// Whether the author's account is warm from the start (EIP-3651).
    pub(crate) fn warm_author(&self) -> bool {
        self.eips.has(3651)
    }

    /// Whether Parity would run code that begins as wasm as wasm.
    pub(crate) const fn has_wasm(&self) -> bool {
        self.wasm
    }

    /// Why this may not be deployed as code, if so (EIP-170, EIP-3541).
    pub(crate) fn refuse_code(&self, code: &[u8]) -> Option<&'static str> {
        if self.code_limit.is_some_and(|limit| code.len() > limit) {
            return Some("code exceeds the size limit");
        }
        (!self.allows_ef_code() && code.first() == Some(&0xef)).then_some("code starts with 0xEF")
    }

    pub(crate) const fn gas_params(&self) -> &GasParams {
        &self.gas_params
    }

    /// The fork revm runs as: [`NEWEST`], less what the tables leave out.
    pub(crate) fn spec(&self) -> SpecId {
        if self.eips.has(150) { NEWEST } else { SpecId::HOMESTEAD }
    }

    /// The fork revm's journal keeps the state as: whether missing and empty accounts are two things (before EIP-161), and
    /// what SELFDESTRUCT removes (EIP-6780).
    pub(crate) fn journal_spec(&self) -> SpecId {
        match (self.eips.has(161), self.eips.has(6780)) {
            (false, _) => SpecId::HOMESTEAD,
            (true, false) => SpecId::SPURIOUS_DRAGON,
            (true, true) => SpecId::CANCUN,
        }
    }

    /// The block's opcodes.
    pub(crate) fn instructions<H: Host>(&self) -> EthInstructions<EthInterpreter, H> {
        instructions::instructions(&self.eips, self.spec())
    }

    /// revm's configuration for transactions of a block.
    pub(crate) fn cfg(&self) -> CfgEnv {
        let mut cfg = CfgEnv::new_with_spec(self.spec());
        cfg.gas_params = self.gas_params.clone();
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
