//! Edits of the state, and going back.

use alloy::primitives::{Address, Bytes, U64, U256};
use aurum_chain::{Admin, Edit, Grant};
use jsonrpsee::core::RegisterMethodError;
use serde_json::Value;

use super::{Number, dev};
use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("anvil_setBalance", set_balance)?;
    methods.add("hardhat_setBalance", set_balance)?;
    methods.add("anvil_setCode", set_code)?;
    methods.add("hardhat_setCode", set_code)?;
    methods.add("anvil_setNonce", set_nonce)?;
    methods.add("hardhat_setNonce", set_nonce)?;
    methods.add("anvil_setStorageAt", set_storage)?;
    methods.add("hardhat_setStorageAt", set_storage)?;
    methods.add("evm_snapshot", snapshot)?;
    methods.add("anvil_snapshot", snapshot)?;
    methods.add("evm_revert", revert)?;
    methods.add("anvil_revert", revert)?;
    methods.add("anvil_reset", reset)?;
    methods.add("hardhat_reset", reset)
}

fn edit(context: &Context, edit: Edit) -> Answer<bool> {
    dev(context)?.edit(edit)?;
    Ok(true)
}

fn set_balance(context: &Context, _: &Grant<Admin>, (account, wei): (Address, U256)) -> Answer<bool> {
    edit(context, Edit::Balance(account, wei))
}

fn set_code(context: &Context, _: &Grant<Admin>, (account, code): (Address, Bytes)) -> Answer<bool> {
    edit(context, Edit::Code(account, code))
}

fn set_nonce(context: &Context, _: &Grant<Admin>, (account, nonce): (Address, Number)) -> Answer<bool> {
    edit(context, Edit::Nonce(account, nonce.get()))
}

fn set_storage(context: &Context, _: &Grant<Admin>, (account, slot, value): (Address, U256, U256)) -> Answer<bool> {
    edit(context, Edit::Storage(account, slot, value))
}

fn snapshot(context: &Context, _: &Grant<Admin>, (): ()) -> Answer<U64> {
    Ok(U64::from(dev(context)?.snapshot()?))
}

/// Whether there was such a snapshot.
fn revert(context: &Context, _: &Grant<Admin>, (snapshot,): (Number,)) -> Answer<bool> {
    Ok(dev(context)?.revert(snapshot.get())?)
}

/// Back to genesis. There is no forking of other chains here; a `forking` that names neither a node nor a block, which
/// viem's `reset()` sends, asks for none.
fn reset(context: &Context, _: &Grant<Admin>, (options,): (Option<Value>,)) -> Answer<bool> {
    let forks = options.as_ref().and_then(|options| options.get("forking")).is_some_and(|forking| match forking {
        Value::Null => false,
        Value::Object(fields) => fields.values().any(|value| !value.is_null()),
        _ => true,
    });
    if forks {
        return Err(Failure::Params("this node does not fork other chains".to_owned()));
    }
    dev(context)?.reset()?;
    Ok(true)
}
