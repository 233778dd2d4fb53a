//! `trace_*`: what happened inside transactions and calls, in Parity's form.

mod call;
mod chain;
mod filter;
mod json;

use jsonrpsee::core::RegisterMethodError;

use crate::methods::Registrar;

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    chain::register(methods)?;
    filter::register(methods)?;
    call::register(methods)
}
