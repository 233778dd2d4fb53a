//! What contracts do on behalf of a sender, checked too where the spec asks for it: `restrictInternalCreationTransition` and
//! `restrictInternalCallsTransition`, extensions of Aurum that no Parity chain has.
//!
//! A frame is judged as if the transaction's sender had sent it itself: the contract is asked on the parent's state with
//! the sender, the frame's target (whose code runs), value, gas and input, and the transaction's prices. The sender of the
//! *transaction*, because rights belong to those who sign: no entry for any contract is needed, nobody gains a right by
//! writing a contract that uses it for him, and a contract that works for one sender works for all with his rights.
//!
//! A frame that is refused never starts: no nonce moves, no value, nothing is charged but what the instruction costs, the
//! gas for the frame comes back, and the caller sees a revert with [`refusal_of`] as its data. The caller goes on, as after
//! any call that failed.

use std::sync::Arc;

use alloy::{
    primitives::{Address, Bytes, TxKind, U256},
    sol_types::{Revert, SolError},
};
use aurum_types::{ChainSpec, StateError, StateReader, Transaction};
use revm::{
    handler::FrameResult,
    interpreter::{CallOutcome, CallScheme, CreateOutcome, FrameInput, Gas, InstructionResult, InterpreterResult},
};

use super::{Mask, Permission, PermissionRequest, Right};
use crate::{BlockEnv, Evm, precompiles::Precompiles};

/// The transaction on whose behalf frames run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    sender: Address,
    max_fee_per_gas: u128,
    max_priority_fee_per_gas: u128,
    /// The answer that let the transaction in, if it holds for the sender whatever it sends.
    mask: Option<Mask>,
}

impl Sent {
    /// A transaction that `mask` let in.
    pub(crate) fn transaction(sender: Address, tx: &Transaction, mask: Option<Mask>) -> Self {
        Self::request(&PermissionRequest::of(sender, tx), mask)
    }

    /// Something that would be a transaction of `request`'s sender.
    pub(crate) fn request(request: &PermissionRequest, mask: Option<Mask>) -> Self {
        Self {
            sender: request.sender,
            max_fee_per_gas: request.max_fee_per_gas,
            max_priority_fee_per_gas: request.max_priority_fee_per_gas,
            mask: mask.filter(Mask::is_for_sender),
        }
    }
}

/// Judges frames of one block, by its parent's state.
#[derive(Debug)]
pub(crate) struct FrameGuard {
    permission: Permission,
    creation: bool,
    calls: bool,
    precompiles: Precompiles,
    sent: Option<Sent>,
}

impl FrameGuard {
    /// The guard of a child of `parent` at `number`; `None` where the spec restricts nothing or no contract decides.
    pub(crate) fn new(
        evm: &Evm,
        contract: Option<Address>,
        state: &Arc<dyn StateReader>,
        parent: &BlockEnv,
        number: u64,
    ) -> Option<Self> {
        let contract = contract?;
        let ChainSpec { params, .. } = &**evm.spec();
        let from = |transition: Option<u64>| transition.is_some_and(|first| number >= first);
        let creation = from(params.restrict_internal_creation_transition);
        let calls = from(params.restrict_internal_calls_transition);
        if !creation && !calls {
            return None;
        }
        let permission = Permission::new(evm, contract, Arc::clone(state), parent);
        let precompiles = Precompiles::at(evm.spec(), number);
        Some(Self { permission, creation, calls, precompiles, sent: None })
    }

    /// On whose behalf the next frames run.
    pub(crate) const fn begin(&mut self, sent: Sent) {
        self.sent = Some(sent);
    }

    /// The mask that lets `request` in, if the contract gives one that holds for its sender.
    pub(crate) fn mask_for(&mut self, request: &PermissionRequest) -> Result<Option<Mask>, StateError> {
        Ok(Some(self.permission.ask(request)?).filter(Mask::is_for_sender))
    }

    /// What a caller sees instead of the frame it asked for, if that is refused. `input` is the call's.
    pub(crate) fn refuses(
        &mut self,
        frame: &FrameInput,
        input: impl FnOnce() -> Bytes,
    ) -> Result<Option<FrameResult>, StateError> {
        let Some(sent) = self.sent else { return Ok(None) };
        let (to, value, gas_limit, data) = match frame {
            FrameInput::Create(create) if self.creation => {
                (TxKind::Create, create.value(), create.gas_limit(), create.init_code().clone())
            }
            // Pure functions at fixed addresses: nobody's account, and nothing to permit.
            FrameInput::Call(call) if self.calls && !self.precompiles.addresses().contains(&call.bytecode_address) => {
                let value = match call.scheme {
                    CallScheme::Call | CallScheme::CallCode => call.value.transfer().unwrap_or_default(),
                    CallScheme::DelegateCall | CallScheme::StaticCall => U256::ZERO,
                };
                (TxKind::Call(call.bytecode_address), value, call.gas_limit, input())
            }
            _ => return Ok(None),
        };
        let request = PermissionRequest {
            sender: sent.sender,
            to,
            value,
            max_fee_per_gas: sent.max_fee_per_gas,
            max_priority_fee_per_gas: sent.max_priority_fee_per_gas,
            gas_limit,
            data,
            delegates: false,
        };
        let needed = self.permission.needed(&request)?;
        let mask = match sent.mask {
            Some(mask) => mask,
            None => self.permission.ask(&request)?,
        };
        Ok(if mask.allows(needed) { None } else { refused(frame, needed) })
    }
}

/// Revert data of a refused frame: `Error(string)`. The text is part of consensus, since a caller can look at it.
fn refusal_of(needed: Right) -> Bytes {
    let reason = format!("not permitted: the sender of the transaction lacks the right \"{needed}\"");
    Revert::from(reason).abi_encode().into()
}

fn refused(frame: &FrameInput, needed: Right) -> Option<FrameResult> {
    let result = |gas_limit, reservoir| InterpreterResult {
        result: InstructionResult::Revert,
        output: refusal_of(needed),
        gas: Gas::new_with_regular_gas_and_reservoir(gas_limit, reservoir),
    };
    match frame {
        FrameInput::Create(create) => {
            let mut outcome = CreateOutcome::new(result(create.gas_limit(), create.reservoir()), None);
            outcome.charged_create_state_gas = create.charged_create_state_gas();
            Some(FrameResult::Create(outcome))
        }
        FrameInput::Call(call) => {
            let result = result(call.gas_limit, call.reservoir);
            let mut outcome = CallOutcome::new(result, call.return_memory_offset.clone());
            outcome.charged_new_account_state_gas = call.charged_new_account_state_gas;
            Some(FrameResult::Call(outcome))
        }
        FrameInput::Empty => None,
    }
}
