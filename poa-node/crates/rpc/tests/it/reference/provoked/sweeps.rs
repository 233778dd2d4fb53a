//! Errors that many methods share: the examples are asked again with another block, or where there is too little of something.

use alloy::primitives::B256;
use serde_json::{Value, json};

use super::{Provoked, chains::Chains};
use crate::reference::world::At;

/// An example's request, and the kinds of its method's parameters.
struct Request {
    method: String,
    params: Vec<Value>,
    /// Of each place.
    kinds: Vec<Vec<String>>,
}

impl Request {
    /// The same with `value` at a place.
    fn with(&self, place: usize, value: &Value) -> Value {
        let mut params = self.params.clone();
        params.resize(params.len().max(place + 1), Value::Null);
        params[place] = value.clone();
        json!(params)
    }

    /// Places of parameters of a kind.
    fn places(&self, kinds: &[&str]) -> Vec<usize> {
        let is = |place: &usize| self.kinds[*place].iter().any(|kind| kinds.contains(&kind.as_str()));
        (0..self.kinds.len()).filter(is).collect()
    }
}

/// The requests of examples that change nothing.
fn requests() -> Vec<Request> {
    let document = aurum_rpc::openrpc();
    let examples: Vec<Value> =
        serde_json::from_str(include_str!("../../../../src/reference/examples/node.json")).unwrap();
    let methods = document["methods"].as_array().unwrap();
    let request = |example: &Value| {
        let name = example["method"].as_str().unwrap();
        let method = methods.iter().find(|method| method["name"] == name).unwrap();
        let params = method["params"].as_array().unwrap();
        let title = |schema: &Value| schema["title"].as_str().unwrap_or_default().to_owned();
        let kinds = |param: &Value| match param["schema"]["oneOf"].as_array() {
            Some(either) => either.iter().map(title).collect(),
            None => vec![title(&param["schema"])],
        };
        Request {
            method: name.to_owned(),
            params: example["params"].as_array().unwrap().clone(),
            kinds: params.iter().map(kinds).collect(),
        }
    };
    let changes = |example: &Value| example["method"] == "eth_sendRawTransaction";
    examples.iter().filter(|example| !changes(example)).map(request).collect()
}

pub async fn run(provoked: &mut Provoked, chains: &Chains) {
    let requests = requests();
    let Chains { world, at, no_time, no_room, narrow, restored, immediate, side, .. } = chains;
    for server in [at, no_time, no_room, narrow, restored] {
        each(provoked, server, &requests).await;
    }
    // The block is not there, was never run, lost, or is not kept.
    let lost = json!({ "blockHash": side.hash(), "requireCanonical": true });
    for request in &requests {
        for place in request.places(&["Block", "Tag"]) {
            for tag in ["0xffffff", "0x0"] {
                asked(provoked, at, request, &request.with(place, &json!(tag))).await;
            }
            asked(provoked, restored, request, &request.with(place, &json!("0x2"))).await;
            let finalized = request.with(place, &json!("finalized"));
            // Certificates have a finality of their own.
            if request.method == "finality_getCertificate" {
                asked(provoked, &immediate.at, request, &finalized).await;
            } else {
                refused(provoked, &immediate.at, request, &finalized, "there is no finality").await;
            }
        }
        for place in request.places(&["Block"]) {
            refused(provoked, at, request, &request.with(place, &lost), "hash 0x").await;
        }
        for place in request.places(&["Hash"]) {
            for hash in [B256::repeat_byte(0xee), world.node.genesis_hash()] {
                asked(provoked, at, request, &request.with(place, &json!(hash))).await;
            }
        }
    }
}

async fn each(provoked: &mut Provoked, at: &At, requests: &[Request]) {
    for request in requests {
        asked(provoked, at, request, &json!(request.params)).await;
    }
}

/// Whatever is answered, an error is one of the reference.
async fn asked(provoked: &mut Provoked, at: &At, request: &Request, params: &Value) {
    let _answer = provoked.ask(at, &request.method, params).await;
}

async fn refused(provoked: &mut Provoked, at: &At, request: &Request, params: &Value, beginning: &str) {
    provoked.refused(at, &request.method, params, -32000, beginning).await;
}
