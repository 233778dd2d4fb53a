//! Who is let in, who stays, and what happens to strangers.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use crate::common::{self, FakeChain, Node, config, genesis, node_key, same_head, transaction, until};
use aurum_network::{Enode, NetworkConfig, NetworkError, NodeId, Standing, Topic, run};
use aurum_pool::Origin;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

fn chain() -> Arc<FakeChain> {
    FakeChain::new(genesis(b"g"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mesh_forms_from_one_shared_list_that_names_everybody() {
    // Ports are known only once all listen, so the first round finds free ones.
    let mut enodes = Vec::new();
    for id in 1..=4 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        enodes.push(Enode { id: node_key(id).id(), host: "localhost".to_owned(), port });
    }
    let mut nodes = Vec::new();
    for id in 1..=4u8 {
        let listen = SocketAddr::from(([127, 0, 0, 1], enodes[usize::from(id) - 1].port));
        let config = NetworkConfig { listen, reserved_only: true, ..config(id, &enodes) };
        nodes.push(Node::start(config, chain()).await);
    }
    until("each sees three", || nodes.iter().all(|node| node.net.peers().len() == 3)).await;
    assert!(nodes[0].net.peers().iter().all(|peer| peer.reserved));
    nodes[2].author(b"main");
    same_head(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_genesis_or_network_is_refused() {
    let ours = Node::start(config(1, &[]), chain()).await;
    let other_genesis = Node::start(config(2, &[ours.enode()]), FakeChain::new(genesis(b"h"))).await;
    let other_network = NetworkConfig { network_id: 18, ..config(3, &[ours.enode()]) };
    let other_network = Node::start(other_network, chain()).await;
    let good = Node::start(config(4, &[ours.enode()]), chain()).await;
    until("the good one is in", || ours.knows(&good) && good.knows(&ours)).await;
    other_genesis.author(b"other");
    ours.author(b"main");
    same_head(&[&ours, &good]).await;
    assert_eq!(ours.net.peers().len(), 1);
    assert!(other_genesis.net.peers().is_empty());
    assert!(other_network.net.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_only_lets_nobody_else_in() {
    let friend = Node::start(config(1, &[]), chain()).await;
    let closed = NetworkConfig { reserved_only: true, ..config(2, &[friend.enode()]) };
    let closed = Node::start(closed, chain()).await;
    let stranger = Node::start(config(3, &[closed.enode()]), chain()).await;
    until("refused", || closed.net.counters().connections_refused > 0).await;
    until("the friend is in", || closed.knows(&friend)).await;
    assert!(!closed.knows(&stranger) && !stranger.knows(&closed));
}

/// A node that is told by `allowed` whom it may be connected with.
fn careful(id: u8, reserved: &[Enode], allowed: &Arc<Mutex<HashSet<NodeId>>>) -> NetworkConfig {
    let allowed = Arc::clone(allowed);
    let admit = move |node: NodeId, _: Standing| {
        let known = allowed.lock().unwrap().contains(&node);
        if known { Ok(()) } else { Err("not on the list".to_owned()) }
    };
    NetworkConfig { admit: Some(Arc::new(admit)), ..config(id, reserved) }
}

fn list(ids: &[u8]) -> Arc<Mutex<HashSet<NodeId>>> {
    Arc::new(Mutex::new(ids.iter().map(|id| node_key(*id).id()).collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn node_permission_is_asked_at_each_connection() {
    let allowed = list(&[]);
    let careful = Node::start(careful(1, &[], &allowed), chain()).await;
    let other = Node::start(config(2, &[careful.enode()]), chain()).await;
    until("refused", || careful.net.counters().connections_refused > 1).await;
    assert!(careful.net.peers().is_empty());
    allowed.lock().unwrap().insert(node_key(2).id());
    until("admitted", || careful.knows(&other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_permission_is_asked_before_a_reserved_peer_is_dialled() {
    let target = Node::start(config(1, &[]), chain()).await;
    let allowed = list(&[]);
    let careful = Node::start(careful(2, &[target.enode()], &allowed), chain()).await;
    // One that may be dialled is connected meanwhile; the other was not even tried.
    let witness = Node::start(config(3, &[target.enode()]), chain()).await;
    until("the witness is in", || target.knows(&witness)).await;
    assert!(careful.net.peers().is_empty());
    assert_eq!(careful.net.counters().connections_refused, 0, "refused before the dial, not after");
    allowed.lock().unwrap().insert(node_key(1).id());
    until("dialled once it may be", || careful.knows(&target)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_permission_taken_away_ends_the_connection_at_the_next_head_and_given_back_restores_it() {
    let allowed = list(&[2, 3]);
    let careful = Node::start(careful(1, &[], &allowed), chain()).await;
    let stays = Node::start(config(2, &[careful.enode()]), chain()).await;
    let goes = Node::start(config(3, &[careful.enode()]), chain()).await;
    until("both are in", || careful.knows(&stays) && careful.knows(&goes)).await;
    allowed.lock().unwrap().remove(&node_key(3).id());
    careful.author(b"main");
    until("the one is gone", || !careful.knows(&goes)).await;
    until("it notices", || !goes.knows(&careful)).await;
    assert!(careful.knows(&stays));
    assert_eq!(careful.net.counters().peers_dismissed, 1);
    same_head(&[&careful, &stays]).await;
    allowed.lock().unwrap().insert(node_key(3).id());
    until("back again", || careful.knows(&goes)).await;
    same_head(&[&careful, &goes]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_decide_are_told_who_is_configured() {
    let target = Node::start(config(1, &[]), chain()).await;
    let only_reserved = |_: NodeId, standing| match standing {
        Standing::Reserved => Ok(()),
        Standing::Other => Err("a stranger".to_owned()),
    };
    let picky = NetworkConfig { admit: Some(Arc::new(only_reserved)), ..config(2, &[target.enode()]) };
    let picky = Node::start(picky, chain()).await;
    let stranger = Node::start(config(3, &[picky.enode()]), chain()).await;
    until("the configured one is in", || picky.knows(&target)).await;
    until("the stranger is refused", || picky.net.counters().connections_refused > 0).await;
    assert!(!picky.knows(&stranger));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_peer_that_comes_late_or_returns_is_connected_within_seconds() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let late = Enode { id: node_key(2).id(), host: "localhost".to_owned(), port };
    let early = Node::start(config(1, &[late]), chain()).await;
    for _ in 0..2 {
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let late = Node::start(NetworkConfig { listen, ..config(2, &[]) }, chain()).await;
        until("connected", || early.knows(&late)).await;
        late.stop().await;
        until("gone", || early.net.peers().is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let first = Node::start(config(1, &[]), chain()).await;
    let listen = SocketAddr::from(([127, 0, 0, 1], first.enode().port));
    let second = NetworkConfig { listen, ..config(2, &[]) };
    let error = run(second, chain(), first.pool.clone(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, NetworkError::Listen { .. }));
    assert!(error.to_string().contains(&listen.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_a_handshake_harms_nobody() {
    let node = Node::start(config(1, &[]), chain()).await;
    for garbage in [vec![], vec![0; 10_000], vec![0xff; 3], b"\x13/multistream/1.0.0\n\x07/noise\nnonsense".to_vec()] {
        let mut socket = TcpStream::connect(("127.0.0.1", node.enode().port)).await.unwrap();
        let _ = socket.write_all(&garbage).await;
        let _ = socket.shutdown().await;
        // Ends when the node gives up on us.
        let _ = socket.read_to_end(&mut Vec::new()).await;
    }
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(("127.0.0.1", node.enode().port)).await.unwrap());
    }
    let good = Node::start(config(2, &[node.enode()]), chain()).await;
    until("the good one is in", || node.knows(&good)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_reach_everybody_along_a_line_once() {
    let mut nodes: Vec<Node> = Vec::new();
    for id in 1..=4 {
        let before: Vec<_> = nodes.last().map(Node::enode).into_iter().collect();
        nodes.push(Node::start(config(id, &before), chain()).await);
    }
    until("the line stands", || nodes.windows(2).all(|pair| pair[0].knows(&pair[1]) && pair[1].knows(&pair[0]))).await;
    for nonce in 0..300 {
        nodes[0].pool.add(transaction(7, nonce), Origin::Local).unwrap();
    }
    nodes[3].pool.add(transaction(8, 0), Origin::Local).unwrap();
    until("everybody has all", || nodes.iter().all(|node| node.pool.status().pending == 301)).await;
    assert_eq!(nodes[3].net.counters().transactions_received, 300);
    assert_eq!(nodes[0].net.counters().transactions_received, 1);
    assert_eq!(nodes[1].net.counters().transactions_received, 301);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_the_engine_travel_along_a_line_and_are_judged_once() {
    let a = Node::start(config(1, &[]), chain()).await;
    let b = Node::start(config(2, &[a.enode()]), chain()).await;
    let c = Node::start(config(3, &[b.enode()]), chain()).await;
    until("a line", || a.knows(&b) && b.knows(&a) && b.knows(&c) && c.knows(&b)).await;
    for body in [&b"first"[..], b"first", b"second"] {
        a.net.gossip(Topic::EmptyStep, body.into());
    }
    let heard = |node: &Node| node.chain.heard.lock().unwrap().clone();
    until("both heard both", || heard(&b).len() == 2 && heard(&c).len() == 2).await;
    let mut bodies: Vec<_> = heard(&c).iter().map(|body| body.to_vec()).collect();
    bodies.sort();
    assert_eq!(bodies, [b"first".to_vec(), b"second".to_vec()]);
    assert!(heard(&a).is_empty(), "nobody tells the one who said it");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_of_the_engine_cost_the_connection() {
    let a = Node::start(config(1, &[]), chain()).await;
    let b = Node::start(config(2, &[a.enode()]), chain()).await;
    until("connected", || a.knows(&b) && b.knows(&a)).await;
    for number in 0..3 {
        a.net.gossip(Topic::EmptyStep, [common::BAD, &[number]].concat().into());
    }
    until("banned", || b.net.counters().peers_penalised == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_full_mesh_a_transaction_is_sent_once_to_each_and_hardly_ever_asked_for_again() {
    let mut nodes: Vec<Node> = Vec::new();
    for id in 1..=4 {
        let before: Vec<_> = nodes.iter().map(Node::enode).collect();
        nodes.push(Node::start(config(id, &before), chain()).await);
    }
    until("the mesh stands", || nodes.iter().all(|node| node.net.peers().len() == 3)).await;
    for nonce in 0..200 {
        nodes[0].pool.add(transaction(7, nonce), Origin::Local).unwrap();
    }
    until("everybody has all", || nodes.iter().all(|node| node.pool.status().pending == 200)).await;
    assert_eq!(nodes[0].net.counters().transactions_sent, 600);
    let received: u64 = nodes[1..].iter().map(|node| node.net.counters().transactions_received).sum();
    // An offer may overtake the transaction itself on a machine that is busy.
    assert!((600..=630).contains(&received), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_is_offered_what_waits() {
    let first = Node::start(config(1, &[]), chain()).await;
    for nonce in 0..50 {
        first.pool.add(transaction(7, nonce), Origin::Local).unwrap();
    }
    let second = Node::start(config(2, &[first.enode()]), chain()).await;
    until("all are there", || second.pool.status().pending == 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pooled_together_goes_to_each_peer_in_one_message() {
    let first = Node::start(config(1, &[]), chain()).await;
    let second = Node::start(config(2, &[first.enode()]), chain()).await;
    let third = Node::start(config(3, &[first.enode()]), chain()).await;
    until("both are in", || first.knows(&second) && first.knows(&third)).await;
    let sent = (0..100).map(|nonce| transaction(7, nonce)).collect();
    assert!(first.pool.add_many(sent, Origin::Local).iter().all(Result::is_ok));
    until("both have all", || [&second, &third].iter().all(|node| node.pool.status().pending == 100)).await;
    let counters = first.net.counters();
    assert_eq!((counters.transactions_sent, counters.transaction_messages_sent), (200, 2));
}
