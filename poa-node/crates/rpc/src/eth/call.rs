//! Running messages without sending them.

use alloy::{
    eips::BlockId,
    primitives::{Bytes, U64},
    rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride},
};
use aurum_chain::{CallOutcome, CallRequest, Grant, Read, View};
use jsonrpsee::core::RegisterMethodError;

use crate::{
    cancel,
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_call", call)?;
    methods.add("eth_estimateGas", estimate_gas)
}

type Params = (TransactionRequest, Option<BlockId>, Option<StateOverride>, Option<BlockOverrides>);

fn call(
    context: &Context,
    grant: &Grant<Read>,
    (request, id, state_overrides, block_overrides): Params,
) -> Answer<Bytes> {
    let view = context.view(grant);
    let request = CallRequest {
        gas_cap: Some(context.limits.call_gas),
        state_overrides,
        block_overrides,
        ..call_request(&view, request)?
    };
    match view.call(id.unwrap_or_default(), &request)? {
        CallOutcome::Success { output, .. } => Ok(output),
        failed => Err(failure(failed, context.limits.call_gas)),
    }
}

/// At `pending` unless a block is given: what the transaction would meet if it were sent now.
fn estimate_gas(
    context: &Context,
    grant: &Grant<Read>,
    (request, id, state_overrides, block_overrides): Params,
) -> Answer<U64> {
    let view = context.view(grant);
    let request = CallRequest { state_overrides, block_overrides, ..call_request(&view, request)? };
    estimate(context, &view, id.unwrap_or(BlockId::pending()), request).map(U64::from)
}

/// The least gas limit with which the message succeeds.
pub(crate) fn estimate(context: &Context, view: &View, id: BlockId, request: CallRequest) -> Answer<u64> {
    let (_, header) = view.header(id)?.ok_or(Failure::UnknownBlock)?;
    let cap = context.limits.call_gas.min(header.gas_limit);
    let request = CallRequest { gas_cap: Some(cap), ..request };
    view.estimate_gas(id, &request)?.map_err(|outcome| failure(outcome, cap))
}

/// What the request says, checked for contradictions; nothing of this node's limits.
pub(crate) fn call_request(view: &View, request: TransactionRequest) -> Answer<CallRequest> {
    let want = view.spec().params.chain_id;
    if let Some(have) = request.chain_id
        && have != want
    {
        return Err(Failure::Params(format!("chainId does not match node's (have={have}, want={want})")));
    }
    let eip1559 = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    if request.gas_price.is_some() && eip1559 {
        return Err(Failure::Params("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified".to_owned()));
    }
    if request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some() {
        return Err(Failure::Params("blob transactions are not part of this chain".to_owned()));
    }
    let data = request.input.try_into_unique_input().map_err(|error| Failure::Params(error.to_string()))?;
    Ok(CallRequest {
        from: request.from.unwrap_or_default(),
        to: request.to.unwrap_or_default(),
        gas: request.gas,
        gas_cap: None,
        max_fee_per_gas: request.gas_price.or(request.max_fee_per_gas).unwrap_or(0),
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_default(),
        nonce: request.nonce,
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: request.authorization_list.unwrap_or_default(),
        state_overrides: None,
        block_overrides: None,
        cancel: cancel::current(),
    })
}

pub(super) fn failure(outcome: CallOutcome, cap: u64) -> Failure {
    match outcome {
        CallOutcome::Revert { output, .. } => Failure::Reverted(output),
        CallOutcome::Halt { out_of_gas: true, gas_used, .. } if gas_used >= cap => {
            Failure::Server(format!("gas required exceeds allowance ({cap})"))
        }
        CallOutcome::Halt { out_of_gas: true, .. } => Failure::Server("out of gas".to_owned()),
        CallOutcome::Halt { reason, .. } => Failure::Server(reason),
        CallOutcome::Success { .. } => Failure::Internal("a call that succeeded was taken for a failure".to_owned()),
    }
}
