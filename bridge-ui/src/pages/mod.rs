//! The pages, rendered here; scripts only add what needs a wallet or time.

mod assets;
mod bridge;
mod explorer;
mod layout;
mod status;
mod transfer;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::app::App;

/// All routes that answer with HTML, and the files they load.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(bridge::page))
        .route("/transfer/{side}/{tx}", get(transfer::page))
        .route("/transfer/{side}/{tx}/progress", get(transfer::fragment))
        .route("/status", get(status::page))
        .route("/status/fragment", get(status::fragment))
        .merge(explorer::router())
        .merge(assets::router())
        .fallback(layout::not_found)
}
