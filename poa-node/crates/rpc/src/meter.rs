//! Around every JSON-RPC request: counting, timing, and the limits and answers jsonrpsee would give other codes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aurum_chain::Identity;
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

use crate::{
    caller::Caller,
    error::{Answer, Failure},
    metrics::RpcMetrics,
    quota::{Place, Quotas},
};

/// Over what a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// One request, one response.
    Http,
    /// A connection that stays open.
    WebSocket,
}

/// Makes [`Metered`] services.
#[derive(Clone)]
pub(crate) struct Meter {
    pub(crate) methods: Methods,
    pub(crate) metrics: Arc<RpcMetrics>,
    /// Requests in one batch.
    pub(crate) batch: usize,
    /// Bytes of all answers of one batch.
    pub(crate) response_bytes: usize,
    /// How long one request may take.
    pub(crate) request_time: Duration,
    /// The share of each caller, where it is limited.
    pub(crate) quotas: Option<Arc<Quotas>>,
}

impl Meter {
    /// Lets a request of somebody who may ask at all take its part of its sender's share.
    fn admit(&self, request: &Request<'_>) -> Answer<Option<Place>> {
        let caller = Caller::of(request.extensions());
        // The gate refuses strangers too; what jsonrpsee answers itself does not pass there.
        if caller.identity() == Identity::Stranger {
            return Err(Failure::Login {
                reason: "LOGIN_REQUIRED",
                message: "Request is not permitted. The caller is not logged in, or not any more".to_owned(),
            });
        }
        self.quotas.as_ref().map(|quotas| quotas.take(caller.who(), 1, Instant::now())).transpose()
    }
}

impl<S> Layer<S> for Meter {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Metered<S> {
        Metered { inner, meter: self.clone() }
    }
}

/// jsonrpsee's service, metered.
#[derive(Clone)]
pub(crate) struct Metered<S> {
    inner: S,
    meter: Meter,
}

impl<S> RpcServiceT for Metered<S>
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
        let metrics = Arc::clone(&self.meter.metrics);
        let (id, most) = (request.id.clone().into_owned(), self.meter.request_time);
        let admitted = self.meter.admit(&request);
        // Only names we know become labels: a stranger must not be able to fill the memory with made-up ones.
        let (label, answer) = match (admitted, self.meter.methods.method_with_name(request.method_name())) {
            (Err(failure), known) => {
                (known.map_or("unknown", |(name, _)| name), Either::Left(ready(refuse(request.id, failure))))
            }
            (Ok(_), None) => {
                let failure = Failure::UnknownMethod(request.method_name().to_owned());
                ("unknown", Either::Left(ready(refuse(request.id, failure))))
            }
            (Ok(_), Some((name, _))) if needs_connection(name) && is_http(&request) => {
                (name, Either::Left(ready(refuse(request.id, Failure::NoNotifications))))
            }
            (Ok(place), Some((name, _))) => {
                let answer = self.inner.call(request);
                (
                    name,
                    Either::Right(async move {
                        let _place = place;
                        answer.await
                    }),
                )
            }
        };
        async move {
            let mut response = match tokio::time::timeout(most, answer).await {
                Ok(response) => response,
                Err(_) => refuse(id.clone(), too_slow(most)),
            };
            if response.as_error_code() == Some(TOO_MANY_SUBSCRIPTIONS_CODE) {
                response = refuse(
                    id,
                    Failure::Limit("SUBSCRIPTION_LIMIT", "too many subscriptions on this connection".to_owned()),
                );
            }
            metrics.observe(label, response.as_error_code(), started.elapsed());
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let this = self.clone();
        async move {
            let Meter { batch: most, response_bytes, .. } = this.meter;
            if batch.len() > most {
                let failure = Failure::Limit(
                    "BATCH_LIMIT",
                    format!("batch of {} requests is too large, limit is {most}", batch.len()),
                );
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
                    let failure =
                        Failure::Limit("SIZE_LIMIT", format!("batch response exceeds {response_bytes} bytes"));
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

/// What is answered to a request that took longer than `most`.
pub(crate) fn too_slow(most: Duration) -> Failure {
    Failure::Busy {
        message: format!("the request took longer than {} s and was given up; ask for less", most.as_secs_f64()),
        reason: "TIME_LIMIT",
        retry_after: None,
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
