//! `perm_*`: who may do what, and why something is not, or not yet, done.

mod custom_error;
mod grantors;
mod rules;
mod transaction;

use jsonrpsee::core::RegisterMethodError;

pub(crate) use self::grantors::{Grantors, HeadGrantors};
use crate::methods::Registrar;

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    rules::register(methods)?;
    transaction::register(methods)
}
