//! Who may come in at all: names of this node, pages of browsers, and who a caller is.

use std::{net::SocketAddr, sync::Arc};

use aurum_chain::Identity;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    config::{Hosts, Origins},
    layer::Transport,
    server::Remote,
};

/// What every request is measured against.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) hosts: Hosts,
    pub(crate) origins: Origins,
}

/// Refuses strange `Host` names (DNS rebinding) and pages that may not open a WebSocket (browsers do not apply CORS to
/// those), and notes who is asking.
pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(Remote(remote)): ConnectInfo<Remote>,
    mut request: Request,
    next: Next,
) -> Response {
    let host = text(request.headers(), &header::HOST).or_else(|| request.uri().host());
    if let Some(host) = host
        && !guard.hosts.admit(host)
    {
        let message = format!("Host {host:?} is not a name of this node; add it with --jsonrpc-hosts.\n");
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    let upgrade = is_upgrade(request.headers());
    if upgrade
        && let Some(origin) = text(request.headers(), &header::ORIGIN)
        && !guard.origins.admit(origin)
    {
        let message = format!("Pages of {origin:?} may not call this node; add it with --ws-origins.\n");
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    let identity = identity(remote, request.headers());
    let transport = if upgrade { Transport::WebSocket } else { Transport::Http };
    request.extensions_mut().insert(identity);
    request.extensions_mut().insert(transport);
    next.run(request).await
}

/// Local is who connects over loopback by itself: neither through a proxy nor from a page in a browser.
fn identity(remote: SocketAddr, headers: &HeaderMap) -> Identity {
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
        Identity::Anonymous
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
    use aurum_chain::Identity;
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::identity;

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
            assert_eq!(identity(remote.parse().unwrap(), &headers), expected, "{remote} {headers:?}");
        }
    }
}
