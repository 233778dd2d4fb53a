//! The reference as OpenRPC 1.2.6 (spec.open-rpc.org).

use serde_json::{Map, Value, json};

use super::{
    Method, SECTIONS,
    errors::{COMMON, Group},
    examples::{self, Example},
};

/// Every method there is as an OpenRPC document; `rpc.discover` answers with those its listener serves. What a method can
/// answer besides its result stands in its `errors`, what every method can in `components.errors`; in a message, `…` stands
/// for what varies.
pub fn openrpc() -> Value {
    document(|_| true)
}

/// The document of the methods that are `served`.
pub(super) fn document(served: impl Fn(&Method) -> bool) -> Value {
    let methods = SECTIONS.iter().flat_map(|section| {
        section.methods.iter().filter(|method| served(method)).map(|method| describe(section.title, method))
    });
    json!({
        "openrpc": "1.2.6",
        "info": { "title": "Aurum JSON-RPC", "version": env!("CARGO_PKG_VERSION") },
        "methods": methods.collect::<Vec<_>>(),
        "components": { "errors": common() },
    })
}

/// By code and place among those with the code: `-32005.1`.
fn common() -> Map<String, Value> {
    let mut named = Map::new();
    for error in errors(&[COMMON]) {
        let code = &error["code"];
        let place = (1..).find(|place| !named.contains_key(&format!("{code}.{place}"))).unwrap_or(1);
        named.insert(format!("{code}.{place}"), error);
    }
    named
}

fn describe(section: &str, method: &Method) -> Value {
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
        "errors": errors(method.errors),
        "examples": examples::of(method.name).iter().map(|example| pairing(method, example)).collect::<Vec<_>>(),
    })
}

/// Error Objects.
fn errors(groups: &[Group]) -> Vec<Value> {
    let kinds = groups.iter().copied().flatten();
    kinds
        .flat_map(|kind| kind.messages.iter().map(|message| json!({ "code": kind.code, "message": message })))
        .collect()
}

/// An Example Pairing Object.
fn pairing(method: &Method, example: &Example) -> Value {
    let names = method.params.iter().map(|(name, _)| name.trim_end_matches('?'));
    let params = names.zip(&example.params).map(|(name, value)| json!({ "name": name, "value": value }));
    json!({
        "name": method.name,
        "params": params.collect::<Vec<_>>(),
        "result": { "name": "result", "value": example.result },
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
