//! `/transfer/{side}/{tx}`: how far the transfers of a transaction are. The address is all the state there is.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use aurum_contracts::Side;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};

use crate::{
    app::App,
    assess::{Attestations, Step, StepState},
    pages::layout::{self, Section, account, faults, page as layout_page, sentence},
    transfer::{Outcome, Progress, Transfer},
};

fn parse(side: &str, tx: &str) -> Option<(Side, B256)> {
    let side = match side {
        "home" => Side::Home,
        "foreign" => Side::Foreign,
        _ => return None,
    };
    Some((side, tx.parse().ok()?))
}

pub(crate) async fn page(State(app): State<Arc<App>>, Path((side, tx)): Path<(String, String)>) -> Response {
    let Some((side, tx)) = parse(&side, &tx) else {
        return layout::trouble(
            StatusCode::NOT_FOUND,
            "Not a transfer",
            "The address of a transfer is /transfer/foreign/ or /transfer/home/ and the hash of the transaction.",
        );
    };
    let progress = app.progress(side, tx).await;
    let url = format!("/transfer/{side}/{tx}/progress");
    let content = html! {
        div.head {
            h1 { "Transfer from " (app.chain(side).name()) " to " (app.chain(side.other()).name()) }
            p.lead { "This page follows by itself. You may close it and come back with the same address." }
        }
        noscript { meta http-equiv="refresh" content="5"; }
        div #progress data-refresh=(url) data-every="1500" data-side=(side) data-tx=(tx) { (render(&app, &progress)) }
        p #announce.visually-hidden role="status" aria-live="polite" {}
    };
    layout_page("Transfer", Section::Bridge, &content).into_response()
}

pub(crate) async fn fragment(State(app): State<Arc<App>>, Path((side, tx)): Path<(String, String)>) -> Response {
    match parse(&side, &tx) {
        Some((side, tx)) => render(&app, &app.progress(side, tx).await).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What is replaced while it goes on. `data-say` is announced to screen readers when it changes.
fn render(app: &App, progress: &Progress) -> Markup {
    let say = summary(app, progress);
    html! {
        div.live data-done=(progress.done) data-say=(say) {
            (faults(&progress.faults))
            @match &progress.transaction {
                Outcome::Mined { .. } if progress.transfers.is_empty() => {
                    section.card { h2 { "No transfer here" } p { "The transaction is mined, but it made no deposit at the bridge." } (links(app, progress, None)) }
                }
                Outcome::Mined { .. } => {
                    @if progress.transfers.len() > 1 {
                        p.hint { "This transaction made " (progress.transfers.len()) " transfers." }
                    }
                    @for transfer in &progress.transfers { (one(app, progress, transfer)) }
                }
                Outcome::Failed { reason, block } => {
                    section.card {
                        h2 { "The deposit failed" }
                        ol.steps { (step(&Step { name: "deposited", state: StepState::Blocked, title: "Failed".into(),
                            detail: format!("in block {block} of {}; nothing was moved", app.chain(progress.from).name()) }, None)) }
                        p.problem { (reason.as_deref().map_or_else(|| "The reason is not known any more.".to_owned(), sentence)) }
                        (links(app, progress, None))
                    }
                }
                outcome => {
                    section.card {
                        h2 { (say) }
                        ol.steps {
                            (step(&Step { name: "deposited", state: if *outcome == Outcome::Unreachable { StepState::Unknown } else { StepState::Active },
                                title: "Deposit".into(), detail: waiting_for(app, progress) }, None))
                            @for (name, title) in [("final", "Final"), ("attested", "Attested"), ("executed", "Paid out")] {
                                (step(&Step { name, state: StepState::Waiting, title: title.into(), detail: String::new() }, None))
                            }
                        }
                        (links(app, progress, None))
                    }
                }
            }
        }
    }
}

fn waiting_for(app: &App, progress: &Progress) -> String {
    let source = app.chain(progress.from).name();
    match progress.transaction {
        Outcome::Pending => format!("sent, waiting for a block of {source}"),
        Outcome::Unknown => format!("{source} does not know this transaction (yet)"),
        _ => format!("{source} does not answer"),
    }
}

/// The state in one sentence, for ears.
fn summary(app: &App, progress: &Progress) -> String {
    match &progress.transaction {
        Outcome::Mined { .. } => {}
        Outcome::Failed { .. } => return "The deposit failed".into(),
        _ => return sentence(&waiting_for(app, progress)),
    }
    let arrived = progress.transfers.iter().filter(|transfer| transfer.executed).count();
    match &progress.transfers[..] {
        [one] => one
            .steps
            .iter()
            .find(|step| step.state != StepState::Done)
            .map_or_else(|| "The transfer has arrived".to_owned(), |step| format!("{}: {}", step.title, step.detail)),
        several => format!("{arrived} of {} transfers have arrived", several.len()),
    }
}

fn one(app: &App, progress: &Progress, transfer: &Transfer) -> Markup {
    let (from, to) = (progress.from, progress.from.other());
    html! {
        section.card.transfer data-id=(transfer.id) data-executed=(transfer.executed) {
            h2 {
                data value=(transfer.amount) { (transfer.amount_text) }
                @if transfer.executed { " " span.badge.good { "Arrived" } }
                @else if transfer.waiting.is_some() { " " span.badge.warn { "Waiting" } }
                @else { " " span.badge { "On its way" } }
            }
            @if let Some(waiting) = transfer.waiting.as_ref().filter(|_| !transfer.executed) {
                p.notice.waiting { (sentence(waiting)) }
            }
            @else if let Some(told) = &transfer.relayer { p.hint { "A relayer says: " (told) "." } }
            ol.steps {
                @for item in &transfer.steps {
                    (step(item, transfer.attestations.as_ref().filter(|_| item.name == "attested")))
                }
            }
            @if transfer.can_execute {
                div.execute {
                    p.hint { "The relayers do this by themselves in a moment. If you do not want to wait, pay it out with your own wallet on " (app.chain(to).name()) "." }
                    button.primary data-action="execute" data-transfer=(transfer.id) data-chain=(to) id={ "execute-" (transfer.nonce) } { "Execute now" }
                    p.problem role="alert" hidden data-problem {}
                }
            }
            dl.facts {
                div { dt { "From" } dd { (account(from, transfer.sender)) } }
                div { dt { "To" } dd { (account(to, transfer.recipient)) } }
                div { dt { "Number" } dd { (transfer.nonce) } }
                div { dt { "Identity" } dd { code.break { (transfer.id) } } }
            }
            (links(app, progress, Some(transfer)))
        }
    }
}

fn step(step: &Step, attestations: Option<&Attestations>) -> Markup {
    html! {
        li data-step=(step.name) data-state=(step.state.name()) {
            span.title { (step.title) span.visually-hidden { " – " (step.state.name()) } }
            span.detail { (step.detail) }
            @if let Some(attestations) = attestations { (validators(attestations)) }
        }
    }
}

fn validators(attestations: &Attestations) -> Markup {
    let list = |accounts: &[Address], signed: bool| {
        html! {
            @for validator in accounts {
                li data-signed=(signed) { span.mark aria-hidden="true" { @if signed { "✓" } @else { "·" } } (account(Side::Home, *validator)) span.visually-hidden { @if signed { " attested" } @else { " has not attested" } } }
            }
        }
    };
    html! {
        details open {
            summary { "Validators" }
            ul.validators { (list(&attestations.signers, true)) (list(&attestations.missing, false)) }
        }
    }
}

/// The transactions on both chains.
fn links(app: &App, progress: &Progress, transfer: Option<&Transfer>) -> Markup {
    let (from, to) = (progress.from, progress.from.other());
    let row = |side: Side, what: &str, hash: B256| {
        html! {
            div {
                dt { (what) " on " (app.chain(side).name()) }
                dd { a href=(layout::tx_url(side, hash)) { code.break { (hash) } } }
            }
        }
    };
    html! {
        dl.facts.links {
            (row(from, "Deposit", progress.tx))
            @if let Some(execution) = transfer.and_then(|transfer| transfer.execution) { (row(to, "Payout", execution.tx)) }
        }
    }
}
