//! `debug_storageRangeAt`: the storage of a contract, page by page, before a transaction of a block.

use std::collections::BTreeMap;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    rpc::types::Index,
};
use aurum_chain::{
    Grant, Read,
    view::{StoragePage, StorageSlot},
};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use super::limits;
use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

/// Most slots of one answer; `nextKey` says where the next one begins.
const MOST: usize = 10_000;

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("debug_storageRangeAt", storage_range)
}

/// geth's `StorageRangeResult`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RangeJson {
    /// By hash of the slot.
    storage: BTreeMap<B256, EntryJson>,
    next_key: Option<B256>,
}

/// Never without its key here: slots are kept by themselves, not by their hashes.
#[derive(Serialize)]
struct EntryJson {
    key: B256,
    value: B256,
}

fn storage_range(
    context: &Context,
    grant: &Grant<Read>,
    (id, index, address, start, count): (BlockId, Index, Address, Bytes, Index),
) -> Answer<RangeJson> {
    let view = context.view(grant);
    let block = view.trace(id)?.ok_or(Failure::UnknownBlock)?;
    let transactions = block.block().transactions().len();
    if index.0 >= transactions.max(1) {
        let hash = block.block().hash();
        return Err(Failure::Server(format!("transaction index {} out of range for block {hash}", index.0)));
    }
    if start.len() > 32 {
        return Err(Failure::Params(format!("a start of {} bytes: at most 32 are expected", start.len())));
    }
    let page = StoragePage {
        address,
        start: B256::right_padding_from(&start),
        count: count.0.min(MOST),
        most: context.limits.storage_slots,
    };
    let range = view.storage_range(&block, index.0, page, &limits(context, None)?)?;
    let entry = |found: StorageSlot| (found.hash, EntryJson { key: found.slot.into(), value: found.value.into() });
    Ok(RangeJson { storage: range.slots.into_iter().map(entry).collect(), next_key: range.next })
}
