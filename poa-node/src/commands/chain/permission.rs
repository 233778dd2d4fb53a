//! `chain permission`: the transaction permission contract, asked on the genesis state.

use std::{str::FromStr, sync::Arc};

use alloy::primitives::{Address, Bytes, TxKind, U256, hex};
use aurum_evm::{BlockEnv, PermissionRequest};
use aurum_types::{BlockNumber, MemoryState};
use serde_json::{Value, json};

use super::{Genesis, Loaded, SpecArgs};
use crate::commands::{
    Answer,
    json::{bytes, uint},
};

/// The transaction in question.
#[derive(Clone, Debug, clap::Args)]
pub struct PermissionArgs {
    /// The chain.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Sender
    #[arg(long, value_name = "ADDRESS")]
    pub from: Address,
    /// Target; without it a contract is created
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Address>,
    /// Wei sent along
    #[arg(long, value_name = "WEI", default_value = "0")]
    pub value: Wei,
    /// Price of a unit of gas of a legacy transaction, wei [default: 0]
    #[arg(long, value_name = "WEI", conflicts_with_all = ["max_fee", "max_priority_fee"])]
    pub gas_price: Option<Wei>,
    /// Highest price of a unit of gas of an EIP-1559 transaction, wei
    #[arg(long, value_name = "WEI")]
    pub max_fee: Option<Wei>,
    /// Highest tip for a unit of gas of an EIP-1559 transaction, wei
    #[arg(long, value_name = "WEI")]
    pub max_priority_fee: Option<Wei>,
    /// Gas limit of the transaction; interface version 4 is told
    #[arg(long, value_name = "GAS", default_value_t = 21_000)]
    pub gas: u64,
    /// Input, hex
    #[arg(long, value_name = "HEX", value_parser = parse_hex, default_value = "0x")]
    pub data: Bytes,
    /// Block the transaction would be in: decides which transitions hold. The state is that of genesis in any case
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub block: BlockNumber,
}

/// An amount: decimal, or hex with 0x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wei(pub U256);

impl FromStr for Wei {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `U256::from_str` takes octal and binary prefixes and underscores too; an amount has none.
        let digits = text.strip_prefix("0x");
        let (digits, radix) = digits.map_or((text, 10), |digits| (digits, 16));
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            return Err("neither a decimal number nor a hex number with 0x".to_owned());
        }
        U256::from_str_radix(digits, u64::from(radix)).map(Self).map_err(|error| error.to_string())
    }
}

impl Wei {
    /// As a price, which has 128 bits.
    fn price(self) -> anyhow::Result<u128> {
        u128::try_from(self.0).map_err(|_| anyhow::anyhow!("a gas price of {} wei does not fit in 128 bits", self.0))
    }
}

fn parse_hex(text: &str) -> Result<Bytes, hex::FromHexError> {
    hex::decode(text).map(Bytes::from)
}

/// The contract's word with the decision. Without a contract in force `contract`, `version`, `mask` and `cacheable` are null
/// and everything is allowed. `needed` and `mask` are bits: 1 transfer, 2 call, 4 create.
///
/// # Errors
/// When genesis cannot be made.
pub fn permission(loaded: &Loaded, args: &PermissionArgs) -> anyhow::Result<Answer> {
    let genesis = Genesis::of(&loaded.spec)?;
    let (max_fee, max_priority_fee) = match (args.gas_price, args.max_fee, args.max_priority_fee) {
        (None, Some(max_fee), tip) => (max_fee, tip.unwrap_or_default()),
        (None, None, Some(_)) => anyhow::bail!("--max-priority-fee needs --max-fee"),
        (price, ..) => (price.unwrap_or_default(), price.unwrap_or_default()),
    };
    let request = PermissionRequest {
        sender: args.from,
        to: args.to.map_or(TxKind::Create, TxKind::Call),
        value: args.value.0,
        max_fee_per_gas: max_fee.price()?,
        max_priority_fee_per_gas: max_priority_fee.price()?,
        gas_limit: args.gas,
        data: args.data.clone(),
        delegates: false,
    };
    // The parent of the block in question, were the chain still at genesis there.
    let parent = BlockEnv { number: args.block.saturating_sub(1), ..BlockEnv::of(&genesis.header) };
    let state = Arc::<MemoryState>::clone(&genesis.state);
    let (needed, answer) = genesis.evm.explain_permission(state, &parent, args.block, &request)?;
    let field = |value: Option<Value>| value.unwrap_or(Value::Null);
    Ok(Answer::yes(json!({
        "contract": field(answer.as_ref().map(|answer| bytes(answer.contract))),
        "version": field(answer.as_ref().map(|answer| uint(answer.version))),
        "needed": needed.bit(),
        "mask": field(answer.as_ref().map(|answer| json!(answer.mask))),
        "allowed": answer.as_ref().is_none_or(|answer| answer.denial.is_none()),
        "cacheable": field(answer.as_ref().map(|answer| json!(answer.cacheable))),
        "reason": field(answer.and_then(|answer| answer.denial).map(|denial| json!(denial.to_string()))),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_decimal_or_hex() {
        assert_eq!("12".parse(), Ok(Wei(U256::from(12))));
        assert_eq!("0x12".parse(), Ok(Wei(U256::from(18))));
        assert_eq!("0xFFffFFffFFffFFff0".parse(), Ok(Wei(U256::from(u64::MAX) << 4)));
        for wrong in ["", "0x", "1e18", "-1", "1_0", "0b1", "0xfg"] {
            assert!(wrong.parse::<Wei>().is_err(), "{wrong}");
        }
        assert!(format!("1{}", "0".repeat(78)).parse::<Wei>().is_err());
    }
}
