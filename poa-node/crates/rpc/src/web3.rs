//! `web3_*`, and `rpc_modules`.

use std::collections::BTreeMap;

use alloy::primitives::{B256, Bytes, keccak256};
use aurum_chain::{Grant, Read};
use jsonrpsee::core::RegisterMethodError;

use crate::{context::Context, error::Answer, methods::Registrar};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("web3_clientVersion", client_version)?;
    methods.add("web3_sha3", sha3)?;
    methods.add("rpc_modules", modules)
}

fn client_version(context: &Context, _: &Grant<Read>, (): ()) -> Answer<String> {
    Ok(context.client_version.clone())
}

fn sha3(_: &Context, _: &Grant<Read>, (data,): (Bytes,)) -> Answer<B256> {
    Ok(keccak256(data))
}

fn modules(context: &Context, _: &Grant<Read>, (): ()) -> Answer<BTreeMap<&'static str, &'static str>> {
    Ok(context.apis.iter().map(|name| (name, "1.0")).collect())
}
