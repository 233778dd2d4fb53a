//! Examples of the reference as they are asked for, and the file that keeps them.

#![allow(unreachable_pub, reason = "a module of the tests of two packages")]

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

/// Requests and answers by method.
#[derive(Debug, Default)]
pub struct Book {
    examples: BTreeMap<String, Value>,
    drawn: Vec<String>,
}

impl Book {
    /// One more. There is one of each method.
    pub fn note(&mut self, method: &str, params: &Value, result: &Value) {
        self.note_with(method, json!({ "method": method, "params": params, "result": result }));
    }

    /// One of a subscription, with what it sent later.
    #[allow(dead_code, reason = "development methods have none")]
    pub fn note_subscription(&mut self, method: &str, params: &Value, result: &Value, notification: &Value) {
        let example = json!({ "method": method, "params": params, "result": result, "notification": notification });
        self.note_with(method, example);
    }

    fn note_with(&mut self, method: &str, example: Value) {
        assert!(self.examples.insert(method.to_owned(), example).is_none(), "{method} has an example already");
    }

    /// A value in hex that every run draws anew: it is kept as ones.
    pub fn draws(&mut self, value: &Value) {
        self.drawn.push(value.as_str().expect("hex").to_owned());
    }

    /// Compares with the file of this name, or with `AURUM_WRITE_DOCS` writes it. One example a line.
    pub fn keep(&self, name: &str) {
        let lines: Vec<_> = self.examples.values().map(Value::to_string).collect();
        let mut text = format!("[\n{}\n]\n", lines.join(",\n"));
        for drawn in &self.drawn {
            let digits = if drawn.len() == 66 { 64 } else { 32 };
            text = text.replace(&format!("\"{drawn}\""), &format!("\"0x{}\"", "1".repeat(digits)));
        }
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests");
        let root = Path::new(&package).ancestors().find(|path| path.join("Cargo.lock").exists());
        let folder = root.expect("a workspace").join("poa-node/crates/rpc/src/reference/examples");
        let path = folder.join(name);
        if std::env::var_os("AURUM_WRITE_DOCS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        for (found, expected) in found.lines().zip(text.lines()) {
            assert_eq!(found, expected, "{name} is stale: CONTRIBUTING.md says how it is written anew");
        }
        assert_eq!(found.lines().count(), text.lines().count(), "{name} is stale");
    }
}
