//! The page of a namespace: a section for each method.

use super::{cell, pretty};
use crate::reference::{
    Method,
    errors::ErrorKind,
    examples::{self, Example},
    openrpc,
    table::Section,
};

/// What stands on top of each page.
const HEAD: &str = "\
[All methods, kinds of values, and the errors that every method can answer](../rpc.md). This page is made by a test.

The examples are answers of a small chain, those of development methods of a development chain. Ids that are drawn anew each time
(filters, subscriptions, runs of a node) are shown as ones; of a long text the end, and of a list what comes after its third entry, is
left out: `…`.
";

/// The whole page.
pub(super) fn render(section: &Section) -> String {
    let mut text = format!("# {}\n\n{}\n\n{HEAD}", section.title, section.text);
    text.extend(section.methods.iter().map(method));
    text
}

fn method(method: &Method) -> String {
    let Method { name, text, result, like, .. } = method;
    let mut section = format!("\n## {name}\n\n{}\n\n", text.trim_end());
    if method.dev {
        section.push_str("On development chains alone. ");
    }
    section.push_str(&format!("Like: {}.\n", like.name()));
    if !method.params.is_empty() {
        section.push_str("\n| parameter | kind | |\n|---|---|---|\n");
        section.extend(method.params.iter().map(|(name, kind)| parameter(name, kind)));
    }
    section.push_str(&format!("\nResult: {}.\n", cell(result)));
    let kinds: Vec<_> = method.errors.iter().copied().flatten().copied().collect();
    if !kinds.is_empty() {
        section.push_str(&format!("\nErrors:\n\n{}", error_table(&kinds)));
    }
    section.extend(examples(method).iter().map(example));
    section
}

fn parameter(name: &str, kind: &str) -> String {
    let note = if name.ends_with('?') { "may be left out" } else { "" };
    format!("| `{}` | {} | {note} |\n", name.trim_end_matches('?'), cell(kind))
}

/// Kinds of errors by code.
pub(super) fn error_table(kinds: &[ErrorKind]) -> String {
    let mut table = "| code | message | when |\n|---|---|---|\n".to_owned();
    for ErrorKind { code, messages, when } in kinds {
        let code = code.to_string().replace('-', "−");
        table.push_str(&format!("| {code} | `{}` | {when} |\n", messages.join("`<br>`")));
    }
    table
}

/// Those of a method. `rpc.discover` cannot contain its own answer: of it, what a listener answers that serves `rpc` alone.
pub(super) fn examples(method: &Method) -> Vec<Example> {
    if method.name == "rpc.discover" {
        let result = openrpc::document(|method| method.name.starts_with("rpc"));
        return vec![Example::new(method.name, Vec::new(), result)];
    }
    examples::of(method.name).to_vec()
}

fn example(Example { method, params, result, notification }: &Example) -> String {
    let of = if method == "rpc.discover" { ", of a listener that serves `rpc` alone" } else { "" };
    let request = pretty::compact(&serde_json::json!({ "method": method, "params": params }));
    let mut text = block(&format!("Example{of}"), &request);
    text.push_str(&block("Result", &pretty::shortened(result)));
    text.extend(notification.as_ref().map(|notification| block("Sent later", &pretty::shortened(notification))));
    text
}

fn block(title: &str, json: &str) -> String {
    format!("\n{title}:\n\n```json\n{json}\n```\n")
}
