//! The short way for an HTTP body that holds `eth_sendRawTransaction` and nothing else, alone or as a batch: read typed from
//! the bytes, pooled as one job, answered into bytes.
//!
//! Whatever is unusual goes the general way (jsonrpsee, [`crate::methods`]), so that every answer is the same, byte for
//! byte, on both: [`read`] recognises a body only if each entry is a well-formed call with one hex string, which makes what
//! is left to refuse the business of the pool. Whoever logs in, or has a share that is counted, is served the general way
//! alone.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::Instant,
};

use alloy::{hex, primitives::B256};
use aurum_chain::{Grant, Identity, Submit};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{
        Method, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, UPGRADE},
    },
    response::{IntoResponse, Response},
};
use jsonrpsee::{server::http::content_type_is_json, types::ErrorObjectOwned};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{caller::Caller, context::Context, error::Answer, intake::Intake, meter::too_slow, work::WorkPool};

/// The only method of this path.
pub(crate) const METHOD: &str = "eth_sendRawTransaction";
/// Longest id that is taken; JSON, so quotes count.
const MAX_ID: usize = 64;
/// More than an answer takes: envelope, id, and the longest refusal, that of a right with all who can grant it.
const MAX_ANSWER: usize = 4096;

/// One entry of a body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    params: [&'a str; 1],
}

/// A recognised body.
#[derive(Debug)]
pub(crate) struct Sends<'a> {
    /// The entries' ids as they were written, and as they are written back.
    ids: Vec<&'a str>,
    raw: Vec<Vec<u8>>,
    is_batch: bool,
}

/// What may be asked in one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Entries of a batch.
    pub(crate) batch: usize,
    /// Bytes of the body.
    pub(crate) request_bytes: usize,
    /// Bytes of all answers together.
    pub(crate) response_bytes: usize,
}

/// Recognises a body; `None` sends it the general way.
pub(crate) fn read(body: &[u8], bounds: Bounds) -> Option<Sends<'_>> {
    let is_batch = match body.first()? {
        b'[' => true,
        b'{' => false,
        _ => return None,
    };
    let calls: Vec<Call<'_>> =
        if is_batch { serde_json::from_slice(body).ok()? } else { vec![serde_json::from_slice(body).ok()?] };
    // The general way stops in the middle of a batch whose answers grow too long; here none can.
    if calls.is_empty() || calls.len() > bounds.batch || calls.len() * MAX_ANSWER > bounds.response_bytes {
        return None;
    }
    let mut sends = Sends { ids: Vec::with_capacity(calls.len()), raw: Vec::with_capacity(calls.len()), is_batch };
    for call in calls {
        if call.jsonrpc != "2.0" || call.method != METHOD {
            return None;
        }
        sends.ids.push(plain_id(call.id.get())?);
        sends.raw.push(hex::decode(call.params[0].strip_prefix("0x")?).ok()?);
    }
    Some(sends)
}

/// An id whose JSON is what jsonrpsee would write for it: `null`, a `u64`, or a string without escapes.
fn plain_id(json: &str) -> Option<&str> {
    let plain = match json.as_bytes() {
        b"null" => true,
        [b'"', .., b'"'] => !json.contains('\\'),
        [b'0'..=b'9', ..] => json.parse::<u64>().is_ok(),
        _ => false,
    };
    (plain && json.len() <= MAX_ID).then_some(json)
}

/// The short way, as a listener holds it.
pub(crate) struct Fast {
    context: Arc<Context>,
    work: WorkPool,
    intake: Intake,
    bounds: Bounds,
}

impl Fast {
    /// Starts the threads that take transactions in.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn new(context: &Arc<Context>, work: &WorkPool) -> io::Result<Self> {
        let limits = &context.limits;
        let bounds = Bounds {
            batch: limits.batch,
            request_bytes: limits.request_bytes as usize,
            response_bytes: limits.response_bytes as usize,
        };
        Ok(Self { context: Arc::clone(context), work: work.clone(), intake: Intake::start(context)?, bounds })
    }

    /// Answers a request of this kind, and gives back any other.
    ///
    /// # Errors
    /// A request that goes the general way.
    pub(crate) async fn answer(&self, request: Request) -> Result<Response, Request> {
        let identity = Caller::of(request.extensions()).identity();
        // Other callers' rights are read from the chain, which no thread that drives sockets does; and a body of unknown
        // length is measured as it arrives.
        let is_candidate = matches!(identity, Identity::Local | Identity::Anonymous)
            && request.method() == Method::POST
            && content_type_is_json(&request)
            && request.headers().contains_key(CONTENT_LENGTH)
            && !request.headers().contains_key(UPGRADE);
        if !is_candidate {
            return Err(request);
        }
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, self.bounds.request_bytes).await else {
            return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        let Some(sends) = read(&body, self.bounds) else {
            return Err(Request::from_parts(parts, Body::from(body)));
        };
        let answers = self.pool(sends, identity).await;
        Ok(([(CONTENT_TYPE, "application/json; charset=utf-8")], answers).into_response())
    }

    /// Pools what was sent and writes the answers.
    async fn pool(&self, sends: Sends<'_>, identity: Identity) -> Vec<u8> {
        let started = Instant::now();
        let Sends { ids, raw, is_batch } = sends;
        let count = raw.len();
        let answers = self.take_in(identity, raw).await.unwrap_or_else(|failure| vec![Err(failure); count]);
        let mut out = Vec::with_capacity(128 * count + 2);
        let mut codes = Vec::with_capacity(count);
        if is_batch {
            out.push(b'[');
        }
        for (index, (id, answer)) in ids.into_iter().zip(answers).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            codes.push(write(&mut out, id, answer, &self.context));
        }
        if is_batch {
            out.push(b']');
        }
        self.context.metrics.observe_all(METHOD, &codes, started.elapsed());
        out
    }

    /// What the pool says to each; an error is everybody's.
    async fn take_in(&self, identity: Identity, raw: Vec<Vec<u8>>) -> Answer<Vec<Answer<B256>>> {
        let place = self.work.admit()?;
        let grant = self.context.grant::<Grant<Submit>>(&identity)?;
        let most = self.context.limits.request_time;
        let answered = tokio::time::timeout(most, self.intake.submit(grant, raw, place)).await;
        answered.unwrap_or_else(|_| Err(too_slow(most)))
    }
}

/// Writes one response object (fields in jsonrpsee's order) and returns its error code.
fn write(out: &mut Vec<u8>, id: &str, answer: Answer<B256>, context: &Context) -> Option<i32> {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    let code = match answer {
        Ok(hash) => {
            out.extend_from_slice(br#","result":""#);
            // Writing to memory does not fail.
            let _ = write!(out, "{hash:#x}\"");
            None
        }
        Err(failure) => {
            context.note_refusal(&failure);
            let error = ErrorObjectOwned::from(failure);
            out.extend_from_slice(br#","error":"#);
            // Nor does writing an error of numbers and strings.
            let _ = serde_json::to_writer(&mut *out, &error);
            Some(error.code())
        }
    };
    out.push(b'}');
    code
}

#[cfg(test)]
mod tests {
    use super::{Bounds, plain_id, read};

    const BOUNDS: Bounds = Bounds { batch: 3, request_bytes: 1 << 20, response_bytes: 1 << 20 };

    #[test]
    fn only_plain_sends_are_recognised() {
        let call = r#"{"jsonrpc":"2.0","id":7,"method":"eth_sendRawTransaction","params":["0x01ff"]}"#;
        let sends = read(call.as_bytes(), BOUNDS).unwrap();
        assert_eq!((sends.ids, sends.raw, sends.is_batch), (vec!["7"], vec![vec![1, 0xff]], false));
        let batch = format!("[{call}, {}]", call.replace("7", r#""é""#));
        let sends = read(batch.as_bytes(), BOUNDS).unwrap();
        assert_eq!((sends.ids, sends.is_batch), (vec!["7", "\"é\""], true));

        let general = [
            "[]".to_owned(),
            format!(" {call}"),
            format!("[{call},1]"),
            format!("[{call},{call},{call},{call}]"),
            format!("{call}x"),
            call.replace("2.0", "1.0"),
            call.replace("Raw", "Law"),
            call.replace(r#""id":7,"#, ""),
            call.replace("7", "-7"),
            call.replace("7", "7.0"),
            call.replace("7", r#""\u0041""#),
            call.replace("7", "18446744073709551616"),
            call.replace("0x01ff", "0x01f"),
            call.replace("0x01ff", "01ff"),
            call.replace("0x01ff", "0xzz"),
            call.replace(r#"["0x01ff"]"#, r#"["0x01ff",null]"#),
            call.replace(r#"["0x01ff"]"#, "[]"),
            call.replace(r#"["0x01ff"]"#, r#"{"0":"0x01ff"}"#),
            call.replace(r#""id":7"#, r#""id":7,"id":8"#),
            call.replace(r#""id":7"#, r#""id":7,"more":8"#),
        ];
        for body in general {
            assert!(read(body.as_bytes(), BOUNDS).is_none(), "{body}");
        }
        assert!(read(call.as_bytes(), Bounds { response_bytes: 2000, ..BOUNDS }).is_none(), "too little room");
    }

    #[test]
    fn an_id_that_would_be_written_otherwise_is_not_plain() {
        assert_eq!(plain_id(&format!("\"{}\"", "x".repeat(62))).map(str::len), Some(64));
        for id in [&format!("\"{}\"", "x".repeat(63)), "true", "[1]", "{}", "1e3", r#""a\"b""#] {
            assert_eq!(plain_id(id), None, "{id}");
        }
    }
}
