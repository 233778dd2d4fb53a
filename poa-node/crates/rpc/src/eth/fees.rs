//! What to offer for gas.
//!
//! On a gas-free chain every answer is zero. cast and alloy then send type 2 with `maxFeePerGas` 1 (their least tip),
//! ethers sends type 0 with `gasPrice` 0, web3.py type 2 with zeroes: all without a flag, and none is charged.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{U64, U128},
    rpc::types::FeeHistory,
};
use aurum_chain::{Grant, Read};
use jsonrpsee::core::RegisterMethodError;
use serde::Deserialize;

use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_gasPrice", gas_price)?;
    methods.add("eth_maxPriorityFeePerGas", priority_fee)?;
    methods.add("eth_blobBaseFee", blob_base_fee)?;
    methods.add("eth_feeHistory", fee_history)
}

fn gas_price(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<U128> {
    Ok(U128::from(context.view(grant).gas_price()?))
}

fn priority_fee(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<U128> {
    Ok(U128::from(context.view(grant).priority_fee()?))
}

/// There are no blobs on this chain.
fn blob_base_fee(_: &Context, _: &Grant<Read>, (): ()) -> Answer<U64> {
    Ok(U64::ZERO)
}

/// A count as hex, decimal string or number: clients send all three.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Quantity(U64),
}

fn fee_history(
    context: &Context,
    grant: &Grant<Read>,
    (count, newest, percentiles): (Count, BlockNumberOrTag, Option<Vec<f64>>),
) -> Answer<FeeHistory> {
    let count = match count {
        Count::Number(count) => count,
        Count::Quantity(count) => count.to(),
    };
    let percentiles = percentiles.unwrap_or_default();
    if percentiles.len() > 100 {
        return Err(Failure::Params("over the limit of 100 reward percentiles".to_owned()));
    }
    Ok(context.view(grant).fee_history(count.min(context.limits.fee_history), newest, &percentiles)?)
}
