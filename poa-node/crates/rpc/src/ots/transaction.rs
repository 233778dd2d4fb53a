//! What happened inside a transaction.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256},
};
use alloy_rpc_types_trace::parity::{Action, CallType, CreationMethod, TraceOutput, TransactionTrace};
use aurum_chain::{Grant, Read, Which};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use super::number::OrNumber;
use crate::{
    context::Context,
    debug::{limits, locate},
    error::{Answer, Failure},
    methods::Registrar,
};

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("ots_hasCode", has_code)?;
    methods.add_long("ots_getInternalOperations", internal_operations)?;
    methods.add_long("ots_getTransactionError", error)?;
    methods.add_long("ots_traceTransaction", trace)
}

fn has_code(
    context: &Context,
    grant: &Grant<Read>,
    (address, id): (Address, Option<OrNumber<BlockId>>),
) -> Answer<bool> {
    let id = id.map(|OrNumber(id)| id).unwrap_or_default();
    let state = context.view(grant).state(id)?.ok_or(Failure::UnknownBlock)?;
    Ok(!state.code(address)?.is_empty())
}

/// The transaction's frames, outermost first.
fn frames(context: &Context, grant: &Grant<Read>, hash: B256) -> Answer<(Bytes, Vec<TransactionTrace>)> {
    let unknown = || Failure::Server("transaction not found".to_owned());
    let (block, index) = locate(&context.view(grant), hash)?.ok_or_else(unknown)?;
    let types = std::iter::once(alloy_rpc_types_trace::parity::TraceType::Trace).collect();
    let traces = block.parity(Which::One(index), &types, &limits(context, None)?)?;
    let results = traces.transactions.into_iter().next().ok_or_else(unknown)?;
    Ok((results.output, results.trace))
}

#[derive(Serialize)]
struct Operation {
    r#type: u8,
    from: Address,
    to: Address,
    value: U256,
}

/// Wei moved inside, contracts created and destroyed: types 0 transfer, 1 self-destruct, 2 CREATE, 3 CREATE2.
fn internal_operations(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Vec<Operation>> {
    let (_, frames) = frames(context, grant, hash)?;
    Ok(frames.iter().filter(|frame| !frame.trace_address.is_empty()).filter_map(operation).collect())
}

fn operation(frame: &TransactionTrace) -> Option<Operation> {
    match &frame.action {
        Action::Call(call) if call.call_type == CallType::Call && !call.value.is_zero() => {
            Some(Operation { r#type: 0, from: call.from, to: call.to, value: call.value })
        }
        Action::Create(create) => {
            let Some(TraceOutput::Create(output)) = &frame.result else { return None };
            let r#type = if create.creation_method == CreationMethod::Create2 { 3 } else { 2 };
            Some(Operation { r#type, from: create.from, to: output.address, value: create.value })
        }
        Action::Selfdestruct(destruct) => {
            Some(Operation { r#type: 1, from: destruct.address, to: destruct.refund_address, value: destruct.balance })
        }
        Action::Call(_) | Action::Reward(_) => None,
    }
}

/// What a failed transaction returned; nothing of one that succeeded.
fn error(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Bytes> {
    let (output, frames) = frames(context, grant, hash)?;
    let failed = frames.first().is_some_and(|root| root.error.is_some());
    Ok(if failed { output } else { Bytes::new() })
}

#[derive(Serialize)]
struct TraceEntry {
    r#type: &'static str,
    depth: usize,
    from: Address,
    to: Option<Address>,
    value: Option<U256>,
    input: Bytes,
    output: Bytes,
}

/// Every frame, in order, with how deep it is.
fn trace(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Vec<TraceEntry>> {
    let (_, frames) = frames(context, grant, hash)?;
    Ok(frames.iter().filter_map(entry).collect())
}

fn entry(frame: &TransactionTrace) -> Option<TraceEntry> {
    let depth = frame.trace_address.len();
    let output = frame.result.as_ref().map(|result| result.output().clone()).unwrap_or_default();
    Some(match &frame.action {
        Action::Call(call) => {
            let (r#type, value) = match call.call_type {
                CallType::DelegateCall => ("DELEGATECALL", None),
                CallType::StaticCall => ("STATICCALL", None),
                CallType::CallCode => ("CALLCODE", Some(call.value)),
                _ => ("CALL", Some(call.value)),
            };
            TraceEntry { r#type, depth, from: call.from, to: Some(call.to), value, input: call.input.clone(), output }
        }
        Action::Create(create) => {
            let r#type = if create.creation_method == CreationMethod::Create2 { "CREATE2" } else { "CREATE" };
            let to = match &frame.result {
                Some(TraceOutput::Create(created)) => Some(created.address),
                _ => None,
            };
            TraceEntry {
                r#type,
                depth,
                from: create.from,
                to,
                value: Some(create.value),
                input: create.init.clone(),
                output,
            }
        }
        Action::Selfdestruct(destruct) => TraceEntry {
            r#type: "SELFDESTRUCT",
            depth,
            from: destruct.address,
            to: Some(destruct.refund_address),
            value: Some(destruct.balance),
            input: Bytes::new(),
            output,
        },
        Action::Reward(_) => return None,
    })
}
