//! Every namespace, in one list.

use jsonrpsee::core::RegisterMethodError;

use crate::{
    aura, debug, dev, eth, finality, methods::Registrar, net, ots, parity, perm, reference, trace, txpool, web3,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    aura::register(methods)?;
    debug::register(methods)?;
    dev::register(methods)?;
    eth::register(methods)?;
    finality::register(methods)?;
    net::register(methods)?;
    ots::register(methods)?;
    parity::register(methods)?;
    perm::register(methods)?;
    reference::register(methods)?;
    trace::register(methods)?;
    txpool::register(methods)?;
    web3::register(methods)
}
