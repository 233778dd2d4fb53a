//! Routes, the headers every answer carries, and the listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use aurum_contracts::Side;
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use crate::{
    api,
    app::{App, AppError},
    config::Config,
    pages,
};

/// No page takes longer; every question to a node has its own, shorter limit.
const PAGE_LIMIT: Duration = Duration::from_secs(20);
/// Everything comes from this server; nothing inline, no frames, no plugins. Wallet icons are `data:` (EIP-6963).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A running server.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

/// A server that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A node's URL cannot be used.
    #[error(transparent)]
    App(#[from] AppError),
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(std::io::Error),
}

/// Starts serving; `shutdown` ends it after open answers are given.
///
/// # Errors
/// When the address is taken or a URL cannot be used.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Handle, ServerError> {
    let addr = config.listen;
    let app = Arc::new(App::new(config).await?);
    let listener = TcpListener::bind(addr).await.map_err(|source| ServerError::Listen { addr, source })?;
    let addr = listener.local_addr().map_err(|source| ServerError::Listen { addr, source })?;
    let service = router(app);
    let task =
        tokio::spawn(
            async move { axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await },
        );
    Ok(Handle { addr, task })
}

impl Handle {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// When serving failed.
    pub async fn wait(self) -> Result<(), ServerError> {
        match self.task.await {
            Ok(result) => result.map_err(ServerError::Serve),
            Err(error) => Err(ServerError::Serve(std::io::Error::other(error))),
        }
    }
}

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .route("/ready", get(ready))
        .nest("/api/v1", api::router())
        .merge(pages::router())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PAGE_LIMIT))
        .layer(middleware::from_fn(headers))
        .with_state(app)
}

/// Whether both chains answer.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let (home, foreign) = tokio::join!(app.home().heads(), app.chain(Side::Foreign).heads());
    let ready = home.is_ok() && foreign.is_ok();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let fault = |heads: Result<_, crate::Unanswered>| heads.err().map(|error| error.to_string());
    (code, Json(json!({ "ready": ready, "home": fault(home), "foreign": fault(foreign) }))).into_response()
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
