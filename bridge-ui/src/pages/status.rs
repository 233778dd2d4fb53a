//! `/status`: chains, totals, relayers.

use std::sync::Arc;

use aurum_contracts::{Side, TokenPair};
use axum::extract::State;
use maud::{Markup, html};

use crate::{
    app::App,
    chain::now,
    pages::layout::{Section, account, page as layout_page, sentence, units},
    relayers::RelayerState,
    status::{ChainStatus, Status, TokenStatus},
    time,
};

pub(crate) async fn page(State(app): State<Arc<App>>) -> Markup {
    let content = html! {
        div.head { h1 { "Status" } p.lead { "Both chains, the validators, the totals of every token and the relayers." } }
        div data-refresh="/status/fragment" data-every="2500" { (render(&app.status().await)) }
    };
    layout_page("Status", Section::Status, &content)
}

pub(crate) async fn fragment(State(app): State<Arc<App>>) -> Markup {
    render(&app.status().await)
}

fn render(status: &Status) -> Markup {
    html! {
        div.live {
            div.pair {
                (chain(Side::Foreign, &status.chains.foreign))
                (chain(Side::Home, &status.chains.home))
            }
            section.card {
                h2 { "Totals" }
                p.hint { "What is locked on " (status.chains.foreign.name) " covers what is minted on " (status.chains.home.name) "; the difference is on its way." }
                div.scroll { table {
                    thead { tr { th { "Token" } th.number { "Locked" } th.number { "Minted" } th.number { "Difference" } th { "State" } } }
                    tbody { @for token in &status.tokens { (totals(token)) } }
                } }
            }
            section.card {
                h2 { "Relayers" }
                @if status.relayers.is_empty() { p.hint { "No relayer is configured for this page." } }
                @else { div.scroll { table {
                    thead { tr { th { "Relayer" } th { "Account" } th { "State" } th.number { "Deposits" } th.number { "Open" } th { "Last activity" } } }
                    tbody { @for state in status.relayers.iter() { (relayer(state)) } }
                } } }
            }
        }
    }
}

fn chain(side: Side, chain: &ChainStatus) -> Markup {
    html! {
        section.card data-chain=(side) {
            h2 {
                (chain.name) " "
                @match &chain.heads {
                    None => span.badge.bad { "Not answering" },
                    Some(heads) if heads.paused => span.badge.warn { "Bridge paused" },
                    Some(_) => span.badge.good { "Open" },
                }
            }
            @if let Some(fault) = &chain.fault { p.notice.bad { (sentence(fault)) } }
            dl.facts {
                div { dt { "Chain id" } dd { (chain.chain_id) } }
                @if let Some(heads) = &chain.heads {
                    div { dt { "Newest block" } dd data-field="head" {
                        @if side == Side::Home { a href={ "/block/" (heads.latest) } { (heads.latest) } } @else { (heads.latest) }
                        span.hint { " " (time::span(now().saturating_sub(heads.timestamp))) " ago" }
                    } }
                    div { dt { "Final block" } dd data-field="final" {
                        @match heads.finalized { Some(block) => (block), None => "none yet" }
                        @if let Some(block) = heads.finalized { span.hint { " " (heads.latest.saturating_sub(block)) " behind" } }
                    } }
                }
                @if let Some(peers) = chain.peers { div { dt { "Peers" } dd data-field="peers" { (peers) } } }
                div { dt { "Bridge" } dd { (account(side, chain.bridge)) } }
            }
            @if let Some(set) = &chain.validators {
                details {
                    summary { (set.threshold) " of " (set.list.len()) " validators release on " (chain.name) " (set " (set.epoch) ")" }
                    ul.validators { @for validator in &set.list { li { (account(Side::Home, *validator)) } } }
                }
            }
            @if let Some(sealers) = &chain.sealers {
                details {
                    summary { (sealers.len()) " authorities seal blocks" }
                    ul.validators { @for sealer in sealers { li { (account(Side::Home, *sealer)) } } }
                }
            }
        }
    }
}

fn totals(token: &TokenStatus) -> Markup {
    let pair: &TokenPair = &token.pair;
    let cell = |amount| html! { @match amount { Some(amount) => (units(amount, pair)), None => "unknown" } };
    html! {
        tr data-token=(pair.symbol) {
            th scope="row" { (pair.symbol) " " span.hint { (pair.name) } }
            td.number data-field="locked" { (cell(token.locked)) }
            td.number data-field="minted" { (cell(token.minted)) }
            td.number data-field="difference" { (cell(token.difference().map(|difference| difference.unwrap_or_else(|missing| missing)))) }
            td {
                @match token.difference() {
                    None => span.badge { "unknown" },
                    Some(Ok(difference)) if difference.is_zero() => span.badge.good { "Covered" },
                    Some(Ok(_)) => span.badge.good { "Covered, some on its way" },
                    Some(Err(_)) => span.badge.bad { "Not covered" },
                }
            }
        }
    }
}

fn relayer(state: &RelayerState) -> Markup {
    html! {
        tr data-relayer=(state.url) {
            th scope="row" { code { (state.url) } }
            td { @if let Some(address) = state.account.as_deref().and_then(|text| text.parse().ok()) { (account(Side::Home, address)) } @else { "–" } }
            td {
                @if !state.reachable { span.badge.bad { "Not answering" } }
                @else if state.ready { span.badge.good { "Working" } }
                @else { span.badge.warn { "Not ready" } }
                @for fault in &state.faults { p.hint { (sentence(fault)) } }
            }
            td.number { @match state.deposits { Some(deposits) => (deposits), None => "–" } }
            td.number { @match state.open { Some(open) => (open), None => "–" } }
            td { @match state.last_activity {
                Some(at) => time datetime=(time::iso(at)) title=(time::utc(at)) { (time::span(now().saturating_sub(at))) " ago" },
                None => "–",
            } }
        }
    }
}
