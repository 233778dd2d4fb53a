//! The JSON dialect of Parity chain specs (OpenEthereum `crates/ethjson`): a tree that remembers where it is, and objects
//! that notice keys nobody asked for.

use std::{collections::BTreeMap, fmt, str::FromStr};

use alloy::primitives::{Address, B256, Bytes, U256, hex};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use super::{SpecError, SpecWarning, SpecWarningKind};

/// A JSON value. Unlike `serde_json::Value` it refuses an object with the same key twice: two clients could each keep a
/// different one and part ways.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Integer(u64),
    /// A number that is no integer between 0 and 2^64 − 1; kept as text for the error message.
    OtherNumber(String),
    String(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Json {
    /// Parses a whole file; a UTF-8 byte order mark is skipped (Nethermind's specs begin with one).
    pub(super) fn parse(text: &str) -> Result<Self, SpecError> {
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| SpecError::Json(error.to_string()))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::OtherNumber(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or_else(|_| Json::OtherNumber(value.to_string()), Json::Integer))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::OtherNumber(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(format_args!("key `{key}` occurs twice in one object")));
            }
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }
}

/// What a parse has found besides values.
#[derive(Debug, Default)]
pub(super) struct Notes {
    strict: bool,
    pub(super) warnings: Vec<SpecWarning>,
}

impl Notes {
    pub(super) const fn new(strict: bool) -> Self {
        Self { strict, warnings: Vec::new() }
    }

    /// Keeps the warning, or makes it an error in strict mode.
    pub(super) fn warn(&mut self, path: &str, kind: SpecWarningKind) -> Result<(), SpecError> {
        let warning = SpecWarning { path: path.to_owned(), kind };
        if self.strict {
            return Err(SpecError::Strict(warning));
        }
        self.warnings.push(warning);
        Ok(())
    }
}

/// A value with its place in the file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) path: String,
    json: Json,
}

impl Node {
    pub(super) const fn root(json: Json) -> Self {
        Self { path: String::new(), json }
    }

    pub(super) fn invalid<T>(&self, reason: impl fmt::Display) -> Result<T, SpecError> {
        Err(SpecError::invalid(&self.path, reason))
    }

    fn expected<T>(&self, what: &str) -> Result<T, SpecError> {
        match &self.json {
            Json::OtherNumber(number) => self.invalid(format_args!(
                "expected {what}, found the number {number}; write integers above 2^64 as a string"
            )),
            other => self.invalid(format_args!("expected {what}, found {}", other.kind())),
        }
    }

    pub(super) const fn is_object(&self) -> bool {
        matches!(self.json, Json::Object(_))
    }

    pub(super) fn object(self) -> Result<Object, SpecError> {
        match self.json {
            Json::Object(entries) => Ok(Object { path: self.path, entries }),
            _ => self.expected("an object"),
        }
    }

    pub(super) fn array(self) -> Result<Vec<Self>, SpecError> {
        match self.json {
            Json::Array(items) => Ok(items
                .into_iter()
                .enumerate()
                .map(|(index, json)| Self { path: format!("{}[{index}]", self.path), json })
                .collect()),
            _ => self.expected("a list"),
        }
    }

    /// An object read as a map: keys parsed by `key`, values by `value`. Two spellings of one key are an error.
    pub(super) fn map<K: Ord, V>(
        self,
        key: impl Fn(&str) -> Result<K, String>,
        mut value: impl FnMut(Self) -> Result<V, SpecError>,
    ) -> Result<BTreeMap<K, V>, SpecError> {
        let Object { path, entries } = self.object()?;
        let mut map = BTreeMap::new();
        for (text, json) in entries {
            let child = Self { path: join(&path, &text), json };
            let parsed = key(&text).map_err(|reason| SpecError::invalid(&child.path, format!("key: {reason}")))?;
            let place = child.path.clone();
            if map.insert(parsed, value(child)?).is_some() {
                return Err(SpecError::invalid(&place, "key is the same as another one, written differently"));
            }
        }
        Ok(map)
    }

    pub(super) fn bool(self) -> Result<bool, SpecError> {
        match self.json {
            Json::Bool(value) => Ok(value),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn string(self) -> Result<String, SpecError> {
        match self.json {
            Json::String(value) => Ok(value),
            _ => self.expected("a string"),
        }
    }

    /// `Uint`: a JSON number, a decimal string, a 0x string; `""` and `"0x"` are zero.
    pub(super) fn uint(&self) -> Result<U256, SpecError> {
        match &self.json {
            Json::Integer(value) => Ok(U256::from(*value)),
            Json::String(text) => parse_uint(text).or_else(|reason| self.invalid(reason)),
            _ => self.expected("a number, or a decimal or 0x string"),
        }
    }

    /// A `Uint` where 64 bits are needed: its low 64 bits, as OpenEthereum takes them, with a warning if that loses any.
    pub(super) fn u64(&self, notes: &mut Notes) -> Result<u64, SpecError> {
        let value = self.uint()?;
        let low = value.as_limbs()[0];
        if U256::from(low) != value {
            let how = format!("{value} does not fit in 64 bits; as in OpenEthereum its low 64 bits count: {low}");
            notes.warn(&self.path, SpecWarningKind::Adjusted(how))?;
        }
        Ok(low)
    }

    pub(super) fn address(&self) -> Result<Address, SpecError> {
        match &self.json {
            Json::String(text) => parse_address(text).or_else(|reason| self.invalid(reason)),
            _ => self.expected("an address"),
        }
    }

    pub(super) fn hash(&self) -> Result<B256, SpecError> {
        match &self.json {
            Json::String(text) if is_zero(text) => Ok(B256::ZERO),
            Json::String(text) => {
                B256::from_str(text).or_else(|error| self.invalid(format_args!("not a 32-byte hash: {error}")))
            }
            _ => self.expected("a 32-byte hash"),
        }
    }

    /// Hexadecimal bytes, with or without 0x; after 0x an odd number of digits has a 0 before it (OpenEthereum
    /// `ethjson::bytes`).
    pub(super) fn bytes(&self) -> Result<Bytes, SpecError> {
        match &self.json {
            Json::String(text) if text.starts_with("0x") && text.len() % 2 == 1 => {
                hex::decode(format!("0{}", &text[2..]))
                    .map(Bytes::from)
                    .or_else(|error| self.invalid(format_args!("not hexadecimal bytes: {error}")))
            }
            Json::String(text) => hex::decode(text)
                .map(Bytes::from)
                .or_else(|error| self.invalid(format_args!("not hexadecimal bytes: {error}"))),
            _ => self.expected("hexadecimal bytes"),
        }
    }

    pub(super) fn fixed_bytes<const N: usize>(&self) -> Result<[u8; N], SpecError> {
        if let Json::String(text) = &self.json
            && is_zero(text)
        {
            return Ok([0; N]);
        }
        let bytes = self.bytes()?;
        <[u8; N]>::try_from(bytes.as_ref())
            .or_else(|_| self.invalid(format_args!("expected {N} bytes, found {}", bytes.len())))
    }
}

/// An object from which keys are taken one by one; [`Object::finish`] tells about the rest.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) path: String,
    entries: BTreeMap<String, Json>,
}

impl Object {
    /// The key's value, or `None` where it is absent or null.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        match self.entries.remove(key)? {
            Json::Null => None,
            json => Some(Node { path: join(&self.path, key), json }),
        }
    }

    /// The key's value.
    pub(super) fn need(&mut self, key: &str) -> Result<Node, SpecError> {
        self.take(key).ok_or_else(|| SpecError::Missing { path: join(&self.path, key) })
    }

    /// The key's value as 64 bits, if present.
    pub(super) fn u64(&mut self, key: &str, notes: &mut Notes) -> Result<Option<u64>, SpecError> {
        self.take(key).map(|node| node.u64(notes)).transpose()
    }

    /// The key's value as an address, if present.
    pub(super) fn address(&mut self, key: &str) -> Result<Option<Address>, SpecError> {
        self.take(key).map(|node| node.address()).transpose()
    }

    /// Drops keys that other clients know and that change nothing here.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.entries.remove(*key);
        }
    }

    /// Keys not taken yet.
    pub(super) fn keys(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// The path of a key of this object.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Warns about each key that was not taken.
    pub(super) fn finish(self, notes: &mut Notes) -> Result<(), SpecError> {
        for key in self.entries.keys() {
            notes.warn(&join(&self.path, key), SpecWarningKind::UnknownKey)?;
        }
        Ok(())
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

pub(super) fn parse_uint(text: &str) -> Result<U256, String> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (text, 10),
    };
    if digits.is_empty() {
        return Ok(U256::ZERO);
    }
    // ruint skips `_`; OpenEthereum does not take it.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("`{text}` is not a number"));
    }
    U256::from_str_radix(digits, radix).map_err(|_| format!("`{text}` is not a number of at most 256 bits"))
}

/// A block number or Unix time as the key of a map. OpenEthereum takes low 64 bits here too; nobody means that, so a
/// larger key is an error.
pub(super) fn parse_block_key(text: &str) -> Result<u64, String> {
    let value = parse_uint(text)?;
    u64::try_from(value).map_err(|_| format!("`{text}` does not fit in 64 bits"))
}

/// Whether a hash or address of this spelling is the zero one (OpenEthereum `ethjson::hash`).
fn is_zero(text: &str) -> bool {
    matches!(text, "" | "0x")
}

/// An address with or without 0x, in any case; `""` and `"0x"` are the zero address.
pub(super) fn parse_address(text: &str) -> Result<Address, String> {
    if is_zero(text) {
        return Ok(Address::ZERO);
    }
    Address::from_str(text).map_err(|error| format!("`{text}` is not an address: {error}"))
}
