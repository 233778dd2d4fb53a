//! When an open WebSocket ends, and when it does not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use alloy::{hex, primitives::Address};
use aurum_contracts::rights;
use aurum_rpc::{Access, ListenerConfig, LoginConfig, ServiceList};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    access::{
        MEMBER, NOBODY, READER, account, ask, call, closed, connect, kit, listener, log_in, login_config, members,
        next, raw, reason, serve, set_rights, soon,
    },
    common::{Server, kit::key, kit::transfer},
};

/// A file of services, replaced in one step as an operator does.
pub struct ListFile {
    folder: TempDir,
    pub path: PathBuf,
}

impl ListFile {
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("services");
        let file = Self { folder, path };
        file.replace(text);
        file
    }

    pub fn replace(&self, text: &str) {
        let next = self.folder.path().join("next");
        write_private(&next, text);
        fs::rename(next, &self.path).unwrap();
    }
}

/// A file that nobody but its owner may read.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn line(name: &str, key: &str, of: Address) -> String {
    format!("{name} {of} {}\n", hex::encode(Sha256::digest(key)))
}

fn with_keys(file: &ListFile) -> ListenerConfig {
    let login = LoginConfig { api_keys: ServiceList::read(&file.path).unwrap(), ..login_config() };
    listener(Access::Members { login, own_transactions_only: false })
}

/// Waits until a key is worth something, or nothing.
async fn becomes(server: &Server, key: &str, known: bool) {
    soon(async {
        loop {
            match call(server, "members", Some(key), "eth_chainId", json!([])).await {
                Ok(_) if known => return,
                Err(refused) if !known => {
                    assert_eq!(reason(&refused), (-40100, "TOKEN_UNKNOWN"));
                    return;
                }
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_file_lets_a_new_key_in_and_puts_an_old_one_out() {
    let [old, new, moved, stays] = ["1", "2", "3", "4"].map(|digit| digit.repeat(64));
    let others = line("stays", &stays, account(READER));
    let file = ListFile::new(&(line("old", &old, account(READER)) + &line("moved", &moved, account(READER)) + &others));
    let server = serve(kit(0), vec![with_keys(&file)]).await;
    becomes(&server, &old, true).await;
    becomes(&server, &new, false).await;
    let (mut of_old, mut of_moved) = (connect(&server, &old).await, connect(&server, &moved).await);
    let mut of_stays = connect(&server, &stays).await;
    let id = ask(&mut of_old, "eth_subscribe", json!(["newHeads"])).await["result"].clone();

    // No block comes, and nobody shows a key.
    file.replace(&(line("new", &new, account(READER)) + &line("moved", &moved, account(MEMBER)) + &others));
    let last = next(&mut of_old).await;
    assert_eq!((&last["params"]["subscription"], reason(&last["params"]["error"])), (&id, (-40100, "SERVICE_REMOVED")));
    closed(&mut of_old).await;
    // With the account the rights of its key changed: who holds it connects again.
    closed(&mut of_moved).await;
    becomes(&server, &old, false).await;
    becomes(&server, &new, true).await;
    becomes(&server, &moved, true).await;
    assert_eq!(ask(&mut of_stays, "eth_blockNumber", json!([])).await["result"], "0x0");

    file.replace("half a li");
    file.replace(&others);
    becomes(&server, &new, false).await;
    assert_eq!(ask(&mut of_stays, "eth_blockNumber", json!([])).await["result"], "0x0");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_could_read_keeps_the_connection_until_the_right_comes_and_goes() {
    let server = serve(kit(0), vec![members()]).await;
    set_rights(&server, 0, account(NOBODY), rights::BASIC);
    let token = log_in(&server, NOBODY).await;
    let mut socket = connect(&server, &token).await;
    server.mine(&[]);
    let sent = transfer(&key(NOBODY), 0, Address::repeat_byte(9), 0);
    let answer = ask(&mut socket, "eth_sendRawTransaction", raw(&sent)).await;
    assert_eq!(answer["result"], json!(sent.tx_hash()));
    let refused = ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(reason(&refused["error"]), (-40100, "READ_DENIED"));

    set_rights(&server, 1, account(NOBODY), rights::BASIC | rights::READ);
    let id = ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    assert!(id.is_string());
    set_rights(&server, 2, account(NOBODY), rights::BASIC);
    let last = next(&mut socket).await;
    assert_eq!((&last["params"]["subscription"], reason(&last["params"]["error"])), (&id, (-40100, "READ_DENIED")));
    closed(&mut socket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_its_own_connections_and_no_others() {
    let server = serve(kit(0), vec![members()]).await;
    let (one, other) = (log_in(&server, READER).await, log_in(&server, READER).await);
    let (mut of_one, mut of_other) = (connect(&server, &one).await, connect(&server, &other).await);
    let url = format!("http://{}/auth/logout", crate::access::address(&server, "members"));
    crate::access::post(url, Some(&one), &json!({})).await;
    closed(&mut of_one).await;
    server.mine(&[]);
    let answer: Value = ask(&mut of_other, "eth_blockNumber", json!([])).await;
    assert_eq!(answer["result"], "0x1");
}
