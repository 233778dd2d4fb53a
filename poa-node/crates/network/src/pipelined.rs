//! Small requests, each answered, over streams that stay open: one a connection, direction and kind of message.
//!
//! libp2p's own request-response opens a stream for each request, which costs both sides several wake-ups and
//! system calls more than the message itself. What is sent many times a second goes this way; requests overtake one another's
//! answers, and a peer that does not answer is read no further.

mod frame;
mod handler;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
    },
};
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;

use frame::Frame;
use handler::{Ask, Handler, Happened};

/// A kind of message, with its limits.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) protocol: StreamProtocol,
    /// Most bytes of a request.
    pub(crate) request: usize,
    /// Most bytes of an answer.
    pub(crate) answer: usize,
    /// Requests of a peer that may wait for their answers; those after them are not read.
    pub(crate) at_once: usize,
    /// How long an answer is waited for.
    pub(crate) timeout: Duration,
}

/// A request of ours; unique for each [`Pipelined`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(u64);

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no answer in time")]
    Timeout,
    #[error("declined")]
    Declined,
    #[error("the peer does not speak the protocol")]
    Unsupported,
    #[error("the answer is too long or malformed")]
    Malformed,
    #[error("the stream broke: {0}")]
    Broken(io::ErrorKind),
    #[error("the connection was closed")]
    Disconnected,
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Malformed,
            other => Self::Broken(other),
        }
    }
}

/// Answers a request, or declines it when dropped. Answers of connections that are gone go nowhere.
#[derive(Debug)]
pub(crate) struct Reply {
    number: u64,
    to: Option<mpsc::UnboundedSender<Frame>>,
}

impl Reply {
    // As many frames wait at most as requests of a kind may be unanswered.
    const fn new(number: u64, to: mpsc::UnboundedSender<Frame>) -> Self {
        Self { number, to: Some(to) }
    }

    /// Answers with these bytes.
    pub(crate) fn send(mut self, answer: impl Into<Bytes>) {
        self.put(Some(answer.into()));
    }

    fn put(&mut self, bytes: Option<Bytes>) {
        if let Some(to) = self.to.take() {
            let _ = to.send(Frame { number: self.number, bytes });
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.put(None);
    }
}

/// What peers ask and answer.
#[derive(Debug)]
pub(crate) enum Event {
    Request {
        peer: PeerId,
        request: Bytes,
        reply: Reply,
    },
    Answer {
        peer: PeerId,
        id: RequestId,
        answer: Bytes,
    },
    Failed {
        peer: PeerId,
        id: RequestId,
        failure: Failure,
    },
    /// The peer sent what is too long, or no frame.
    Malformed {
        peer: PeerId,
    },
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    waiting: HashSet<RequestId>,
}

/// Requests and answers of one kind with all peers.
#[derive(Debug)]
pub(crate) struct Pipelined {
    kind: Kind,
    /// Of each connected peer, the oldest first: that one is used.
    connections: HashMap<PeerId, Vec<Connection>>,
    last: u64,
    events: VecDeque<ToSwarm<Event, Ask>>,
}

impl Pipelined {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, connections: HashMap::new(), last: 0, events: VecDeque::new() }
    }

    /// Sends a request. Exactly one [`Event::Answer`] or [`Event::Failed`] follows; peers that are not connected fail.
    pub(crate) fn send_request(&mut self, peer: &PeerId, request: impl Into<Bytes>) -> RequestId {
        self.last += 1;
        let (peer, id) = (*peer, RequestId(self.last));
        self.events.push_back(match self.connections.get_mut(&peer).and_then(|all| all.first_mut()) {
            Some(connection) => {
                connection.waiting.insert(id);
                ToSwarm::NotifyHandler {
                    peer_id: peer,
                    handler: NotifyHandler::One(connection.id),
                    event: Ask { id, request: request.into() },
                }
            }
            None => ToSwarm::GenerateEvent(Event::Failed { peer, id, failure: Failure::Disconnected }),
        });
        id
    }

    /// Whether the request waited for its answer; it no longer does.
    fn finish(&mut self, peer: &PeerId, connection: ConnectionId, id: RequestId) -> bool {
        let all = self.connections.get_mut(peer).into_iter().flatten();
        all.filter(|known| known.id == connection).any(|known| known.waiting.remove(&id))
    }
}

impl NetworkBehaviour for Pipelined {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.kind.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.kind.clone()))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, .. }) => {
                let connection = Connection { id: connection_id, waiting: HashSet::new() };
                self.connections.entry(peer_id).or_default().push(connection);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id: peer, connection_id, .. }) => {
                let Some(all) = self.connections.get_mut(&peer) else { return };
                for closed in all.extract_if(.., |connection| connection.id == connection_id) {
                    self.events.extend(
                        closed.waiting.into_iter().map(|id| {
                            ToSwarm::GenerateEvent(Event::Failed { peer, id, failure: Failure::Disconnected })
                        }),
                    );
                }
                if all.is_empty() {
                    self.connections.remove(&peer);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        happened: THandlerOutEvent<Self>,
    ) {
        let event = match happened {
            Happened::Requested(request, reply) => Event::Request { peer, request, reply },
            Happened::Malformed => Event::Malformed { peer },
            Happened::Answered(id, answer) if self.finish(&peer, connection, id) => Event::Answer { peer, id, answer },
            Happened::Failed(id, failure) if self.finish(&peer, connection, id) => Event::Failed { peer, id, failure },
            // Failed already, with its connection.
            Happened::Answered(..) | Happened::Failed(..) => return,
        };
        self.events.push_back(ToSwarm::GenerateEvent(event));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        // Whatever adds an event is followed by a poll: the swarm's own calls are, and its owner polls it after each of his.
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
