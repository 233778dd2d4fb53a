//! `eth_createAccessList`.

use alloy::{
    eips::{BlockId, eip2930::AccessList},
    primitives::U64,
    rpc::types::{TransactionRequest, state::StateOverride},
};
use aurum_chain::{CallOutcome, CallRequest, Grant, Read};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use super::call::{call_request, failure};
use crate::{context::Context, debug::limits, error::Answer, methods::Registrar};

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("eth_createAccessList", create_access_list)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessListJson {
    access_list: AccessList,
    /// Why the message fails, list or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// With this list.
    gas_used: U64,
}

/// At `pending` unless a block is given: what the transaction would meet if it were sent now.
fn create_access_list(
    context: &Context,
    grant: &Grant<Read>,
    (request, id, state_overrides): (TransactionRequest, Option<BlockId>, Option<StateOverride>),
) -> Answer<AccessListJson> {
    let view = context.view(grant);
    let gas_cap = Some(context.limits.call_gas);
    let request = CallRequest { gas_cap, state_overrides, ..call_request(&view, request)? };
    let id = id.unwrap_or(BlockId::pending());
    let (access_list, outcome) = view.access_list(id, &request, &limits(context, None)?)?;
    let gas_used = U64::from(outcome.gas_used());
    let error = match outcome {
        CallOutcome::Success { .. } => None,
        failed => Some(failure(failed, context.limits.call_gas).to_string()),
    };
    Ok(AccessListJson { access_list, error, gas_used })
}
