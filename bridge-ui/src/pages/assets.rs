//! The stylesheet, the script's modules and the icon, compiled in.

use std::sync::Arc;

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::app::App;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, type and text of every file.
const FILES: [(&str, &str, &str); 8] = [
    ("/static/style.css", "text/css; charset=utf-8", include_str!("../../static/style.css")),
    ("/static/app.js", SCRIPT, include_str!("../../static/app.js")),
    ("/static/api.js", SCRIPT, include_str!("../../static/api.js")),
    ("/static/wallet.js", SCRIPT, include_str!("../../static/wallet.js")),
    ("/static/bridge.js", SCRIPT, include_str!("../../static/bridge.js")),
    ("/static/execute.js", SCRIPT, include_str!("../../static/execute.js")),
    ("/static/live.js", SCRIPT, include_str!("../../static/live.js")),
    ("/static/icon.svg", "image/svg+xml", include_str!("../../static/icon.svg")),
];

pub(crate) fn router() -> Router<Arc<App>> {
    let mut router = Router::new();
    for (path, kind, text) in FILES {
        router = router.route(path, get(async move || file(kind, text)));
    }
    router.route("/favicon.ico", get(async || file(FILES[7].1, FILES[7].2)))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
