//! EIP-712: the hash of typed data, from the JSON that wallets send (`eth_signTypedData_v4`).

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, Bytes, I256, U256, keccak256};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Answer, Failure};

/// Structs within structs and arrays within arrays: no honest message has more.
const DEEPEST: usize = 32;

/// Types, and a message of one of them for a domain.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypedData {
    types: BTreeMap<String, Vec<Member>>,
    primary_type: String,
    domain: Value,
    message: Value,
}

#[derive(Debug, Deserialize)]
struct Member {
    name: String,
    r#type: String,
}

impl TypedData {
    /// Reads an object, or the same as text: wallets send both.
    pub(crate) fn read(value: Value) -> Answer<Self> {
        let wrong = |error: serde_json::Error| Failure::Params(format!("typed data: {error}"));
        match value {
            Value::String(text) => serde_json::from_str(&text).map_err(wrong),
            value => serde_json::from_value(value).map_err(wrong),
        }
    }

    /// `keccak256(0x1901 ‖ domain separator ‖ hash of the message)`.
    pub(crate) fn signing_hash(&self) -> Answer<B256> {
        let mut bytes = vec![0x19, 0x01];
        bytes.extend(self.hash_struct("EIP712Domain", &self.domain, 0)?);
        if self.primary_type != "EIP712Domain" {
            bytes.extend(self.hash_struct(&self.primary_type, &self.message, 0)?);
        }
        Ok(keccak256(bytes))
    }

    fn members(&self, name: &str) -> Answer<&[Member]> {
        self.types.get(name).map(Vec::as_slice).ok_or_else(|| wrong(&format!("no type {name:?}")))
    }

    fn hash_struct(&self, name: &str, value: &Value, depth: usize) -> Answer<B256> {
        if depth > DEEPEST {
            return Err(wrong("it is nested too deeply"));
        }
        let mut bytes = keccak256(self.encode_type(name)?).to_vec();
        for member in self.members(name)? {
            bytes.extend(self.encode(&member.r#type, &value[&member.name], depth)?);
        }
        Ok(keccak256(bytes))
    }

    /// The type with those it refers to, these by name: `Mail(Person from,Person to)Person(string name)`.
    fn encode_type(&self, name: &str) -> Answer<String> {
        let mut others = BTreeSet::new();
        self.collect(name, &mut others)?;
        others.remove(name);
        let mut text = String::new();
        for name in std::iter::once(name).chain(others) {
            let members: Vec<_> =
                self.members(name)?.iter().map(|member| format!("{} {}", member.r#type, member.name)).collect();
            text.push_str(&format!("{name}({})", members.join(",")));
        }
        Ok(text)
    }

    fn collect<'a>(&'a self, name: &'a str, found: &mut BTreeSet<&'a str>) -> Answer<()> {
        if found.insert(name) {
            for member in self.members(name)? {
                let base = member.r#type.split('[').next().unwrap_or_default();
                if self.types.contains_key(base) {
                    self.collect(base, found)?;
                }
            }
        }
        Ok(())
    }

    /// The 32 bytes that stand for a value.
    fn encode(&self, kind: &str, value: &Value, depth: usize) -> Answer<B256> {
        if depth > DEEPEST {
            return Err(wrong("it is nested too deeply"));
        }
        if let Some((item, length)) = kind.strip_suffix(']').and_then(|kind| kind.rsplit_once('[')) {
            let items = value.as_array().ok_or_else(|| mismatch(kind, value))?;
            if !length.is_empty() && length.parse() != Ok(items.len()) {
                return Err(mismatch(kind, value));
            }
            let mut bytes = Vec::with_capacity(items.len().saturating_mul(32));
            for value in items {
                bytes.extend(self.encode(item, value, depth + 1)?);
            }
            return Ok(keccak256(bytes));
        }
        if self.types.contains_key(kind) {
            return if value.is_null() { Ok(B256::ZERO) } else { self.hash_struct(kind, value, depth + 1) };
        }
        atom(kind, value).ok_or_else(|| mismatch(kind, value))
    }
}

/// A value that is no struct and no array.
fn atom(kind: &str, value: &Value) -> Option<B256> {
    let text = value.as_str();
    Some(match kind {
        "string" => keccak256(text?),
        "bytes" => keccak256(text?.parse::<Bytes>().ok()?),
        "bool" => B256::with_last_byte(u8::from(value.as_bool()?)),
        "address" => text?.parse::<Address>().ok()?.into_word(),
        _ => {
            if let Some(size) = kind.strip_prefix("bytes") {
                let (size, bytes) = (size.parse::<usize>().ok()?, text?.parse::<Bytes>().ok()?);
                return (size <= 32 && bytes.len() == size).then(|| B256::right_padding_from(&bytes));
            }
            let number = value.as_number().map(ToString::to_string).or_else(|| text.map(str::to_owned))?;
            if let Some(bits) = kind.strip_prefix("uint") {
                let number: U256 = number.parse().ok()?;
                return (number.bit_len() <= width(bits)?).then(|| number.into());
            }
            let bits = width(kind.strip_prefix("int")?)?;
            let number: I256 = number.parse().ok()?;
            (number.bits() as usize <= bits).then(|| number.into_raw().into())?
        }
    })
}

/// Bits of `uint<bits>`; 256 where none are stated.
fn width(bits: &str) -> Option<usize> {
    if bits.is_empty() {
        return Some(256);
    }
    bits.parse().ok().filter(|bits| *bits <= 256 && *bits % 8 == 0)
}

fn mismatch(kind: &str, value: &Value) -> Failure {
    wrong(&format!("{value} is no {kind}"))
}

fn wrong(reason: &str) -> Failure {
    Failure::Params(format!("typed data: {reason}"))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::b256;
    use serde_json::{Value, json};

    use super::TypedData;

    /// The example of EIP-712.
    fn mail() -> Value {
        json!({
            "types": {
                "EIP712Domain": [
                    { "name": "name", "type": "string" },
                    { "name": "version", "type": "string" },
                    { "name": "chainId", "type": "uint256" },
                    { "name": "verifyingContract", "type": "address" },
                ],
                "Person": [{ "name": "name", "type": "string" }, { "name": "wallet", "type": "address" }],
                "Mail": [
                    { "name": "from", "type": "Person" },
                    { "name": "to", "type": "Person" },
                    { "name": "contents", "type": "string" },
                ],
            },
            "primaryType": "Mail",
            "domain": {
                "name": "Ether Mail",
                "version": "1",
                "chainId": 1,
                "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
            },
            "message": {
                "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
                "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
                "contents": "Hello, Bob!",
            },
        })
    }

    #[test]
    fn the_example_of_eip712_has_its_hash_as_object_and_as_text() {
        let hash = b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
        assert_eq!(TypedData::read(mail()).unwrap().signing_hash().unwrap(), hash);
        let text = Value::String(mail().to_string());
        assert_eq!(TypedData::read(text).unwrap().signing_hash().unwrap(), hash);
        let mut hex = mail();
        hex["domain"]["chainId"] = json!("0x1");
        assert_eq!(TypedData::read(hex).unwrap().signing_hash().unwrap(), hash);
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused() {
        let cases = [
            ("/domain/chainId", json!("one")),
            ("/message/to/wallet", json!("0x12")),
            ("/message/contents", json!(7)),
            ("/primaryType", json!("Letter")),
        ];
        for (path, value) in cases {
            let mut data = mail();
            *data.pointer_mut(path).unwrap() = value;
            assert!(TypedData::read(data).unwrap().signing_hash().is_err(), "{path}");
        }
        let mut narrow = mail();
        narrow["types"]["Mail"][2]["type"] = json!("uint8");
        for (value, fits) in [(json!(255), true), (json!("0x100"), false), (json!(-1), false)] {
            narrow["message"]["contents"] = value;
            assert_eq!(TypedData::read(narrow.clone()).unwrap().signing_hash().is_ok(), fits);
        }
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        let mut data = mail();
        data["types"]["Person"] = json!([{ "name": "friends", "type": "Person[]" }]);
        data["message"]["from"] = json!({ "friends": [] });
        data["message"]["to"] = json!({ "friends": [{ "friends": [] }] });
        TypedData::read(data).unwrap().signing_hash().unwrap();
    }
}
