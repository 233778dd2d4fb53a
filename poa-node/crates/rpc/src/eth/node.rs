//! What this node and chain are.

use alloy::primitives::{Address, U64};
use aurum_chain::{Grant, Read};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_chainId", chain_id)?;
    methods.add("eth_protocolVersion", protocol_version)?;
    methods.add("eth_syncing", syncing)?;
    methods.add("eth_mining", mining)?;
    methods.add("eth_hashrate", hashrate)?;
    methods.add("eth_coinbase", coinbase)
}

fn chain_id(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<U64> {
    Ok(U64::from(context.view(grant).spec().params.chain_id))
}

/// OpenEthereum's last: `63`, decimal.
fn protocol_version(_: &Context, _: &Grant<Read>, (): ()) -> Answer<&'static str> {
    Ok("63")
}

/// `false`, or how far a sync has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Syncing {
    No(bool),
    #[serde(rename_all = "camelCase")]
    Yes {
        starting_block: U64,
        current_block: U64,
        highest_block: U64,
    },
}

/// How many blocks behind the best peer still count as synced: blocks under way are no sync.
const SYNCED_WITHIN: u64 = 3;

impl Syncing {
    pub(crate) fn now(context: &Context, head: u64) -> Self {
        match context.peers.best_peer_height() {
            Some(best) if best > head.saturating_add(SYNCED_WITHIN) => Self::Yes {
                starting_block: U64::from(context.started_at),
                current_block: U64::from(head),
                highest_block: U64::from(best),
            },
            _ => Self::No(false),
        }
    }
}

fn syncing(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Syncing> {
    Ok(Syncing::now(context, context.view(grant).head().latest.number))
}

fn mining(context: &Context, _: &Grant<Read>, (): ()) -> Answer<bool> {
    Ok(context.sealing.is_some())
}

fn hashrate(_: &Context, _: &Grant<Read>, (): ()) -> Answer<U64> {
    Ok(U64::ZERO)
}

fn coinbase(context: &Context, _: &Grant<Read>, (): ()) -> Answer<Address> {
    context
        .sealing
        .as_ref()
        .map(|author| author.address())
        .ok_or_else(|| Failure::Server("this node does not seal blocks".to_owned()))
}
