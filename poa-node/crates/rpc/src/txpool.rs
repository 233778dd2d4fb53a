//! `txpool_*`, in geth's form: by sender, then by decimal nonce.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, U64},
};
use aurum_chain::{Grant, Read, view::TransactionView};
use aurum_pool::Pooled;
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use crate::{
    context::Context,
    error::Answer,
    json::{TransactionJson, transaction_json},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("txpool_status", status)?;
    methods.add("txpool_content", content)?;
    methods.add("txpool_contentFrom", content_from)?;
    methods.add("txpool_inspect", inspect)
}

#[derive(Serialize)]
struct Status {
    pending: U64,
    queued: U64,
}

fn status(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Status> {
    let status = context.view(grant).pool().status();
    Ok(Status { pending: U64::from(status.pending), queued: U64::from(status.queued) })
}

type BySender<T> = BTreeMap<String, BTreeMap<String, T>>;

#[derive(Serialize)]
struct Content<T> {
    pending: T,
    queued: T,
}

fn content(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Content<BySender<TransactionJson>>> {
    let content = context.view(grant).pool().content();
    Ok(Content { pending: by_sender(&content.pending, full), queued: by_sender(&content.queued, full) })
}

fn content_from(
    context: &Context,
    grant: &Grant<Read>,
    (sender,): (Address,),
) -> Answer<Content<BTreeMap<String, TransactionJson>>> {
    let mut content = context.view(grant).pool().content();
    let of = |waiting: &mut BTreeMap<Address, Vec<Arc<Pooled>>>| {
        waiting.remove(&sender).map(|list| by_nonce(&list, full)).unwrap_or_default()
    };
    Ok(Content { pending: of(&mut content.pending), queued: of(&mut content.queued) })
}

fn inspect(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Content<BySender<String>>> {
    let content = context.view(grant).pool().content();
    Ok(Content { pending: by_sender(&content.pending, summary), queued: by_sender(&content.queued, summary) })
}

fn by_sender<T>(waiting: &BTreeMap<Address, Vec<Arc<Pooled>>>, show: fn(&Pooled) -> T) -> BySender<T> {
    waiting.iter().map(|(sender, list)| (sender.to_checksum(None), by_nonce(list, show))).collect()
}

fn by_nonce<T>(list: &[Arc<Pooled>], show: fn(&Pooled) -> T) -> BTreeMap<String, T> {
    list.iter().map(|pooled| (pooled.nonce().to_string(), show(pooled))).collect()
}

fn full(pooled: &Pooled) -> TransactionJson {
    // Not in a block: what the chain charges does not matter yet.
    transaction_json(TransactionView { transaction: pooled.transaction().clone(), place: None }, false)
}

/// geth's line: `0x…: 1 wei + 21000 gas × 0 wei`.
fn summary(pooled: &Pooled) -> String {
    let tx = pooled.transaction();
    let to = tx.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_checksum(None));
    format!("{to}: {} wei + {} gas × {} wei", tx.value(), tx.gas_limit(), tx.max_fee_per_gas())
}
