//! `/auth/*`: the way from a signature to a token. Bodies and answers are JSON; a refusal has the shape of JSON-RPC's errors.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use alloy::primitives::{Address, Bytes, Signature};
use aurum_chain::{Grant, Identity, Submit};
use axum::{
    Extension, Json, Router,
    body::Bytes as Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{LoginError, Logins, timestamp};
use crate::{
    body::{self, BodyLimits},
    caller::Caller,
    context::Context,
    error::{Answer, Failure},
    guard::{bearer, refusal},
    quota::{Quota, Quotas},
    work::WorkPool,
};

/// Bytes of a body: a message and a signature are a tenth of it.
const MAX_BODY: u32 = 16 << 10;
/// Of one network address: a login costs a signature recovery and a question to the permission contract.
const QUOTA: Quota = Quota { per_second: 5, burst: 20, concurrent: 4 };

/// What the endpoints need.
pub(crate) struct Auth {
    logins: Arc<Logins>,
    context: Arc<Context>,
    work: WorkPool,
    quotas: Quotas,
}

/// `POST /auth/challenge`, `/auth/login` and `/auth/logout`.
pub(crate) fn routes(logins: Arc<Logins>, context: Arc<Context>, work: WorkPool) -> Router {
    let limits = BodyLimits { bytes: MAX_BODY, time: context.limits.body_time };
    let auth = Arc::new(Auth { logins, context, work, quotas: Quotas::new(QUOTA) });
    Router::new()
        .route("/auth/challenge", post(challenge))
        .route("/auth/login", post(login))
        .route("/auth/logout", post(logout))
        .layer(middleware::from_fn_with_state(limits, take_body))
        .with_state(auth)
}

/// Nobody's place is taken before the body is here.
async fn take_body(State(limits): State<BodyLimits>, request: Request, next: Next) -> Response {
    match body::whole(request, limits).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    address: Address,
    domain: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeJson {
    /// To be signed with `personal_sign` (EIP-191), as it stands.
    message: String,
    nonce: String,
    domain: String,
    uri: String,
    chain_id: u64,
    expiration_time: Option<String>,
}

async fn challenge(State(auth): State<Arc<Auth>>, Extension(caller): Extension<Caller>, body: Body) -> Response {
    answer(async {
        let _place = auth.quotas.take(caller.who(), 1, Instant::now())?;
        let Asked { address, domain } = read(&body)?;
        let message = auth.logins.challenge(address, domain.as_deref(), SystemTime::now())?;
        Ok(ChallengeJson {
            message: message.to_string(),
            expiration_time: message.expiration_time.map(timestamp::format),
            nonce: message.nonce,
            domain: message.domain,
            uri: message.uri,
            chain_id: message.chain_id,
        })
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    message: String,
    signature: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenJson {
    token: String,
    token_type: &'static str,
    address: Address,
    /// Seconds.
    expires_in: u64,
    /// For clients that can send no header: appended to the listener's address.
    path: String,
}

async fn login(State(auth): State<Arc<Auth>>, Extension(caller): Extension<Caller>, body: Body) -> Response {
    answer(async {
        let _place = auth.quotas.take(caller.who(), 1, Instant::now())?;
        let Signed { message, signature } = read(&body)?;
        let signature = Signature::from_raw(&signature)
            .map_err(|error| Failure::Params(format!("signature: 65 bytes r, s, v are expected: {error}")))?;
        let asked = Arc::clone(&auth);
        let address = auth.work.run(move || {
            let address = asked.logins.verify(&message, &signature, SystemTime::now())?;
            // Who has no right on this chain would hold a token for nothing.
            let _any: Grant<Submit> = asked.context.grant(&Identity::Address(address))?;
            Ok(address)
        });
        let address = address.await?;
        let (token, session) = auth.logins.open(address);
        tracing::info!(%address, "logged in");
        Ok(TokenJson {
            path: format!("/k/{token}"),
            token,
            token_type: "Bearer",
            address,
            expires_in: session.lifetime().as_secs(),
        })
    })
    .await
}

async fn logout(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    answer(async {
        match bearer(&headers) {
            Some(token) if auth.logins.close(token) => Ok(json!({ "loggedOut": true })),
            _ => Err(Failure::Login { reason: "TOKEN_UNKNOWN", message: "no session has this token".to_owned() }),
        }
    })
    .await
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        Self::Login { reason: error.reason(), message: error.to_string() }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    // serde_json's message quotes names and places, never a value of the client's.
    serde_json::from_slice(body).map_err(|error| Failure::Params(format!("the body is not what is expected: {error}")))
}

async fn answer<T: Serialize>(work: impl Future<Output = Answer<T>>) -> Response {
    let mut response = match work.await {
        Ok(value) => Json(value).into_response(),
        Err(failure) => {
            let status = match &failure {
                Failure::Params(_) => StatusCode::BAD_REQUEST,
                Failure::Login { .. } => StatusCode::UNAUTHORIZED,
                Failure::Denied(_) => StatusCode::FORBIDDEN,
                Failure::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refusal(status, failure)
        }
    };
    // Neither a proxy nor a browser may keep a token.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
