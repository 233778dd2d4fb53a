//! Blocks as Otterscan names them.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;

/// `T`, or the number of a block as a JSON number, which is what Otterscan sends: Erigon takes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrNumber<T>(pub(super) T);

impl<'de, T: DeserializeOwned + From<u64>> Deserialize<'de> for OrNumber<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.as_u64() {
            Some(number) => Ok(Self(number.into())),
            None => T::deserialize(value).map(Self).map_err(Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        eips::{BlockId, BlockNumberOrTag},
        primitives::B256,
    };

    use super::OrNumber;

    #[test]
    fn a_block_is_a_number_of_either_kind_a_tag_or_a_hash() {
        let number =
            |json: &str| serde_json::from_str::<OrNumber<BlockNumberOrTag>>(json).map(|OrNumber(number)| number);
        for (json, expected) in [
            ("0", BlockNumberOrTag::from(0)),
            ("5", BlockNumberOrTag::Number(5)),
            (r#""0x5""#, BlockNumberOrTag::Number(5)),
            (r#""latest""#, BlockNumberOrTag::Latest),
        ] {
            assert_eq!(number(json).unwrap(), expected, "{json}");
        }
        for json in ["-1", "1.5", "18446744073709551616", r#""5 ""#, r#""soon""#, "true", "[5]", "{}"] {
            assert!(number(json).is_err(), "{json}");
        }
        let hash = format!("\"{}\"", B256::repeat_byte(7));
        let OrNumber(id) = serde_json::from_str::<OrNumber<BlockId>>(&hash).unwrap();
        assert_eq!(id, BlockId::from(B256::repeat_byte(7)));
    }
}
