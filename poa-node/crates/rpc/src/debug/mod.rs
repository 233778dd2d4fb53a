//! `debug_*`: consensus bytes, storage, and what happened inside transactions in geth's form.

mod raw;
mod storage;
mod trace;

pub(crate) use self::trace::{limits, locate};
use jsonrpsee::core::RegisterMethodError;

use crate::methods::Registrar;

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    raw::register(methods)?;
    storage::register(methods)?;
    trace::register(methods)
}
