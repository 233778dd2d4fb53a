//! What a command says, for people and for programs.

use serde_json::Value;

/// Lines, and the same facts as JSON. Never a secret.
#[derive(Debug)]
pub(crate) struct Report {
    lines: Vec<String>,
    json: Value,
}

impl Report {
    pub(crate) fn new(title: String) -> Self {
        Self { lines: vec![title], json: Value::Null }
    }

    pub(crate) fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    pub(crate) fn with(mut self, json: Value) -> Self {
        self.json = json;
        self
    }

    pub(crate) fn render(&self, json: bool) -> String {
        if json { self.json.to_string() } else { self.lines.join("\n") }
    }
}
