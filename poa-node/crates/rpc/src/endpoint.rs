//! What answers on a listener's paths: JSON-RPC, whether the node is alive and ready, and metrics.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B128;
use aurum_chain::Head;
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jsonrpsee::{
    core::{middleware::RpcServiceBuilder, server::Methods, traits::IdProvider},
    server::{BatchRequestConfig, PingConfig, ServerConfig, StopHandle, TowerServiceBuilder},
    types::SubscriptionId,
};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tower::{
    Service as _,
    layer::util::{Identity as NoLayer, Stack},
};

use crate::{
    body::{self, BodyLimits},
    caller::Caller,
    config::Limits,
    connection, content_type,
    context::Context,
    error::Failure,
    fast::Fast,
    guard,
    health::Health,
    meter::{Meter, Transport, too_slow},
    metrics,
    reader::Reader,
    work::WorkPool,
};

/// How long a request may take before the connection is given up, waiting for a worker included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) type Builder = TowerServiceBuilder<Stack<Meter, NoLayer>, NoLayer>;

/// What answers JSON-RPC: jsonrpsee, and beside it the short way.
pub(crate) struct Rpc {
    pub(crate) builder: Builder,
    pub(crate) methods: Methods,
    pub(crate) context: Arc<Context>,
    pub(crate) work: WorkPool,
    /// When readers are asked for their right again.
    pub(crate) head: Option<watch::Receiver<Head>>,
    pub(crate) stop: StopHandle,
    /// What a body may be.
    pub(crate) body: BodyLimits,
    /// The short way for sent transactions, where they are served.
    pub(crate) fast: Option<Arc<Fast>>,
}

impl Rpc {
    /// What ends the connection of a request, if it is one that stays open.
    fn until(&self, request: &Request) -> StopHandle {
        let caller = Caller::of(request.extensions());
        let stays = request.extensions().get::<Transport>() == Some(&Transport::WebSocket);
        match &self.head {
            Some(head) if stays && caller.is_proved() => {
                let reader = Reader::new(Arc::clone(&self.context), self.work.clone(), caller);
                connection::until_ended(reader, head.clone(), self.stop.clone())
            }
            _ => self.stop.clone(),
        }
    }
}

pub(crate) fn builder(limits: &Limits, meter: Meter) -> Builder {
    let server = ServerConfig::builder()
        .max_request_body_size(limits.request_bytes)
        // Results are measured where they are made (crate::methods), with our own error; this leaves room for the envelope.
        .max_response_body_size(limits.response_bytes.saturating_add(64 << 10))
        .max_connections(u32::try_from(limits.connections).unwrap_or(u32::MAX))
        .max_subscriptions_per_connection(limits.subscriptions)
        .set_message_buffer_capacity(limits.buffered_messages.max(1))
        // The meter limits batches, with our own error.
        .set_batch_request_config(BatchRequestConfig::Unlimited)
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(HexIds)
        .build();
    jsonrpsee::server::Server::builder()
        .set_config(server)
        .set_rpc_middleware(RpcServiceBuilder::new().layer(meter))
        .to_service_builder()
        .max_connections(u32::try_from(limits.connections).unwrap_or(u32::MAX))
}

/// Subscription ids as geth gives them.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(B128::random().to_string().into())
    }
}

/// One HTTP request, or one upgrade to WebSocket.
pub(crate) async fn json_rpc(State(rpc): State<Arc<Rpc>>, mut request: Request) -> Response {
    let is_upgrade = request.extensions().get::<Transport>() == Some(&Transport::WebSocket);
    if request.method() != Method::POST && !is_upgrade {
        return method_not_allowed().await;
    }
    let refused = content_type::check(&mut request);
    let answer = async {
        if let Some(refusal) = refused {
            body::discard(request, rpc.body).await;
            return refusal;
        }
        let request = match body::whole(request, rpc.body).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
        let request = match &rpc.fast {
            Some(fast) => match fast.answer(request).await {
                Ok(answer) => return answer,
                Err(request) => request,
            },
            None => request,
        };
        let stop = rpc.until(&request);
        let mut service = rpc.builder.clone().build(rpc.methods.clone(), stop);
        match service.call(request).await {
            Ok(response) => in_json(response.map(Body::new)),
            Err(error) => {
                tracing::debug!(%error, "JSON-RPC transport");
                let failure = Failure::Internal("the request could not be completed".to_owned());
                guard::refusal(StatusCode::INTERNAL_SERVER_ERROR, failure)
            }
        }
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
        Ok(response) => response,
        Err(_) => guard::refusal(StatusCode::GATEWAY_TIMEOUT, too_slow(REQUEST_TIMEOUT)),
    }
}

/// What jsonrpsee says in plain words of its own (an upgrade that is none, too many connections), as an error of JSON-RPC.
fn in_json(response: Response) -> Response {
    let is_json = jsonrpsee::server::http::is_json(response.headers().get(header::CONTENT_TYPE));
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => response,
        _ if is_json => response,
        StatusCode::TOO_MANY_REQUESTS => guard::refusal(
            StatusCode::TOO_MANY_REQUESTS,
            Failure::Busy {
                message: "too many requests are waiting on this node, try again later".to_owned(),
                reason: "NODE_BUSY",
                retry_after: None,
            },
        ),
        _ => {
            let failure =
                Failure::Request("this is neither a request of JSON-RPC nor an upgrade to WebSocket".to_owned());
            guard::refusal(StatusCode::BAD_REQUEST, failure)
        }
    }
}

/// Of a path that is served, but not so.
pub(crate) async fn method_not_allowed() -> Response {
    let failure =
        Failure::Request("this HTTP method is not served here; requests of JSON-RPC are sent with POST".to_owned());
    let mut response = guard::refusal(StatusCode::METHOD_NOT_ALLOWED, failure);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// Of any other path. It may hold a token, and is not repeated.
pub(crate) async fn not_found() -> Response {
    let failure = Failure::Request("nothing is served at this path; JSON-RPC is at /".to_owned());
    guard::refusal(StatusCode::NOT_FOUND, failure)
}

pub(crate) async fn live() -> Response {
    Json(serde_json::json!({ "status": "live" })).into_response()
}

pub(crate) async fn ready(State((health, work)): State<(Health, WorkPool)>) -> Response {
    match work.run_waiting(move || Ok(health.report())).await {
        Ok(report) => {
            let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, Json(report)).into_response()
        }
        Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, failure.to_string()).into_response(),
    }
}

pub(crate) async fn render_metrics(State((registry, work)): State<(Arc<Registry>, WorkPool)>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let rendered =
        work.run_waiting(move || metrics::render(&registry).map_err(|error| Failure::Internal(error.to_string())));
    match rendered.await {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(failure) => (StatusCode::INTERNAL_SERVER_ERROR, failure.to_string()).into_response(),
    }
}
