//! Calls without a transaction, with somebody looking on.

use std::sync::Arc;

use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use aurum_types::{StateChanges, StateReader};
use revm::{Inspector, context::TxEnv, context_interface::result::ResultAndState, inspector::NoOpInspector};

use super::{
    Replay, TraceError, TraceLimits, Which, geth,
    replay::{Seen, replay, stopped},
};
use crate::{
    BlockEnv, CallRequest, Evm, EvmError, InvalidExecution,
    call::PreparedCall,
    database::{BlockState, CleanUp},
    inspect::{Limited, Records},
    machine::{Context, Refused},
};

impl Evm {
    /// What the tracer that `options` names says of a call on the state after the block `env`.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn trace_call_geth(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        request: &CallRequest,
        options: &GethDebugTracingOptions,
        limits: &TraceLimits,
    ) -> Result<GethTrace, TraceError> {
        let prepared = self.prepare(state, env, request)?;
        Ok(prepared.traced(request.gas, limits, || geth::tracer(options, limits), geth::result)?.found)
    }

    /// The same, on the state in the middle of a block: before its transaction at `index`.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn trace_call_geth_within(
        &self,
        block: &Replay<'_>,
        index: usize,
        request: &CallRequest,
        options: &GethDebugTracingOptions,
        limits: &TraceLimits,
    ) -> Result<GethTrace, TraceError> {
        let state = self.state_within(block, index, limits)?;
        let prepared = self.prepare_on(Arc::clone(&block.parent), &block.env, request, Some(state))?;
        Ok(prepared.traced(request.gas, limits, || geth::tracer(options, limits), geth::result)?.found)
    }

    /// What a block changed before the transaction at `index`: what it began with, and the transactions before that one.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn changes_before(
        &self,
        block: &Replay<'_>,
        index: usize,
        limits: &TraceLimits,
    ) -> Result<StateChanges, TraceError> {
        Ok(self.state_within(block, index, limits)?.changes())
    }

    /// The state before the transaction at `index`.
    pub(super) fn state_within(
        &self,
        block: &Replay<'_>,
        index: usize,
        limits: &TraceLimits,
    ) -> Result<BlockState, TraceError> {
        let part =
            Replay { transactions: block.transactions.get(..index).unwrap_or(block.transactions), ..block.clone() };
        let nobody = || Ok((NoOpInspector, Records::default()));
        // Past the end of the part: nobody looks on.
        let which = Which::One(part.transactions.len());
        let (_, runner) = replay(self, &part, which, limits, nobody, |_| Ok(()))?;
        Ok(runner.into_state())
    }
}

/// A call that somebody looked at.
pub(super) struct Traced<T> {
    /// What was made of it.
    pub(super) found: T,
    /// The state with its effects.
    pub(super) state: BlockState,
    /// Bytes that may still be recorded.
    pub(super) left: usize,
}

impl PreparedCall {
    /// Runs it with somebody looking on, who makes of it what `seen` does.
    pub(super) fn traced<I: Inspector<Context>, T>(
        self,
        gas: Option<u64>,
        limits: &TraceLimits,
        make: impl FnOnce() -> Result<(I, Records), TraceError>,
        seen: impl FnOnce(Seen<'_, I>) -> Result<T, TraceError>,
    ) -> Result<Traced<T>, TraceError> {
        let Self { machine, tx, cap } = self;
        let (inspector, records) = make()?;
        let mut limited = Limited::new(limits);
        limited.watch(inspector, records);
        let mut machine = machine.with_inspector(limited);
        let run = machine.transact(TxEnv { gas_limit: gas.unwrap_or(u64::MAX).min(cap), ..tx });
        stopped(machine.inspector())?;
        let (result, state) = run.map_err(|refused| match refused {
            Refused::Invalid(error) => EvmError::from(InvalidExecution::Call(error)),
            Refused::Fault(error) => error.into(),
        })?;
        let outcome = ResultAndState::new(result, state);
        let left = machine.inspector().left();
        let inspector = machine.inspector().take().ok_or_else(|| EvmError::fault("a tracer went missing"))?;
        let found = seen(Seen { inspector, context: machine.context(), outcome: &outcome })?;
        machine.commit(&outcome.state, CleanUp::Transaction)?;
        Ok(Traced { found, state: machine.into_state(), left })
    }
}
