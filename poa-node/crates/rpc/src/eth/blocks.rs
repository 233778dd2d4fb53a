//! Blocks and what stands in them.

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{B256, U64},
    rpc::types::Index,
};
use aurum_chain::{Grant, Read, View, view::BlockView};
use aurum_types::Header;
use jsonrpsee::core::RegisterMethodError;

use crate::{
    context::Context,
    error::Answer,
    json::{BlockJson, HeaderJson, ReceiptJson},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_blockNumber", block_number)?;
    methods.add("eth_getBlockByHash", by_hash)?;
    methods.add("eth_getBlockByNumber", by_number)?;
    methods.add("eth_getHeaderByHash", header_by_hash)?;
    methods.add("eth_getHeaderByNumber", header_by_number)?;
    methods.add("eth_getBlockTransactionCountByHash", transaction_count_by_hash)?;
    methods.add("eth_getBlockTransactionCountByNumber", transaction_count_by_number)?;
    methods.add("eth_getBlockReceipts", receipts)?;
    methods.add("eth_getUncleCountByBlockHash", uncle_count_by_hash)?;
    methods.add("eth_getUncleCountByBlockNumber", uncle_count_by_number)?;
    methods.add("eth_getUncleByBlockHashAndIndex", uncle_by_hash)?;
    methods.add("eth_getUncleByBlockNumberAndIndex", uncle_by_number)
}

fn block_number(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<U64> {
    Ok(U64::from(context.view(grant).head().latest.number))
}

fn by_hash(context: &Context, grant: &Grant<Read>, (hash, full): (B256, Option<bool>)) -> Answer<Option<BlockJson>> {
    block(&context.view(grant), hash.into(), full.unwrap_or(false))
}

/// `pending` is the latest block: an authority decides what is in the next one, not this node.
fn by_number(
    context: &Context,
    grant: &Grant<Read>,
    (number, full): (BlockNumberOrTag, Option<bool>),
) -> Answer<Option<BlockJson>> {
    block(&context.view(grant), number.into(), full.unwrap_or(false))
}

fn block(view: &View, id: BlockId, full: bool) -> Answer<Option<BlockJson>> {
    let gas_free = view.spec().params.gas_free;
    Ok(view.block(id)?.map(|block| BlockJson::new(&block, full, gas_free)))
}

fn header_by_hash(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Option<HeaderJson>> {
    header(&context.view(grant), hash.into())
}

fn header_by_number(
    context: &Context,
    grant: &Grant<Read>,
    (number,): (BlockNumberOrTag,),
) -> Answer<Option<HeaderJson>> {
    header(&context.view(grant), number.into())
}

fn header(view: &View, id: BlockId) -> Answer<Option<HeaderJson>> {
    Ok(view.header(id)?.map(|(hash, header)| HeaderJson::new(hash, &header)))
}

fn transaction_count_by_hash(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Option<U64>> {
    count(&context.view(grant), hash.into(), |block| block.transactions().len())
}

fn transaction_count_by_number(
    context: &Context,
    grant: &Grant<Read>,
    (number,): (BlockNumberOrTag,),
) -> Answer<Option<U64>> {
    count(&context.view(grant), number.into(), |block| block.transactions().len())
}

fn uncle_count_by_hash(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Option<U64>> {
    count(&context.view(grant), hash.into(), |block| block.block().uncles.len())
}

fn uncle_count_by_number(
    context: &Context,
    grant: &Grant<Read>,
    (number,): (BlockNumberOrTag,),
) -> Answer<Option<U64>> {
    count(&context.view(grant), number.into(), |block| block.block().uncles.len())
}

fn count(view: &View, id: BlockId, of: impl Fn(&BlockView) -> usize) -> Answer<Option<U64>> {
    Ok(view.block(id)?.map(|block| U64::from(of(&block))))
}

fn receipts(context: &Context, grant: &Grant<Read>, (id,): (BlockId,)) -> Answer<Option<Vec<ReceiptJson>>> {
    let view = context.view(grant);
    Ok(view.block(id)?.map(|block| block.receipt_views().map(|view| ReceiptJson::new(&view)).collect()))
}

fn uncle_by_hash(context: &Context, grant: &Grant<Read>, (hash, index): (B256, Index)) -> Answer<Option<HeaderJson>> {
    uncle(&context.view(grant), hash.into(), index)
}

fn uncle_by_number(
    context: &Context,
    grant: &Grant<Read>,
    (number, index): (BlockNumberOrTag, Index),
) -> Answer<Option<HeaderJson>> {
    uncle(&context.view(grant), number.into(), index)
}

fn uncle(view: &View, id: BlockId, index: Index) -> Answer<Option<HeaderJson>> {
    let Some(block) = view.block(id)? else { return Ok(None) };
    let uncle: Option<&Header> = block.block().uncles.get(index.0);
    Ok(uncle.map(|header| HeaderJson::new(header.hash_slow(), header)))
}
