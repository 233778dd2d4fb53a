//! The two streams of one connection: ours, on which we ask, and the peer's.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Sink as _, SinkExt as _, StreamExt as _};
use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::ReadyUpgrade,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::{
    bytes::Bytes,
    codec::Framed,
    compat::{Compat, FuturesAsyncReadCompatExt as _},
};

use super::{
    Failure, Kind, Reply, RequestId,
    frame::{Frame, Frames},
};

type Line = Framed<Compat<Stream>, Frames>;
type Upgrade = ReadyUpgrade<StreamProtocol>;

fn line(stream: Stream, limit: usize) -> Line {
    Framed::new(stream.compat(), Frames { limit })
}

/// A request to be sent.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(super) id: RequestId,
    pub(super) request: Bytes,
}

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum Happened {
    Requested(Bytes, Reply),
    Answered(RequestId, Bytes),
    Failed(RequestId, Failure),
    Malformed,
}

pub(crate) struct Handler {
    kind: Kind,
    ours: Ours,
    theirs: Option<Theirs>,
    happened: VecDeque<Happened>,
}

impl Handler {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, ours: Ours::default(), theirs: None, happened: VecDeque::new() }
    }

    fn upgrade(&self) -> SubstreamProtocol<Upgrade> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.kind.protocol.clone()), ())
    }
}

/// The stream on which we ask.
#[derive(Default)]
struct Ours {
    line: Opened,
    /// To be sent.
    queue: VecDeque<Ask>,
    /// Sent or queued, with when they are given up: the oldest first.
    waiting: VecDeque<(RequestId, Instant)>,
    /// Goes off when the oldest is given up, or before.
    alarm: Option<Pin<Box<Sleep>>>,
}

#[derive(Default)]
enum Opened {
    #[default]
    No,
    Soon,
    Yes(Box<Line>),
}

impl Ours {
    /// Nothing of what waits will be answered.
    fn fail(&mut self, failure: Failure, happened: &mut VecDeque<Happened>) {
        self.line = Opened::No;
        self.queue.clear();
        happened.extend(self.waiting.drain(..).map(|(id, _)| Happened::Failed(id, failure)));
    }

    fn poll(&mut self, context: &mut Context<'_>, happened: &mut VecDeque<Happened>) {
        if let Opened::Yes(line) = &mut self.line
            && let Err(error) = exchange(line, &mut self.queue, &mut self.waiting, context, happened)
        {
            self.fail(Failure::of(&error), happened);
        }
        self.expire(context, happened);
    }

    fn expire(&mut self, context: &mut Context<'_>, happened: &mut VecDeque<Happened>) {
        while let Some((id, at)) = self.waiting.front().copied() {
            if at <= Instant::now() {
                self.waiting.pop_front();
                self.queue.retain(|ask| ask.id != id);
                happened.push_back(Happened::Failed(id, Failure::Timeout));
                continue;
            }
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if alarm.is_elapsed() {
                alarm.as_mut().reset(at);
            }
            if alarm.as_mut().poll(context).is_pending() {
                return;
            }
        }
    }
}

/// Sends what is queued and reads answers, as far as both go.
fn exchange(
    line: &mut Line,
    queue: &mut VecDeque<Ask>,
    waiting: &mut VecDeque<(RequestId, Instant)>,
    context: &mut Context<'_>,
    happened: &mut VecDeque<Happened>,
) -> io::Result<()> {
    while !queue.is_empty() {
        if Pin::new(&mut *line).poll_ready(context)?.is_pending() {
            break;
        }
        let Some(Ask { id, request }) = queue.pop_front() else { break };
        line.start_send_unpin(Frame { number: id.0, bytes: Some(request) })?;
    }
    let _ = line.poll_flush_unpin(context)?;
    while let Poll::Ready(frame) = line.poll_next_unpin(context) {
        let Frame { number, bytes } = frame.ok_or(io::ErrorKind::UnexpectedEof)??;
        // An answer that was given up is of no use.
        let Some(place) = waiting.iter().position(|(id, _)| id.0 == number) else { continue };
        let Some((id, _)) = waiting.remove(place) else { continue };
        happened.push_back(match bytes {
            Some(answer) => Happened::Answered(id, answer),
            None => Happened::Failed(id, Failure::Declined),
        });
    }
    Ok(())
}

/// The stream on which the peer asks.
struct Theirs {
    line: Line,
    replies: mpsc::UnboundedReceiver<Frame>,
    /// Of each [`Reply`].
    reply: mpsc::UnboundedSender<Frame>,
    unanswered: usize,
}

impl Theirs {
    fn new(line: Line) -> Self {
        let (reply, replies) = mpsc::unbounded_channel();
        Self { line, replies, reply, unanswered: 0 }
    }

    /// Sends answers and reads requests, up to so many that are not answered yet.
    fn poll(&mut self, at_once: usize, context: &mut Context<'_>, happened: &mut VecDeque<Happened>) -> io::Result<()> {
        while Pin::new(&mut self.line).poll_ready(context)?.is_ready()
            && let Poll::Ready(Some(answer)) = self.replies.poll_recv(context)
        {
            self.unanswered = self.unanswered.saturating_sub(1);
            self.line.start_send_unpin(answer)?;
        }
        let _ = self.line.poll_flush_unpin(context)?;
        while self.unanswered < at_once
            && let Poll::Ready(frame) = self.line.poll_next_unpin(context)
        {
            let Frame { number, bytes } = frame.ok_or(io::ErrorKind::UnexpectedEof)??;
            let request = bytes.ok_or(io::ErrorKind::InvalidData)?;
            self.unanswered += 1;
            happened.push_back(Happened::Requested(request, Reply::new(number, self.reply.clone())));
        }
        Ok(())
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Ask;
    type ToBehaviour = Happened;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        self.upgrade()
    }

    fn on_behaviour_event(&mut self, ask: Ask) {
        self.ours.waiting.push_back((ask.id, Instant::now() + self.kind.timeout));
        self.ours.queue.push_back(ask);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Upgrade, (), Happened>> {
        if self.happened.is_empty() {
            self.ours.poll(context, &mut self.happened);
            if let Some(theirs) = &mut self.theirs
                && let Err(error) = theirs.poll(self.kind.at_once, context, &mut self.happened)
            {
                self.theirs = None;
                if error.kind() == io::ErrorKind::InvalidData {
                    self.happened.push_back(Happened::Malformed);
                }
            }
        }
        if let Some(happened) = self.happened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(happened));
        }
        if matches!(self.ours.line, Opened::No) && !self.ours.queue.is_empty() {
            self.ours.line = Opened::Soon;
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol: self.upgrade() });
        }
        Poll::Pending
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade>) {
        match event {
            // The newest counts: whoever opens another has given the last one up.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                self.theirs = Some(Theirs::new(line(protocol, self.kind.request)));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                self.ours.line = Opened::Yes(Box::new(line(protocol, self.kind.answer)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                let failure = match error {
                    StreamUpgradeError::Timeout => Failure::Timeout,
                    StreamUpgradeError::NegotiationFailed => Failure::Unsupported,
                    StreamUpgradeError::Io(error) => Failure::of(&error),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                self.ours.fail(failure, &mut self.happened);
            }
            _ => {}
        }
    }
}
