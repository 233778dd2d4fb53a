//! Over WebSocket, and in frames as no client makes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{SinkExt as _, StreamExt as _, future::join_all};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::{DEPTHS, MOST, Random, Target, check, huge_batch, nested};

/// For what never comes.
const LONG: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(target: &Target) -> Socket {
    connect_async(target.server.ws_url()).await.expect("accepts").0
}

/// What the server says next; `None` when it has closed.
async fn heard(socket: &mut Socket) -> Option<Value> {
    loop {
        match timeout(LONG, socket.next()).await.expect("an answer") {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

/// The answer to one message, on a connection that stays open; news of subscriptions that were made on it are passed over.
async fn asked(socket: &mut Socket, message: Message) -> Value {
    socket.send(message).await.expect("open");
    loop {
        let answer = heard(socket).await.expect("an answer");
        if answer.get("method").is_none() {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_websocket_says_is_answered_and_harms_nothing() {
    let target = Target::start().await;
    let mut random = Random(0xfeed);
    for round in 0..20 {
        let mut socket = connect(&target).await;
        // What is nearly a request may be answered or not, as a notification is: nothing is counted beside it.
        let is_exact = round % 2 == 0;
        // Requests to be answered by their ids, and messages that are none, to be answered by errors without one.
        let (mut requests, mut others) = (Vec::new(), 0_i32);
        for id in 0..20 {
            let message = match random.below(5) {
                0 => Message::Ping(random.bytes(100).into()),
                1 => {
                    others += 1;
                    Message::Binary(random.bytes(300).into())
                }
                2 => {
                    others += 1;
                    Message::Text(String::from_utf8_lossy(&random.bytes(300)).into_owned().into())
                }
                3 if !is_exact => {
                    Message::Text(String::from_utf8_lossy(&random.garbled(&target.methods)).into_owned().into())
                }
                _ => {
                    requests.push(id);
                    Message::Text(random.request(id + 100, &target.methods).to_string().into())
                }
            };
            socket.send(message).await.expect("open");
        }
        while !requests.is_empty() || (is_exact && others > 0) {
            let answer = heard(&mut socket).await.expect("open");
            check(&answer, "websocket");
            match answer["id"].as_u64() {
                Some(id) => requests.retain(|open| *open as u64 + 100 != id),
                None if answer["id"].is_null() && answer.get("error").is_some() => others -= 1,
                None => {}
            }
        }
    }
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_or_too_deep_for_a_websocket_is_refused_and_the_next_is_answered() {
    let target = Target::start().await;
    let mut socket = connect(&target).await;
    for depth in DEPTHS {
        for message in nested(depth) {
            // A message's unknown fields are passed over, however deep, as long as the whole can be read.
            check(&asked(&mut socket, message.into()).await, &format!("depth {depth}"));
        }
    }
    let mut random = Random(0xba7c);
    for _ in 0..20 {
        let len = 1 + random.below(100);
        let batch: Value = (0..len).map(|id| random.request(id, &target.methods)).collect();
        socket.send(batch.to_string().into()).await.expect("open");
        // jsonrpsee tells that a subscription was not made, and its first news, in messages of their own besides.
        let answers = loop {
            let answer = heard(&mut socket).await.expect("an answer");
            check(&answer, "batch");
            if answer.is_array() {
                break answer;
            }
        };
        assert_eq!(answers.as_array().map(Vec::len), Some(len), "one answer each");
    }
    let refused = asked(&mut socket, huge_batch().into()).await;
    assert_eq!(refused["error"]["data"]["reason"], "BATCH_LIMIT", "{refused}");
    for message in [Message::from(" ".repeat(3 * MOST)), Message::from(vec![0; MOST + 1])] {
        let refused = asked(&mut socket, message).await;
        assert_eq!(refused["error"]["code"], -32007, "{refused}");
    }
    let request = json!({ "jsonrpc": "2.0", "id": "last", "method": "eth_chainId" });
    let answer = asked(&mut socket, request.to_string().into()).await;
    assert!(answer["result"].is_string(), "{answer}");
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_no_answers_is_not_heard_and_gets_them_all_later() {
    const MESSAGES: usize = 6_000;
    let target = Target::start().await;
    let (mut sink, mut answers) = connect(&target).await.split();
    // The answer repeats the name.
    let name = "x".repeat(64 << 10);
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": name }).to_string();
    let sent = Arc::new(AtomicUsize::new(0));
    let sending = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            for _ in 0..MESSAGES {
                sink.send(request.clone().into()).await.expect("open");
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // Until the server takes no more, or has taken everything.
    let mut before = usize::MAX;
    while !sending.is_finished() && before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let most_of_it = (MESSAGES * name.len() * 2) as u64;
    let grown = super::memory() - target.before;
    assert!(grown < most_of_it / 4, "{grown} bytes more for {} messages", sent.load(Ordering::Relaxed));
    let mut answered = 0;
    while answered < MESSAGES {
        let message = timeout(LONG, answers.next()).await.expect("an answer").expect("open").expect("open");
        assert!(message.len() > name.len() || !message.is_text(), "{message}");
        answered += usize::from(message.is_text());
    }
    sending.await.expect("sent");
    target.is_unharmed().await;
}

/// A connection that has become a WebSocket.
async fn upgraded(target: &Target) -> TcpStream {
    let mut stream = TcpStream::connect(target.server.handle.ws.unwrap()).await.expect("accepts");
    let head = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("open");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// The head of a frame with this first byte (end of message, opcode) that announces so many bytes, masked with zeros, which
/// change nothing (RFC 6455 §5.2).
fn head(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat()
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [head(first, payload.len() as u64), payload.to_vec()].concat()
}

/// The next frame of the server: its opcode and its payload; `None` at the end.
async fn frame_of(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let length = match stream.read_u8().await.ok()? {
        126 => usize::from(stream.read_u16().await.ok()?),
        127 => usize::try_from(stream.read_u64().await.ok()?).expect("little"),
        length => usize::from(length),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some((first & 0xf, payload))
}

/// The next answer, on a connection that stays open.
async fn text_of(stream: &mut TcpStream) -> Value {
    loop {
        let (opcode, payload) = timeout(LONG, frame_of(stream)).await.expect("an answer").expect("open");
        if opcode == 1 {
            return serde_json::from_slice(&payload).expect("JSON");
        }
    }
}

/// What the server says to these bytes until it closes, which it does once it was told that no more come.
async fn said_to(target: &Target, bytes: &[u8]) -> Vec<Value> {
    let mut stream = upgraded(target).await;
    // The server may close in the middle.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut said = Vec::new();
    while let Some((opcode, payload)) = timeout(LONG, frame_of(&mut stream)).await.expect("closed") {
        match opcode {
            1 => said.push(serde_json::from_slice(&payload).expect("JSON")),
            8..=10 => {}
            other => panic!("a frame of kind {other}: {payload:?}"),
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_no_client_makes_are_answered_or_hung_up_on() {
    const REQUEST: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let target = Target::start().await;
    let (begun, rest) = REQUEST.split_at(20);
    let mut unmasked = frame(0x81, REQUEST);
    unmasked[1] = 127;
    unmasked.drain(10..14);
    let strange = [
        ("text that is none", frame(0x81, &[0xff, 0xfe, 0xfd])),
        ("an opcode that is none", frame(0x83, REQUEST)),
        ("reserved bits", frame(0xf1, REQUEST)),
        ("a ping that is too long", frame(0x89, &[0; 126])),
        ("a ping in two parts", frame(0x09, b"ping")),
        ("the end of nothing", frame(0x80, REQUEST)),
        ("two beginnings", [frame(0x01, begun), frame(0x01, rest)].concat()),
        ("no mask", unmasked),
        ("more than any memory", head(0x81, u64::MAX)),
        ("more than a request may have", [head(0x82, 2 * MOST as u64), vec![b'['; 2 * MOST]].concat()),
        ("parts that are too much together", [frame(0x01, &[b' '; MOST]), frame(0x80, &[b' '; MOST])].concat()),
        ("half a frame", head(0x81, 1000)),
        ("the end and more", [frame(0x88, &[3, 232]), frame(0x81, REQUEST)].concat()),
    ];
    for (what, bytes) in strange {
        said_to(&target, &bytes).await.iter().for_each(|answer| check(answer, what));
    }
    let mut random = Random(0xf4a3e);
    for _ in 0..100 {
        let mut bytes = Vec::new();
        for _ in 0..=random.below(4) {
            let (first, payload) = (random.bytes(2), random.bytes(200));
            bytes.extend(frame(first.first().copied().unwrap_or(0x81), &payload));
            bytes.extend(random.bytes(20));
        }
        said_to(&target, &bytes).await.iter().for_each(|answer| check(answer, "frames"));
    }
    // In parts, as a client may send it.
    let mut stream = upgraded(&target).await;
    let parts = [frame(0x01, begun), frame(0x89, b"between"), frame(0x80, rest)].concat();
    stream.write_all(&parts).await.expect("open");
    let answer = text_of(&mut stream).await;
    assert!(answer["result"].is_string(), "{answer}");
    target.is_unharmed().await;
}

/// Sends a message of so many spaces, and hears the refusal.
async fn ramble(target: &Target, length: usize, spaces: &[u8]) {
    let mut stream = upgraded(target).await;
    stream.write_all(&head(0x81, length as u64)).await.expect("open");
    for _ in 0..length / spaces.len() {
        stream.write_all(spaces).await.expect("open");
    }
    let refused = text_of(&mut stream).await;
    assert_eq!(refused["error"]["code"], -32007, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_long_messages_are_little_of_them_is_kept() {
    let target = Target::start().await;
    let spaces = vec![b' '; 64 << 10];
    join_all((0..32).map(|_| ramble(&target, 32 << 20, &spaces))).await;
    target.is_unharmed().await;
}
