//! A node that can be made to lie: it passes requests on to a real one and changes the answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};

/// How it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lie {
    /// Not at all.
    None,
    /// Leaves the last log out of every answer.
    TruncatedLogs,
    /// Reports logs of the bridge's event from another contract.
    StrangeLogs,
    /// Its final block is an old one.
    LaggingFinal,
    /// Its final blocks have other hashes.
    OtherHashes,
    /// Refuses ranges of more than a few blocks.
    ShortRanges,
}

const ALL: [Lie; 6] =
    [Lie::None, Lie::TruncatedLogs, Lie::StrangeLogs, Lie::LaggingFinal, Lie::OtherHashes, Lie::ShortRanges];

#[derive(Clone)]
pub struct Liar {
    upstream: String,
    lie: Arc<AtomicU8>,
    /// How often an answer was changed.
    told: Arc<AtomicU64>,
    pub address: SocketAddr,
}

impl Liar {
    /// Starts an honest one on a free port; say later what it stands before.
    pub async fn bind() -> (tokio::net::TcpListener, SocketAddr) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    pub fn serve(listener: tokio::net::TcpListener, upstream: String) -> Self {
        let address = listener.local_addr().unwrap();
        let liar = Self { upstream, lie: Arc::default(), told: Arc::default(), address };
        let router = Router::new().route("/", post(answer)).with_state(liar.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        liar
    }

    pub fn tell(&self, lie: Lie) {
        self.lie.store(lie as u8, Ordering::SeqCst);
        self.told.store(0, Ordering::SeqCst);
    }

    pub fn told(&self) -> u64 {
        self.told.load(Ordering::SeqCst)
    }
}

async fn answer(State(liar): State<Liar>, Json(request): Json<Value>) -> Json<Value> {
    let lie = ALL[usize::from(liar.lie.load(Ordering::SeqCst))];
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    let told = || liar.told.fetch_add(1, Ordering::SeqCst);
    if lie == Lie::ShortRanges && method == "eth_getLogs" {
        let number = |key: &str| {
            let text = request["params"][0][key].as_str().unwrap_or("0x0");
            u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
        };
        if number("toBlock") - number("fromBlock") > 3 {
            told();
            let error = json!({ "code": -32005, "message": "query returned more than 3 blocks" });
            return Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }));
        }
    }
    let mut request = request;
    if lie == Lie::LaggingFinal && method == "eth_getBlockByNumber" && request["params"][0] == "finalized" {
        told();
        request["params"][0] = json!("0x1");
    }
    let sent = reqwest::Client::new().post(&liar.upstream).json(&request).send().await;
    let Ok(answer) = sent else {
        return Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": -1, "message": "gone" } }));
    };
    let mut answer: Value = answer.json().await.unwrap();
    match (lie, method.as_str()) {
        (Lie::TruncatedLogs, "eth_getLogs") => {
            let left_out = answer["result"].as_array_mut().and_then(Vec::pop);
            left_out.iter().for_each(|_| {
                told();
            });
        }
        (Lie::StrangeLogs, "eth_getLogs") => {
            for log in answer["result"].as_array_mut().into_iter().flatten() {
                log["address"] = json!("0x00000000000000000000000000000000000000bb");
                told();
            }
        }
        (Lie::OtherHashes, "eth_getBlockByNumber") => {
            told();
            answer["result"]["hash"] = json!(format!("0x{}", "ab".repeat(32)));
        }
        _ => {}
    }
    Json(answer)
}
