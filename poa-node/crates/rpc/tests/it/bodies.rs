//! Around JSON-RPC: bodies that do not come, and what HTTP's refusals say.

use std::{net::SocketAddr, time::Duration};

use aurum_rpc::{Access, Hosts, Limits, ListenerConfig, RpcConfig};
use futures::future::join_all;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    access::{account, address, listener, login_config, members, soon},
    common::{Server, config, kit::Kit},
};

/// Sends the head of a POST, and then its body byte by byte until the server ends the connection; what it answered.
async fn byte_by_byte(at: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(at).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let read = timeout(Duration::from_millis(5), socket.read_buf(&mut answer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return String::from_utf8(answer).unwrap();
        }
        // It may have ended meanwhile, which the next read tells.
        let _ = socket.write_all(b" ").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_byte_by_byte_ends_its_connection() {
    let limits = Limits { body_time: Duration::from_millis(100), ..Limits::default() };
    let logins = ListenerConfig { limits: limits.clone(), ..members() };
    let config = RpcConfig { limits, listeners: vec![logins], ..config() };
    let server = Server::with(Kit::new(1), config, |services| services).await;
    let (open, logins) = (server.handle.http.unwrap(), address(&server, "members"));
    for (at, path) in [(open, "/"), (logins, "/auth/challenge"), (logins, "/auth/login"), (logins, "/auth/logout")] {
        let answer = soon(byte_by_byte(at, path)).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/json"), "{path}: {head}");
        let body: Value = serde_json::from_str(body).unwrap();
        let expected = json!({
            "code": -32005,
            "message": "the body of the request did not come within 0.1 s",
            "data": { "reason": "TIME_LIMIT" },
        });
        assert_eq!((&body["error"], &body["id"]), (&expected, &Value::Null), "{path}");
    }
}

/// Fails the test unless the answer has this status and is an error of JSON-RPC with this code.
async fn check(request: RequestBuilder, status: StatusCode, code: i64) {
    check_response(request.send().await.unwrap(), status, code).await;
}

async fn check_response(response: Response, status: StatusCode, code: i64) {
    let what = format!("{status} for {}", response.url());
    assert_eq!(response.status(), status, "{what}");
    assert_eq!(response.headers()["content-type"], "application/json", "{what}");
    check_error(&response.bytes().await.unwrap(), code);
}

fn check_error(body: &[u8], code: i64) {
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&body["jsonrpc"], &body["id"], &body["error"]["code"]), (&json!("2.0"), &Value::Null, &json!(code)));
    // What a login lacks is not about a method.
    if code != -32602 {
        crate::reference::words::check("eth_chainId", &body["error"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_http_is_an_error_of_json_rpc() {
    let logins = listener(Access::Members { login: login_config(), own_transactions_only: false });
    let config = RpcConfig { hosts: Hosts::parse("node.example"), listeners: vec![logins], ..config() };
    let server = Server::with(Kit::new(1), config, |services| services).await;
    let (client, open) = (Client::new(), server.url());
    let logins = format!("http://{}", address(&server, "members"));
    let post = |url: String| client.post(url).header("content-type", "application/json");

    check(post(format!("{logins}/")).body("{}"), StatusCode::UNAUTHORIZED, -40100).await;
    check(post(format!("{logins}/k/{}", "0".repeat(64))).body("{}"), StatusCode::UNAUTHORIZED, -40100).await;
    check(post(open.clone()).header("host", "evil.example").body("{}"), StatusCode::FORBIDDEN, -40100).await;
    for path in ["/nothing", "/k/0123"] {
        check(post(format!("{open}{path}")).body("{}"), StatusCode::NOT_FOUND, -32600).await;
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        check(client.request(method, &open), StatusCode::METHOD_NOT_ALLOWED, -32600).await;
    }
    check(client.get(format!("{logins}/auth/login")), StatusCode::METHOD_NOT_ALLOWED, -32600).await;
    check(post(format!("{open}/health")).body("{}"), StatusCode::METHOD_NOT_ALLOWED, -32600).await;
    for (url, length) in [(open.clone(), 6 << 20), (format!("{logins}/auth/login"), 20_000)] {
        check(post(url).body("x".repeat(length)), StatusCode::PAYLOAD_TOO_LARGE, -32005).await;
    }
    let text = client.post(&open).header("content-type", "text/plain").body("{}");
    check(text, StatusCode::UNSUPPORTED_MEDIA_TYPE, -32600).await;
    check(post(format!("{logins}/auth/challenge")).body("{}"), StatusCode::BAD_REQUEST, -32602).await;
    let upgrade = || client.get(&open).header("connection", "Upgrade").header("upgrade", "websocket");
    check(upgrade(), StatusCode::BAD_REQUEST, -32600).await;
    check(upgrade().header("origin", "http://evil.example"), StatusCode::FORBIDDEN, -40100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_short_is_refused() {
    let server = Server::start(Kit::new(1)).await;
    let mut socket = TcpStream::connect(server.handle.http.unwrap()).await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
                   transfer-encoding: chunked\r\n\r\n2\r\n{}\r\nno length\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    check_error(body.as_bytes(), -32600);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_come_too_fast_are_refused_in_json_rpc() {
    let server = Server::with(Kit::new(1), RpcConfig { listeners: vec![members()], ..config() }, |services| services);
    let server = server.await;
    let client = Client::new();
    let ask = || {
        let challenge = client.post(format!("http://{}/auth/challenge", address(&server, "members")));
        challenge.body(json!({ "address": account(0) }).to_string())
    };
    // Of one address: twenty at once, four of them at a time, and five a second.
    let refused = soon(async {
        loop {
            let answers = join_all((0..64).map(|_| ask().send())).await.into_iter().map(Result::unwrap);
            if let Some(refused) = answers.into_iter().find(|answer| answer.status() != StatusCode::OK) {
                return refused;
            }
        }
    });
    check_response(refused.await, StatusCode::TOO_MANY_REQUESTS, -32005).await;
}
