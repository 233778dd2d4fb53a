//! Every error of the reference is provoked, and answered in its words; what no small chain can be brought to answer is listed
//! with the reason.

mod chains;
mod development;
mod messages;
mod pool;
mod ranges;
mod sweeps;

use std::collections::BTreeSet;

use serde_json::Value;

use self::chains::Chains;
use super::{
    words::{self, Words},
    world::At,
};

/// What is in the reference and is not provoked: method, the beginning of the message, and why.
const NOT_PROVOKED: &[(&str, &str, &str)] = &[
    ("eth_sendRawTransaction", "node is busy", "16,384 transactions have to be in one queue at a time"),
    ("finality_getCertificate", "the next certificate", "certificates have to stand still for 1024 blocks"),
    ("trace_filter", "header not found", "a restored node lacks blocks only below the last 256"),
];

/// What was answered so far, and what of it should not have been.
#[derive(Debug, Default)]
struct Provoked {
    seen: BTreeSet<(String, Words)>,
    faults: Vec<String>,
}

impl Provoked {
    /// Asks, and notes the error if there is one: it has to be in the reference.
    async fn ask(&mut self, at: &At, method: &str, params: &Value) -> Result<Value, Value> {
        let answer = at.call(method, params.clone()).await;
        if let Err(error) = &answer {
            self.note(method, error);
        }
        answer
    }

    fn note(&mut self, method: &str, error: &Value) {
        match words::find(method, error) {
            Some(words) => drop(self.seen.insert((method.to_owned(), words.clone()))),
            None => self.faults.push(format!("{method} is not said to answer {error}")),
        }
    }

    /// Asks what is refused with this code and the beginning of this message.
    async fn refused(&mut self, at: &At, method: &str, params: &Value, code: i64, beginning: &str) {
        let fault = match self.ask(at, method, params).await {
            Ok(result) => format!("{result:.300}"),
            Err(error) => match error["message"].as_str() {
                Some(message) if error["code"] == code && message.starts_with(beginning) => return,
                _ => error.to_string(),
            },
        };
        self.faults.push(format!(
            "{method} {params:.300} is to be refused with {code} {beginning:?}, and answers {fault:.300}"
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reference_errors_are_what_methods_answer() {
    let chains = Chains::start().await;
    let provoked = &mut Provoked::default();
    sweeps::run(provoked, &chains).await;
    messages::run(provoked, &chains).await;
    ranges::run(provoked, &chains).await;
    pool::run(provoked, &chains).await;
    development::run(provoked, &chains).await;

    let excused = |method: &str, message: &str| {
        NOT_PROVOKED.iter().any(|(name, beginning, _)| *name == method && message.starts_with(beginning))
    };
    assert!(provoked.faults.is_empty(), "{:#?}", provoked.faults);
    let missing: Vec<_> = words::of()
        .filter(|(method, words)| !provoked.seen.contains(&((*method).to_owned(), (*words).clone())))
        .filter(|(method, (_, message))| !excused(method, message))
        .collect();
    assert!(missing.is_empty(), "{} errors were not provoked: {missing:#?}", missing.len());
    for (method, beginning, why) in NOT_PROVOKED {
        let seen = provoked.seen.iter().any(|(name, (_, message))| name == method && message.starts_with(beginning));
        assert!(!seen, "{method}: {beginning} was provoked, though {why}");
    }
}
