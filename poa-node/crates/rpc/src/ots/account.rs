//! Questions about accounts for which other nodes keep an index. Here the answers are looked for: in the states of old blocks,
//! by halving, and in the blocks themselves, within the time of a trace.

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256},
};
use alloy_rpc_types_trace::parity::{Action, TraceOutput, TraceType};
use aurum_chain::{Grant, Read, View, Which, view::BlockView};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    context::Context,
    debug::limits,
    error::{Answer, Failure},
    json::{ReceiptJson, transaction_json},
    methods::Registrar,
};

/// Most transactions of one page.
const MOST: usize = 250;

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("ots_getTransactionBySenderAndNonce", by_sender_and_nonce)?;
    methods.add_long("ots_getContractCreator", contract_creator)?;
    methods.add_long("ots_searchTransactionsBefore", before)?;
    methods.add_long("ots_searchTransactionsAfter", after)
}

/// The first block from 0 to the head after which `holds`, which must hold from there on. `None` if it never does.
fn first_block(view: &View, holds: impl Fn(u64) -> Answer<bool>) -> Answer<Option<u64>> {
    let (mut low, mut high) = (0, view.head().latest.number);
    if !holds(high)? {
        return Ok(None);
    }
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Some(high))
}

fn by_sender_and_nonce(
    context: &Context,
    grant: &Grant<Read>,
    (sender, nonce): (Address, u64),
) -> Answer<Option<B256>> {
    let view = context.view(grant);
    let used = |number: u64| {
        let state = view.state(number.into())?.ok_or(Failure::UnknownBlock)?;
        Ok(state.account(sender)?.nonce > nonce)
    };
    let Some(number) = first_block(&view, used)? else { return Ok(None) };
    let Some(block) = view.block(number.into())? else { return Ok(None) };
    for (tx, from) in block.transactions().iter().zip(block.senders()) {
        if *from == sender && tx.nonce() == nonce {
            return Ok(Some(*tx.tx_hash()));
        }
    }
    Ok(None)
}

#[derive(Serialize)]
struct Creator {
    hash: B256,
    creator: Address,
}

/// The transaction in which the account got its code, and who created it; `null` for accounts without code and for those of
/// genesis.
fn contract_creator(context: &Context, grant: &Grant<Read>, (address,): (Address,)) -> Answer<Option<Creator>> {
    let view = context.view(grant);
    let has_code = |number: u64| {
        let state = view.state(number.into())?.ok_or(Failure::UnknownBlock)?;
        Ok(!state.code(address)?.is_empty())
    };
    let Some(number) = first_block(&view, has_code)?.filter(|number| *number > 0) else { return Ok(None) };
    let Some(replay) = view.trace(number.into())? else { return Ok(None) };
    let types = std::iter::once(TraceType::Trace).collect();
    let traces = replay.parity(Which::All, &types, &limits(context, None)?)?;
    for (results, tx) in traces.transactions.iter().zip(replay.block().transactions()) {
        for frame in &results.trace {
            if let (Action::Create(create), Some(TraceOutput::Create(output))) = (&frame.action, &frame.result)
                && output.address == address
            {
                return Ok(Some(Creator { hash: *tx.tx_hash(), creator: create.from }));
            }
        }
    }
    Ok(None)
}

/// A page of transactions that the address sent, received, was created by, or left a log in; the newest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    txs: Vec<Value>,
    receipts: Vec<Value>,
    first_page: bool,
    last_page: bool,
}

/// Before block `number`, going back; 0 means from the head on.
fn before(context: &Context, grant: &Grant<Read>, (address, number, size): (Address, u64, usize)) -> Answer<Page> {
    let view = context.view(grant);
    let latest = view.head().latest.number;
    let first_page = number == 0 || number > latest;
    let from = if first_page { latest } else { number - 1 };
    let (found, exhausted) = search(context, &view, address, size, (0..=from).rev())?;
    page(&view, found, first_page, exhausted)
}

/// After block `number`, going on; 0 means from genesis on.
fn after(context: &Context, grant: &Grant<Read>, (address, number, size): (Address, u64, usize)) -> Answer<Page> {
    let view = context.view(grant);
    let from = if number == 0 { 0 } else { number.saturating_add(1) };
    let (mut found, exhausted) = search(context, &view, address, size, from..=view.head().latest.number)?;
    found.reverse();
    page(&view, found, exhausted, number == 0)
}

type Found = Vec<(BlockView, Vec<usize>)>;

/// The blocks in which the address took part, until a page is full (a block is never split), and whether there are no more.
fn search(
    context: &Context,
    view: &View,
    address: Address,
    size: usize,
    numbers: impl Iterator<Item = u64>,
) -> Answer<(Found, bool)> {
    if size == 0 || size > MOST {
        return Err(Failure::Limit(
            "RESULT_LIMIT",
            format!("a page of {size} transactions was asked for, it has 1 to {MOST}"),
        ));
    }
    let limits = limits(context, None)?;
    let (mut found, mut count) = (Vec::new(), 0);
    for number in numbers {
        if count >= size {
            return Ok((found, false));
        }
        if limits.check().is_err() {
            return Err(Failure::Limit(
                "TIME_LIMIT",
                format!("no index of accounts is kept here, and the search took too long; it came to block {number}"),
            ));
        }
        let Some(block) = view.block(number.into())? else { continue };
        let taken_part: Vec<_> =
            (0..block.transactions().len()).filter(|index| takes_part(&block, *index, address)).collect();
        if !taken_part.is_empty() {
            count += taken_part.len();
            found.push((block, taken_part));
        }
    }
    Ok((found, true))
}

fn takes_part(block: &BlockView, index: usize, address: Address) -> bool {
    let Some(receipt) = block.receipt(index) else { return false };
    let tx = &receipt.transaction.transaction;
    tx.signer() == address
        || tx.to() == Some(address)
        || receipt.contract_address == Some(address)
        || receipt
            .receipt
            .logs
            .iter()
            .any(|log| log.address == address || log.topics().iter().skip(1).any(|topic| *topic == address.into_word()))
}

fn page(view: &View, found: Found, first_page: bool, last_page: bool) -> Answer<Page> {
    let gas_free = view.spec().params.gas_free;
    let (mut txs, mut receipts) = (Vec::new(), Vec::new());
    for (block, indices) in found {
        for index in indices.into_iter().rev() {
            let (Some(tx), Some(receipt)) = (block.transaction(index), block.receipt(index)) else { continue };
            txs.push(json!(transaction_json(tx, gas_free)));
            let mut receipt = json!(ReceiptJson::new(&receipt));
            receipt["timestamp"] = json!(block.header().timestamp);
            receipts.push(receipt);
        }
    }
    Ok(Page { txs, receipts, first_page, last_page })
}
