//! `net_*`.

use alloy::primitives::U64;
use aurum_chain::{Grant, Read};
use jsonrpsee::core::RegisterMethodError;

use crate::{context::Context, error::Answer, methods::Registrar};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("net_version", version)?;
    methods.add("net_peerCount", peer_count)?;
    methods.add("net_listening", listening)
}

/// The network id, decimal.
fn version(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<String> {
    Ok(context.view(grant).spec().params.network_id.to_string())
}

fn peer_count(context: &Context, _: &Grant<Read>, (): ()) -> Answer<U64> {
    Ok(U64::from(context.peers.peers().len()))
}

fn listening(context: &Context, _: &Grant<Read>, (): ()) -> Answer<bool> {
    Ok(context.peers.listening())
}
