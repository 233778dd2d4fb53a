//! Transactions on their way into revm, and what is wrong with one whatever the state is.

use alloy::{
    consensus::{Transaction as _, TxType, Typed2718},
    eips::eip2718::Encodable2718,
    primitives::Address,
};
use aurum_types::Transaction;
use revm::{context::TxEnv, context_interface::either::Either};

use crate::{Rules, TxInvalid};

/// What a transaction costs before its first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// Gas taken before execution.
    pub gas: u64,
    /// Least gas used in total (EIP-7623); 0 where there is no such floor.
    pub floor: u64,
}

impl IntrinsicGas {
    /// The least gas limit the transaction can have.
    pub const fn least_limit(self) -> u64 {
        if self.gas > self.floor { self.gas } else { self.floor }
    }
}

/// Gas a transaction costs before its first instruction, under `rules`.
pub(crate) fn intrinsic_gas(rules: &Rules, tx: &Transaction) -> IntrinsicGas {
    let (addresses, keys) = tx
        .access_list()
        .map_or((0, 0), |list| (count(list.0.len()), count(list.0.iter().map(|item| item.storage_keys.len()).sum())));
    let authorizations = count(tx.authorization_list().map_or(0, <[_]>::len));
    let gas = rules.gas_params().initial_tx_gas(tx.input(), tx.is_create(), addresses, keys, authorizations, None);
    IntrinsicGas { gas: gas.initial_total_gas(), floor: gas.floor_gas() }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

/// Whether a transaction offers nothing for its gas (aura.md §3.3).
pub(crate) fn is_zero_price(tx: &Transaction) -> bool {
    tx.max_fee_per_gas() == 0 && tx.max_priority_fee_per_gas().unwrap_or_default() == 0
}

/// Checks everything about `tx` that no state and no parent decides: type, chain id, size, intrinsic gas, fee fields.
pub(crate) fn validate(rules: &Rules, tx: &Transaction) -> Result<(), TxInvalid> {
    let supported = match tx.tx_type() {
        TxType::Legacy => true,
        TxType::Eip2930 => rules.access_lists,
        TxType::Eip1559 => rules.fee_market,
        TxType::Eip7702 => rules.delegations,
        TxType::Eip4844 => false,
    };
    if !supported {
        return Err(TxInvalid::UnsupportedType(tx.ty()));
    }
    validate_chain_id(rules, tx)?;
    let size = tx.encode_2718_len();
    if count(size) > rules.max_transaction_size {
        return Err(TxInvalid::Oversized { have: size, limit: rules.max_transaction_size });
    }
    if let Some(limit) = rules.initcode_limit.filter(|limit| tx.is_create() && tx.input().len() > *limit) {
        return Err(TxInvalid::InitCodeTooLarge { have: tx.input().len(), limit });
    }
    if tx.nonce() == u64::MAX {
        return Err(TxInvalid::NonceOverflow);
    }
    let needed = intrinsic_gas(rules, tx).least_limit();
    if tx.gas_limit() < needed {
        return Err(TxInvalid::IntrinsicGas { have: tx.gas_limit(), want: needed });
    }
    if tx.tx_type() == TxType::Eip7702 && tx.authorization_list().is_none_or(<[_]>::is_empty) {
        return Err(TxInvalid::EmptyAuthorizationList);
    }
    if rules.gas_free {
        return Ok(());
    }
    if tx.max_priority_fee_per_gas().is_some_and(|tip| tip > tx.max_fee_per_gas()) {
        return Err(TxInvalid::TipAboveFee);
    }
    if u128::from(tx.gas_limit()).checked_mul(tx.max_fee_per_gas()).is_none() {
        return Err(TxInvalid::FeeOverflow);
    }
    match rules.fixed_base_fee.map(u128::from) {
        Some(base_fee) if tx.max_fee_per_gas() < base_fee => {
            Err(TxInvalid::FeeBelowBaseFee { have: tx.max_fee_per_gas(), base_fee })
        }
        _ => Ok(()),
    }
}

/// OpenEthereum `verify_transaction_basic`: before `validateChainIdTransition` any id passes; after it, an id must be the
/// chain's, and may only be there at all from EIP-155 on.
fn validate_chain_id(rules: &Rules, tx: &Transaction) -> Result<(), TxInvalid> {
    let have = tx.chain_id();
    let allowed = !rules.validate_chain_id || have.is_none_or(|id| rules.replay_protection && id == rules.chain_id);
    if allowed { Ok(()) } else { Err(TxInvalid::ChainId { have, want: rules.chain_id }) }
}

/// The transaction in revm's form. On a gas-free chain whatever fee it offers becomes zero here, so that every later
/// check, charge and the GASPRICE opcode see zero.
pub(crate) fn tx_env(rules: &Rules, sender: Address, tx: &Transaction) -> TxEnv {
    let free = rules.gas_free;
    TxEnv {
        tx_type: tx.ty(),
        caller: sender,
        gas_limit: tx.gas_limit(),
        gas_price: if free { 0 } else { tx.max_fee_per_gas() },
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: tx.max_priority_fee_per_gas().map(|tip| if free { 0 } else { tip }),
        authorization_list: tx
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .map(|authorization| Either::Left(authorization.clone()))
            .collect(),
        ..TxEnv::default()
    }
}
