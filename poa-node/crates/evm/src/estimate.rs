//! `eth_estimateGas`: the least gas limit that succeeds, by binary search from a run at the cap (as geth).

use std::sync::Arc;

use aurum_types::StateReader;

use crate::{BlockEnv, CallOutcome, CallRequest, Evm, EvmError, InvalidExecution, TxInvalid};

/// A plain transfer's whole cost.
const TRANSFER_GAS: u64 = 21_000;

/// What a callee is handed with value: code that checks for it needs that much more than it uses (geth).
const STIPEND: u64 = 2_300;

impl Evm {
    /// The least gas limit with which the message succeeds, to within 1.5 % above. The inner error is the failed run at
    /// the cap: no gas limit would do.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn estimate_gas(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        request: &CallRequest,
    ) -> Result<Result<u64, CallOutcome>, EvmError> {
        let mut call = self.prepare(state, env, request)?;
        let cap = request.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(u64::MAX).min(call.cap);
        if cap >= TRANSFER_GAS && call.is_plain_transfer()? && succeeds(call.run(TRANSFER_GAS))? {
            return Ok(Ok(TRANSFER_GAS));
        }
        let at_cap = call.run(cap)?;
        if !at_cap.is_success() {
            return Ok(Err(at_cap));
        }
        // Below: known or assumed to fail. Above: known to succeed.
        let (mut low, mut high) = (at_cap.gas_used().saturating_sub(1), cap);
        // A call passes on 63/64 of its gas (EIP-150): the likely answer for contracts that do not look at their gas.
        let likely = at_cap.gas_used().saturating_add(STIPEND).saturating_mul(64) / 63;
        if likely < high {
            if succeeds(call.run(likely))? {
                high = likely;
            } else {
                low = likely;
            }
        }
        while low.saturating_add(1) < high && (high - low).saturating_mul(1000) >= high.saturating_mul(15) {
            let middle = low.midpoint(high).min(low.saturating_mul(2).max(low.saturating_add(1)));
            if succeeds(call.run(middle))? {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(Ok(high))
    }
}

/// Too little gas to start is a failure like any other here.
fn succeeds(run: Result<CallOutcome, EvmError>) -> Result<bool, EvmError> {
    match run {
        Ok(outcome) => Ok(outcome.is_success()),
        Err(EvmError::Invalid(InvalidExecution::Call(TxInvalid::IntrinsicGas { .. }))) => Ok(false),
        Err(error) => Err(error),
    }
}
