//! Who may come in at all: names of this node, pages of browsers, and who a caller is.

use std::{net::SocketAddr, sync::Arc};

use alloy::hex;
use aurum_chain::Identity;
use axum::{
    Extension, Json,
    extract::{OriginalUri, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jsonrpsee::types::ErrorObjectOwned;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    caller::Caller,
    config::{Hosts, Origins},
    error::Failure,
    http::Remote,
    login::Logins,
    meter::Transport,
};

/// Where a proof stands in a path: `/k/TOKEN`.
const PATH_PROOF: &str = "/k/";

/// What every request is measured against.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) hosts: Hosts,
    pub(crate) origins: Origins,
    pub(crate) policy: Policy,
}

/// For whom a listener is.
#[derive(Clone, Debug)]
pub(crate) enum Policy {
    /// Everybody reads; who is on this machine administers, unless there is a listener for that.
    Open { administers: bool },
    /// Everybody reads what 0x0 may.
    Public,
    /// Accounts that proved themselves.
    Members(Arc<Logins>),
    /// Who is on this machine.
    Admin,
}

/// Refuses strange `Host` names (DNS rebinding) and pages that may not open a WebSocket (browsers do not apply CORS to
/// those), and notes who is asking. Proofs end here: what is behind the guard sees neither header nor path.
pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    Extension(remote): Extension<Remote>,
    mut request: Request,
    next: Next,
) -> Response {
    let host = text(request.headers(), &header::HOST).or_else(|| request.uri().host());
    if let Some(host) = host
        && !guard.hosts.admit(host)
    {
        let message = format!("Host {host:?} is not a name of this node; add it with --jsonrpc-hosts");
        return outside("HOST_UNKNOWN", &message);
    }
    let upgrade = is_upgrade(request.headers());
    if upgrade
        && let Some(origin) = text(request.headers(), &header::ORIGIN)
        && !guard.origins.admit(origin)
    {
        let message = format!("Pages of {origin:?} may not call this node; add it with --ws-origins");
        return outside("ORIGIN_UNKNOWN", &message);
    }
    let caller = match caller(&guard.policy, remote, &request) {
        Ok(caller) => caller,
        Err((status, failure)) => return refusal(status, failure),
    };
    forget_proof(&guard.policy, &mut request);
    let transport = if upgrade { Transport::WebSocket } else { Transport::Http };
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(transport);
    next.run(request).await
}

fn outside(reason: &'static str, message: &str) -> Response {
    refusal(StatusCode::FORBIDDEN, Failure::Outside { reason, message: format!("Request is not permitted. {message}") })
}

/// Who asks, by the listener's policy; or why not, with HTTP's word for it.
fn caller(policy: &Policy, remote: Remote, request: &Request) -> Result<Caller, (StatusCode, Failure)> {
    let headers = request.headers();
    let identity = match policy {
        Policy::Open { administers: true } => local_or(Identity::Anonymous, remote.address, headers),
        Policy::Open { administers: false } => Identity::Anonymous,
        Policy::Public => Identity::Public,
        Policy::Admin => local_or(Identity::Stranger, remote.address, headers),
        Policy::Members(_) if without_login(request.uri().path()) => Identity::Stranger,
        Policy::Members(logins) if logins.by_certificate() => {
            return service(logins, remote.certificate).map_err(|failure| (StatusCode::FORBIDDEN, failure));
        }
        Policy::Members(logins) => {
            return member(logins, request).map_err(|failure| (StatusCode::UNAUTHORIZED, failure));
        }
    };
    Ok(Caller::at(remote.address.ip(), identity))
}

/// What proved the caller is of no use to anybody behind the guard, and might be logged there.
fn forget_proof(policy: &Policy, request: &mut Request) {
    if !matches!(policy, Policy::Members(_)) || without_login(request.uri().path()) {
        return;
    }
    request.headers_mut().remove(header::AUTHORIZATION);
    if request.uri().path().starts_with(PATH_PROOF) {
        *request.uri_mut() = Uri::from_static("/");
        request.extensions_mut().remove::<OriginalUri>();
    }
}

/// What a listener for members answers to everybody: whether the node is alive, and how to log in.
fn without_login(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/auth/challenge" | "/auth/login" | "/auth/logout")
}

/// Who connected with this certificate, which an authority of the listener signed.
fn service(logins: &Logins, certificate: Option<[u8; 32]>) -> Result<Caller, Failure> {
    let Some(fingerprint) = certificate else {
        return Err(Failure::Login {
            reason: "CERTIFICATE_REQUIRED",
            message: "Request is not permitted. Connect over TLS with a client certificate".to_owned(),
        });
    };
    logins.recognise_certificate(&fingerprint).ok_or_else(|| Failure::Login {
        reason: "CERTIFICATE_UNKNOWN",
        message: format!(
            "Request is not permitted. The certificate with the SHA-256 fingerprint {} is not in this node's list",
            hex::encode(fingerprint)
        ),
    })
}

fn member(logins: &Logins, request: &Request) -> Result<Caller, Failure> {
    let in_path = request.uri().path().strip_prefix(PATH_PROOF).map(|rest| rest.trim_end_matches('/'));
    let Some(proof) = bearer(request.headers()).or(in_path) else {
        return Err(Failure::Login {
            reason: "LOGIN_REQUIRED",
            message: "Request is not permitted. Log in (POST /auth/challenge, /auth/login) and send the token as \
                      Authorization: Bearer, or in the path as /k/TOKEN"
                .to_owned(),
        });
    };
    logins.recognise(proof).ok_or_else(|| Failure::Login {
        reason: "TOKEN_UNKNOWN",
        message: "Request is not permitted. The token or key is unknown, or its session has ended: log in again"
            .to_owned(),
    })
}

/// The proof in `Authorization: Bearer PROOF`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, proof) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| proof.trim())
}

/// A refusal before anything was read: an error of JSON-RPC without id.
pub(crate) fn refusal(status: StatusCode, failure: Failure) -> Response {
    let error = ErrorObjectOwned::from(failure);
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": error });
    let mut response = (status, Json(body)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Local is who connects over loopback by itself: neither through a proxy nor from a page in a browser.
fn local_or(other: Identity, remote: SocketAddr, headers: &HeaderMap) -> Identity {
    const FORWARDED: [HeaderName; 4] = [
        header::FORWARDED,
        header::VIA,
        HeaderName::from_static("x-forwarded-for"),
        HeaderName::from_static("x-real-ip"),
    ];
    let passed_on = FORWARDED.iter().any(|name| headers.contains_key(name));
    if remote.ip().to_canonical().is_loopback() && !passed_on && !headers.contains_key(header::ORIGIN) {
        Identity::Local
    } else {
        other
    }
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    text(headers, &header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Answers browsers that ask whether a page may call.
pub(crate) fn cors(origins: &Origins) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION])
        .max_age(std::time::Duration::from_secs(600));
    match origins {
        Origins::None => layer,
        Origins::Any => layer.allow_origin(tower_http::cors::Any),
        Origins::List(_) => {
            let origins = origins.clone();
            layer.allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _| {
                origin.to_str().is_ok_and(|origin| origins.admit(origin))
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use aurum_chain::Identity;
    use axum::{
        body::Body,
        extract::Request,
        http::{HeaderMap, HeaderName, HeaderValue, header},
    };

    use super::{Policy, Remote, bearer, caller, local_or};

    #[test]
    fn only_who_connects_itself_over_loopback_is_local() {
        let plain = HeaderMap::new();
        let with = |name| HeaderMap::from_iter([(name, HeaderValue::from_static("x"))]);
        let cases = [
            ("127.0.0.1:5", plain.clone(), Identity::Local),
            ("[::1]:5", plain.clone(), Identity::Local),
            ("10.0.0.1:5", plain, Identity::Anonymous),
            ("127.0.0.1:5", with(header::ORIGIN), Identity::Anonymous),
            ("127.0.0.1:5", with(header::FORWARDED), Identity::Anonymous),
            ("127.0.0.1:5", with("x-forwarded-for".parse().unwrap()), Identity::Anonymous),
        ];
        for (remote, headers, expected) in cases {
            let identity = local_or(Identity::Anonymous, remote.parse().unwrap(), &headers);
            assert_eq!(identity, expected, "{remote} {headers:?}");
        }
    }

    #[test]
    fn a_listeners_policy_says_who_a_caller_without_proof_is() {
        let (near, far): (SocketAddr, SocketAddr) = ("127.0.0.1:5".parse().unwrap(), "10.0.0.1:5".parse().unwrap());
        let cases = [
            (Policy::Open { administers: true }, Identity::Local, Identity::Anonymous),
            (Policy::Open { administers: false }, Identity::Anonymous, Identity::Anonymous),
            (Policy::Public, Identity::Public, Identity::Public),
            (Policy::Admin, Identity::Local, Identity::Stranger),
        ];
        for (policy, at_home, abroad) in cases {
            let identity = |address| {
                let remote = Remote { address, certificate: None };
                caller(&policy, remote, &Request::new(Body::empty())).unwrap().identity()
            };
            assert_eq!((identity(near), identity(far)), (at_home, abroad), "{policy:?}");
        }
    }

    #[test]
    fn a_bearer_is_read_whatever_the_case_of_its_scheme() {
        let with = |value| HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
        assert_eq!(bearer(&with("Bearer abc")), Some("abc"));
        assert_eq!(bearer(&with("bearer  abc ")), Some("abc"));
        assert_eq!(bearer(&with("Basic abc")), None);
        assert_eq!(bearer(&with("abc")), None);
        assert_eq!(
            bearer(&HeaderMap::from_iter([(HeaderName::from_static("x"), HeaderValue::from_static("y"))])),
            None
        );
    }
}
