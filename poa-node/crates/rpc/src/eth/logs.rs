//! Logs by filter.

use alloy::rpc::types::Filter;
use aurum_chain::{Grant, Read, View, view::LogView};
use jsonrpsee::core::RegisterMethodError;

use crate::{cancel, context::Context, error::Answer, methods::Registrar};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_getLogs", get_logs)
}

fn get_logs(context: &Context, grant: &Grant<Read>, (filter,): (Filter,)) -> Answer<Vec<LogView>> {
    find(context, &context.view(grant), &filter)
}

/// Logs of a filter, of no more blocks than this listener looks at for one request.
pub(super) fn find(context: &Context, view: &View, filter: &Filter) -> Answer<Vec<LogView>> {
    Ok(view.logs_within(filter, context.limits.log_blocks, &cancel::current().unwrap_or_default())?)
}
