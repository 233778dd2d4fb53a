//! `debug_trace*`: a transaction, a block or a call, run again under one of geth's tracers.

use std::time::{Duration, Instant};

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{B256, Bytes},
    rpc::types::TransactionRequest,
};
use alloy_rpc_types_trace::geth::{GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace, TraceResult};
use aurum_chain::{CallRequest, Grant, Read, TraceLimits, View, Which, view::TraceView};
use jsonrpsee::core::RegisterMethodError;

use crate::{
    cancel,
    context::Context,
    error::{Answer, Failure},
    eth::call::call_request,
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("debug_traceTransaction", transaction)?;
    methods.add_long("debug_traceBlock", raw_block)?;
    methods.add_long("debug_traceBlockByNumber", block_by_number)?;
    methods.add_long("debug_traceBlockByHash", block_by_hash)?;
    methods.add_long("debug_traceCall", call)
}

fn transaction(
    context: &Context,
    grant: &Grant<Read>,
    (hash, options): (B256, Option<GethDebugTracingOptions>),
) -> Answer<GethTrace> {
    let options = options.unwrap_or_default();
    let (block, index) = locate(&context.view(grant), hash)?.ok_or_else(unknown_transaction)?;
    let mut traces = block.geth(Which::One(index), &options, &limits(context, options.timeout.as_deref())?)?;
    traces.pop().ok_or_else(unknown_transaction)
}

/// geth's words.
fn unknown_transaction() -> Failure {
    Failure::Server("transaction not found".to_owned())
}

/// The block of the chain that has the transaction, ready to be run again, and the place in it.
pub(crate) fn locate(view: &View, hash: B256) -> Answer<Option<(TraceView, usize)>> {
    let Some(place) = view.transaction(hash)?.and_then(|found| found.place) else { return Ok(None) };
    let block = view.trace(place.block_hash.into())?.ok_or(Failure::UnknownBlock)?;
    Ok(Some((block, place.index)))
}

type BlockTrace = Vec<TraceResult>;

fn block_by_number(
    context: &Context,
    grant: &Grant<Read>,
    (number, options): (BlockNumberOrTag, Option<GethDebugTracingOptions>),
) -> Answer<BlockTrace> {
    block(context, &context.view(grant), number.into(), options)
}

fn block_by_hash(
    context: &Context,
    grant: &Grant<Read>,
    (hash, options): (B256, Option<GethDebugTracingOptions>),
) -> Answer<BlockTrace> {
    block(context, &context.view(grant), hash.into(), options)
}

/// Of RLP, whose parent is here.
fn raw_block(
    context: &Context,
    grant: &Grant<Read>,
    (rlp, options): (Bytes, Option<GethDebugTracingOptions>),
) -> Answer<BlockTrace> {
    let block = context.view(grant).trace_raw(&rlp)?;
    trace(context, &block, options)
}

fn block(context: &Context, view: &View, id: BlockId, options: Option<GethDebugTracingOptions>) -> Answer<BlockTrace> {
    let block = view.trace(id)?.ok_or(Failure::UnknownBlock)?;
    trace(context, &block, options)
}

fn trace(context: &Context, block: &TraceView, options: Option<GethDebugTracingOptions>) -> Answer<BlockTrace> {
    let options = options.unwrap_or_default();
    let traces = block.geth(Which::All, &options, &limits(context, options.timeout.as_deref())?)?;
    let hashes = block.block().transactions().iter().map(|tx| *tx.tx_hash());
    Ok(traces.into_iter().zip(hashes).map(|(result, hash)| TraceResult::new_success(result, Some(hash))).collect())
}

/// On the state after the block; with `txIndex`, before that transaction of it.
fn call(
    context: &Context,
    grant: &Grant<Read>,
    (request, id, options): (TransactionRequest, Option<BlockId>, Option<GethDebugTracingCallOptions>),
) -> Answer<GethTrace> {
    let view = context.view(grant);
    let options = options.unwrap_or_default();
    let id = id.unwrap_or_default();
    let request = CallRequest {
        gas_cap: Some(context.limits.call_gas),
        state_overrides: options.state_overrides,
        block_overrides: options.block_overrides,
        ..call_request(&view, request)?
    };
    let limits = &limits(context, options.tracing_options.timeout.as_deref())?;
    match options.tx_index {
        None => Ok(view.trace_call_geth(id, &request, &options.tracing_options, limits)?),
        Some(index) => {
            let block = view.trace(id)?.ok_or(Failure::UnknownBlock)?;
            let count = block.block().transactions().len();
            let index = usize::try_from(index).ok().filter(|index| *index < count.max(1));
            let index = index.ok_or_else(|| Failure::Params(format!("txIndex is past the block's {count}")))?;
            Ok(block.geth_call(index, &request, &options.tracing_options, limits)?)
        }
    }
}

/// What this node spends on one trace, which is no more time than its request has and no longer than anybody waits for it; `timeout` (Go's `5s`, `300ms`, `1m30s`) may ask for another time, up to the limit.
pub(crate) fn limits(context: &Context, timeout: Option<&str>) -> Answer<TraceLimits> {
    let most = context.limits.trace_time.min(context.limits.request_time);
    let time = match timeout {
        None => most,
        Some(text) => {
            duration(text).ok_or_else(|| Failure::Params(format!("time: invalid duration {text:?}")))?.min(most)
        }
    };
    Ok(TraceLimits {
        deadline: Instant::now() + time,
        cancel: cancel::current().unwrap_or_default(),
        bytes: context.limits.trace_bytes,
    })
}

/// A duration as Go writes it (`time.ParseDuration`), without fractions and signs.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let one = match &rest[..unit] {
            "ns" => Duration::from_nanos(1),
            "us" | "µs" => Duration::from_micros(1),
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return None,
        };
        total = total.checked_add(one.checked_mul(u32::try_from(number).ok()?)?)?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let cases = [
            ("5s", Some(Duration::from_secs(5))),
            ("300ms", Some(Duration::from_millis(300))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("", None),
            ("5", None),
            ("s", None),
            ("5y", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
