//! `parity_*`: what operators, bridges and explorers used of Parity (aura.md §6), over today's parts.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, U64, U128},
};
use aurum_chain::{Admin, Grant, Read, view::TransactionView};
use aurum_pool::Pooled;
use jsonrpsee::core::RegisterMethodError;
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::Answer,
    json::{HeaderJson, ReceiptJson, TransactionJson, transaction_json},
    methods::Registrar,
    peers::PeerView,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("parity_enode", enode)?;
    methods.add("parity_netPeers", net_peers)?;
    methods.add("parity_nextNonce", next_nonce)?;
    methods.add("parity_pendingTransactions", pending_transactions)?;
    methods.add("parity_allTransactions", all_transactions)?;
    methods.add("parity_allTransactionHashes", all_transaction_hashes)?;
    methods.add("parity_futureTransactions", future_transactions)?;
    methods.add("parity_getBlockHeaderByNumber", header_by_number)?;
    methods.add("parity_getBlockReceipts", block_receipts)?;
    methods.add("parity_chain", chain)?;
    methods.add("parity_netChain", chain)?;
    methods.add("parity_chainId", chain_id)?;
    methods.add("parity_chainStatus", chain_status)?;
    methods.add("parity_versionInfo", version_info)?;
    methods.add("parity_registryAddress", registry_address)?;
    methods.add("parity_minGasPrice", min_gas_price)?;
    methods.add("parity_mode", mode)?;
    methods.add("parity_removeTransaction", remove_transaction)
}

fn enode(context: &Context, _: &Grant<Read>, (): ()) -> Answer<String> {
    Ok(context.peers.enode())
}

fn net_peers(context: &Context, _: &Grant<Read>, (): ()) -> Answer<Value> {
    let peers = context.peers.peers();
    Ok(json!({
        "active": peers.len(),
        "connected": peers.len(),
        "max": context.peers.max_peers(),
        "peers": peers.iter().map(peer_json).collect::<Vec<_>>(),
    }))
}

fn peer_json(peer: &PeerView) -> Value {
    json!({
        "id": peer.id,
        "name": peer.name,
        "caps": ["aurum/1"],
        "network": {
            "remoteAddress": peer.remote.map(|address| address.to_string()).unwrap_or_default(),
            "localAddress": peer.local.map(|address| address.to_string()).unwrap_or_default(),
        },
        "protocols": { "aurum": { "version": 1, "height": peer.height, "reserved": peer.reserved } },
    })
}

fn next_nonce(context: &Context, grant: &Grant<Read>, (address,): (Address,)) -> Answer<U64> {
    Ok(U64::from(context.view(grant).next_nonce(address)?))
}

/// Transactions that could be in the next block; at most `limit`.
fn pending_transactions(
    context: &Context,
    grant: &Grant<Read>,
    (limit, _filter): (Option<usize>, Option<Value>),
) -> Answer<Vec<TransactionJson>> {
    let content = context.view(grant).pool().content();
    let waiting = content.pending.values().flatten();
    Ok(waiting.take(limit.unwrap_or(usize::MAX)).map(|pooled| pooled_json(pooled)).collect())
}

fn future_transactions(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Vec<TransactionJson>> {
    let content = context.view(grant).pool().content();
    Ok(content.queued.values().flatten().map(|pooled| pooled_json(pooled)).collect())
}

fn all_transactions(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Vec<TransactionJson>> {
    let content = context.view(grant).pool().content();
    let waiting = content.pending.values().chain(content.queued.values()).flatten();
    Ok(waiting.map(|pooled| pooled_json(pooled)).collect())
}

fn all_transaction_hashes(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Vec<B256>> {
    let content = context.view(grant).pool().content();
    Ok(content.pending.values().chain(content.queued.values()).flatten().map(|pooled| pooled.hash()).collect())
}

/// Takes it out of this node's pool; other nodes may hold it, and send it back.
fn remove_transaction(context: &Context, grant: &Grant<Admin>, (hash,): (B256,)) -> Answer<Option<TransactionJson>> {
    Ok(context.drop_transaction(grant, hash).map(|pooled| pooled_json(&pooled)))
}

fn pooled_json(pooled: &Pooled) -> TransactionJson {
    transaction_json(TransactionView { transaction: pooled.transaction().clone(), place: None }, false)
}

fn header_by_number(
    context: &Context,
    grant: &Grant<Read>,
    (number,): (Option<BlockNumberOrTag>,),
) -> Answer<Option<HeaderJson>> {
    let header = context.view(grant).header(number.unwrap_or_default().into())?;
    Ok(header.map(|(hash, header)| HeaderJson::new(hash, &header)))
}

fn block_receipts(
    context: &Context,
    grant: &Grant<Read>,
    (number,): (Option<BlockNumberOrTag>,),
) -> Answer<Option<Vec<ReceiptJson>>> {
    let view = context.view(grant);
    let block = view.block(number.unwrap_or_default().into())?;
    Ok(block.map(|block| block.receipt_views().map(|receipt| ReceiptJson::new(&receipt)).collect()))
}

fn chain(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<String> {
    Ok(context.view(grant).spec().name.clone())
}

fn chain_id(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<U64> {
    Ok(U64::from(context.view(grant).spec().params.chain_id))
}

/// No gap: this node always has every block up to its head.
fn chain_status(_: &Context, _: &Grant<Read>, (): ()) -> Answer<Value> {
    Ok(json!({ "blockGap": null }))
}

fn version_info(_: &Context, _: &Grant<Read>, (): ()) -> Answer<Value> {
    let part = |text: &str| text.parse::<u64>().unwrap_or(0);
    Ok(json!({
        "hash": "0".repeat(40),
        "track": "stable",
        "version": {
            "major": part(env!("CARGO_PKG_VERSION_MAJOR")),
            "minor": part(env!("CARGO_PKG_VERSION_MINOR")),
            "patch": part(env!("CARGO_PKG_VERSION_PATCH")),
        },
    }))
}

fn registry_address(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Option<Address>> {
    Ok(context.view(grant).spec().params.registrar)
}

fn min_gas_price(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<U128> {
    Ok(U128::from(context.view(grant).next_base_fee().unwrap_or(0)))
}

fn mode(_: &Context, _: &Grant<Read>, (): ()) -> Answer<&'static str> {
    Ok("active")
}
