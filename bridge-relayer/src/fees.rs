//! What a transaction offers for its gas.

use alloy::{
    eips::BlockNumberOrTag,
    providers::{DynProvider, Provider},
};
use serde::{Deserialize, Serialize};

use crate::chain::ChainError;

/// Offer of a transaction, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fees {
    /// Type 0, for chains whose blocks have no base fee.
    Legacy {
        /// All of it.
        gas_price: u128,
    },
    /// Type 2 (EIP-1559).
    Dynamic {
        /// Most paid in all.
        max_fee: u128,
        /// What of it goes to the block's author.
        tip: u128,
    },
}

impl Fees {
    /// What a replacement must offer: an eighth more than before in every part, as pools demand (geth 10 %, others
    /// 12.5 %), and not less than `now`. Zero stays zero unless `now` is more: a free chain takes nothing.
    #[must_use]
    pub fn raised(self, now: Self) -> Self {
        match (self, now) {
            (Self::Legacy { gas_price }, Self::Legacy { gas_price: current }) => {
                Self::Legacy { gas_price: eighth_more(gas_price).max(current) }
            }
            (Self::Dynamic { max_fee, tip }, Self::Dynamic { max_fee: current, tip: current_tip }) => {
                let tip = eighth_more(tip).max(current_tip);
                Self::Dynamic { max_fee: eighth_more(max_fee).max(current).max(tip), tip }
            }
            (_, now) => now,
        }
    }

    /// The same, with nothing above `cap`.
    #[must_use]
    pub fn capped(self, cap: u128) -> Self {
        match self {
            Self::Legacy { gas_price } => Self::Legacy { gas_price: gas_price.min(cap) },
            Self::Dynamic { max_fee, tip } => Self::Dynamic { max_fee: max_fee.min(cap), tip: tip.min(cap) },
        }
    }

    /// Most a unit of gas can cost.
    pub const fn most(self) -> u128 {
        match self {
            Self::Legacy { gas_price } => gas_price,
            Self::Dynamic { max_fee, .. } => max_fee,
        }
    }

    /// What `provider`'s chain asks for now: room for the base fee to double, and the node's suggestion of a tip.
    pub(crate) async fn estimate(provider: &DynProvider) -> Result<Self, ChainError> {
        let block = provider.get_block_by_number(BlockNumberOrTag::Latest).await?.ok_or(ChainError::NoBlocks)?;
        let Some(base) = block.header.base_fee_per_gas else {
            return Ok(Self::Legacy { gas_price: provider.get_gas_price().await? });
        };
        let base = u128::from(base);
        // Not every node answers eth_maxPriorityFeePerGas; the gas price says the same.
        let tip = match provider.get_max_priority_fee_per_gas().await {
            Ok(tip) => tip,
            Err(_) => provider.get_gas_price().await?.saturating_sub(base),
        };
        Ok(Self::Dynamic { max_fee: base.saturating_mul(2).saturating_add(tip), tip })
    }
}

/// `fee` and an eighth, rounded up.
const fn eighth_more(fee: u128) -> u128 {
    fee.saturating_add(fee.div_ceil(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_offers_an_eighth_more_in_every_part() {
        let old = Fees::Dynamic { max_fee: 1000, tip: 80 };
        assert_eq!(old.raised(Fees::Dynamic { max_fee: 900, tip: 1 }), Fees::Dynamic { max_fee: 1125, tip: 90 });
        assert_eq!(old.raised(Fees::Dynamic { max_fee: 5000, tip: 1 }), Fees::Dynamic { max_fee: 5000, tip: 90 });
        assert_eq!(Fees::Legacy { gas_price: 1 }.raised(Fees::Legacy { gas_price: 0 }), Fees::Legacy { gas_price: 2 });
    }

    #[test]
    fn a_free_chain_stays_free() {
        let free = Fees::Dynamic { max_fee: 0, tip: 0 };
        assert_eq!(free.raised(free), free);
    }

    #[test]
    fn the_tip_never_exceeds_the_whole() {
        let raised = Fees::Dynamic { max_fee: 10, tip: 10 }.raised(Fees::Dynamic { max_fee: 1, tip: 90 });
        assert_eq!(raised, Fees::Dynamic { max_fee: 90, tip: 90 });
        assert_eq!(raised.capped(50), Fees::Dynamic { max_fee: 50, tip: 50 });
    }
}
