//! What tools ask to see which development node they talk to.

use alloy::{
    eips::BlockId,
    primitives::{B256, U64, U128, keccak256},
};
use aurum_chain::{Grant, Read};
use jsonrpsee::core::RegisterMethodError;
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("anvil_nodeInfo", node_info)?;
    methods.add("anvil_metadata", metadata)?;
    methods.add("hardhat_metadata", metadata)
}

fn node_info(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Value> {
    let view = context.view(grant);
    let (hash, head) = view.header(BlockId::latest())?.ok_or(Failure::UnknownBlock)?;
    Ok(json!({
        "currentBlockNumber": U64::from(head.number),
        "currentBlockTimestamp": head.timestamp,
        "currentBlockHash": hash,
        "hardFork": "prague",
        "transactionOrder": "fees",
        "environment": {
            "baseFee": U128::from(head.base_fee_per_gas.unwrap_or_default()),
            "chainId": view.spec().params.chain_id,
            "gasLimit": U64::from(head.gas_limit),
            "gasPrice": U128::from(view.gas_price()?),
        },
        "forkConfig": { "forkUrl": null, "forkBlockNumber": null, "forkRetryBackoff": null },
    }))
}

fn metadata(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Value> {
    let view = context.view(grant);
    let head = view.head().latest;
    // Another one in each run of the node.
    let instance: B256 = keccak256([view.genesis_hash().0, context.instance.0].concat());
    Ok(json!({
        "clientVersion": context.client_version,
        "chainId": view.spec().params.chain_id,
        "instanceId": instance,
        "latestBlockNumber": head.number,
        "latestBlockHash": head.hash,
        "snapshots": {},
    }))
}
