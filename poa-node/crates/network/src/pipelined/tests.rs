use std::time::Duration;

use futures::StreamExt as _;
use libp2p::{PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, swarm::SwarmEvent, tcp, yamux};

use super::{Event, Failure, Kind, Pipelined, Reply};

const AT_ONCE: usize = 4;

fn swarm(timeout: Duration) -> Swarm<Pipelined> {
    let kind =
        Kind { protocol: StreamProtocol::new("/test/1"), request: 100_000, answer: 100_000, at_once: AT_ONCE, timeout };
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Pipelined::new(kind))
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

/// Two that are connected.
struct Pair {
    asking: Swarm<Pipelined>,
    asked: Swarm<Pipelined>,
}

/// What happened to whom.
enum At {
    Asking(Event),
    Asked(Event),
}

impl Pair {
    async fn new(timeout: Duration) -> Self {
        let (mut asking, mut asked) = (swarm(timeout), swarm(timeout));
        asked.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = asked.select_next_some().await {
                break address;
            }
        };
        asking.dial(address).unwrap();
        let mut pair = Self { asking, asked };
        let (mut one, mut other) = (false, false);
        while !(one && other) {
            tokio::select! {
                event = pair.asking.select_next_some() => one |= matches!(event, SwarmEvent::ConnectionEstablished { .. }),
                event = pair.asked.select_next_some() => other |= matches!(event, SwarmEvent::ConnectionEstablished { .. }),
            }
        }
        pair
    }

    fn peer(&self) -> PeerId {
        *self.asked.local_peer_id()
    }

    fn ask(&mut self, request: Vec<u8>) -> super::RequestId {
        let peer = self.peer();
        self.asking.behaviour_mut().send_request(&peer, request)
    }

    async fn next(&mut self) -> At {
        loop {
            tokio::select! {
                event = self.asking.select_next_some() => if let SwarmEvent::Behaviour(event) = event {
                    return At::Asking(event);
                },
                event = self.asked.select_next_some() => if let SwarmEvent::Behaviour(event) = event {
                    return At::Asked(event);
                },
            }
        }
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn each_request_gets_its_own_answer_in_whatever_order_they_come() {
    let mut pair = Pair::new(LONG).await;
    let asked: Vec<_> = (0..200_u32).map(|n| (pair.ask(n.to_be_bytes().repeat(1 + n as usize * 100)), n)).collect();
    let (mut answers, mut held) = (Vec::new(), Vec::<(Reply, Vec<u8>)>::new());
    while answers.len() < asked.len() {
        match pair.next().await {
            At::Asked(Event::Request { request, reply, .. }) => {
                held.push((reply, request.to_vec()));
                // The youngest first; the oldest only when no more are read.
                if held.len() == AT_ONCE || answers.len() + held.len() == asked.len() {
                    held.drain(..).rev().for_each(|(reply, request)| reply.send(request));
                }
            }
            At::Asking(Event::Answer { id, answer, .. }) => answers.push((id, answer)),
            At::Asking(other) | At::Asked(other) => panic!("{other:?}"),
        }
    }
    for (id, n) in asked {
        let (_, answer) = answers.iter().find(|(answered, _)| *answered == id).unwrap();
        assert_eq!(answer[..], n.to_be_bytes().repeat(1 + n as usize * 100)[..]);
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_is_declined_and_the_next_one_answered() {
    let mut pair = Pair::new(LONG).await;
    let (first, second) = (pair.ask(vec![1]), pair.ask(vec![2]));
    let mut got = Vec::new();
    while got.len() < 2 {
        match pair.next().await {
            At::Asked(Event::Request { request, reply, .. }) if request[..] == [2] => reply.send(vec![22]),
            At::Asked(Event::Request { reply, .. }) => drop(reply),
            At::Asking(Event::Answer { id, answer, .. }) => got.push((id, Ok(answer.to_vec()))),
            At::Asking(Event::Failed { id, failure, .. }) => got.push((id, Err(failure))),
            At::Asking(other) | At::Asked(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(got, [(first, Err(Failure::Declined)), (second, Ok(vec![22]))]);
}

#[tokio::test]
async fn what_is_not_answered_in_time_fails_and_a_peer_that_does_not_answer_is_read_no_further() {
    let mut pair = Pair::new(Duration::from_millis(300)).await;
    for n in 0..10 {
        pair.ask(vec![n]);
    }
    let (mut held, mut failed) = (Vec::new(), 0);
    while failed < 10 {
        match pair.next().await {
            At::Asked(Event::Request { reply, .. }) => held.push(reply),
            At::Asking(Event::Failed { failure, .. }) => {
                assert_eq!(failure, Failure::Timeout);
                failed += 1;
            }
            At::Asking(other) | At::Asked(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(held.len(), AT_ONCE);
    // Late answers are of no use, and make room for what comes.
    held.into_iter().for_each(|reply| reply.send(vec![0]));
    let id = pair.ask(vec![99]);
    loop {
        match pair.next().await {
            At::Asked(Event::Request { request, reply, .. }) => reply.send(request),
            At::Asking(Event::Answer { id: answered, answer, .. }) => {
                assert_eq!((answered, &answer[..]), (id, &[99][..]));
                break;
            }
            At::Asking(other) | At::Asked(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_too_long_is_told_and_breaks_the_stream_which_is_opened_again() {
    let mut pair = Pair::new(LONG).await;
    let long = pair.ask(vec![0; 100_001]);
    let (mut failed, mut told) = (false, false);
    while !(failed && told) {
        match pair.next().await {
            At::Asked(Event::Malformed { peer }) => told = peer == *pair.asking.local_peer_id(),
            At::Asking(Event::Failed { id, failure: Failure::Broken(_), .. }) => failed = id == long,
            At::Asking(other) | At::Asked(other) => panic!("{other:?}"),
        }
    }
    let id = pair.ask(vec![7]);
    loop {
        match pair.next().await {
            // An answer may be too long as well.
            At::Asked(Event::Request { reply, .. }) => reply.send(vec![0; 100_001]),
            At::Asking(Event::Failed { id: of, failure, .. }) => {
                assert_eq!((of, failure), (id, Failure::Malformed));
                break;
            }
            At::Asking(other) | At::Asked(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn with_the_connection_all_that_waits_fails_and_so_does_what_comes_after() {
    let mut pair = Pair::new(LONG).await;
    let mut asked: Vec<_> = (0..3).map(|n| pair.ask(vec![n])).collect();
    let mut held = Vec::new();
    while held.len() < 3 {
        if let At::Asked(Event::Request { reply, .. }) = pair.next().await {
            held.push(reply);
        }
    }
    asked.push(pair.ask(vec![3]));
    let peer = pair.peer();
    pair.asking.disconnect_peer_id(peer).unwrap();
    let mut failed = Vec::new();
    while failed.len() < 4 {
        if let At::Asking(Event::Failed { id, failure, .. }) = pair.next().await {
            assert_eq!(failure, Failure::Disconnected);
            failed.push(id);
        }
    }
    failed.sort_by_key(|id| id.0);
    assert_eq!(failed, asked);
    let after = pair.ask(vec![4]);
    loop {
        if let At::Asking(Event::Failed { id, failure, .. }) = pair.next().await {
            assert_eq!((id, failure), (after, Failure::Disconnected));
            break;
        }
    }
}
