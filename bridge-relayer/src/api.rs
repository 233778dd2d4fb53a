//! What the relayer tells over HTTP. It only reads.

use std::sync::Arc;

use alloy::primitives::B256;
use aurum_contracts::Addresses;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    board::{Board, Note},
    journal::{Journal, JournalError},
    lane::Lane,
    metrics::Metrics,
    state::{Record, Step, Work},
};

/// Most transfers told at once.
const MOST: usize = 200;

/// What the handlers read.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) board: Board,
    pub(crate) journal: Journal,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) addresses: Arc<Addresses>,
}

/// All routes.
pub(crate) fn router(sources: Sources) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/transfers", get(transfers))
        .route("/api/v1/transfer/{name}", get(transfer))
        .with_state(sources)
}

async fn health(State(sources): State<Sources>) -> Response {
    if sources.board.is_alive() {
        Json(json!({ "status": "ok" })).into_response()
    } else {
        failure(StatusCode::SERVICE_UNAVAILABLE, "the relayer's loop does not turn")
    }
}

async fn ready(State(sources): State<Sources>) -> Response {
    let (ready, home, foreign) = sources.board.read(|shown| {
        let status = &shown.status;
        (status.ready, status.home.fault.clone(), status.foreign.fault.clone())
    });
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": ready, "home": home, "foreign": foreign }))).into_response()
}

async fn metrics(State(sources): State<Sources>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], sources.metrics.encode()).into_response()
}

async fn status(State(sources): State<Sources>) -> Response {
    Json(sources.board.read(|shown| shown.status.clone())).into_response()
}

#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
    direction: Option<String>,
    /// Nonce to go on from, downwards; with `direction` only.
    from: Option<u64>,
}

async fn transfers(State(sources): State<Sources>, Query(page): Query<Page>) -> Response {
    let lanes = match page.direction.as_deref() {
        None => Lane::ALL.to_vec(),
        Some(name) => match Lane::named(name) {
            Some(lane) => vec![lane],
            None => return failure(StatusCode::BAD_REQUEST, "direction is foreign-to-home or home-to-foreign"),
        },
    };
    let limit = page.limit.unwrap_or(20).min(MOST);
    let from = page.from.filter(|_| lanes.len() == 1);
    let found = read(&sources, move |journal| {
        let mut records = Vec::new();
        for lane in lanes {
            records.extend(journal.newest(lane, from, limit)?);
        }
        Ok(records)
    })
    .await;
    match found {
        Ok(mut records) => {
            records.sort_by_key(|record| std::cmp::Reverse(record.updated));
            records.truncate(limit);
            let list: Vec<Value> = records.iter().map(|record| sources.describe(record)).collect();
            Json(json!({ "transfers": list })).into_response()
        }
        Err(response) => response,
    }
}

/// One transfer by its identity, or all that were made, attested or executed in a transaction (the first, and the rest
/// under `others`).
async fn transfer(State(sources): State<Sources>, Path(name): Path<String>) -> Response {
    let Ok(hash) = name.parse::<B256>() else {
        return failure(StatusCode::BAD_REQUEST, "neither an identity nor a transaction hash: 32 bytes in hex");
    };
    match read(&sources, move |journal| journal.find(hash)).await {
        Ok(records) => {
            let mut found = records.iter().map(|record| sources.describe(record));
            let Some(mut first) = found.next() else {
                return failure(StatusCode::NOT_FOUND, "this relayer has not seen such a transfer in a final block");
            };
            let others: Vec<Value> = found.collect();
            if !others.is_empty() {
                first["others"] = others.into();
            }
            Json(first).into_response()
        }
        Err(response) => response,
    }
}

/// Reads the journal off the async workers.
async fn read<T: Send + 'static>(
    sources: &Sources,
    work: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
) -> Result<T, Response> {
    let journal = sources.journal.clone();
    match tokio::task::spawn_blocking(move || work(&journal)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())),
        Err(error) => Err(failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())),
    }
}

fn failure(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}

impl Sources {
    fn describe(&self, record: &Record) -> Value {
        let note = self.board.read(|shown| shown.notes.get(&record.key).cloned());
        describe(record, &note.unwrap_or_default(), &self.addresses)
    }
}

/// A transfer as people are told about it.
fn describe(record: &Record, note: &Note, addresses: &Addresses) -> Value {
    let Record { key, deposit, step, txs, updated } = record;
    let done = step.is_done();
    let rank = match step {
        Step::Seen => 1,
        Step::Final | Step::PolicyOk => 2,
        _ if done => 5,
        _ => 3,
    };
    let newest = |work| txs.iter().rev().find(|tx| tx.work == work).map(|tx| tx.hash);
    let (count, needed) = note.attestations.unzip();
    let enough = matches!((count, needed), (Some(count), Some(needed)) if needed > 0 && count >= needed);
    let (executed_tx, executed_block) = match step {
        Step::Done { tx, block } => (*tx, *block),
        _ => (None, None),
    };
    let phase = |name: &str, done: bool, more: Value| {
        let mut phase = json!({ "name": name, "done": done });
        if let (Some(phase), Value::Object(more)) = (phase.as_object_mut(), more) {
            phase.extend(more);
        }
        phase
    };
    let steps = [
        phase("deposited", true, json!({ "tx": deposit.tx, "block": deposit.block.number })),
        phase("final", rank >= 2, json!({ "block": deposit.block.number })),
        phase("attested", done || enough, json!({ "count": count, "needed": needed, "own": newest(Work::Attest) })),
        phase(
            "executed",
            done,
            json!({
                "tx": executed_tx.or_else(|| newest(Work::Execute)),
                "block": executed_block.map(|block| block.number),
            }),
        ),
    ];
    let (from, to) = (addresses.side(key.lane.from()), addresses.side(key.lane.to()));
    let pair = addresses.tokens.iter().find(|pair| pair.foreign == deposit.token || pair.home == deposit.token);
    json!({
        "id": deposit.id,
        "direction": key.lane.name(),
        "nonce": key.nonce,
        "state": step.name(),
        "waiting": note.waiting,
        "token": deposit.token,
        "symbol": pair.map(|pair| &pair.symbol),
        "decimals": pair.map(|pair| pair.decimals),
        "sender": deposit.sender,
        "recipient": deposit.recipient,
        "amount": deposit.amount.to_string(),
        "attestations": { "count": count, "needed": needed },
        "source": { "chainId": from.chain_id, "tx": deposit.tx, "block": deposit.block.number, "logIndex": deposit.log_index },
        "destination": { "chainId": to.chain_id, "tx": executed_tx, "block": executed_block.map(|block| block.number) },
        "steps": steps,
        "transactions": txs,
        "updated": updated,
    })
}
