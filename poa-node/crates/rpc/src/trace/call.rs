//! What would happen in calls.

use alloy::{
    consensus::Transaction as _,
    eips::BlockId,
    primitives::{Bytes, map::HashSet},
    rpc::types::TransactionRequest,
};
use alloy_rpc_types_trace::parity::{TraceResults, TraceType};
use aurum_chain::{CallRequest, Grant, ParityCall, Read, View};
use aurum_types::{decode_transaction, recover_sender};
use jsonrpsee::core::RegisterMethodError;

use crate::{
    context::Context,
    debug::limits,
    error::{Answer, Failure},
    eth::call::call_request,
    methods::Registrar,
};

/// Most calls of one `trace_callMany`.
const MOST_CALLS: usize = 1000;

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("trace_call", call)?;
    methods.add_long("trace_callMany", call_many)?;
    methods.add_long("trace_rawTransaction", raw_transaction)
}

fn call(
    context: &Context,
    grant: &Grant<Read>,
    (request, types, id): (TransactionRequest, HashSet<TraceType>, Option<BlockId>),
) -> Answer<TraceResults> {
    let view = context.view(grant);
    let request = capped(context, call_request(&view, request)?);
    one(context, &view, id.unwrap_or_default(), ParityCall { request, types })
}

/// Each call sees what those before it did.
fn call_many(
    context: &Context,
    grant: &Grant<Read>,
    (calls, id): (Vec<(TransactionRequest, HashSet<TraceType>)>, Option<BlockId>),
) -> Answer<Vec<TraceResults>> {
    if calls.len() > MOST_CALLS {
        return Err(Failure::Limit(
            "BATCH_LIMIT",
            format!("{} calls asked for, at most {MOST_CALLS} at once", calls.len()),
        ));
    }
    let view = context.view(grant);
    let calls = calls
        .into_iter()
        .map(|(request, types)| Ok(ParityCall { request: capped(context, call_request(&view, request)?), types }))
        .collect::<Answer<Vec<_>>>()?;
    Ok(view.trace_parity_calls(id.unwrap_or_default(), &calls, &limits(context, None)?)?)
}

/// A signed transaction as if it were sent now; it is not.
fn raw_transaction(
    context: &Context,
    grant: &Grant<Read>,
    (raw, types, id): (Bytes, HashSet<TraceType>, Option<BlockId>),
) -> Answer<TraceResults> {
    let tx = decode_transaction(&raw)?;
    let from = recover_sender(&tx)?;
    let request = CallRequest {
        from,
        to: tx.kind(),
        gas: Some(tx.gas_limit()),
        max_fee_per_gas: tx.max_fee_per_gas(),
        max_priority_fee_per_gas: tx.max_priority_fee_per_gas(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: Some(tx.nonce()),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        authorization_list: tx.authorization_list().unwrap_or_default().to_vec(),
        ..CallRequest::default()
    };
    let view = context.view(grant);
    one(context, &view, id.unwrap_or_default(), ParityCall { request: capped(context, request), types })
}

fn capped(context: &Context, request: CallRequest) -> CallRequest {
    CallRequest { gas_cap: Some(context.limits.call_gas), ..request }
}

fn one(context: &Context, view: &View, id: BlockId, call: ParityCall) -> Answer<TraceResults> {
    let mut traces = view.trace_parity_calls(id, &[call], &limits(context, None)?)?;
    traces.pop().ok_or_else(|| Failure::Internal("a call left no trace".to_owned()))
}
