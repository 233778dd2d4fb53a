//! Blocks on demand, when blocks come by themselves, and time.

use std::time::Duration;

use alloy::primitives::{B256, U64};
use aurum_chain::{Admin, Grant};
use jsonrpsee::core::RegisterMethodError;
use serde::Deserialize;

use super::{Mining, Number, dev};
use crate::{
    cancel,
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

/// Blocks that one request may mine.
const MOST: u64 = 100_000;

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("evm_mine", evm_mine)?;
    methods.add("anvil_mine", mine)?;
    methods.add("hardhat_mine", mine)?;
    methods.add("evm_increaseTime", increase_time)?;
    methods.add("anvil_increaseTime", increase_time)?;
    methods.add("evm_setNextBlockTimestamp", set_next_time)?;
    methods.add("anvil_setNextBlockTimestamp", set_next_time)?;
    methods.add("evm_setAutomine", set_automine)?;
    methods.add("anvil_setAutomine", set_automine)?;
    methods.add("anvil_getAutomine", automine)?;
    methods.add("hardhat_getAutomine", automine)?;
    methods.add("evm_setIntervalMining", set_interval_ms)?;
    methods.add("anvil_setIntervalMining", set_interval)?;
    methods.add("anvil_getIntervalMining", interval)?;
    methods.add("anvil_dropTransaction", drop_transaction)?;
    methods.add("hardhat_dropTransaction", drop_transaction)
}

/// What `evm_mine` takes: Hardhat a time, Ganache and Anvil an object too.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "expected a time in seconds, or an object with timestamp and blocks")]
enum MineOptions {
    Time(Number),
    Blocks(MineBlocks),
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MineBlocks {
    timestamp: Option<Number>,
    blocks: Option<Number>,
}

/// One block or as many as are asked for, the first at a time if one is given.
fn evm_mine(context: &Context, _: &Grant<Admin>, (options,): (Option<MineOptions>,)) -> Answer<&'static str> {
    let MineBlocks { timestamp, blocks } = match options {
        None => MineBlocks::default(),
        Some(MineOptions::Time(time)) => MineBlocks { timestamp: Some(time), blocks: None },
        Some(MineOptions::Blocks(blocks)) => blocks,
    };
    let blocks = at_once(blocks.map_or(1, Number::get))?;
    let dev = dev(context)?;
    if let Some(time) = timestamp {
        dev.set_next_time(time.get())?;
    }
    dev.mine(blocks, None, &cancel::current().unwrap_or_default())?;
    Ok("0x0")
}

/// Hardhat's blocks are a second apart unless it is told otherwise.
fn mine(context: &Context, _: &Grant<Admin>, (blocks, apart): (Option<U64>, Option<U64>)) -> Answer<bool> {
    let blocks = at_once(blocks.map_or(1, |blocks| blocks.to::<u64>()))?;
    dev(context)?.mine(blocks, apart.map(|apart| apart.to()), &cancel::current().unwrap_or_default())?;
    Ok(true)
}

/// As many blocks, unless they are more than [`MOST`].
fn at_once(blocks: u64) -> Answer<u64> {
    if blocks > MOST {
        return Err(Failure::Limit("RANGE_LIMIT", format!("{blocks} blocks asked for, at most {MOST} at once")));
    }
    Ok(blocks)
}

/// Seconds by which the chain's time is ahead in all.
fn increase_time(context: &Context, _: &Grant<Admin>, (seconds,): (Number,)) -> Answer<u64> {
    Ok(dev(context)?.advance_time(seconds.get()))
}

fn set_next_time(context: &Context, _: &Grant<Admin>, (seconds,): (Number,)) -> Answer<()> {
    Ok(dev(context)?.set_next_time(seconds.get())?)
}

fn set_automine(context: &Context, _: &Grant<Admin>, (automine,): (bool,)) -> Answer<bool> {
    let dev = dev(context)?;
    dev.set_mining(Mining { automine, ..dev.mining() });
    Ok(true)
}

fn automine(context: &Context, _: &Grant<Admin>, (): ()) -> Answer<bool> {
    Ok(dev(context)?.mining().automine)
}

/// Hardhat's: milliseconds, and beside automining.
fn set_interval_ms(context: &Context, _: &Grant<Admin>, (milliseconds,): (Number,)) -> Answer<bool> {
    let (dev, interval) = (dev(context)?, Duration::from_millis(milliseconds.get()));
    dev.set_mining(Mining { interval: Some(interval).filter(|interval| !interval.is_zero()), ..dev.mining() });
    Ok(true)
}

/// Anvil's: seconds, and instead of automining.
fn set_interval(context: &Context, _: &Grant<Admin>, (seconds,): (Number,)) -> Answer<bool> {
    let interval = Some(Duration::from_secs(seconds.get())).filter(|interval| !interval.is_zero());
    dev(context)?.set_mining(Mining { automine: false, interval });
    Ok(true)
}

/// In seconds.
fn interval(context: &Context, _: &Grant<Admin>, (): ()) -> Answer<Option<u64>> {
    Ok(dev(context)?.mining().interval.map(|interval| interval.as_secs()))
}

/// Whether it was waiting.
fn drop_transaction(context: &Context, grant: &Grant<Admin>, (hash,): (B256,)) -> Answer<bool> {
    Ok(context.drop_transaction(grant, hash).is_some())
}
