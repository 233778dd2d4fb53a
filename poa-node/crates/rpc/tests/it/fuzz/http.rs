//! Over HTTP, and over TCP what is no HTTP.

use std::net::SocketAddr;

use futures::future::join_all;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{DEPTHS, MOST, Random, Target, check, huge_batch, nested};

/// Posts a body; the status, and the answer if there is one.
async fn post(client: &reqwest::Client, url: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let request = client.post(url).header("content-type", "application/json").body(body);
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_posted_is_answered_and_harms_nothing() {
    let target = Target::start().await;
    let (client, url, methods) = (reqwest::Client::new(), target.server.url(), &target.methods);
    let mut random = Random(0x5eed);
    for round in 0..1500 {
        let body = match round % 5 {
            0 => random.bytes(400),
            1 => random.garbled(methods),
            2 => {
                let len = random.below(40);
                Value::from_iter((0..len).map(|id| random.request(id, methods))).to_string().into_bytes()
            }
            _ => random.request(round, methods).to_string().into_bytes(),
        };
        let sent = String::from_utf8_lossy(&body).into_owned();
        let (status, answer) = post(&client, &url, body).await;
        if status == 200 && answer == b"null" {
            // What has no id is a notification, which HTTP must answer somehow.
            continue;
        }
        assert!(status == 200 || (400..500).contains(&status), "{status} for {sent:.300}");
        if status == 200 {
            check(&serde_json::from_slice(&answer).expect("JSON"), &sent);
        }
    }
    for depth in DEPTHS {
        for body in nested(depth) {
            let (status, answer) = post(&client, &url, body.into_bytes()).await;
            assert!(status == 200 || (400..500).contains(&status), "{status} at depth {depth}");
            assert!(!answer.is_empty());
        }
    }
    let (_, refused) = post(&client, &url, huge_batch().into_bytes()).await;
    assert_eq!(serde_json::from_slice::<Value>(&refused).unwrap()["error"]["code"], -32005);
    let (status, _) = post(&client, &url, vec![b' '; 3 * MOST]).await;
    assert_eq!(status, 413);
    target.is_unharmed().await;
}

/// Posts so many spaces, until the server has heard enough.
async fn ramble(address: SocketAddr, framing: &str, length: usize, spaces: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{framing}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..length / spaces.len() {
        if stream.write_all(spaces).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_long_bodies_are_little_of_them_is_kept() {
    const LENGTH: usize = 32 << 20;
    let target = Target::start().await;
    let address = target.server.handle.http.unwrap();
    let spaces = vec![b' '; 64 << 10];
    let announced = format!("content-length: {LENGTH}\r\n");
    // One chunk: only when it is whole is it known that none follows.
    let chunked = format!("transfer-encoding: chunked\r\n\r\n{LENGTH:x}");
    let framings = [announced, chunked];
    join_all((0..32).map(|index| ramble(address, &framings[index % 2], LENGTH, &spaces))).await;
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused_or_hung_up_on() {
    let target = Target::start().await;
    let address = target.server.handle.http.unwrap();
    let mut random = Random(0xbeef);
    for round in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut sent = random.bytes(600);
        if round % 2 == 0 {
            let length = ["5", "-1", "99999999999999999999", "x"][random.below(4)];
            let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
            sent.splice(0..0, head.into_bytes());
        }
        // The server may hang up in the middle.
        let _ = stream.write_all(&sent).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || text.starts_with("HTTP/1.1 4"), "{text:.200}");
    }
    target.is_unharmed().await;
}
