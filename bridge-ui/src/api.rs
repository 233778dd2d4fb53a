//! `/api/v1`: JSON for the script of the pages and for programs.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use aurum_contracts::{Side, TokenPair};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    prepare::{Prepared, Unprepared},
    quote::Wish,
};

/// All routes below `/api/v1`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/config", get(config))
        .route("/quote", get(quote))
        .route("/prepare/approve", get(approve))
        .route("/prepare/deposit", get(deposit))
        .route("/prepare/execute", get(execute))
        .route("/receipt/{side}/{tx}", get(receipt))
        .route("/transfer/{side}/{tx}", get(transfer))
        .route("/status", get(status))
        .fallback(async || failure(StatusCode::NOT_FOUND, "there is no such question"))
}

pub(crate) fn failure(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}

/// What wallets need to know about the chains and tokens.
async fn config(State(app): State<Arc<App>>) -> Json<Value> {
    let chain = |side: Side| {
        let chain = app.chain(side);
        json!({
            "side": side,
            "chainId": chain.at.chain_id,
            "chainIdHex": format!("{:#x}", chain.at.chain_id),
            "name": chain.name(),
            "currency": { "name": chain.config.currency, "symbol": chain.config.currency, "decimals": 18 },
            "rpcUrl": chain.config.wallet_rpc(),
            "bridge": chain.at.bridge,
        })
    };
    Json(json!({
        "home": chain(Side::Home),
        "foreign": chain(Side::Foreign),
        "tokens": app.addresses.tokens,
    }))
}

/// The form of the bridge page, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Form {
    /// Source chain; the public one where absent.
    pub(crate) from: Option<Side>,
    /// Symbol or address of the token; the first where absent.
    pub(crate) token: String,
    pub(crate) amount: String,
    pub(crate) recipient: String,
    pub(crate) account: String,
}

impl Form {
    /// The token meant.
    pub(crate) fn pair<'a>(&self, app: &'a App) -> Option<&'a TokenPair> {
        let tokens = &app.addresses.tokens;
        if self.token.is_empty() {
            return tokens.first();
        }
        let address = self.token.parse::<Address>().ok();
        tokens
            .iter()
            .find(|pair| address == Some(pair.foreign) || address == Some(pair.home))
            .or_else(|| tokens.iter().find(|pair| pair.symbol == self.token))
    }

    pub(crate) fn wish<'a>(&'a self, pair: &'a TokenPair) -> Wish<'a> {
        Wish {
            from: self.from.unwrap_or(Side::Foreign),
            pair,
            account: self.account.parse().ok(),
            recipient: &self.recipient,
            amount: &self.amount,
        }
    }
}

const NO_TOKEN: &str = "the bridge does not carry this token";

async fn quote(State(app): State<Arc<App>>, Query(form): Query<Form>) -> Response {
    match form.pair(&app) {
        Some(pair) => Json(app.quote(&form.wish(pair)).await).into_response(),
        None => failure(StatusCode::NOT_FOUND, NO_TOKEN),
    }
}

async fn approve(State(app): State<Arc<App>>, Query(form): Query<Form>) -> Response {
    match form.pair(&app) {
        Some(pair) => answer(app.prepare_approve(&form.wish(pair)).await),
        None => failure(StatusCode::NOT_FOUND, NO_TOKEN),
    }
}

async fn deposit(State(app): State<Arc<App>>, Query(form): Query<Form>) -> Response {
    match form.pair(&app) {
        Some(pair) => answer(app.prepare_deposit(&form.wish(pair)).await),
        None => failure(StatusCode::NOT_FOUND, NO_TOKEN),
    }
}

#[derive(Deserialize)]
struct Execute {
    side: Side,
    tx: B256,
    id: B256,
    account: Option<Address>,
}

async fn execute(State(app): State<Arc<App>>, Query(asked): Query<Execute>) -> Response {
    answer(app.prepare_execute(asked.side, asked.tx, asked.id, asked.account).await)
}

fn answer(prepared: Result<Prepared, Unprepared>) -> Response {
    match prepared {
        Ok(prepared) => Json(prepared).into_response(),
        Err(error) => {
            let code = match &error {
                Unprepared::Refused(_) => StatusCode::CONFLICT,
                Unprepared::Unknown(_) => StatusCode::NOT_FOUND,
                Unprepared::Unanswered(_) => StatusCode::BAD_GATEWAY,
            };
            failure(code, &error.to_string())
        }
    }
}

/// Whether a transaction is mined, and how it ended.
async fn receipt(State(app): State<Arc<App>>, Path((side, tx)): Path<(Side, B256)>) -> Response {
    let chain = app.chain(side);
    match chain.receipt(tx).await {
        Ok(None) => Json(json!({ "mined": false })).into_response(),
        Ok(Some(receipt)) => {
            let ok = receipt.status.is_none_or(|status| !status.is_zero());
            let reason = if ok {
                None
            } else {
                match chain.transaction(tx).await {
                    Ok(Some(transaction)) => chain.why_failed(&transaction).await,
                    _ => None,
                }
            };
            Json(json!({ "mined": true, "ok": ok, "reason": reason, "block": receipt.block_number.to::<u64>() }))
                .into_response()
        }
        Err(error) => failure(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

async fn transfer(State(app): State<Arc<App>>, Path((side, tx)): Path<(Side, B256)>) -> Response {
    Json(app.progress(side, tx).await).into_response()
}

async fn status(State(app): State<Arc<App>>) -> Response {
    Json(app.status().await).into_response()
}
