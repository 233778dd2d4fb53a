//! `eth_simulateV1`.

use alloy::{
    eips::BlockId,
    primitives::{Bytes, U64},
    rpc::types::{
        Log,
        simulate::{MAX_SIMULATE_BLOCKS, SimBlock, SimulatePayload},
    },
};
use aurum_chain::{
    CallOutcome, CallRequest, Grant, Read, SimulatedCall, SimulationMode,
    view::{BlockView, SimulatedBlock, Simulation},
};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use super::call::call_request;
use crate::{
    context::Context,
    debug::limits,
    error::{Answer, Failure},
    json::{BlockJson, receipt_logs},
    methods::Registrar,
    revert::revert_message,
};

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("eth_simulateV1", simulate)
}

#[derive(Serialize)]
struct SimulatedJson {
    #[serde(flatten)]
    block: BlockJson,
    calls: Vec<CallJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallJson {
    return_data: Bytes,
    logs: Vec<Log>,
    gas_used: U64,
    status: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
}

#[derive(Serialize)]
struct ErrorJson {
    code: i32,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Bytes>,
}

/// execution-apis: a transaction that reverted, and one that failed otherwise.
const REVERTED: i32 = 3;
const FAILED: i32 = -32015;

fn simulate(
    context: &Context,
    grant: &Grant<Read>,
    (payload, id): (SimulatePayload, Option<BlockId>),
) -> Answer<Vec<SimulatedJson>> {
    let view = context.view(grant);
    let SimulatePayload { block_state_calls, trace_transfers, validation, return_full_transactions: full } = payload;
    if block_state_calls.is_empty() {
        return Err(Failure::Params("empty input".to_owned()));
    }
    let block = |SimBlock { block_overrides, state_overrides, calls }: SimBlock| {
        let gas_cap = Some(context.limits.call_gas);
        let calls = calls.into_iter().map(|call| Ok(CallRequest { gas_cap, ..call_request(&view, call)? }));
        Ok(SimulatedBlock { overrides: block_overrides, state_overrides, calls: calls.collect::<Answer<_>>()? })
    };
    let blocks = block_state_calls.into_iter().map(block).collect::<Answer<Vec<_>>>()?;
    let simulation = Simulation {
        mode: SimulationMode { validation, transfers: trace_transfers },
        blocks: MAX_SIMULATE_BLOCKS,
        limits: limits(context, None)?,
    };
    let gas_free = view.spec().params.gas_free;
    let found = view.simulate(id.unwrap_or_default(), &blocks, simulation)?;
    Ok(found.into_iter().map(|(block, calls)| simulated_json(&block, calls, full, gas_free)).collect())
}

fn simulated_json(block: &BlockView, calls: Vec<SimulatedCall>, full: bool, gas_free: bool) -> SimulatedJson {
    let logs = block.receipt_views().map(|receipt| receipt_logs(&receipt));
    let calls = calls.into_iter().zip(logs).map(|(call, logs)| call_json(call, logs)).collect();
    SimulatedJson { block: BlockJson::new(block, full, gas_free), calls }
}

fn call_json(call: SimulatedCall, logs: Vec<Log>) -> CallJson {
    let gas_used = U64::from(call.outcome.gas_used());
    let status = U64::from(u64::from(call.outcome.is_success()));
    let (return_data, error) = match call.outcome {
        CallOutcome::Success { output, .. } => (output, None),
        CallOutcome::Revert { output, .. } => {
            let error = ErrorJson { code: REVERTED, message: revert_message(&output), data: Some(output.clone()) };
            (output, Some(error))
        }
        CallOutcome::Halt { reason, .. } => {
            (Bytes::new(), Some(ErrorJson { code: FAILED, message: reason, data: None }))
        }
    };
    CallJson { return_data, logs, gas_used, status, error }
}
