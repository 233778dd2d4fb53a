//! `debug_getRaw*`: consensus bytes as they are hashed and stored. These are Parity-shaped headers, not geth's.

use alloy::{
    eips::{BlockId, eip2718::Encodable2718},
    primitives::{B256, Bytes},
    rlp,
};
use aurum_chain::{Grant, Read};
use jsonrpsee::core::RegisterMethodError;

use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("debug_getRawHeader", header)?;
    methods.add("debug_getRawBlock", block)?;
    methods.add("debug_getRawReceipts", receipts)?;
    methods.add("debug_getRawTransaction", transaction)
}

fn header(context: &Context, grant: &Grant<Read>, (id,): (BlockId,)) -> Answer<Bytes> {
    let (_, header) = context.view(grant).header(id)?.ok_or(Failure::UnknownBlock)?;
    Ok(rlp::encode(header).into())
}

fn block(context: &Context, grant: &Grant<Read>, (id,): (BlockId,)) -> Answer<Bytes> {
    Ok(context.view(grant).block(id)?.ok_or(Failure::UnknownBlock)?.block().encode())
}

fn receipts(context: &Context, grant: &Grant<Read>, (id,): (BlockId,)) -> Answer<Vec<Bytes>> {
    let block = context.view(grant).block(id)?.ok_or(Failure::UnknownBlock)?;
    let raw = block.receipts().iter().map(|receipt| {
        let mut out = Vec::new();
        receipt.encode_2718(&mut out);
        out.into()
    });
    Ok(raw.collect())
}

fn transaction(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Bytes> {
    let found = context.view(grant).transaction(hash)?;
    Ok(found.map(|tx| Bytes::from(tx.transaction.inner().encoded_2718())).unwrap_or_default())
}
