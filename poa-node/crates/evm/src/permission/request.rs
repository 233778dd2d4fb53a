//! What the contract is asked about, and which right that needs.

use alloy::{
    consensus::{Transaction as _, TxType},
    primitives::{Address, Bytes, TxKind, U256},
};
use aurum_types::{StateError, Transaction};

use super::Right;

/// What of a transaction the contract is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRequest {
    /// Who sends.
    pub sender: Address,
    /// Where to; creation has no target.
    pub to: TxKind,
    /// Wei moved.
    pub value: U256,
    /// Highest price of a unit of gas, in wei.
    pub max_fee_per_gas: u128,
    /// Highest tip, in wei; equal to the price where the type has no tip.
    pub max_priority_fee_per_gas: u128,
    /// Gas limit.
    pub gas_limit: u64,
    /// Input.
    pub data: Bytes,
    /// Whether accounts are delegated to contracts (EIP-7702).
    pub delegates: bool,
}

impl PermissionRequest {
    /// What of this transaction the contract is told.
    pub fn of(sender: Address, tx: &Transaction) -> Self {
        Self {
            sender,
            to: tx.kind(),
            value: tx.value(),
            max_fee_per_gas: tx.max_fee_per_gas(),
            max_priority_fee_per_gas: tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas()),
            gas_limit: tx.gas_limit(),
            data: tx.input().clone(),
            delegates: tx.tx_type() == TxType::Eip7702,
        }
    }

    /// The right it needs. Only the target of the transaction itself counts, as it is at the parent; precompiles have no
    /// code (OpenEthereum tx_filter.rs `transaction_allowed`).
    pub(crate) fn needed(
        &self,
        has_code: impl FnOnce(Address) -> Result<bool, StateError>,
    ) -> Result<Right, StateError> {
        Ok(match self.to {
            _ if self.delegates => Right::Create,
            TxKind::Create => Right::Create,
            TxKind::Call(to) if has_code(to)? => Right::Call,
            TxKind::Call(_) => Right::Basic,
        })
    }
}
