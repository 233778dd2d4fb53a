//! What the body of a POST is said to be.

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    response::Response,
};

use crate::{error::Failure, guard::refusal};

/// geth's (`acceptedContentTypes` in rpc/http.go), with whatever parameters.
const ACCEPTED: [&str; 3] = ["application/json", "application/json-rpc", "application/jsonrequest"];

/// Refuses a POST that is not said to be JSON, as geth does: a page in a browser may send other types, and none at all,
/// without asking first. What passes is said to be JSON as everything behind this spells it.
pub(crate) fn check(request: &mut Request) -> Option<Response> {
    if request.method() != Method::POST {
        return None;
    }
    let given = request.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("something else"));
    let essence = given.and_then(|value| value.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| ACCEPTED.iter().any(|accepted| accepted.eq_ignore_ascii_case(essence))) {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(ACCEPTED[0]));
        return None;
    }
    let given = given.map_or("has no such header".to_owned(), |value| format!("says {value:?}"));
    let failure = Failure::Request(format!(
        "invalid content type, only application/json is supported: send the header \"Content-Type: application/json\"; \
         this request {given}"
    ));
    Some(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, failure))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn post(kind: Option<&str>) -> Request {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::POST;
        if let Some(kind) = kind {
            request.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        request
    }

    #[test]
    fn json_by_any_of_its_names_passes_and_is_called_by_one() {
        for kind in
            ["application/json", "Application/JSON;charset=utf8", "application/json-rpc", "application/jsonrequest"]
        {
            let mut request = post(Some(kind));
            assert!(check(&mut request).is_none(), "{kind}");
            assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        }
    }

    #[test]
    fn what_a_page_may_send_without_asking_is_refused() {
        let kinds = ["text/plain", "application/x-www-form-urlencoded", "text/plain;application/json", "", "é"];
        for kind in kinds.map(Some).into_iter().chain([None]) {
            let refused = check(&mut post(kind)).expect("refused");
            assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind:?}");
        }
        // An upgrade to WebSocket has no body.
        assert!(check(&mut Request::new(Body::empty())).is_none());
    }
}
