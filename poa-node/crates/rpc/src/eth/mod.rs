//! `eth_*`: one file per kind of question.

mod access_list;
mod blocks;
pub(crate) mod call;
mod fees;
mod filters;
mod logs;
mod node;
mod simulate;
mod state;
mod subscribe;
mod transactions;

use jsonrpsee::core::RegisterMethodError;

use crate::methods::Registrar;

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    access_list::register(methods)?;
    blocks::register(methods)?;
    call::register(methods)?;
    fees::register(methods)?;
    filters::register(methods)?;
    logs::register(methods)?;
    node::register(methods)?;
    simulate::register(methods)?;
    state::register(methods)?;
    subscribe::register(methods)?;
    transactions::register(methods)
}
