//! `ots_*`: what the explorer Otterscan asks of a node (github.com/otterscan/otterscan, docs/custom-jsonrpc.md), and the one
//! method of Erigon's by which it knows that it may ask.

mod account;
mod block;
mod number;
mod transaction;

use jsonrpsee::core::RegisterMethodError;

use crate::methods::Registrar;

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    block::register(methods)?;
    transaction::register(methods)?;
    account::register(methods)
}
