//! Values as the commands print them.

use alloy::primitives::{U256, hex};
use serde_json::{Value, json};

/// 2^53: from here on a JSON number is no longer exact everywhere.
const EXACT: u64 = 1 << 53;

/// An integer: a number below 2^53, a decimal string from there on.
pub fn uint(value: U256) -> Value {
    if value < U256::from(EXACT) { json!(value.to::<u64>()) } else { json!(value.to_string()) }
}

/// The same of a 64-bit integer.
pub fn uint64(value: u64) -> Value {
    uint(U256::from(value))
}

/// Bytes in lower-case hex with 0x.
pub fn bytes(value: impl AsRef<[u8]>) -> Value {
    json!(hex::encode_prefixed(value))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    #[test]
    fn integers_are_numbers_as_long_as_every_reader_has_them_exactly() {
        assert_eq!(uint(U256::ZERO), json!(0));
        assert_eq!(uint(U256::from(EXACT - 1)), json!(9_007_199_254_740_991_u64));
        assert_eq!(uint(U256::from(EXACT)), json!("9007199254740992"));
        assert_eq!(uint(U256::from(u128::MAX)), json!("340282366920938463463374607431768211455"));
    }

    #[test]
    fn bytes_are_lower_case() {
        let address: Address = "0x00Ea169ce7e0992960D3BdE6F5D539C955316432".parse().unwrap();
        assert_eq!(bytes(address), json!("0x00ea169ce7e0992960d3bde6f5d539c955316432"));
    }
}
