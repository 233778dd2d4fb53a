//! What answers on a listener's paths: JSON-RPC, whether the node is alive and ready, and metrics.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B128;
use aurum_chain::Head;
use axum::{
    Json,
    body::{Body, BodyDataStream},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
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
    caller::Caller,
    config::Limits,
    connection, content_type,
    context::Context,
    error::Failure,
    fast::Fast,
    guard,
    health::Health,
    meter::{Meter, Transport},
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
    pub(crate) request_bytes: u32,
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
    let refused = content_type::check(&mut request).or_else(|| too_large(&request, rpc.request_bytes));
    let answer = async {
        if let Some(refusal) = refused {
            // Who asks before sending has sent nothing.
            if !request.headers().contains_key(header::EXPECT) {
                discard(&mut request.into_body().into_data_stream(), rpc.request_bytes).await;
            }
            return refusal;
        }
        let request = match measured(request, rpc.request_bytes).await {
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
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::debug!(%error, "JSON-RPC transport");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
        Ok(response) => response,
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "The request took too long and was given up.\n").into_response(),
    }
}

/// Takes what is left of a refused body, up to four times what a body may have: a client that is still writing when the
/// connection ends sees that, and no answer.
async fn discard(rest: &mut BodyDataStream, most: u32) {
    let mut left = 4 * u64::from(most);
    while let Some(Ok(bytes)) = rest.next().await {
        match left.checked_sub(bytes.len() as u64) {
            Some(fewer) => left = fewer,
            None => return,
        }
    }
}

/// Refuses by the announced length.
fn too_large(request: &Request, most: u32) -> Option<Response> {
    let length = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    (length > u64::from(most)).then(|| oversized(most))
}

/// Takes a body that announces no length (`Transfer-Encoding: chunked`) whole, as far as one may be long: jsonrpsee would refuse
/// it with a code of its own, as it does a message on a WebSocket.
async fn measured(request: Request, most: u32) -> Result<Request, Response> {
    if request.method() != Method::POST || request.headers().contains_key(header::CONTENT_LENGTH) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let (mut rest, mut taken) = (body.into_data_stream(), Vec::new());
    while let Some(bytes) = rest.next().await {
        let bytes = bytes.map_err(|error| {
            tracing::debug!(%error, "a request's body ended early");
            StatusCode::BAD_REQUEST.into_response()
        })?;
        if taken.len() + bytes.len() > most as usize {
            discard(&mut rest, most).await;
            return Err(oversized(most));
        }
        taken.extend_from_slice(&bytes);
    }
    Ok(Request::from_parts(parts, Body::from(taken)))
}

fn oversized(most: u32) -> Response {
    let failure = Failure::Limit("SIZE_LIMIT", format!("request exceeds the limit of {most} bytes"));
    guard::refusal(StatusCode::PAYLOAD_TOO_LARGE, failure)
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
