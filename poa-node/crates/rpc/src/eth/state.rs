//! Accounts at a block.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, U64, U256},
    rpc::types::EIP1186AccountProofResponse,
    serde::JsonStorageKey,
};
use aurum_chain::{Grant, Read, View, view::StateView};
use jsonrpsee::core::RegisterMethodError;

use crate::{
    context::Context,
    error::{Answer, Failure},
    json::proof_json,
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_getBalance", balance)?;
    methods.add("eth_getTransactionCount", transaction_count)?;
    methods.add("eth_getCode", code)?;
    methods.add("eth_getStorageAt", storage_at)?;
    methods.add_long("eth_getProof", proof)
}

/// The state a request means; the latest one where it says nothing.
fn state(view: &View, id: Option<BlockId>) -> Answer<StateView> {
    view.state(id.unwrap_or_default())?.ok_or(Failure::UnknownBlock)
}

fn balance(context: &Context, grant: &Grant<Read>, (address, id): (Address, Option<BlockId>)) -> Answer<U256> {
    Ok(state(&context.view(grant), id)?.account(address)?.balance)
}

/// At `pending`, those in the pool count.
fn transaction_count(context: &Context, grant: &Grant<Read>, (address, id): (Address, Option<BlockId>)) -> Answer<U64> {
    let view = context.view(grant);
    let nonce = match id {
        Some(id) if id.is_pending() => view.next_nonce(address)?,
        id => state(&view, id)?.account(address)?.nonce,
    };
    Ok(U64::from(nonce))
}

fn code(context: &Context, grant: &Grant<Read>, (address, id): (Address, Option<BlockId>)) -> Answer<Bytes> {
    Ok(state(&context.view(grant), id)?.code(address)?)
}

fn storage_at(
    context: &Context,
    grant: &Grant<Read>,
    (address, slot, id): (Address, JsonStorageKey, Option<BlockId>),
) -> Answer<B256> {
    let value = state(&context.view(grant), id)?.storage(address, slot_number(slot))?;
    Ok(value.into())
}

fn proof(
    context: &Context,
    grant: &Grant<Read>,
    (address, keys, id): (Address, Vec<JsonStorageKey>, Option<BlockId>),
) -> Answer<EIP1186AccountProofResponse> {
    let most = context.limits.proof_slots;
    if keys.len() > most {
        return Err(Failure::Limit(
            "SLOT_LIMIT",
            format!("{} slots asked for, at most {most} in one proof", keys.len()),
        ));
    }
    let slots: Vec<_> = keys.iter().copied().map(slot_number).collect();
    let view = context.view(grant);
    let at = view.resolve(id.unwrap_or_default())?.ok_or(Failure::UnknownBlock)?;
    let (back, most) = (view.head().latest.number.saturating_sub(at.number), context.limits.proof_blocks);
    if back > most {
        let number = at.number;
        return Err(Failure::Limit(
            "RANGE_LIMIT",
            format!("block {number} is {back} below the latest, proofs go back {most} blocks"),
        ));
    }
    let proof = view.proof(at.hash.into(), address, &slots)?;
    Ok(proof_json(proof, keys))
}

fn slot_number(key: JsonStorageKey) -> U256 {
    key.as_b256().into()
}
