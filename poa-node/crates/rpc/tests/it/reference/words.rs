//! Errors that are answered, held against those the reference names.

#![allow(unreachable_pub, reason = "a module of the tests of two packages")]

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;

/// A code and the words of its message, with `…` for what varies.
pub type Words = (i64, String);

/// What the reference says of errors.
struct Named {
    by_method: BTreeMap<String, Vec<Words>>,
    common: Vec<Words>,
}

static NAMED: LazyLock<Named> = LazyLock::new(|| {
    let document = aurum_rpc::openrpc();
    let methods = document["methods"].as_array().expect("methods");
    let of = |method: &Value| {
        let errors = method["errors"].as_array().expect("errors");
        (method["name"].as_str().expect("a name").to_owned(), errors.iter().map(words).collect())
    };
    let common = document["components"]["errors"].as_object().expect("errors");
    Named { by_method: methods.iter().map(of).collect(), common: common.values().map(words).collect() }
});

fn words(error: &Value) -> Words {
    (error["code"].as_i64().expect("a code"), error["message"].as_str().expect("a message").to_owned())
}

/// What the reference says a method can answer, besides what every method can.
#[allow(dead_code, reason = "of the one test that provokes them all")]
pub fn of() -> impl Iterator<Item = (&'static str, &'static Words)> {
    NAMED.by_method.iter().flat_map(|(method, words)| words.iter().map(|words| (method.as_str(), words)))
}

/// The words of the reference that an error of a method has: the method's own, or else those of every method.
pub fn find(method: &str, error: &Value) -> Option<&'static Words> {
    let code = error["code"].as_i64().expect("a code");
    let message = error["message"].as_str().expect("a message");
    let own = NAMED.by_method.get(method).into_iter().flatten();
    own.chain(&NAMED.common).find(|(named, words)| *named == code && matches(words, message))
}

/// Fails the test whose request of a method was answered with an error that the reference does not name.
#[track_caller]
pub fn check(method: &str, error: &Value) {
    assert!(find(method, error).is_some(), "the reference names no such error of {method}: {error}");
}

fn matches(words: &str, message: &str) -> bool {
    let mut parts = words.split('…');
    let Some(mut rest) = message.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn words_match_whole_messages() {
    for (words, message, expected) in [
        ("already known", "already known", true),
        ("already known", "already known: 0x1", false),
        ("block … is … below", "block 1 is 3 below", true),
        ("block … is … below", "block 1 is 3 below the latest", false),
        ("execution reverted…", "execution reverted", true),
        ("… asked for", "5 asked for", true),
        ("have … want …", "want 1 have 2", false),
    ] {
        assert_eq!(matches(words, message), expected, "{words}: {message}");
    }
}
