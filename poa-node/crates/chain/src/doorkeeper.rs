//! What the pool asks of the chain: would the next block take this transaction?

use std::sync::Arc;

use alloy::{consensus::Transaction as _, primitives::Address};
use aurum_evm::{BlockEnv, Denial, EvmError, PermissionRequest, TxInvalid};
use aurum_pool::{Admission, Denied, Refusal};
use aurum_types::{Account, Recovered, StateReader, Transaction};

use crate::{Fault, reader::Reader};

/// Code of an account that delegates to a contract (EIP-7702); it may still send.
const DELEGATION: &[u8] = &[0xef, 0x01, 0x00];

/// Answers at the head.
pub(crate) struct Doorkeeper(pub(crate) Arc<Reader>);

impl Admission for Doorkeeper {
    fn account(&self, address: Address) -> Result<Account, Refusal> {
        let (_, state) = self.0.head_state().map_err(fault)?;
        Ok(state.account(address)?.unwrap_or_else(|| self.0.missing_account()))
    }

    fn admits(&self, tx: &Recovered<Transaction>) -> Result<(), Refusal> {
        let reader = &self.0;
        let (head, state) = reader.head_state().map_err(fault)?;
        let next = reader.env_after(head.hash, &head.header);
        let rules = reader.evm.rules(next.number, next.timestamp);
        reader.evm.validate_tx_stateless(&rules, tx.inner()).map_err(refusal)?;
        if let Some(have) = tx.chain_id()
            && have != reader.spec.params.chain_id
        {
            // Valid in a block before `validateChainIdTransition`, but certainly a mistake of the sender.
            return Err(Refusal::ChainId { have, want: reader.spec.params.chain_id });
        }
        if tx.gas_limit() > head.header.gas_limit {
            return Err(Refusal::GasLimit);
        }
        self.admits_fee(tx, next.base_fee)?;
        if reader.spec.params.eip3607_transition.is_some_and(|from| next.number >= from) {
            refuse_code(&*state, tx.signer())?;
        }
        let request = PermissionRequest::of(tx.signer(), tx.inner());
        match reader.evm.check_permission(state, &BlockEnv::of(&head.header), head.hash, &request) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(denial)) => Err(Refusal::NotPermitted(Box::new(denied(&denial)))),
            Err(EvmError::Fault(fault)) => Err(Refusal::Fault(fault)),
            Err(EvmError::Invalid(invalid)) => Err(Refusal::Other(invalid.to_string())),
        }
    }
}

impl Doorkeeper {
    /// The chain's base fee, and this node's own minimum. Neither exists on a gas-free chain.
    fn admits_fee(&self, tx: &Recovered<Transaction>, base_fee: Option<u64>) -> Result<(), Refusal> {
        if self.0.spec.params.gas_free {
            return Ok(());
        }
        let have = tx.max_fee_per_gas();
        if let Some(want) = base_fee.map(u128::from).filter(|want| have < *want) {
            return Err(Refusal::FeeBelowBase { have, want });
        }
        if have < self.0.min_gas_price() {
            return Err(Refusal::Underpriced);
        }
        Ok(())
    }
}

fn refuse_code(state: &dyn StateReader, sender: Address) -> Result<(), Refusal> {
    let Some(account) = state.account(sender)?.filter(Account::has_code) else { return Ok(()) };
    if state.code(account.code_hash)?.starts_with(DELEGATION) {
        return Ok(());
    }
    Err(Refusal::SenderHasCode(sender))
}

/// The denial as the pool hands it to clients.
fn denied(denial: &Denial) -> Denied {
    let text = denial.to_string();
    let explanation = text.strip_prefix("Transaction is not permitted.").unwrap_or(&text).trim_start().to_owned();
    Denied {
        explanation,
        reason: denial.code().to_owned(),
        needed: denial.needed.bit(),
        have: denial.have,
        contract: denial.contract,
        block: denial.block,
    }
}

fn refusal(invalid: TxInvalid) -> Refusal {
    match invalid {
        TxInvalid::UnsupportedType(_) => Refusal::UnsupportedType,
        TxInvalid::ChainId { have: Some(have), want } => Refusal::ChainId { have, want },
        TxInvalid::ChainId { have: None, .. } => Refusal::NotReplayProtected,
        TxInvalid::IntrinsicGas { have, want } => Refusal::IntrinsicGas { have, want },
        TxInvalid::GasAboveBlock { .. } => Refusal::GasLimit,
        TxInvalid::FeeBelowBaseFee { have, base_fee } => Refusal::FeeBelowBase { have, want: base_fee },
        TxInvalid::TipAboveFee => Refusal::TipAboveFee,
        TxInvalid::Oversized { have, limit } => {
            Refusal::Oversized { have, limit: usize::try_from(limit).unwrap_or(usize::MAX) }
        }
        TxInvalid::InitCodeTooLarge { have, limit } => Refusal::InitCode { have, limit },
        other => Refusal::Other(other.to_string()),
    }
}

fn fault(fault: Fault) -> Refusal {
    Refusal::Fault(match fault {
        Fault::State(state) => state,
        other => aurum_types::StateError::new(other),
    })
}
