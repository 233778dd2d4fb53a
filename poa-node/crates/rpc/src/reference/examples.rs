//! A request of each method and its answer. Tests ask these of small chains, of which every run makes the same blocks, and write
//! the files anew where `AURUM_WRITE_DOCS` is set: `node.json` is of this crate's tests, `dev.json`, of a development chain,
//! of the program's.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value;

/// A request and its answer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Example {
    pub(super) method: String,
    pub(super) params: Vec<Value>,
    pub(super) result: Value,
    /// What a subscription sends later.
    #[cfg_attr(not(test), expect(dead_code, reason = "OpenRPC has no place for it"))]
    pub(super) notification: Option<Value>,
}

#[cfg(test)]
impl Example {
    pub(super) fn new(method: &str, params: Vec<Value>, result: Value) -> Self {
        Self { method: method.to_owned(), params, result, notification: None }
    }
}

type Examples = BTreeMap<String, Vec<Example>>;

static EXAMPLES: LazyLock<Examples> = LazyLock::new(|| {
    [include_str!("examples/node.json"), include_str!("examples/dev.json")].into_iter().flat_map(read).collect()
});

/// By method. A file that is none, which the tests do not let pass, has none.
fn read(file: &str) -> Examples {
    let mut examples = Examples::new();
    for example in serde_json::from_str::<Vec<Example>>(file).unwrap_or_default() {
        examples.entry(example.method.clone()).or_default().push(example);
    }
    examples
}

/// Those of a method.
pub(super) fn of(method: &str) -> &'static [Example] {
    EXAMPLES.get(method).map_or(&[], Vec::as_slice)
}
