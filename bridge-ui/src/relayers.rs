//! What relayers tell. The contracts are the truth; this adds transaction hashes and reasons, and may be missing.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use futures::future::join_all;
use serde::Serialize;
use serde_json::Value;

use crate::cache::Cache;

/// Longest wait for a relayer: a page never waits long for one that is down.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);
/// How long a relayer's status is remembered.
const MOMENT: Duration = Duration::from_secs(2);

/// The APIs of the relayers.
#[derive(Debug)]
pub(crate) struct Relayers {
    urls: Vec<String>,
    client: reqwest::Client,
    states: Cache<(), Arc<[RelayerState]>>,
}

/// One relayer as it describes itself.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RelayerState {
    /// URL of its API.
    pub url: String,
    /// Whether it answered.
    pub reachable: bool,
    /// Whether it follows both chains.
    pub ready: bool,
    /// Its account.
    pub account: Option<String>,
    /// Deposits it has read, both directions.
    pub deposits: Option<u64>,
    /// Of these not done.
    pub open: Option<u64>,
    /// When it last changed something of a transfer, Unix seconds.
    pub last_activity: Option<u64>,
    /// What keeps it from working.
    pub faults: Vec<String>,
}

/// What relayers say of the transfers of a transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Vec<Value>);

impl Relayers {
    pub(crate) fn new(urls: Vec<String>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(ANSWER_LIMIT).build()?;
        Ok(Self { urls, client, states: Cache::new() })
    }

    async fn ask(&self, url: &str, path: &str) -> Option<Value> {
        let answer = self.client.get(format!("{url}{path}")).send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }

    /// All relayers, in the order configured.
    pub(crate) async fn states(&self) -> Arc<[RelayerState]> {
        if let Some(states) = self.states.get(&(), MOMENT) {
            return states;
        }
        let states: Arc<[RelayerState]> = join_all(self.urls.iter().map(|url| self.state(url))).await.into();
        self.states.put((), Arc::clone(&states));
        states
    }

    async fn state(&self, url: &str) -> RelayerState {
        let (status, newest) =
            tokio::join!(self.ask(url, "/api/v1/status"), self.ask(url, "/api/v1/transfers?limit=1"));
        let reachable = status.is_some();
        let status = status.unwrap_or_default();
        let sum = |field: &str| {
            let lanes = status.get("lanes")?.as_array()?;
            Some(lanes.iter().filter_map(|lane| lane.get(field)?.as_u64()).sum())
        };
        let faults = ["home", "foreign"]
            .iter()
            .filter_map(|side| status.get(side)?.get("fault")?.as_str().map(|fault| format!("{side}: {fault}")))
            .collect();
        RelayerState {
            url: url.to_owned(),
            reachable,
            ready: status.get("ready").and_then(Value::as_bool).unwrap_or(false),
            account: status.get("relayer").and_then(Value::as_str).map(str::to_owned),
            deposits: sum("deposits"),
            open: sum("open"),
            last_activity: newest.and_then(|newest| seconds(newest.pointer("/transfers/0/updated")?)),
            faults,
        }
    }

    /// What every relayer that answers says of the transfers made in `tx`.
    pub(crate) async fn told(&self, tx: B256) -> Told {
        let path = format!("/api/v1/transfer/{tx}");
        let answers = join_all(self.urls.iter().map(|url| self.ask(url, &path))).await;
        let mut told = Vec::new();
        for mut answer in answers.into_iter().flatten() {
            let others = answer.get_mut("others").map(Value::take);
            told.push(answer);
            if let Some(Value::Array(others)) = others {
                told.extend(others);
            }
        }
        Told(told)
    }
}

/// Unix seconds of a number in seconds or milliseconds.
fn seconds(value: &Value) -> Option<u64> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(if number > 100_000_000_000 { number / 1000 } else { number })
}

impl Told {
    fn of(&self, id: B256) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |told| {
            told.get("id").and_then(Value::as_str).and_then(|text| text.parse::<B256>().ok()) == Some(id)
        })
    }

    /// Transactions said to have paid `id` out, without repetition.
    pub(crate) fn executions(&self, id: B256) -> Vec<B256> {
        let mut hashes: Vec<B256> =
            self.of(id).filter_map(|told| told.pointer("/destination/tx")?.as_str()?.parse().ok()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// Why the first relayer that says so waits with `id`.
    pub(crate) fn waiting(&self, id: B256) -> Option<String> {
        self.of(id).find_map(|told| told.get("waiting")?.as_str().map(str::to_owned))
    }
}
