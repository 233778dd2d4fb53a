//! `/`: the form.

use std::sync::Arc;

use aurum_contracts::Side;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};

use crate::{
    api::Form,
    app::App,
    chain::Chain,
    pages::layout::{self, Section, faults, page as layout_page, sentence},
    quote::Quote,
};

pub(crate) async fn page(State(app): State<Arc<App>>, Query(form): Query<Form>) -> Response {
    let Some(pair) = form.pair(&app) else {
        return layout::trouble(StatusCode::NOT_FOUND, "Unknown token", "The bridge does not carry this token.");
    };
    let wish = form.wish(pair);
    let quote = app.quote(&wish).await;
    let from = wish.from;
    let (source, destination) = (app.chain(from), app.chain(from.other()));
    let content = html! {
        div.head {
            h1 { "Move tokens between " (app.chain(Side::Foreign).name()) " and " (app.home().name()) }
            p.lead { "Locked on one chain, issued on the other, released by the signatures of the validators." }
        }
        div #faults { (faults(&quote.faults)) }
        noscript { p.notice.bad { "Sending needs a wallet and JavaScript. Status, transfers and the explorer work without." } }
        div.columns {
            form #bridge.card autocomplete="off" data-from=(from) novalidate {
                (wallet())
                div.route {
                    (end("From", "source", source))
                    button #direction.swap type="button" aria-label="Swap direction" title="Swap direction" {
                        svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" { path d="M4 8h14l-4-4M20 16H6l4 4" {} }
                    }
                    (end("To", "destination", destination))
                }
                (amount(&app, &form, pair.foreign, &quote))
                div.field {
                    label for="recipient" { "Recipient on " span data-name="destination" { (destination.name()) } }
                    input #recipient name="recipient" type="text" spellcheck="false" autocapitalize="off" inputmode="text"
                        placeholder="Your own address" value=(form.recipient) aria-describedby="recipient-hint";
                    p #recipient-hint.hint { "Leave empty to receive on your own address." }
                }
                dl.summary {
                    div { dt { "Arrives" } dd #receives data-field="receives" aria-live="polite" { (quote.field("receives")) } }
                    div { dt { "Fee of the bridge" } dd { "none" } }
                }
                p #problem.problem role="alert" hidden[quote.untouched || quote.problem.is_none()] {
                    @if let Some(problem) = quote.problem.as_ref().filter(|_| !quote.untouched) { (sentence(problem)) }
                }
                p #warning.notice role="status" hidden[quote.warning.is_none()] {
                    @if let Some(warning) = &quote.warning { (sentence(warning)) }
                }
                button #submit.primary.wide type="submit" disabled { "Connect a wallet first" }
                ol #steps.steps.compact hidden aria-label="Steps in the wallet" {
                    li data-step="approve" data-state="waiting" { span.title { "Approve the bridge" } span.detail {} }
                    li data-step="deposit" data-state="waiting" { span.title { "Deposit" } span.detail {} }
                }
                p #announce.visually-hidden role="status" aria-live="polite" {}
            }
            (limits(&quote, source, destination))
        }
    };
    layout_page("Bridge", Section::Bridge, &content).into_response()
}

fn wallet() -> Markup {
    html! {
        div.wallet {
            div.row {
                p { span.dot #wallet-dot data-state="off" {} span #account { "No wallet" } }
                button #connect type="button" { "Connect wallet" }
            }
            div #wallets.choices hidden role="group" aria-label="Choose a wallet" {}
            div #network-notice.notice role="status" hidden {
                p #network-text {}
                button #switch-network type="button" { "Switch network" }
            }
            div #helpers.row.small hidden {
                button #add-network.link type="button" { "Add network to wallet" }
                button #add-token.link type="button" { "Add token to wallet" }
            }
        }
    }
}

fn end(label: &str, role: &str, chain: &Chain) -> Markup {
    html! {
        div.end data-role=(role) {
            span.label { (label) }
            strong data-name=(role) { (chain.name()) }
            span.hint { "Balance " span data-field=(if role == "source" { "balance" } else { "far-balance" }) { "–" } }
        }
    }
}

fn amount(app: &App, form: &Form, chosen: alloy::primitives::Address, quote: &Quote) -> Markup {
    html! {
        div.field {
            div.row {
                label for="amount" { "Amount" }
                span.hint { "between " span data-field="min" { (quote.field("min")) } " and " span data-field="max" { (quote.field("max")) } }
            }
            div.amount {
                input #amount name="amount" type="text" inputmode="decimal" placeholder="0.0" value=(form.amount)
                    aria-describedby="problem" maxlength="90";
                button #max type="button" title="The largest amount possible now" { "Max" }
                label.visually-hidden for="token" { "Token" }
                select #token name="token" {
                    @for pair in &app.addresses.tokens {
                        option value=(pair.foreign.to_checksum(None)) selected[pair.foreign == chosen] { (pair.symbol) }
                    }
                }
            }
        }
    }
}

fn limits(quote: &Quote, source: &Chain, destination: &Chain) -> Markup {
    let field = |name: &'static str| html! { dd data-field=(name) { (quote.field(name)) } };
    html! {
        aside.card #limits aria-label="Limits" {
            h2 { "Limits" }
            h3 { "Sending on " span data-name="source" { (source.name()) } }
            dl.facts {
                div { dt { "Deposits" } (field("state")) }
                div { dt { "Smallest" } (field("min")) }
                div { dt { "Largest" } (field("max")) }
                div { dt { "Left of the daily limit" } (field("left")) }
                div { dt { "Daily limit" } (field("daily")) }
            }
            h3 { "Paying out on " span data-name="destination" { (destination.name()) } }
            dl.facts {
                div { dt { "Payouts" } (field("far-state")) }
                div { dt { "Largest" } (field("far-max")) }
                div { dt { "Left of the daily limit" } (field("far-left")) }
                div { dt { "Daily limit" } (field("far-daily")) }
            }
            p.hint { "Daily limits refill continuously. A transfer above what is left waits; it is never lost." }
        }
    }
}
