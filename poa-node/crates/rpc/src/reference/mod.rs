//! The reference of all methods: as a document for people, and as OpenRPC for programs.

#[cfg(test)]
mod absent;
#[cfg(test)]
mod document;
mod table;

use jsonrpsee::core::RegisterMethodError;
use serde_json::{Value, json};

pub(crate) use self::table::SECTIONS;
use crate::{context::Context, error::Answer, methods::Registrar};
use aurum_chain::{Grant, Read};

/// Whose behaviour a method has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Like {
    /// go-ethereum's, by execution-apis.
    Geth,
    /// Parity's, or OpenEthereum's.
    Parity,
    /// Anvil's or Hardhat's.
    Anvil,
    /// As Otterscan wants it.
    Otterscan,
    /// This node's own.
    Own,
}

impl Like {
    const fn name(self) -> &'static str {
        match self {
            Self::Geth => "geth",
            Self::Parity => "Parity",
            Self::Anvil => "Anvil",
            Self::Otterscan => "Otterscan",
            Self::Own => "own",
        }
    }
}

/// One method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    /// Its name.
    pub(crate) name: &'static str,
    /// Positional parameters: name, with `?` where it may be left out, and kind.
    pub(crate) params: &'static [(&'static str, &'static str)],
    /// What it gives.
    pub(crate) result: &'static str,
    /// What it is for.
    pub(crate) text: &'static str,
    /// Whose behaviour it has.
    pub(crate) like: Like,
    /// Only on a development chain.
    pub(crate) dev: bool,
}

/// Whether a method is in the reference, with this number of parameters. What is not is not registered.
pub(crate) fn has(name: &str, params: usize) -> bool {
    SECTIONS
        .iter()
        .flat_map(|section| section.methods)
        .any(|method| method.name == name && method.params.len() == params)
}

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("rpc.discover", discover)
}

/// The methods that are served here, as OpenRPC (spec.open-rpc.org).
fn discover(context: &Context, _: &Grant<Read>, (): ()) -> Answer<Value> {
    let dev = context.dev.is_some();
    let serves = |method: &Method| context.apis.serves(method.name) && (dev || !method.dev);
    let served = SECTIONS.iter().flat_map(|section| {
        section.methods.iter().filter(|method| serves(method)).map(|method| openrpc(section.title, method))
    });
    Ok(json!({
        "openrpc": "1.2.6",
        "info": { "title": "Aurum JSON-RPC", "version": env!("CARGO_PKG_VERSION") },
        "methods": served.collect::<Vec<_>>(),
    }))
}

fn openrpc(section: &str, method: &Method) -> Value {
    let params = method.params.iter().map(|(name, kind)| {
        let required = !name.ends_with('?');
        json!({ "name": name.trim_end_matches('?'), "required": required, "schema": schema(kind) })
    });
    json!({
        "name": method.name,
        "summary": method.text,
        "tags": [{ "name": section }, { "name": format!("like {}", method.like.name()) }],
        "paramStructure": "by-position",
        "params": params.collect::<Vec<_>>(),
        "result": { "name": "result", "schema": schema(method.result) },
    })
}

/// JSON Schema of a kind.
fn schema(kind: &str) -> Value {
    if let Some((first, second)) = kind.split_once('|') {
        return json!({ "oneOf": [schema(first), schema(second)] });
    }
    if let Some(item) = kind.strip_suffix("[]") {
        return json!({ "type": "array", "items": schema(item) });
    }
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern, "title": kind });
    match kind {
        "Address" => pattern("^0x[0-9a-fA-F]{40}$"),
        "Hash" | "Word" => pattern("^0x[0-9a-fA-F]{64}$"),
        "Bytes" => pattern("^0x([0-9a-fA-F]{2})*$"),
        "Quantity" => pattern("^0x(0|[1-9a-f][0-9a-f]*)$"),
        "Slot" => pattern("^0x[0-9a-fA-F]{1,64}$"),
        "Tag" | "String" => json!({ "type": "string", "title": kind }),
        "Block" => json!({ "type": ["string", "object"], "title": kind }),
        "Boolean" => json!({ "type": "boolean" }),
        "Number" => json!({ "type": "number" }),
        "Array" => json!({ "type": "array" }),
        "null" => json!({ "type": "null" }),
        _ => json!({ "type": "object", "title": kind }),
    }
}
