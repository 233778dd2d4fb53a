//! What gas costs.

use alloy::{eips::BlockNumberOrTag, rpc::types::FeeHistory};
use aurum_types::BlockNumber;

use super::{BlockView, View};
use crate::ReadError;

/// Most blocks in one `eth_feeHistory`.
pub const MAX_FEE_BLOCKS: u64 = 1024;
/// How many blocks back the tip suggestion looks.
const TIP_BLOCKS: u64 = 20;

impl View {
    /// Base fee of the next block in wei; `None` on chains without EIP-1559.
    pub fn next_base_fee(&self) -> Option<u64> {
        self.reader().next_env().base_fee
    }

    /// A tip in wei that got transactions into recent blocks: their median, the pool's minimum without any, and zero on
    /// a gas-free chain.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn priority_fee(&self) -> Result<u128, ReadError> {
        if self.spec().params.gas_free {
            return Ok(0);
        }
        let latest = self.head().latest.number;
        let mut tips = Vec::new();
        for number in latest.saturating_sub(TIP_BLOCKS - 1)..=latest {
            if let Some(block) = self.block(number.into())? {
                tips.extend(block.tips().map(|(tip, _)| tip));
            }
        }
        let least = self.reader().min_gas_price().saturating_sub(u128::from(self.next_base_fee().unwrap_or(0)));
        if tips.is_empty() {
            return Ok(least);
        }
        tips.sort_unstable();
        Ok(tips[tips.len() / 2].max(least))
    }

    /// A gas price in wei for a legacy transaction: base fee of the next block plus [`Self::priority_fee`].
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn gas_price(&self) -> Result<u128, ReadError> {
        Ok(u128::from(self.next_base_fee().unwrap_or(0)) + self.priority_fee()?)
    }

    /// `eth_feeHistory`: the `count` blocks that end in `newest`, with tips at the given percentiles (by gas used).
    ///
    /// # Errors
    /// [`ReadError::UnknownBlock`] for a `newest` above the head, [`ReadError::Arguments`] for percentiles that do not
    /// rise from 0 to 100.
    pub fn fee_history(
        &self,
        count: u64,
        newest: BlockNumberOrTag,
        percentiles: &[f64],
    ) -> Result<FeeHistory, ReadError> {
        if percentiles.iter().any(|p| !(0.0..=100.0).contains(p)) || percentiles.windows(2).any(|w| w[0] > w[1]) {
            return Err(ReadError::Arguments("percentiles must rise from 0 to 100".to_owned()));
        }
        let newest: BlockNumber = self.number_of(newest)?;
        if newest > self.head().latest.number {
            return Err(ReadError::UnknownBlock);
        }
        let count = count.min(MAX_FEE_BLOCKS).min(newest + 1);
        let mut history = FeeHistory { oldest_block: newest + 1 - count, ..FeeHistory::default() };
        if count == 0 {
            return Ok(history);
        }
        let mut rewards = Vec::new();
        let mut last = None;
        for number in history.oldest_block..=newest {
            let block = self.block(number.into())?.ok_or(ReadError::UnknownBlock)?;
            let header = block.header();
            history.base_fee_per_gas.push(u128::from(header.base_fee_per_gas.unwrap_or(0)));
            history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
            rewards.push(tips_at(&block, percentiles));
            last = Some(block);
        }
        if let Some(block) = last {
            history.base_fee_per_gas.push(u128::from(self.reader().base_fee_after(block.header()).unwrap_or(0)));
        }
        history.reward = (!percentiles.is_empty()).then_some(rewards);
        Ok(history)
    }
}

fn tips_at(block: &BlockView, percentiles: &[f64]) -> Vec<u128> {
    let mut tips: Vec<_> = block.tips().collect();
    tips.sort_unstable();
    let total = tips.iter().map(|(_, gas)| *gas as f64).sum::<f64>();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = total * percentile / 100.0;
            let mut passed = 0.0;
            for (tip, gas) in &tips {
                passed += *gas as f64;
                if passed >= threshold {
                    return *tip;
                }
            }
            tips.last().map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
