//! A flood of the other listeners, to their limits: who administers is answered meanwhile.

use std::{net::SocketAddr, time::Duration};

use alloy::{hex, primitives::Address};
use aurum_contracts::rights;
use aurum_rpc::{Access, Limits, ListenerConfig};
use futures::future::select_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinHandle};

use crate::{
    access::{READER, address, call, kit, listener, log_in, members, post, reason, request, serve, soon},
    common::{Server, endless},
};

/// Connections of each flooded listener.
const CONNECTIONS: usize = 8;

/// One request at a time and one that waits; no gas and no time ends a call.
fn limits() -> Limits {
    let forever = Duration::from_secs(36_000);
    let limits =
        Limits { connections: CONNECTIONS, call_gas: u64::MAX / 4, request_time: forever, ..Limits::default() };
    Limits { workers: 1, queued: 1, ..limits }
}

/// A call that does not end.
fn endless_call() -> Value {
    let target = Address::repeat_byte(0x77);
    let state = json!({ target.to_string(): { "code": hex::encode_prefixed(endless()) } });
    request("eth_call", &json!([{ "to": target }, "latest", state]))
}

/// A request, and what is answered to it.
type Asked = JoinHandle<(StatusCode, Value)>;

fn ask_for_ever(at: SocketAddr, token: Option<&str>) -> Asked {
    let token = token.map(str::to_owned);
    tokio::spawn(async move { post(format!("http://{at}/"), token.as_deref(), &endless_call()).await })
}

/// Sends endless calls, and waits until those are refused for which there is no place: the others have the worker, and the place
/// behind it.
async fn flood(server: &Server, name: &str, token: Option<&str>) -> Vec<Asked> {
    let at = address(server, name);
    let mut asked: Vec<_> = (0..6).map(|_| ask_for_ever(at, token)).collect();
    while asked.len() > 2 {
        let (answer, _, others) = soon(select_all(asked)).await;
        let (_, refused) = answer.unwrap();
        assert_eq!(reason(&refused["error"]), (-32005, "NODE_BUSY"), "{name}: {refused}");
        asked = others;
    }
    asked
}

/// Makes one connection more than there may be, and waits until one is closed for it.
async fn take_connections(at: SocketAddr) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..=CONNECTIONS {
        held.push(TcpStream::connect(at).await.unwrap());
    }
    let closed = held.iter_mut().map(|socket| Box::pin(socket.read_u8()));
    let (closed, _, _) = soon(select_all(closed)).await;
    closed.unwrap_err();
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_answered_while_everybody_else_waits() {
    let public = ListenerConfig { limits: limits(), ..listener(Access::Public) };
    let members = ListenerConfig { limits: limits(), ..members() };
    let server = serve(kit(rights::READ), vec![public, members, listener(Access::Admin)]).await;
    let token = log_in(&server, READER).await;
    let mut floods = flood(&server, "public", None).await;
    floods.extend(flood(&server, "members", Some(&token)).await);
    let held =
        [take_connections(address(&server, "public")).await, take_connections(address(&server, "members")).await];

    for _ in 0..20 {
        assert_eq!(soon(call(&server, "admin", None, "eth_blockNumber", json!([]))).await, Ok(json!("0x0")));
    }
    // What only an administrator may do.
    let nothing = json!([format!("{:#x}", alloy::primitives::B256::ZERO)]);
    assert_eq!(soon(call(&server, "admin", None, "parity_removeTransaction", nothing)).await, Ok(Value::Null));
    assert!(floods.iter().all(|asked| !asked.is_finished()), "the flood had ended before");
    assert_eq!(server.running("usual").await, 2);
    drop(held);
    for asked in floods {
        asked.abort();
    }
}
