//! Transactions: sending them, and reading them and their receipts.

use alloy::{
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718},
    primitives::{B256, Bytes},
    rpc::types::Index,
};
use aurum_chain::{Grant, Read, Submit, View, view::TransactionView};
use aurum_types::decode_transaction;
use jsonrpsee::core::RegisterMethodError;

use crate::{
    context::Context,
    error::{Answer, Failure},
    fast,
    json::{ReceiptJson, TransactionJson, transaction_json},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add(fast::METHOD, send_raw)?;
    methods.add("eth_getTransactionByHash", by_hash)?;
    methods.add("eth_getTransactionByBlockHashAndIndex", by_block_hash)?;
    methods.add("eth_getTransactionByBlockNumberAndIndex", by_block_number)?;
    methods.add("eth_getRawTransactionByHash", raw_by_hash)?;
    methods.add("eth_getRawTransactionByBlockHashAndIndex", raw_by_block_hash)?;
    methods.add("eth_getRawTransactionByBlockNumberAndIndex", raw_by_block_number)?;
    methods.add("eth_getTransactionReceipt", receipt)
}

fn send_raw(context: &Context, grant: &Grant<Submit>, (raw,): (Bytes,)) -> Answer<B256> {
    let sent = decode_transaction(&raw).map_err(Failure::from).and_then(|tx| context.submit(grant, tx));
    sent.inspect_err(|failure| context.note_refusal(failure))
}

fn by_hash(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Option<TransactionJson>> {
    let view = context.view(grant);
    Ok(view.transaction(hash)?.map(|tx| show(&view, tx)))
}

fn by_block_hash(
    context: &Context,
    grant: &Grant<Read>,
    (hash, index): (B256, Index),
) -> Answer<Option<TransactionJson>> {
    in_block(&context.view(grant), hash.into(), index)
}

fn by_block_number(
    context: &Context,
    grant: &Grant<Read>,
    (number, index): (BlockNumberOrTag, Index),
) -> Answer<Option<TransactionJson>> {
    in_block(&context.view(grant), number.into(), index)
}

fn in_block(view: &View, id: BlockId, index: Index) -> Answer<Option<TransactionJson>> {
    let Some(block) = view.block(id)? else { return Ok(None) };
    Ok(block.transaction(index.0).map(|tx| show(view, tx)))
}

fn show(view: &View, tx: TransactionView) -> TransactionJson {
    transaction_json(tx, view.spec().params.gas_free)
}

/// The EIP-2718 form; `0x` when unknown, as geth.
fn raw_by_hash(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Bytes> {
    Ok(raw(context.view(grant).transaction(hash)?.as_ref()))
}

fn raw_by_block_hash(context: &Context, grant: &Grant<Read>, (hash, index): (B256, Index)) -> Answer<Bytes> {
    raw_in_block(&context.view(grant), hash.into(), index)
}

fn raw_by_block_number(
    context: &Context,
    grant: &Grant<Read>,
    (number, index): (BlockNumberOrTag, Index),
) -> Answer<Bytes> {
    raw_in_block(&context.view(grant), number.into(), index)
}

fn raw_in_block(view: &View, id: BlockId, index: Index) -> Answer<Bytes> {
    let block = view.block(id)?;
    Ok(raw(block.and_then(|block| block.transaction(index.0)).as_ref()))
}

fn raw(found: Option<&TransactionView>) -> Bytes {
    found.map(|tx| tx.transaction.inner().encoded_2718().into()).unwrap_or_default()
}

fn receipt(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Option<ReceiptJson>> {
    let view = context.view(grant);
    Ok(view.receipt(hash)?.map(|receipt| ReceiptJson::new(&receipt)))
}
