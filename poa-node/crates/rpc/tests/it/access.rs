//! Listeners with a policy: who logs in, who reads, how much, and when it ends.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    common::{
        Server, config,
        kit::{Kit, key, transaction, transfer},
        logger,
    },
    sends::Dev,
};
use alloy::{
    eips::eip2718::Encodable2718,
    hex,
    primitives::{Address, Bytes, TxKind, eip191_hash_message},
    sol_types::SolCall,
};
use aurum_aura::Signer;
use aurum_contracts::{
    Permissions,
    genesis::{PERMISSIONS, PermissionsGenesis, permissions},
    rights,
};
use aurum_rpc::{
    Access, Apis, Hosts, Limits, ListenerConfig, LoginConfig, Origins, Quota, RpcConfig, ServiceList, Services,
};
use aurum_types::Transaction;
use futures::{Sink, SinkExt, Stream, StreamExt};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

const DOMAIN: &str = "rpc.acme.example";
/// Whose key may do everything, and gives rights.
pub const ADMIN: usize = 0;
/// Whose key may read and send.
pub const MEMBER: usize = 5;
/// Whose key may read.
pub const READER: usize = 6;
/// Whose key may do nothing.
pub const NOBODY: usize = 7;

pub fn account(index: usize) -> Address {
    key(index).address()
}

/// A chain that gives strangers `default_rights`.
pub fn kit(default_rights: u32) -> Kit {
    Kit::with(1, |spec| {
        let accounts = permissions(&PermissionsGenesis {
            admins: &[account(ADMIN)],
            threshold: 1,
            default_rights,
            entries: &[
                (account(ADMIN), rights::ALL),
                (account(MEMBER), rights::READ | rights::BASIC | rights::CALL),
                (account(READER), rights::READ),
                (account(NOBODY), 0),
            ],
        });
        for (address, account) in accounts.expect("a valid genesis") {
            spec["accounts"][address.to_string()] =
                json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
        }
        spec["params"]["transactionPermissionContract"] = json!(PERMISSIONS);
        spec["params"]["transactionPermissionContractTransition"] = json!(0);
    })
}

/// Gives an account other rights, in a block of its own.
pub fn set_rights(server: &Server, nonce: u64, of: Address, rights: u32) {
    let set = Permissions::setRightsCall { accounts: vec![of], rights: vec![rights] }.abi_encode();
    let propose = Permissions::proposeCall { target: PERMISSIONS, data: set.into() }.abi_encode();
    server.mine(&[transaction(&key(ADMIN), nonce, TxKind::Call(PERMISSIONS), 0, propose.into())]);
}

pub fn listener(access: Access) -> ListenerConfig {
    ListenerConfig {
        access,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        tls: None,
        apis: Apis::all(),
        cors: Origins::None,
        hosts: Hosts::default(),
        limits: Limits::default(),
        quota: None,
    }
}

pub fn login_config() -> LoginConfig {
    LoginConfig {
        domains: vec![DOMAIN.to_owned()],
        token_ttl: Duration::from_secs(3600),
        api_keys: ServiceList::default(),
        certificates: None,
    }
}

pub fn members() -> ListenerConfig {
    listener(Access::Members { login: login_config(), own_transactions_only: false })
}

pub async fn serve(kit: Kit, listeners: Vec<ListenerConfig>) -> Server {
    let config = RpcConfig { listeners, ..config() };
    Server::with(kit, config, |services| Services { dev: Some(Arc::new(Dev)), ..services }).await
}

pub fn address(server: &Server, name: &str) -> SocketAddr {
    server.handle.listeners.iter().find(|listener| listener.name == name).expect("is served").address
}

/// Status and body of a POST.
pub async fn post(url: String, bearer: Option<&str>, body: &Value) -> (StatusCode, Value) {
    let mut request = Client::new().post(url).header("content-type", "application/json").body(body.to_string());
    if let Some(token) = bearer {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("answers");
    let status = response.status();
    (status, serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON"))
}

pub fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The answer of a listener to one call: `result`, or `error`.
pub async fn call(
    server: &Server,
    name: &str,
    token: Option<&str>,
    method: &str,
    params: Value,
) -> Result<Value, Value> {
    let (_, mut answer) = post(format!("http://{}/", address(server, name)), token, &request(method, &params)).await;
    match answer.get_mut("error") {
        Some(error) => Err(error.take()),
        None => Ok(answer["result"].take()),
    }
}

pub fn reason(error: &Value) -> (i64, &str) {
    (error["code"].as_i64().unwrap_or_default(), error["data"]["reason"].as_str().unwrap_or_default())
}

/// `personal_sign` of the kit's key.
fn personal_sign(by: usize, text: &str) -> Bytes {
    let mut signature = key(by).sign(eip191_hash_message(text)).expect("signs");
    signature[64] += 27;
    signature.into()
}

async fn challenge(server: &Server, of: usize) -> String {
    let url = format!("http://{}/auth/challenge", address(server, "members"));
    let (status, answer) = post(url, None, &json!({ "address": account(of) })).await;
    assert_eq!((status, &answer["chainId"], &answer["domain"]), (StatusCode::OK, &json!(2026), &json!(DOMAIN)));
    answer["message"].as_str().expect("a message").to_owned()
}

async fn log_in_with(server: &Server, by: usize, message: &str) -> (StatusCode, Value) {
    let url = format!("http://{}/auth/login", address(server, "members"));
    post(url, None, &json!({ "message": message, "signature": personal_sign(by, message) })).await
}

/// The token of a login with key number `by`.
pub async fn log_in(server: &Server, by: usize) -> String {
    let message = challenge(server, by).await;
    let (status, answer) = log_in_with(server, by, &message).await;
    assert_eq!((status, &answer["address"]), (StatusCode::OK, &json!(account(by))), "{answer}");
    answer["token"].as_str().expect("a token").to_owned()
}

pub type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("within ten seconds")
}

pub async fn connect(server: &Server, token: &str) -> Socket {
    let url = format!("ws://{}/k/{token}", address(server, "members"));
    soon(connect_async(url)).await.expect("a WebSocket").0
}

/// The next JSON message.
pub async fn next<S: Stream<Item = Result<Message, Error>> + Unpin>(socket: &mut S) -> Value {
    loop {
        match soon(socket.next()).await.expect("open").expect("a message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until the server closes the connection.
pub async fn closed<S: Stream<Item = Result<Message, Error>> + Unpin>(socket: &mut S) {
    loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            Some(Ok(other)) => panic!("{other:?}"),
        }
    }
}

pub async fn ask<S>(socket: &mut S, method: &str, params: Value) -> Value
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    socket.send(Message::text(request(method, &params).to_string())).await.expect("sends");
    next(socket).await
}

pub fn raw(tx: &Transaction) -> Value {
    json!([Bytes::from(tx.encoded_2718())])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_reads_by_header_and_by_path_until_the_logout() {
    let server = serve(kit(0), vec![members()]).await;
    let at = address(&server, "members");
    let chain_id = request("eth_chainId", &json!([]));
    let (status, refused) = post(format!("http://{at}/"), None, &chain_id).await;
    assert_eq!((status, reason(&refused["error"])), (StatusCode::UNAUTHORIZED, (-40100, "LOGIN_REQUIRED")));

    let token = log_in(&server, READER).await;
    for (url, bearer) in [
        (format!("http://{at}/"), Some(token.as_str())),
        (format!("http://{at}/k/{token}"), None),
        (format!("http://{at}/k/{token}/"), None),
    ] {
        let (status, answer) = post(url, bearer, &chain_id).await;
        assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!("0x7ea")), "{answer}");
    }
    let (status, refused) = post(format!("http://{at}/k/{}", "0".repeat(64)), None, &chain_id).await;
    assert_eq!((status, reason(&refused["error"])), (StatusCode::UNAUTHORIZED, (-40100, "TOKEN_UNKNOWN")));

    let logout = format!("http://{at}/auth/logout");
    assert_eq!(post(logout.clone(), Some(&token), &json!({})).await.1, json!({ "loggedOut": true }));
    assert_eq!(post(logout, Some(&token), &json!({})).await.0, StatusCode::UNAUTHORIZED);
    let refused = call(&server, "members", Some(&token), "eth_chainId", json!([])).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "TOKEN_UNKNOWN"));
    // A token opens no other door, and other doors are as they were.
    let elsewhere = Client::new().post(format!("{}/k/{token}", server.url())).body(chain_id.to_string()).send().await;
    assert_eq!(elsewhere.unwrap().status(), StatusCode::NOT_FOUND);
    server.ok("eth_chainId", json!([])).await;
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_holds_a_token() {
    let server = serve(kit(0), vec![members()]).await;
    let (by_path, by_header) = (log_in(&server, READER).await, log_in(&server, READER).await);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    subscriber.with_writer(move || writer.clone()).init();
    // By hand: a client would log what it sends.
    let body = request("eth_chainId", &json!([])).to_string();
    for (path, header) in [(format!("/k/{by_path}"), String::new()), ("/".to_owned(), by_header.clone())] {
        let mut stream = tokio::net::TcpStream::connect(address(&server, "members")).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {header}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let head = if header.is_empty() { head.replace("authorization: Bearer \r\n", "") } else { head };
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains("0x7ea"), "{answer}");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("eth_chainId"), "something is logged: {log}");
    assert!(!log.contains(&by_path) && !log.contains(&by_header));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered_once_by_its_account_for_this_listener() {
    let server = serve(kit(0), vec![members()]).await;
    let message = challenge(&server, MEMBER).await;
    let (status, refused) = log_in_with(&server, READER, &message).await;
    assert_eq!((status, reason(&refused["error"])), (StatusCode::UNAUTHORIZED, (-40100, "WRONG_SIGNATURE")));
    assert_eq!(log_in_with(&server, MEMBER, &message).await.0, StatusCode::OK);
    let (status, refused) = log_in_with(&server, MEMBER, &message).await;
    assert_eq!((status, reason(&refused["error"])), (StatusCode::UNAUTHORIZED, (-40100, "NONCE_USED")));

    for (from, to, expected) in [
        (DOMAIN, "evil.example", "WRONG_DOMAIN"),
        ("Chain ID: 2026", "Chain ID: 1", "WRONG_CHAIN"),
        ("Expiration Time: 202", "Expiration Time: 200", "MESSAGE_EXPIRED"),
        ("Nonce: ", "Nonce: 0", "NONCE_UNKNOWN"),
        ("Version: 1", "Version: 2", "MESSAGE_MALFORMED"),
    ] {
        let message = challenge(&server, MEMBER).await.replacen(from, to, 1);
        let (status, refused) = log_in_with(&server, MEMBER, &message).await;
        assert_eq!((status, reason(&refused["error"])), (StatusCode::UNAUTHORIZED, (-40100, expected)));
    }
    // Who has no right at all gets no token.
    let message = challenge(&server, NOBODY).await;
    let (status, refused) = log_in_with(&server, NOBODY, &message).await;
    assert_eq!((status, reason(&refused["error"])), (StatusCode::FORBIDDEN, (-40100, "NO_RIGHTS")));
    let url = format!("http://{}/auth/login", address(&server, "members"));
    let (status, refused) = post(url, None, &json!({ "message": 1 })).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32602)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_answers_who_is_not_or_not_any_more_logged_in() {
    let server = serve(kit(0), vec![members()]).await;
    let methods = server.handle.listeners[0].methods.clone();
    assert!(methods.len() > 60 && methods.contains(&"eth_subscribe") && methods.contains(&"evm_mine"));
    for method in &methods {
        let refused = call(&server, "members", None, method, json!([])).await.unwrap_err();
        assert_eq!(reason(&refused), (-40100, "LOGIN_REQUIRED"), "{method}");
    }
    // A connection that was opened with a token is worth what the token is.
    let token = log_in(&server, READER).await;
    let mut socket = connect(&server, &token).await;
    assert_eq!(ask(&mut socket, "eth_chainId", json!([])).await["result"], "0x7ea");
    post(format!("http://{}/auth/logout", address(&server, "members")), Some(&token), &json!({})).await;
    let batch = methods.iter().map(|method| request(method, &json!([])));
    socket.send(Message::text(Value::from_iter(batch).to_string())).await.unwrap();
    let answers = next(&mut socket).await;
    let answers = answers.as_array().expect("an answer to each");
    assert_eq!(answers.len(), methods.len());
    for (method, refused) in methods.iter().zip(answers) {
        assert_eq!(reason(&refused["error"]), (-40100, "LOGIN_REQUIRED"), "{method}");
    }
    closed(&mut socket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_the_permission_contract() {
    let server = serve(kit(0), vec![members()]).await;
    let token = log_in(&server, READER).await;
    let mut before = connect(&server, &token).await;
    assert_eq!(ask(&mut before, "eth_blockNumber", json!([])).await["result"], "0x0");
    set_rights(&server, 0, account(READER), 0);
    closed(&mut before).await;
    // Who could not read when the connection began did not lose anything by it.
    let mut socket = connect(&server, &token).await;
    for method in server.handle.listeners[0].methods.clone() {
        // jsonrpsee's own: it ends a subscription of this connection, of which there is none.
        if method == "eth_unsubscribe" {
            continue;
        }
        let refused = ask(&mut socket, method, json!(["newHeads"])).await;
        let (code, reason) = reason(&refused["error"]);
        assert_eq!(code, -40100, "{method}: {refused}");
        assert!(["READ_DENIED", "NO_RIGHTS", "ADMIN_NOT_LOCAL"].contains(&reason), "{method}: {refused}");
    }
    // Also where transactions are taken in by a way of their own.
    let sent = raw(&transfer(&key(MEMBER), 0, Address::repeat_byte(9), 0));
    let refused = call(&server, "members", Some(&token), "eth_sendRawTransaction", sent).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "NO_RIGHTS"));
    let refused = call(&server, "members", Some(&token), "eth_getLogs", json!([{}])).await.unwrap_err();
    assert_eq!(
        refused["data"],
        json!({ "reason": "READ_DENIED", "needed": "read", "contract": PERMISSIONS, "block": 1 })
    );
    set_rights(&server, 1, account(READER), rights::READ);
    assert_eq!(ask(&mut socket, "eth_blockNumber", json!([])).await["result"], "0x2", "the login itself still stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_reader_loses_subscriptions_and_filters_with_that_block() {
    let server = serve(kit(rights::READ), vec![members()]).await;
    let (removed, stays) = (log_in(&server, MEMBER).await, log_in(&server, READER).await);
    let (mut of_removed, mut of_stays) = (connect(&server, &removed).await, connect(&server, &stays).await);
    let mut subscriptions = Vec::new();
    for topic in [json!(["newHeads"]), json!(["logs", {}]), json!(["newPendingTransactions"]), json!(["syncing"])] {
        let accepted = ask(&mut of_removed, "eth_subscribe", topic).await;
        subscriptions.push(accepted["result"].as_str().unwrap_or_else(|| panic!("{accepted}")).to_owned());
    }
    let heads = ask(&mut of_stays, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    let filter = call(&server, "members", Some(&removed), "eth_newBlockFilter", json!([])).await.unwrap();
    let changes = |token, filter: Value| call(&server, "members", Some(token), "eth_getFilterChanges", json!([filter]));
    let other = changes(&stays, filter.clone()).await.unwrap_err();
    assert_eq!(other["message"], "filter not found", "a filter is its account's");
    assert_eq!(changes(&removed, filter.clone()).await.unwrap(), json!([]));

    set_rights(&server, 0, account(MEMBER), rights::BASIC);
    let mut ended = Vec::new();
    while ended.len() < subscriptions.len() {
        let message = next(&mut of_removed).await;
        let params = &message["params"];
        // The first word of `syncing` was on its way before.
        if params["result"] == json!(false) {
            continue;
        }
        assert_eq!(message["method"], "eth_subscription");
        assert_eq!(reason(&params["error"]), (-40100, "READ_DENIED"), "{message}");
        assert_eq!(params["error"]["data"]["block"], 1);
        ended.push(params["subscription"].as_str().expect("an id").to_owned());
    }
    ended.sort();
    subscriptions.sort();
    assert_eq!(ended, subscriptions);
    closed(&mut of_removed).await;
    let news = next(&mut of_stays).await;
    assert_eq!((&news["params"]["subscription"], &news["params"]["result"]["number"]), (&heads, &json!("0x1")));
    assert_eq!(reason(&changes(&removed, filter.clone()).await.unwrap_err()), (-40100, "READ_DENIED"));

    // Read again, but not what was missed: the filter ended with the right, whether it was polled in between or not.
    set_rights(&server, 1, account(MEMBER), rights::READ);
    assert_eq!(changes(&removed, filter).await.unwrap_err()["message"], "filter not found");
    assert_eq!(call(&server, "members", Some(&removed), "eth_blockNumber", json!([])).await, Ok(json!("0x2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself_and_its_subscription_with_it() {
    let login = LoginConfig { token_ttl: Duration::from_secs(1), ..login_config() };
    let server = serve(kit(0), vec![listener(Access::Members { login, own_transactions_only: false })]).await;
    let token = log_in(&server, READER).await;
    let mut socket = connect(&server, &token).await;
    let id = ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    let last = next(&mut socket).await;
    assert_eq!((&last["params"]["subscription"], reason(&last["params"]["error"])), (&id, (-40100, "SESSION_ENDED")));
    closed(&mut socket).await;
    let refused = call(&server, "members", Some(&token), "eth_chainId", json!([])).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "TOKEN_UNKNOWN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_has_the_rights_of_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api-keys");
    let key = hex::encode([7; 32]);
    // printf %s $key | sha256sum
    let hash = "1967c0fdaed0b8f2618d3b1f4a9f8541ed315505acc26f5a41f382da8bdd9954";
    std::fs::write(&path, format!("explorer {} {hash}\n", account(READER))).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let login = LoginConfig { api_keys: ServiceList::read(&path).unwrap(), ..login_config() };
    let server = serve(kit(0), vec![listener(Access::Members { login, own_transactions_only: false })]).await;
    assert_eq!(call(&server, "members", Some(&key), "eth_blockNumber", json!([])).await, Ok(json!("0x0")));
    let mut socket = connect(&server, &key).await;
    let id = ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    let refused = call(&server, "members", Some(&key[..63]), "eth_blockNumber", json!([])).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "TOKEN_UNKNOWN"));
    set_rights(&server, 0, account(READER), 0);
    let refused = call(&server, "members", Some(&key), "eth_blockNumber", json!([])).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "READ_DENIED"));
    let last = next(&mut socket).await;
    assert_eq!((&last["params"]["subscription"], reason(&last["params"]["error"])), (&id, (-40100, "READ_DENIED")));
    closed(&mut socket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_listener_reads_what_the_account_zero_may() {
    let server = serve(kit(rights::BASIC), vec![listener(Access::Public)]).await;
    let refused = call(&server, "public", None, "eth_blockNumber", json!([])).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "READ_DENIED"));
    let sent = transfer(&key(MEMBER), 0, Address::repeat_byte(9), 0);
    let hash = call(&server, "public", None, "eth_sendRawTransaction", raw(&sent)).await.unwrap();
    assert_eq!(hash, json!(sent.tx_hash()));
    set_rights(&server, 0, Address::ZERO, rights::READ);
    assert_eq!(call(&server, "public", None, "eth_blockNumber", json!([])).await, Ok(json!("0x1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_listener_for_administrators_administers_once_there_is_one() {
    // The test's development chain refuses to mine in its own words, which only an administrator hears.
    let mine = |error: Value| error["message"].as_str().unwrap_or_default().to_owned();
    let before = serve(kit(0), vec![members()]).await;
    assert!(mine(before.call("evm_mine", json!([])).await.unwrap_err()).contains("the test mines"));

    let server = serve(kit(0), vec![members(), listener(Access::Public), listener(Access::Admin)]).await;
    assert!(mine(call(&server, "admin", None, "evm_mine", json!([])).await.unwrap_err()).contains("the test mines"));
    let token = log_in(&server, ADMIN).await;
    let elsewhere = [
        server.call("evm_mine", json!([])).await,
        call(&server, "members", Some(&token), "evm_mine", json!([])).await,
        call(&server, "public", None, "evm_mine", json!([])).await,
    ];
    for refused in elsewhere {
        assert_eq!(reason(&refused.unwrap_err()), (-40100, "ADMIN_NOT_LOCAL"));
    }
    assert_eq!(server.ok("eth_blockNumber", json!([])).await, "0x0");
    // What came through a proxy is not of this machine.
    let url = format!("http://{}/", address(&server, "admin"));
    let proxied = Client::new().post(url).header("content-type", "application/json").header("x-forwarded-for", "::1");
    let answer = proxied.body(request("eth_chainId", &json!([])).to_string()).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["error"]["code"], -40100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_can_take_its_members_own_transactions_only() {
    let own = listener(Access::Members { login: login_config(), own_transactions_only: true });
    let server = serve(kit(0), vec![own]).await;
    let token = log_in(&server, READER).await;
    let others = transfer(&key(MEMBER), 0, Address::repeat_byte(9), 0);
    let refused = call(&server, "members", Some(&token), "eth_sendRawTransaction", raw(&others)).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "NOT_YOUR_TRANSACTION"));
    let token = log_in(&server, MEMBER).await;
    let hash = call(&server, "members", Some(&token), "eth_sendRawTransaction", raw(&others)).await.unwrap();
    assert_eq!(hash, json!(others.tx_hash()));

    let server = serve(kit(0), vec![members()]).await;
    let token = log_in(&server, READER).await;
    call(&server, "members", Some(&token), "eth_sendRawTransaction", raw(&others)).await.expect("whoever hands it in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_each_callers_own_and_says_when_to_come_back() {
    let quota = Some(Quota { per_second: 2, burst: 4, concurrent: 8 });
    let server = serve(kit(0), vec![ListenerConfig { quota, ..members() }]).await;
    let (one, other) = (log_in(&server, MEMBER).await, log_in(&server, READER).await);
    let batch = Value::from_iter((0..8).map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId" })));
    let url = format!("http://{}/", address(&server, "members"));
    let (_, answers) = post(url.clone(), Some(&one), &batch).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 8, "a refused part of a batch does not spoil the rest");
    assert_eq!(answers[0]["result"], "0x7ea");
    let refused = &answers[7]["error"];
    assert_eq!(reason(refused), (-32005, "RATE_LIMIT"), "{answers:?}");
    let after = refused["data"]["retryAfterMs"].as_u64().expect("when to come back");
    assert!((1..=500).contains(&after), "{after}");
    let sends = Value::from_iter((0..8).map(|id| {
        let raw = raw(&transfer(&key(MEMBER), id, Address::repeat_byte(9), 0));
        json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": raw })
    }));
    let (_, sent) = post(url.clone(), Some(&one), &sends).await;
    assert_eq!(reason(&sent[7]["error"]), (-32005, "RATE_LIMIT"), "transactions take their share as well: {sent}");
    // Another session of the account shares its share, another account does not.
    let again = log_in(&server, MEMBER).await;
    let (_, shared) = post(url.clone(), Some(&again), &batch).await;
    assert_eq!(reason(&shared[7]["error"]), (-32005, "RATE_LIMIT"));
    assert_eq!(call(&server, "members", Some(&other), "eth_chainId", json!([])).await, Ok(json!("0x7ea")));
    soon(async {
        while call(&server, "members", Some(&one), "eth_chainId", json!([])).await.is_err() {
            tokio::time::sleep(Duration::from_millis(after)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_has_its_own_limits_and_namespaces() {
    let limits = Limits { batch: 2, log_blocks: 2, request_bytes: 500, call_gas: 30_000, ..Limits::default() };
    let narrow = ListenerConfig { limits, apis: "eth,rpc".parse().unwrap(), ..listener(Access::Public) };
    let server = serve(kit(rights::READ), vec![narrow]).await;
    let logger = server.deploy(0, &logger());
    server.mine(&[]);
    server.mine(&[]);
    let range = json!([{ "fromBlock": "0x1", "toBlock": "0x3" }]);
    let refused = call(&server, "public", None, "eth_getLogs", range.clone()).await.unwrap_err();
    assert_eq!(refused["code"], -32005);
    assert!(refused["message"].as_str().unwrap().contains("[0x1, 0x2]"), "{refused}");
    call(&server, "public", None, "eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x3" }])).await.unwrap();
    server.ok("eth_getLogs", range).await;

    let url = format!("http://{}/", address(&server, "public"));
    let batch = Value::from_iter((0..3).map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId" })));
    assert_eq!(post(url.clone(), None, &batch).await.1["error"]["code"], -32005);
    let long = request("eth_call", &json!([{ "to": logger, "data": format!("0x{}", "00".repeat(500)) }, "latest"]));
    assert_eq!(post(url, None, &long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(call(&server, "public", None, "net_version", json!([])).await.unwrap_err()["code"], -32601);
    assert_eq!(
        call(&server, "public", None, "rpc_modules", json!([])).await,
        Ok(json!({ "eth": "1.0", "rpc": "1.0" }))
    );
    server.ok("net_version", json!([])).await;
}
