//! Parity's `trace_*`: frames, state differences, instructions, and the rewards of blocks.

use std::sync::Arc;

use alloy::primitives::map::HashSet;
use alloy_rpc_types_trace::parity::{TraceResults, TraceType};
use aurum_types::StateReader;
use revm_inspectors::tracing::{
    TraceLimitBehavior, TraceLimits as ByteLimits, TracingInspector, TracingInspectorConfig,
};

use super::{
    Replay, TraceError, TraceLimits, Which,
    replay::{Seen, replay},
};
use crate::{BlockEnv, CallRequest, Evm, inspect::Records, rewards::Reward};

/// What happened in a block.
#[derive(Clone, Debug)]
pub struct BlockTraces {
    /// Of each transaction that was asked for.
    pub transactions: Vec<TraceResults>,
    /// Who was rewarded at the end, in order. Empty unless all transactions were asked for.
    pub rewards: Vec<Reward>,
}

/// One call of `trace_callMany`.
#[derive(Clone, Debug)]
pub struct ParityCall {
    /// The message.
    pub request: CallRequest,
    /// What is asked of it.
    pub types: HashSet<TraceType>,
}

impl Evm {
    /// What happened in transactions of a block, in Parity's form.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn trace_parity(
        &self,
        block: &Replay<'_>,
        which: Which,
        types: &HashSet<TraceType>,
        limits: &TraceLimits,
    ) -> Result<BlockTraces, TraceError> {
        let make = || Ok(inspector(types, limits));
        let (transactions, mut runner) =
            replay(self, block, which, limits, make, |seen: Seen<'_, _>| results(seen, types))?;
        let rewards = if which == Which::All { runner.rewards()? } else { Vec::new() };
        Ok(BlockTraces { transactions, rewards })
    }

    /// What would happen in these calls, each on what the ones before it left behind, on the state after the block `env`. The
    /// limits are those of all together.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn trace_parity_calls(
        &self,
        state: &Arc<dyn StateReader>,
        env: &BlockEnv,
        calls: &[ParityCall],
        limits: &TraceLimits,
    ) -> Result<Vec<TraceResults>, TraceError> {
        let (mut after, mut found) = (None, Vec::new());
        let mut limits = limits.clone();
        for ParityCall { request, types } in calls {
            limits.check()?;
            let prepared = self.prepare_on(Arc::clone(state), env, request, after.take())?;
            let make = || Ok(inspector(types, &limits));
            let traced = prepared.traced(request.gas, &limits, make, |seen| results(seen, types))?;
            after = Some(traced.state);
            limits.bytes = traced.left;
            found.push(traced.found);
        }
        Ok(found)
    }
}

fn inspector(types: &HashSet<TraceType>, limits: &TraceLimits) -> (TracingInspector, Records) {
    let bytes = ByteLimits::default().set_max_recorded_bytes(Some(limits.bytes)).set_behavior(TraceLimitBehavior::Halt);
    let inspector = TracingInspector::new(TracingInspectorConfig::from_parity_config(types)).with_limits(bytes);
    (inspector, Records { steps: types.contains(&TraceType::VmTrace), stack: false, storage: false })
}

fn results(mut seen: Seen<'_, TracingInspector>, types: &HashSet<TraceType>) -> Result<TraceResults, TraceError> {
    let outcome = seen.outcome;
    let inspector = std::mem::take(&mut seen.inspector);
    let builder = inspector.into_parity_builder();
    builder
        .into_trace_results_with_state_parts(&outcome.result, &outcome.state, types, seen.before())
        .map_err(|error| error.0.into())
}
