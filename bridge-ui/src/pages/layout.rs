//! What every page has around it, and pieces all of them use.

use alloy::primitives::{Address, B256, U256};
use aurum_contracts::{Side, TokenPair};
use axum::{
    extract::OriginalUri,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::amount;

/// The menu's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Bridge,
    Status,
    Explorer,
    None,
}

/// A whole page.
pub(crate) fn page(title: &str, section: Section, content: &Markup) -> Markup {
    let entry = |href: &str, name: &str, own: Section| {
        html! { a href=(href) aria-current=[(section == own).then_some("page")] { (name) } }
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Aurum" }
                link rel="icon" href="/static/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/static/style.css";
                script type="module" src="/static/app.js" {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    div.bar {
                        a.brand href="/" { img src="/static/icon.svg" alt="" width="28" height="28"; "Aurum" }
                        nav aria-label="Main" {
                            (entry("/", "Bridge", Section::Bridge))
                            (entry("/status", "Status", Section::Status))
                            (entry("/blocks", "Explorer", Section::Explorer))
                        }
                    }
                }
                main #content tabindex="-1" { (content) }
                footer {
                    p { "Tokens move under the signatures of the consortium's validators. Every page here reads the contracts of both chains." }
                }
            }
        }
    }
}

/// A page that says what is wrong.
pub(crate) fn trouble(code: StatusCode, title: &str, text: &str) -> Response {
    let content = html! {
        section.card.narrow {
            h1 { (title) }
            p { (text) }
            p { a href="/" { "To the bridge" } " · " a href="/status" { "Status of both chains" } }
        }
    };
    (code, page(title, Section::None, &content)).into_response()
}

pub(crate) async fn not_found(OriginalUri(uri): OriginalUri) -> Response {
    trouble(StatusCode::NOT_FOUND, "Page not found", &format!("There is nothing at {}.", uri.path()))
}

/// The page of a transaction.
pub(crate) fn tx_url(side: Side, hash: B256) -> String {
    match side {
        Side::Home => format!("/tx/{hash}"),
        Side::Foreign => format!("/foreign/tx/{hash}"),
    }
}

/// An address, shortened for the eye; linked where there is a page.
pub(crate) fn account(side: Side, address: Address) -> Markup {
    let full = address.to_checksum(None);
    let text = html! { code title=(full) { (short(&full)) } };
    match side {
        Side::Home => html! { a href={ "/address/" (full) } { (text) } },
        Side::Foreign => html! { (text) },
    }
}

/// An amount for reading, with the smallest units as its machine-readable value.
pub(crate) fn units(units: U256, pair: &TokenPair) -> Markup {
    html! { data value=(units) { (amount::grouped(units, pair.decimals)) " " (pair.symbol) } }
}

/// Nodes that do not answer.
pub(crate) fn faults(faults: &[String]) -> Markup {
    html! {
        @if !faults.is_empty() {
            div.notice.bad role="status" {
                @for fault in faults { p { (sentence(fault)) } }
            }
        }
    }
}

/// With a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

fn short(hex: &str) -> String {
    match (hex.get(..8), hex.get(hex.len().saturating_sub(6)..)) {
        (Some(start), Some(end)) if hex.len() > 20 => format!("{start}…{end}"),
        _ => hex.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_escaped() {
        let evil = TokenPair {
            symbol: "<script>alert(1)</script>".into(),
            name: String::new(),
            decimals: 0,
            foreign: Address::ZERO,
            home: Address::ZERO,
        };
        let html = units(U256::from(1), &evil).into_string();
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
        let html = faults(&["\"><img src=x>".to_owned()]).into_string();
        assert!(!html.contains("<img"), "{html}");
    }

    #[test]
    fn long_addresses_are_shortened_and_kept_whole_in_the_title() {
        let address = Address::repeat_byte(0x11);
        let html = account(Side::Home, address).into_string();
        assert!(html.contains("0x111111…111111"), "{html}");
        assert!(html.contains(&format!("title=\"{address}\"")), "{html}");
    }
}
