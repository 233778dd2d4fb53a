//! The home chain's blocks, transactions and accounts.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_contracts::Side;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use futures::future::join_all;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use crate::{
    amount,
    app::App,
    chain::{Block, Chain, Log, Receipt, Transaction, Unanswered, now},
    events,
    pages::layout::{self, Section, account, page as layout_page, sentence, trouble, units},
    time,
    transfer::deposits,
};

/// Blocks on one page of the list.
const PAGE: u64 = 20;
/// Most transactions and logs shown of one block or transaction.
const MOST: usize = 200;
/// Decimals of a chain's coin.
const COIN_DECIMALS: u8 = 18;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/blocks", get(blocks))
        .route("/blocks/fragment", get(blocks_fragment))
        .route("/block/{name}", get(block))
        .route("/tx/{hash}", get(home_tx))
        .route("/foreign/tx/{hash}", get(foreign_tx))
        .route("/address/{account}", get(address))
        .route("/search", get(search))
}

fn explorer(title: &str, content: &Markup) -> Markup {
    let content = html! {
        form.search action="/search" method="get" role="search" {
            label.visually-hidden for="q" { "Block, transaction or address" }
            input #q name="q" type="search" placeholder="Block, transaction or address" spellcheck="false" autocapitalize="off" required;
            button type="submit" { "Search" }
        }
        (content)
    };
    layout_page(title, Section::Explorer, &content)
}

fn unanswered(error: &Unanswered) -> Response {
    trouble(StatusCode::BAD_GATEWAY, "No answer", &sentence(&error.to_string()))
}

fn missing(what: &str, name: &str) -> Response {
    trouble(
        StatusCode::NOT_FOUND,
        &format!("{what} not found"),
        &format!("The chain has no {} {name}.", what.to_lowercase()),
    )
}

// ---------------------------------------------------------------- search

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
}

async fn search(State(app): State<Arc<App>>, Query(Asked { q }): Query<Asked>) -> Response {
    let q = q.trim();
    if let Ok(number) = q.replace([',', '_'], "").parse::<u64>() {
        return Redirect::to(&format!("/block/{number}")).into_response();
    }
    if let Ok(account) = q.parse::<Address>() {
        return Redirect::to(&format!("/address/{}", account.to_checksum(None))).into_response();
    }
    let Ok(hash) = q.parse::<B256>() else {
        return trouble(
            StatusCode::NOT_FOUND,
            "Not found",
            "A search is for a block number, a block or transaction hash, or an address.",
        );
    };
    let foreign = app.chain(Side::Foreign);
    let (transaction, block, elsewhere) =
        tokio::join!(app.home().transaction(hash), app.home().block_by_hash(hash), foreign.transaction(hash));
    let to = match (transaction, block, elsewhere) {
        (Ok(Some(_)), ..) => format!("/tx/{hash}"),
        (_, Ok(Some(_)), _) => format!("/block/{hash}"),
        (.., Ok(Some(_))) => format!("/foreign/tx/{hash}"),
        _ => format!("/tx/{hash}"),
    };
    Redirect::to(&to).into_response()
}

// ---------------------------------------------------------------- blocks

#[derive(Deserialize)]
struct From {
    from: Option<u64>,
}

async fn blocks(State(app): State<Arc<App>>, Query(From { from }): Query<From>) -> Response {
    match block_list(&app, from).await {
        Ok(list) => {
            let refresh = from.is_none().then_some("/blocks/fragment");
            let content = html! {
                div.head { h1 { "Blocks of " (app.home().name()) } }
                div data-refresh=[refresh] data-every=[refresh.map(|_| "2500")] { (list) }
            };
            explorer("Blocks", &content).into_response()
        }
        Err(error) => unanswered(&error),
    }
}

async fn blocks_fragment(State(app): State<Arc<App>>) -> Response {
    match block_list(&app, None).await {
        Ok(list) => list.into_response(),
        Err(error) => html! { div.live { (layout::faults(&[error.to_string()])) } }.into_response(),
    }
}

async fn block_list(app: &App, from: Option<u64>) -> Result<Markup, Unanswered> {
    let home = app.home();
    let heads = home.heads().await?;
    let top = from.unwrap_or(heads.latest).min(heads.latest);
    let numbers = (top.saturating_sub(PAGE - 1)..=top).rev();
    let blocks = join_all(numbers.map(|number| home.block(number))).await;
    let blocks = blocks.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        div.live {
            section.card { div.scroll { table {
                thead { tr { th { "Block" } th { "Age" } th.number { "Transactions" } th.number { "Gas" } th { "Author" } th { "" } } }
                tbody { @for block in blocks.iter().flatten() {
                    tr {
                        th scope="row" { a href={ "/block/" (block.number) } { (block.number) } }
                        td { (age(block.timestamp.to())) }
                        td.number { (block.transactions.len()) }
                        td.number { (amount::grouped(U256::from(block.gas_used), 0)) }
                        td { @if let Some(miner) = block.miner { (account(Side::Home, miner)) } }
                        td { @if heads.finalized.is_some_and(|last| block.number.to::<u64>() <= last) { span.badge.good { "final" } } }
                    }
                } }
            } } }
            nav.pages aria-label="Pages" {
                @if from.is_some() { a href="/blocks" { "Newest" } }
                @if top >= PAGE { a href={ "/blocks?from=" (top - PAGE) } { "Older" } }
            }
        }
    })
}

fn age(timestamp: u64) -> Markup {
    html! { time datetime=(time::iso(timestamp)) title=(time::utc(timestamp)) { (time::span(now().saturating_sub(timestamp))) " ago" } }
}

async fn block(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let home = app.home();
    let found = if let Ok(number) = name.parse::<u64>() {
        home.block(number).await
    } else if let Ok(hash) = name.parse::<B256>() {
        home.block_by_hash(hash).await
    } else {
        Ok(None)
    };
    match found {
        Ok(Some(block)) => {
            let finalized = home.heads().await.ok().and_then(|heads| heads.finalized);
            explorer(&format!("Block {}", block.number), &block_page(&block, finalized)).into_response()
        }
        Ok(None) => missing("Block", &name),
        Err(error) => unanswered(&error),
    }
}

fn block_page(block: &Block, finalized: Option<u64>) -> Markup {
    let number = block.number.to::<u64>();
    html! {
        div.head { h1 { "Block " (number) " " @if finalized.is_some_and(|last| number <= last) { span.badge.good { "final" } } @else { span.badge { "not final yet" } } } }
        section.card {
            dl.facts {
                div { dt { "Hash" } dd { code.break { (block.hash) } } }
                div { dt { "Parent" } dd { a href={ "/block/" (block.parent_hash) } { code.break { (block.parent_hash) } } } }
                div { dt { "Time" } dd { (time::utc(block.timestamp.to())) " " span.hint { (age(block.timestamp.to())) } } }
                @if let Some(miner) = block.miner { div { dt { "Author" } dd { (account(Side::Home, miner)) } } }
                div { dt { "Gas" } dd { (amount::grouped(U256::from(block.gas_used), 0)) " of " (amount::grouped(U256::from(block.gas_limit), 0)) } }
                @if let Some(fee) = block.base_fee_per_gas { div { dt { "Base fee" } dd { (fee) " wei" } } }
                @if let Some(root) = block.state_root { div { dt { "State root" } dd { code.break { (root) } } } }
                @if let Some(size) = block.size { div { dt { "Size" } dd { (size) " bytes" } } }
            }
        }
        section.card {
            h2 { (block.transactions.len()) @if block.transactions.len() == 1 { " transaction" } @else { " transactions" } }
            ul.plain { @for hash in block.transactions.iter().take(MOST) { li { a href={ "/tx/" (hash) } { code.break { (hash) } } } } }
            @if block.transactions.len() > MOST { p.hint { "The first " (MOST) " are shown." } }
        }
        nav.pages aria-label="Pages" {
            @if number > 0 { a href={ "/block/" (number - 1) } { "Block " (number - 1) } }
            a href={ "/block/" (number + 1) } { "Block " (number + 1) }
        }
    }
}

// ---------------------------------------------------------------- transactions

async fn home_tx(State(app): State<Arc<App>>, Path(hash): Path<String>) -> Response {
    tx_response(&app, Side::Home, &hash).await
}

async fn foreign_tx(State(app): State<Arc<App>>, Path(hash): Path<String>) -> Response {
    tx_response(&app, Side::Foreign, &hash).await
}

async fn tx_response(app: &App, side: Side, name: &str) -> Response {
    let chain = app.chain(side);
    let Ok(hash) = name.parse::<B256>() else { return missing("Transaction", name) };
    let (transaction, receipt) = tokio::join!(chain.transaction(hash), chain.receipt(hash));
    match (transaction, receipt) {
        (Ok(Some(transaction)), Ok(receipt)) => {
            let failed = receipt.as_ref().is_some_and(|receipt| receipt.status.is_some_and(|status| status.is_zero()));
            let reason = if failed { chain.why_failed(&transaction).await } else { None };
            let content = tx_page(app, side, &transaction, receipt.as_ref(), failed.then_some(reason));
            explorer("Transaction", &content).into_response()
        }
        (Ok(None), _) if side == Side::Home => trouble(
            StatusCode::NOT_FOUND,
            "Transaction not found",
            &format!(
                "{} has no transaction {hash}. One whose sender lacks the right it needs is refused when it is sent, and never gets into a block: the page of the sender's address tells its rights.",
                chain.name()
            ),
        ),
        (Ok(None), _) => missing("Transaction", name),
        (Err(error), _) | (_, Err(error)) => unanswered(&error),
    }
}

/// `failed` is there when it failed, with the reason where known.
fn tx_page(
    app: &App,
    side: Side,
    transaction: &Transaction,
    receipt: Option<&Receipt>,
    failed: Option<Option<String>>,
) -> Markup {
    let chain = app.chain(side);
    let made = receipt.map_or(0, |receipt| deposits(chain, receipt).len());
    html! {
        div.head {
            h1 { "Transaction " @match (receipt, &failed) {
                (None, _) => span.badge { "waiting" },
                (_, Some(_)) => span.badge.bad { "failed" },
                _ => span.badge.good { "success" },
            } }
            @if side == Side::Foreign { p.lead { "On " (chain.name()) } }
        }
        @if made > 0 {
            p.notice { "This transaction moved tokens over the bridge: " a href={ "/transfer/" (side) "/" (transaction.hash) } { "follow the transfer" } "." }
        }
        @if let Some(reason) = failed {
            p.problem { (reason.as_deref().map_or_else(|| "The reason is not known: the node no longer has the state before it, or it ran out of gas.".to_owned(), sentence)) }
        }
        section.card {
            dl.facts {
                div { dt { "Hash" } dd { code.break { (transaction.hash) } } }
                @if let Some(receipt) = receipt {
                    div { dt { "Block" } dd { @if side == Side::Home { a href={ "/block/" (receipt.block_number) } { (receipt.block_number) } } @else { (receipt.block_number) } } }
                }
                div { dt { "From" } dd { (account(side, transaction.from)) } }
                @match (transaction.to, receipt.and_then(|receipt| receipt.contract_address)) {
                    (Some(to), _) => div { dt { "To" } dd { (account(side, to)) } },
                    (None, Some(created)) => div { dt { "Created" } dd { (account(side, created)) } },
                    (None, None) => div { dt { "To" } dd { "creates a contract" } },
                }
                div { dt { "Value" } dd { (coins(chain, transaction.value)) } }
                div { dt { "Number of the sender" } dd { (transaction.nonce) } }
                div { dt { "Gas" } dd {
                    @if let Some(receipt) = receipt { (amount::grouped(U256::from(receipt.gas_used), 0)) " of " }
                    (amount::grouped(U256::from(transaction.gas), 0))
                } }
                @if let Some(price) = receipt.and_then(|receipt| receipt.effective_gas_price) { div { dt { "Gas price" } dd { (price) " wei" } } }
                div { dt { "Type" } dd { (transaction.kind) } }
            }
            @if !transaction.input.is_empty() {
                details { summary { "Input, " (transaction.input.len()) " bytes" } pre.data { (cut(&transaction.input)) } }
            }
        }
        @if let Some(receipt) = receipt.filter(|receipt| !receipt.logs.is_empty()) {
            section.card {
                h2 { (receipt.logs.len()) @if receipt.logs.len() == 1 { " log" } @else { " logs" } }
                @for log in receipt.logs.iter().take(MOST) { (log_part(app, side, log)) }
            }
        }
    }
}

fn log_part(app: &App, side: Side, log: &Log) -> Markup {
    html! {
        article.log {
            @match app.tell(side, log) {
                Some(told) => {
                    h3 { (told.name) span.hint { " by " (account(side, log.address)) } }
                    dl.facts { @for (name, value) in &told.fields { div { dt { (name) } dd { code.break { (value) } } } } }
                }
                None => {
                    h3 { "Log" span.hint { " by " (account(side, log.address)) } }
                    dl.facts {
                        @for topic in &log.topics { div { dt { "topic" } dd { code.break { (topic) } } } }
                        @if !log.data.is_empty() { div { dt { "data" } dd { code.break { (cut(&log.data)) } } } }
                    }
                }
            }
        }
    }
}

/// The first kilobyte in hexadecimal.
fn cut(data: &Bytes) -> String {
    const MOST_BYTES: usize = 1024;
    match data.get(..MOST_BYTES) {
        Some(start) if data.len() > MOST_BYTES => format!("{}…", Bytes::copy_from_slice(start)),
        _ => data.to_string(),
    }
}

fn coins(chain: &Chain, wei: U256) -> Markup {
    html! { data value=(wei) { (amount::grouped(wei, COIN_DECIMALS)) " " (chain.config.currency) } }
}

// ---------------------------------------------------------------- accounts

async fn address(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let Ok(address) = name.parse::<Address>() else { return missing("Address", &name) };
    let home = app.home();
    let at = json!([address, "latest"]);
    let (balance, nonce, code, rights, tokens) = tokio::join!(
        home.ask::<U256>("eth_getBalance", at.clone()),
        home.ask::<U256>("eth_getTransactionCount", at.clone()),
        home.ask::<Bytes>("eth_getCode", at),
        home.rights(address),
        join_all(
            app.addresses
                .tokens
                .iter()
                .map(async |pair| { (pair, home.token(pair.home).balanceOf(address).call().await.ok()) })
        ),
    );
    let (balance, nonce, code) = match (balance, nonce, code) {
        (Ok(balance), Ok(nonce), Ok(code)) => (balance, nonce, code),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return unanswered(&error),
    };
    let content = html! {
        div.head { h1 { @if code.is_empty() { "Account" } @else { "Contract" } } p.lead { code.break { (address.to_checksum(None)) } } }
        section.card {
            dl.facts {
                div { dt { "Balance" } dd { (coins(home, balance)) } }
                div { dt { "Transactions sent" } dd { (nonce) } }
                div { dt { "Code" } dd { @if code.is_empty() { "none" } @else { (code.len()) " bytes" } } }
                @if let Some(known) = known(&app, address) { div { dt { "Known as" } dd { (known) } } }
                @if let Some(bits) = rights {
                    div { dt { "Rights" } dd data-field="rights" {
                        @let names = events::names(bits);
                        @if names.is_empty() { span.badge.warn { "none" } }
                        @for name in names { span.badge { (name) } " " }
                    } }
                }
            }
            @if rights.is_some_and(|bits| bits & aurum_contracts::rights::ALL != aurum_contracts::rights::ALL) {
                p.hint { "What an account may not do is refused when it is sent, with the missing right named. The administrators of the consortium grant rights." }
            }
        }
        section.card {
            h2 { "Bridged tokens" }
            dl.facts {
                @for (pair, balance) in &tokens {
                    div { dt { (pair.symbol) } dd { @match balance { Some(balance) => (units(*balance, pair)), None => "unknown" } } }
                }
            }
        }
    };
    explorer("Address", &content).into_response()
}

/// What this system knows the address as.
fn known(app: &App, address: Address) -> Option<String> {
    use aurum_contracts::genesis::{PERMISSIONS, VALIDATOR_SET};
    let at = &app.addresses.home;
    match address {
        _ if address == at.bridge => Some("the bridge".into()),
        _ if address == at.validators => Some("the bridge's validators".into()),
        PERMISSIONS => Some("permissions of the chain".into()),
        VALIDATOR_SET => Some("validator set of the chain".into()),
        _ => app.addresses.pair(Side::Home, address).map(|pair| format!("the token {}", pair.symbol)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_data_is_cut() {
        assert_eq!(cut(&Bytes::from_static(&[1, 2])), "0x0102");
        let long = cut(&vec![0; 5000].into());
        assert!(long.ends_with('…') && long.len() < 2100);
    }
}
