//! `debug_*`: consensus bytes, and what happened inside transactions in geth's form.

mod raw;
mod trace;

pub(crate) use self::trace::{limits, locate};
use jsonrpsee::core::RegisterMethodError;

use crate::methods::Registrar;

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    raw::register(methods)?;
    trace::register(methods)
}
