//! Blocks without what a list of them does not show.

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{B256, U64, U256},
};
use aurum_chain::{Grant, Read, View, Which, view::BlockView};
use jsonrpsee::core::RegisterMethodError;
use serde_json::{Value, json};

use super::number::OrNumber;
use crate::{
    context::Context,
    debug::limits,
    error::{Answer, Failure},
    json::{BlockJson, HeaderJson, ReceiptJson},
    methods::Registrar,
};

/// The version of the interface. Otterscan refuses a node with less than 8.
const API_LEVEL: u64 = 8;

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("erigon_getHeaderByNumber", header)?;
    methods.add("ots_getApiLevel", api_level)?;
    methods.add_long("ots_getBlockDetails", by_number)?;
    methods.add_long("ots_getBlockDetailsByHash", by_hash)?;
    methods.add("ots_getBlockTransactions", transactions)
}

/// Otterscan's first question: a node that does not answer it is none it works with.
fn header(
    context: &Context,
    grant: &Grant<Read>,
    (OrNumber(number),): (OrNumber<BlockNumberOrTag>,),
) -> Answer<Option<HeaderJson>> {
    let header = context.view(grant).header(number.into())?;
    Ok(header.map(|(hash, header)| HeaderJson::new(hash, &header)))
}

fn api_level(_: &Context, _: &Grant<Read>, (): ()) -> Answer<u64> {
    Ok(API_LEVEL)
}

fn by_number(
    context: &Context,
    grant: &Grant<Read>,
    (OrNumber(number),): (OrNumber<BlockNumberOrTag>,),
) -> Answer<Option<Value>> {
    details(context, &context.view(grant), number.into())
}

fn by_hash(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<Option<Value>> {
    details(context, &context.view(grant), hash.into())
}

/// A block without transactions and bloom, with what came into being in it and what its transactions paid.
fn details(context: &Context, view: &View, id: BlockId) -> Answer<Option<Value>> {
    let Some(block) = view.block(id)? else { return Ok(None) };
    let reward = if block.number() == 0 {
        U256::ZERO
    } else {
        let Some(replay) = view.trace(block.hash().into())? else { return Ok(None) };
        // No transaction has to be looked at to know who is rewarded.
        let none = Default::default();
        let rewards = replay.parity(Which::All, &none, &limits(context, None)?)?.rewards;
        rewards.iter().fold(U256::ZERO, |sum, reward| sum.saturating_add(reward.amount))
    };
    let fees = block
        .receipt_views()
        .map(|receipt| U256::from(receipt.gas_used).saturating_mul(U256::from(receipt.effective_gas_price)))
        .fold(U256::ZERO, U256::saturating_add);
    let mut json = block_json(view, &block, false)?;
    let count = block.transactions().len();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("transactionCount".to_owned(), json!(count));
        fields.insert("logsBloom".to_owned(), Value::Null);
        fields.remove("transactions");
    }
    Ok(Some(json!({
        "block": json,
        "issuance": { "blockReward": reward, "uncleReward": U64::ZERO, "issuance": reward },
        "totalFees": fees,
    })))
}

fn block_json(view: &View, block: &BlockView, full: bool) -> Answer<Value> {
    let json = BlockJson::new(block, full, view.spec().params.gas_free);
    serde_json::to_value(json).map_err(|error| Failure::Internal(error.to_string()))
}

/// A page of a block's transactions with their receipts, the last page first: without logs, and of the input the selector.
fn transactions(
    context: &Context,
    grant: &Grant<Read>,
    (OrNumber(number), page, size): (OrNumber<BlockNumberOrTag>, usize, usize),
) -> Answer<Option<Value>> {
    let view = context.view(grant);
    let Some(block) = view.block(number.into())? else { return Ok(None) };
    let count = block.transactions().len();
    let end = count.saturating_sub(page.saturating_mul(size));
    let range = end.saturating_sub(size)..end;
    let mut json = block_json(&view, &block, true)?;
    let mut transactions = Vec::new();
    if let Some(all) = json["transactions"].as_array_mut() {
        transactions = all.drain(range.clone()).collect();
    }
    for transaction in &mut transactions {
        if let Some(input) = transaction["input"].as_str().filter(|input| input.len() > 10) {
            transaction["input"] = json!(input[..10]);
        }
    }
    let receipts = range.filter_map(|index| block.receipt(index)).map(|receipt| {
        let mut json = json!(ReceiptJson::new(&receipt));
        json["logs"] = Value::Null;
        json["logsBloom"] = Value::Null;
        json["timestamp"] = json!(block.header().timestamp);
        json
    });
    let receipts: Vec<_> = receipts.collect();
    json["transactions"] = Value::Array(transactions);
    json["transactionCount"] = json!(count);
    json["logsBloom"] = Value::Null;
    Ok(Some(json!({ "fullblock": json, "receipts": receipts })))
}
