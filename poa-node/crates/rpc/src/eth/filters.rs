//! Filters that are polled.

use alloy::{
    primitives::{B256, U128},
    rpc::types::{Filter, Log},
};
use aurum_chain::{Grant, Read, View, view::TransactionView};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use crate::{
    context::Context,
    cursor::Cursor,
    error::{Answer, Failure},
    filters::{Waiting, lock},
    json::{TransactionJson, transaction_json},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_newFilter", new_filter)?;
    methods.add("eth_newBlockFilter", new_block_filter)?;
    methods.add("eth_newPendingTransactionFilter", new_pending_filter)?;
    methods.add("eth_getFilterChanges", changes)?;
    methods.add("eth_getFilterLogs", logs)?;
    methods.add("eth_uninstallFilter", uninstall)
}

fn new_filter(context: &Context, grant: &Grant<Read>, (filter,): (Filter,)) -> Answer<U128> {
    if filter.block_option.as_block_hash().is_some() {
        return Err(Failure::Params("a filter waits for new blocks: give no blockHash".to_owned()));
    }
    let cursor = Cursor::at_head(&context.view(grant));
    context.filters.install(grant.identity(), Waiting::Logs(cursor, Box::new(filter)))
}

fn new_block_filter(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<U128> {
    context.filters.install(grant.identity(), Waiting::Blocks(Cursor::at_head(&context.view(grant))))
}

fn new_pending_filter(context: &Context, grant: &Grant<Read>, (full,): (Option<bool>,)) -> Answer<U128> {
    let next = context.filters.pending.next();
    context.filters.install(grant.identity(), Waiting::Pending { next, full: full.unwrap_or(false) })
}

/// What is new since the last poll.
#[derive(Serialize)]
#[serde(untagged)]
enum Changes {
    Hashes(Vec<B256>),
    Logs(Vec<Log>),
    Transactions(Vec<TransactionJson>),
}

fn changes(context: &Context, grant: &Grant<Read>, (id,): (U128,)) -> Answer<Changes> {
    let view = context.view(grant);
    let filter = context.filters.poll(grant.identity(), id)?;
    // Held while reading: two polls of one filter at once must not both be told the same.
    let mut waiting = lock(&filter);
    Ok(match &mut *waiting {
        Waiting::Blocks(cursor) => {
            Changes::Hashes(cursor.advance(&view)?.enacted.into_iter().map(|block| block.hash).collect())
        }
        Waiting::Logs(cursor, filter) => Changes::Logs(within(cursor.logs(&view, filter)?, filter)),
        Waiting::Pending { next, full } => {
            let (hashes, after) = context.filters.pending.since(*next);
            *next = after;
            if *full { Changes::Transactions(waiting_transactions(&view, &hashes)) } else { Changes::Hashes(hashes) }
        }
    })
}

/// Only logs within the bounds the filter was made with; the cursor does not look at them.
fn within(mut logs: Vec<Log>, filter: &Filter) -> Vec<Log> {
    let (from, to) = filter.extract_block_range();
    logs.retain(|log| {
        log.block_number.is_none_or(|number| from.is_none_or(|from| number >= from) && to.is_none_or(|to| number <= to))
    });
    logs
}

fn waiting_transactions(view: &View, hashes: &[B256]) -> Vec<TransactionJson> {
    let pool = view.pool();
    let waiting = hashes.iter().filter_map(|hash| pool.get(*hash));
    waiting.map(|transaction| transaction_json(TransactionView { transaction, place: None }, false)).collect()
}

fn logs(context: &Context, grant: &Grant<Read>, (id,): (U128,)) -> Answer<Vec<Log>> {
    let filter = context.filters.poll(grant.identity(), id)?;
    let filter = match &*lock(&filter) {
        Waiting::Logs(_, filter) => (**filter).clone(),
        Waiting::Blocks(_) | Waiting::Pending { .. } => return Err(Failure::UnknownFilter),
    };
    super::logs::find(context, &context.view(grant), &filter)
}

fn uninstall(context: &Context, grant: &Grant<Read>, (id,): (U128,)) -> Answer<bool> {
    Ok(context.filters.remove(grant.identity(), id))
}
