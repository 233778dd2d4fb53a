//! Around every JSON-RPC request: counting, timing, and the limits and answers jsonrpsee would give other codes.

use std::{sync::Arc, time::Instant};

use futures::future::{Either, ready};
use jsonrpsee::{
    MethodResponse,
    core::{
        middleware::{Batch, BatchEntry, Notification, RpcServiceT},
        server::{BatchResponseBuilder, Methods},
    },
    types::{Id, Request, error::TOO_MANY_SUBSCRIPTIONS_CODE},
};
use tower::Layer;

use crate::{error::Failure, metrics::RpcMetrics};

/// Over what a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// One request, one response.
    Http,
    /// A connection that stays open.
    WebSocket,
}

/// Makes [`Watched`] services.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) methods: Methods,
    pub(crate) metrics: Arc<RpcMetrics>,
    /// Requests in one batch.
    pub(crate) batch: usize,
    /// Bytes of all answers of one batch.
    pub(crate) response_bytes: usize,
}

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, watch: self.clone() }
    }
}

/// jsonrpsee's service, watched.
#[derive(Clone)]
pub(crate) struct Watched<S> {
    inner: S,
    watch: Watch,
}

impl<S> RpcServiceT for Watched<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let started = Instant::now();
        let metrics = Arc::clone(&self.watch.metrics);
        let mut subscribes = None;
        // Only names we know become labels: a stranger must not be able to fill the memory with made-up ones.
        let (label, answer) = match self.watch.methods.method_with_name(request.method_name()) {
            None => {
                let failure = Failure::UnknownMethod(request.method_name().to_owned());
                ("unknown", Either::Left(ready(refuse(request.id, failure))))
            }
            Some((name, _)) if needs_connection(name) && is_http(&request) => {
                (name, Either::Left(ready(refuse(request.id, Failure::NoNotifications))))
            }
            Some((name, _)) => {
                subscribes = needs_connection(name).then(|| request.id.clone().into_owned());
                (name, Either::Right(self.inner.call(request)))
            }
        };
        async move {
            let mut response = answer.await;
            if let (Some(id), Some(TOO_MANY_SUBSCRIPTIONS_CODE)) = (subscribes, response.as_error_code()) {
                response = refuse(id, Failure::Limit("too many subscriptions on this connection".to_owned()));
            }
            metrics.observe(label, response.as_error_code(), started.elapsed());
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let this = self.clone();
        async move {
            let Watch { batch: most, response_bytes, .. } = this.watch;
            if batch.len() > most {
                let failure =
                    Failure::Limit(format!("batch of {} requests is too large, limit is {most}", batch.len()));
                return refuse(Id::Null, failure);
            }
            let mut answers = BatchResponseBuilder::new_with_limit(response_bytes);
            let mut notified = false;
            // In order, one after the other: a batch is one client's work and must not take the share of many.
            for entry in batch {
                let answer = match entry {
                    Ok(BatchEntry::Call(request)) => this.call(request).await,
                    Ok(BatchEntry::Notification(_)) => {
                        notified = true;
                        continue;
                    }
                    Err(error) => {
                        let (error, id) = error.into_parts();
                        MethodResponse::error(id, error)
                    }
                };
                if answers.append(answer).is_err() {
                    let failure = Failure::Limit(format!("batch response exceeds {response_bytes} bytes"));
                    return refuse(Id::Null, failure);
                }
            }
            if answers.is_empty() && notified {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(answers.finish())
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

fn refuse(id: Id<'_>, failure: Failure) -> MethodResponse {
    MethodResponse::error(id, failure)
}

fn needs_connection(method: &str) -> bool {
    method.ends_with("_subscribe") || method.ends_with("_unsubscribe")
}

fn is_http(request: &Request<'_>) -> bool {
    request.extensions().get::<Transport>() != Some(&Transport::WebSocket)
}
