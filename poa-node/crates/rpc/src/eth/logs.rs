//! Logs by filter.

use alloy::rpc::types::Filter;
use aurum_chain::{Grant, Read, view::LogView};
use jsonrpsee::core::RegisterMethodError;

use crate::{context::Context, error::Answer, methods::Registrar};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_getLogs", get_logs)
}

fn get_logs(context: &Context, grant: &Grant<Read>, (filter,): (Filter,)) -> Answer<Vec<LogView>> {
    Ok(context.view(grant).logs(&filter)?)
}
