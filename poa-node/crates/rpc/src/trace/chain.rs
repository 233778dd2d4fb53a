//! What happened in the chain's own blocks.

use alloy::{
    eips::BlockId,
    primitives::{B256, map::HashSet},
    rpc::types::Index,
};
use alloy_rpc_types_trace::parity::{
    LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType,
};
use aurum_chain::{Grant, Read, View, Which};
use jsonrpsee::core::RegisterMethodError;

use super::json::{Entry, entries, frames};
use crate::{
    context::Context,
    debug::{limits, locate},
    error::{Answer, Failure},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("trace_transaction", transaction)?;
    methods.add_long("trace_get", get)?;
    methods.add_long("trace_block", block)?;
    methods.add_long("trace_replayTransaction", replay_transaction)?;
    methods.add_long("trace_replayBlockTransactions", replay_block)
}

pub(super) fn only_frames() -> HashSet<TraceType> {
    HashSet::from_iter([TraceType::Trace])
}

/// The frames of a transaction of the chain; `null` for one that is not.
fn transaction(
    context: &Context,
    grant: &Grant<Read>,
    (hash,): (B256,),
) -> Answer<Option<Vec<LocalizedTransactionTrace>>> {
    of_transaction(context, &context.view(grant), hash)
}

fn of_transaction(context: &Context, view: &View, hash: B256) -> Answer<Option<Vec<LocalizedTransactionTrace>>> {
    let Some((block, index)) = locate(view, hash)? else { return Ok(None) };
    let traces = block.parity(Which::One(index), &only_frames(), &limits(context, None)?)?;
    let results = traces.transactions.into_iter().next();
    Ok(results.map(|results| frames(block.block(), index, results).collect()))
}

/// The frame at a trace address (`["0x0", "0x1"]`: the second call of the first call).
fn get(
    context: &Context,
    grant: &Grant<Read>,
    (hash, address): (B256, Vec<Index>),
) -> Answer<Option<LocalizedTransactionTrace>> {
    let address: Vec<usize> = address.into_iter().map(|index| index.0).collect();
    let frames = of_transaction(context, &context.view(grant), hash)?;
    Ok(frames.and_then(|frames| frames.into_iter().find(|frame| frame.trace.trace_address == address)))
}

/// All frames of a block, then its rewards; `null` for an unknown block. Nothing happened in genesis.
fn block(context: &Context, grant: &Grant<Read>, (id,): (BlockId,)) -> Answer<Option<Vec<Entry>>> {
    let view = context.view(grant);
    match view.resolve(id)? {
        None => return Ok(None),
        Some(at) if at.number == 0 => return Ok(Some(Vec::new())),
        Some(_) => {}
    }
    let Some(block) = view.trace(id)? else { return Ok(None) };
    let traces = block.parity(Which::All, &only_frames(), &limits(context, None)?)?;
    Ok(Some(entries(block.block(), traces)))
}

fn replay_transaction(
    context: &Context,
    grant: &Grant<Read>,
    (hash, types): (B256, HashSet<TraceType>),
) -> Answer<TraceResults> {
    let unknown = || Failure::Server("transaction not found".to_owned());
    let (block, index) = locate(&context.view(grant), hash)?.ok_or_else(unknown)?;
    let traces = block.parity(Which::One(index), &types, &limits(context, None)?)?;
    traces.transactions.into_iter().next().ok_or_else(unknown)
}

fn replay_block(
    context: &Context,
    grant: &Grant<Read>,
    (id, types): (BlockId, HashSet<TraceType>),
) -> Answer<Vec<TraceResultsWithTransactionHash>> {
    let view = context.view(grant);
    if view.resolve(id)?.is_some_and(|at| at.number == 0) {
        return Ok(Vec::new());
    }
    let block = view.trace(id)?.ok_or(Failure::UnknownBlock)?;
    let traces = block.parity(Which::All, &types, &limits(context, None)?)?;
    let hashes = block.block().transactions().iter().map(|tx| *tx.tx_hash());
    let results = traces.transactions.into_iter().zip(hashes);
    Ok(results
        .map(|(full_trace, transaction_hash)| TraceResultsWithTransactionHash { full_trace, transaction_hash })
        .collect())
}
