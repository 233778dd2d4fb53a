//! TLS listeners, with clients that verify the node's certificate and show their own.

use std::{path::PathBuf, sync::Arc};

use alloy::{hex, primitives::Address};
use aurum_rpc::{Access, ListenerConfig, LoginConfig, Quota, ServiceList, Tls, TlsError, TlsFiles};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use reqwest::{Client, Identity, StatusCode};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, ServerName},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{
    access::{
        READER, account, address, ask, closed, kit, listener, login_config, next, raw, reason, request, serve,
        set_rights, soon,
    },
    common::{
        Server,
        kit::{key, transfer},
    },
    endings::{ListFile, write_private},
};

/// An authority that signs certificates.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

/// A certificate with its key.
struct Holder {
    certificate: Certificate,
    key: KeyPair,
}

fn params(name: &str, alternative: &[&str]) -> CertificateParams {
    let names: Vec<_> = alternative.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Holder {
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        Holder { certificate: params.signed_by(&key, &self.certificate, &self.key).unwrap(), key }
    }

    /// The node's own.
    fn server(&self) -> Holder {
        self.sign(params("node", &["localhost"]), ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn client(&self, name: &str) -> Holder {
        self.sign(params(name, &[]), ExtendedKeyUsagePurpose::ClientAuth)
    }
}

impl Holder {
    /// A line of the node's list.
    fn line(&self, name: &str, of: Address) -> String {
        format!("{name} {of} {}\n", self.fingerprint())
    }

    fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.certificate.der()))
    }
}

/// The files of a listener.
struct Files {
    folder: TempDir,
    files: TlsFiles,
}

impl Files {
    fn new(own: &Holder, client_ca: Option<&Authority>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = TlsFiles {
            certificate: path("node.pem"),
            key: path("node.key"),
            client_ca: client_ca.map(|_| path("clients.pem")),
        };
        let all = Self { files, folder };
        all.put("node.pem", &own.certificate.pem());
        all.put("node.key", &own.key.serialize_pem());
        if let Some(authority) = client_ca {
            all.put("clients.pem", &authority.certificate.pem());
        }
        all
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let (path, next) = (self.folder.path().join(name), self.folder.path().join("next"));
        write_private(&next, text);
        std::fs::rename(next, &path).unwrap();
        path
    }

    fn tls(&self) -> Tls {
        Tls::read(self.files.clone()).unwrap()
    }
}

/// Members that are known by their certificates.
fn by_certificate(files: &Files, list: &ListFile) -> ListenerConfig {
    let login = LoginConfig { certificates: Some(ServiceList::read(&list.path).unwrap()), ..login_config() };
    let access = Access::Members { login, own_transactions_only: false };
    ListenerConfig { tls: Some(files.tls()), ..listener(access) }
}

/// A client over HTTP that trusts one authority.
fn client(trusted: &Authority, holder: Option<&Holder>) -> Client {
    let trusted = reqwest::Certificate::from_pem(trusted.certificate.pem().as_bytes()).unwrap();
    let mut builder = Client::builder().tls_certs_only([trusted]);
    if let Some(holder) = holder {
        let pem = holder.key.serialize_pem() + &holder.certificate.pem();
        builder = builder.identity(Identity::from_pem(pem.as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

fn url(server: &Server) -> String {
    format!("https://localhost:{}/", address(server, "members").port())
}

/// Status and answer, or that there was no connection to ask over.
async fn call(client: &Client, server: &Server, method: &str, params: Value) -> Result<(StatusCode, Value), String> {
    let body = request(method, &params).to_string();
    let response = client.post(url(server)).header("content-type", "application/json").body(body).send().await;
    let response = response.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(|error| format!("{error:?}"))?;
    Ok((status, serde_json::from_slice(&bytes).expect("JSON")))
}

async fn block_number(client: &Client, server: &Server) -> Result<(StatusCode, Value), String> {
    call(client, server, "eth_blockNumber", json!([])).await
}

/// A TLS connection, shaken hands.
async fn handshake(server: &Server, trusted: &Authority, holder: Option<&Holder>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.certificate.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let config = match holder {
        None => config.with_no_client_auth(),
        Some(holder) => {
            let key = PrivateKeyDer::try_from(holder.key.serialize_der()).unwrap();
            config.with_client_auth_cert(vec![holder.certificate.der().clone()], key).unwrap()
        }
    };
    let stream = TcpStream::connect(address(server, "members")).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("the node's certificate is right")
}

async fn connect(server: &Server, trusted: &Authority, holder: &Holder) -> WebSocketStream<TlsStream<TcpStream>> {
    let stream = handshake(server, trusted, Some(holder)).await;
    let url = format!("wss://localhost:{}/", address(server, "members").port());
    soon(client_async(url, stream)).await.expect("a WebSocket").0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_with_a_certificate_serves_logins_over_tls_and_nothing_in_the_clear() {
    let authority = Authority::new("Acme");
    let files = Files::new(&authority.server(), None);
    let members = listener(Access::Members { login: login_config(), own_transactions_only: false });
    let server = serve(kit(0), vec![ListenerConfig { tls: Some(files.tls()), ..members }]).await;
    let (status, refused) = block_number(&client(&authority, None), &server).await.unwrap();
    assert_eq!((status, reason(&refused["error"])), (StatusCode::UNAUTHORIZED, (-40100, "LOGIN_REQUIRED")));
    let stranger = block_number(&client(&Authority::new("Another"), None), &server).await.unwrap_err();
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");

    let mut plain = TcpStream::connect(address(&server, "members")).await.unwrap();
    plain.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let mut answer = Vec::new();
    // An alert of TLS, or the end of the connection.
    let _ = soon(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_listeners_authority_is_needed() {
    let (nodes, clients, others) = (Authority::new("Nodes"), Authority::new("Clients"), Authority::new("Others"));
    let files = Files::new(&nodes.server(), Some(&clients));
    let foreign = others.client("foreign");
    let list = ListFile::new(&foreign.line("foreign", account(READER)));
    let server = serve(kit(0), vec![by_certificate(&files, &list)]).await;
    block_number(&client(&nodes, None), &server).await.unwrap_err();
    // Listed, but not of the authority.
    block_number(&client(&nodes, Some(&foreign)), &server).await.unwrap_err();
    // Of the authority, but for servers.
    let wrong_use = clients.server();
    list.replace(&wrong_use.line("server", account(READER)));
    block_number(&client(&nodes, Some(&wrong_use)), &server).await.unwrap_err();
    // In TLS 1.3 a client learns of it when it reads.
    let mut stream = handshake(&server, &nodes, None).await;
    let refused = soon(stream.read_u8()).await.unwrap_err();
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_certificate_has_the_rights_of_its_account_and_an_unlisted_one_hears_why_not() {
    let (nodes, clients) = (Authority::new("Nodes"), Authority::new("Clients"));
    let files = Files::new(&nodes.server(), Some(&clients));
    let (explorer, stranger) = (clients.client("explorer"), clients.client("stranger"));
    let list = ListFile::new(&explorer.line("explorer", account(READER)));
    let server = serve(kit(0), vec![by_certificate(&files, &list)]).await;
    let (known, unknown) = (client(&nodes, Some(&explorer)), client(&nodes, Some(&stranger)));
    let (status, answer) = block_number(&known, &server).await.unwrap();
    assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!("0x0")));

    let (status, refused) = block_number(&unknown, &server).await.unwrap();
    assert_eq!((status, reason(&refused["error"])), (StatusCode::FORBIDDEN, (-40100, "CERTIFICATE_UNKNOWN")));
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains(&stranger.fingerprint()), "the operator's line can be made of it: {message}");
    // Health is everybody's with a certificate of the authority; nobody logs in here.
    let health = unknown.get(url(&server) + "health").send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    let login = known.post(url(&server) + "auth/challenge").body("{}").send().await.unwrap();
    assert_eq!(login.status(), StatusCode::NOT_FOUND);

    // READER may not send, and reads no more once the right is gone.
    let sent = raw(&transfer(&key(READER), 0, Address::repeat_byte(9), 0));
    let (_, refused) = call(&known, &server, "eth_sendRawTransaction", sent).await.unwrap();
    assert_eq!(refused["error"]["code"], -32010, "{refused}");
    let mut socket = connect(&server, &nodes, &explorer).await;
    assert_eq!(ask(&mut socket, "eth_blockNumber", json!([])).await["result"], "0x0");
    set_rights(&server, 0, account(READER), 0);
    closed(&mut socket).await;
    let (_, refused) = block_number(&known, &server).await.unwrap();
    assert_eq!(reason(&refused["error"]), (-40100, "READ_DENIED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_taken_out_ends_its_connections() {
    let (nodes, clients) = (Authority::new("Nodes"), Authority::new("Clients"));
    let files = Files::new(&nodes.server(), Some(&clients));
    let (gone, stays) = (clients.client("gone"), clients.client("stays"));
    let rest = stays.line("stays", account(READER));
    let list = ListFile::new(&(gone.line("gone", account(READER)) + &rest));
    let server = serve(kit(0), vec![by_certificate(&files, &list)]).await;
    let mut of_gone = connect(&server, &nodes, &gone).await;
    let mut of_stays = connect(&server, &nodes, &stays).await;
    let kept_alive = client(&nodes, Some(&gone));
    assert_eq!(block_number(&kept_alive, &server).await.unwrap().0, StatusCode::OK);
    let id = ask(&mut of_gone, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    list.replace(&rest);
    let last = next(&mut of_gone).await;
    assert_eq!((&last["params"]["subscription"], reason(&last["params"]["error"])), (&id, (-40100, "SERVICE_REMOVED")));
    closed(&mut of_gone).await;
    let (_, refused) = block_number(&kept_alive, &server).await.unwrap();
    assert_eq!(reason(&refused["error"]), (-40100, "CERTIFICATE_UNKNOWN"));
    assert_eq!(ask(&mut of_stays, "eth_blockNumber", json!([])).await["result"], "0x0");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_certificate_has_its_own_share() {
    let (nodes, clients) = (Authority::new("Nodes"), Authority::new("Clients"));
    let files = Files::new(&nodes.server(), Some(&clients));
    let (greedy, modest) = (clients.client("greedy"), clients.client("modest"));
    // Both for one account: the share is the certificate's.
    let list = ListFile::new(&(greedy.line("greedy", account(READER)) + &modest.line("modest", account(READER))));
    let quota = Some(Quota { per_second: 1, burst: 3, concurrent: 8 });
    let server = serve(kit(0), vec![ListenerConfig { quota, ..by_certificate(&files, &list) }]).await;
    let batch = Value::from_iter((0..8).map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId" })));
    let greedy = client(&nodes, Some(&greedy));
    let request = greedy.post(url(&server)).header("content-type", "application/json").body(batch.to_string());
    let answers: Value = serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(reason(&answers[7]["error"]), (-32005, "RATE_LIMIT"), "{answers}");
    let (_, answer) = block_number(&client(&nodes, Some(&modest)), &server).await.unwrap();
    assert_eq!(answer["result"], "0x0");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_keep_nobody_out() {
    let authority = Authority::new("Acme");
    let files = Files::new(&authority.server(), None);
    let members = listener(Access::Members { login: login_config(), own_transactions_only: false });
    let mut members = ListenerConfig { tls: Some(files.tls()), ..members };
    members.limits.connections = 8;
    let server = serve(kit(0), vec![members]).await;
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(address(&server, "members")).await.unwrap());
        let (status, _) = block_number(&client(&authority, None), &server).await.unwrap();
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    // The oldest were given up for those that came after.
    assert_eq!(soon(silent[0].read(&mut [0; 1])).await.unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_certificates_serve_new_connections_and_wrong_ones_none() {
    let (old, new) = (Authority::new("Old"), Authority::new("New"));
    let files = Files::new(&old.server(), None);
    let members = listener(Access::Members { login: login_config(), own_transactions_only: false });
    let server = serve(kit(0), vec![ListenerConfig { tls: Some(files.tls()), ..members }]).await;
    block_number(&client(&old, None), &server).await.unwrap();
    let next = new.server();
    // For a moment the pair does not match, and the old one goes on.
    files.put("node.pem", &next.certificate.pem());
    block_number(&client(&old, None), &server).await.unwrap();
    files.put("node.key", &next.key.serialize_pem());
    soon(async { while block_number(&client(&new, None), &server).await.is_err() {} }).await;
    block_number(&client(&old, None), &server).await.unwrap_err();
}

#[test]
fn files_that_cannot_be_right_are_named_and_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let (authority, other) = (Authority::new("Acme"), Authority::new("Other"));
    let own = authority.server();
    let refused = |change: &dyn Fn(&Files)| {
        let files = Files::new(&own, Some(&authority));
        change(&files);
        Tls::read(files.files).expect_err("refused")
    };
    let open = refused(&|files| {
        std::fs::set_permissions(&files.files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    });
    assert!(matches!(open, TlsError::File(_)) && open.to_string().contains("run chmod 600"), "{open}");
    let key = own.key.serialize_pem();
    let secret = key.lines().nth(1).unwrap();
    for (name, text) in [
        ("node.key", "-----BEGIN PRIVATE KEY-----\nnot base64!\n-----END PRIVATE KEY-----\n"),
        ("node.key", &own.certificate.pem()),
        ("node.pem", &key),
        ("node.pem", ""),
        ("clients.pem", "nothing"),
    ] {
        let error = refused(&|files| {
            files.put(name, text);
        });
        assert!(matches!(error, TlsError::Pem { .. }), "{error:?}");
        assert!(error.to_string().contains(name) && !format!("{error:?}").contains(secret), "{error:?}");
    }
    let mixed = refused(&|files| {
        files.put("node.key", &other.server().key.serialize_pem());
    });
    assert!(matches!(mixed, TlsError::Pair { .. }), "{mixed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_for_certificates_without_tls_lets_nobody_in() {
    let clients = Authority::new("Clients");
    let explorer = clients.client("explorer");
    let list = ListFile::new(&explorer.line("explorer", account(READER)));
    let login = LoginConfig { certificates: Some(ServiceList::read(&list.path).unwrap()), ..login_config() };
    let server = serve(kit(0), vec![listener(Access::Members { login, own_transactions_only: false })]).await;
    let refused = crate::access::call(&server, "members", None, "eth_blockNumber", json!([])).await.unwrap_err();
    assert_eq!(reason(&refused), (-40100, "CERTIFICATE_REQUIRED"));
}
