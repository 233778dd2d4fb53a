//! geth's `debug_trace*`: callTracer, prestateTracer, 4byteTracer, flatCallTracer, muxTracer, noopTracer, structLog.

use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use revm_inspectors::tracing::{DebugInspector, TraceLimitBehavior, TraceLimits as ByteLimits};

use super::{
    Replay, TraceError, TraceLimits, Which,
    replay::{Seen, replay},
};
use crate::{Evm, inspect::Records};

impl Evm {
    /// What the tracer that `options` names says of transactions of a block, in their order.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn trace_geth(
        &self,
        block: &Replay<'_>,
        which: Which,
        options: &GethDebugTracingOptions,
        limits: &TraceLimits,
    ) -> Result<Vec<GethTrace>, TraceError> {
        let make = || tracer(options, limits);
        Ok(replay(self, block, which, limits, make, result)?.0)
    }
}

/// The tracer `options` names, and what it records.
pub(super) fn tracer(
    options: &GethDebugTracingOptions,
    limits: &TraceLimits,
) -> Result<(DebugInspector, Records), TraceError> {
    let bytes = ByteLimits::default().set_max_recorded_bytes(Some(limits.bytes)).set_behavior(TraceLimitBehavior::Halt);
    let tracer = DebugInspector::new(options.clone()).map_err(|error| TraceError::Tracer(error.to_string()))?;
    let (mut steps, mut stack, mut storage) = (false, false, false);
    let tracer = match tracer {
        DebugInspector::Default(inspector, options) => {
            steps = true;
            stack = options.is_stack_enabled();
            storage = options.is_storage_enabled();
            DebugInspector::Default(inspector.with_limits(bytes), options)
        }
        DebugInspector::Erc7562Tracer(inspector, config) => {
            (steps, stack) = (true, true);
            DebugInspector::Erc7562Tracer(inspector.with_limits(bytes), config)
        }
        other => other,
    };
    Ok((tracer, Records { steps, stack, storage }))
}

/// What the tracer says.
pub(super) fn result(seen: Seen<'_, DebugInspector>) -> Result<GethTrace, TraceError> {
    use revm::context::JournalTr;
    let Seen { mut inspector, context, outcome } = seen;
    let (tx, block) = (context.tx.clone(), context.block.clone());
    let mut before = super::before::Before::new(context.journaled_state.db_mut());
    inspector.get_result(None, &tx, &block, outcome, &mut before).map_err(|error| TraceError::Tracer(error.to_string()))
}
