//! The body of a POST: taken whole before anybody works for it, as far as one may be long, and in a time.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use futures::StreamExt as _;
use tokio::time::timeout;

use crate::{error::Failure, guard::refusal};

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// Its length.
    pub(crate) bytes: u32,
    /// From the request's head to its last byte.
    pub(crate) time: Duration,
}

/// The same request with its body here; one of another method as it is.
///
/// # Errors
/// What is answered instead: 413, 408, or 400 to a body that ends early.
pub(crate) async fn whole(request: Request, limits: BodyLimits) -> Result<Request, Response> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    let most = limits.bytes;
    if announced(&request).is_some_and(|length| length > u64::from(most)) {
        discard(request, limits).await;
        return Err(oversized(most));
    }
    let (parts, body) = request.into_parts();
    match timeout(limits.time, collect(body.into_data_stream(), most)).await {
        Ok(body) => Ok(Request::from_parts(parts, body?)),
        Err(_) => Err(too_slow(limits.time)),
    }
}

/// Takes the body of a refused request, up to four times what one may have: a client that is still writing when the connection
/// ends sees that, and no answer.
pub(crate) async fn discard(request: Request, limits: BodyLimits) {
    // Who asks before sending has sent nothing.
    if !request.headers().contains_key(header::EXPECT) {
        // The answer is the refusal, whether all of it came or not.
        let _ = timeout(limits.time, skip(&mut request.into_body().into_data_stream(), limits.bytes)).await;
    }
}

/// Its length, if it says so.
fn announced(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(mut rest: BodyDataStream, most: u32) -> Result<Body, Response> {
    let (mut parts, mut length) = (Vec::<Bytes>::new(), 0);
    while let Some(bytes) = rest.next().await {
        let bytes = bytes.map_err(|error| {
            tracing::debug!(%error, "a request's body ended early");
            refusal(StatusCode::BAD_REQUEST, Failure::Request("the body of the request ended early".to_owned()))
        })?;
        length += bytes.len();
        if length > most as usize {
            skip(&mut rest, most).await;
            return Err(oversized(most));
        }
        parts.push(bytes);
    }
    Ok(match parts.len() {
        0 | 1 => parts.pop().map_or_else(Body::empty, Body::from),
        _ => Body::from(parts.concat()),
    })
}

async fn skip(rest: &mut BodyDataStream, most: u32) {
    let mut left = 4 * u64::from(most);
    while let Some(Ok(bytes)) = rest.next().await {
        match left.checked_sub(bytes.len() as u64) {
            Some(fewer) => left = fewer,
            None => return,
        }
    }
}

fn oversized(most: u32) -> Response {
    let failure = Failure::Limit("SIZE_LIMIT", format!("request exceeds the limit of {most} bytes"));
    refusal(StatusCode::PAYLOAD_TOO_LARGE, failure)
}

fn too_slow(most: Duration) -> Response {
    let message = format!("the body of the request did not come within {} s", most.as_secs_f64());
    let failure = Failure::Busy { message, reason: "TIME_LIMIT", retry_after: None };
    let mut response = refusal(StatusCode::REQUEST_TIMEOUT, failure);
    // What may still come of the body is no request.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
