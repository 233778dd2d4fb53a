//! What peers say.

use std::sync::Arc;

use alloy::primitives::Bytes;
use aurum_types::{SealedBlock, TransactionError};
use libp2p::{
    PeerId,
    request_response::{Event, InboundFailure, Message, OutboundFailure, ResponseChannel},
};
use tokio::sync::oneshot;

use super::{Command, Switch};
use crate::{
    announced::FromPeer,
    behaviour::BehaviourEvent,
    compact::Compact,
    message::{Announcement, Message as _, SyncRequest, TxMessage, Wanted},
    peer,
    pipelined::{self, Failure, Reply},
    serve,
};

pub(super) type Exchange = Event<Bytes, Vec<u8>>;

impl Switch {
    pub(super) fn on_message(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Status(event) => self.on_status(event),
            BehaviourEvent::Blocks(event) => self.on_blocks(event),
            BehaviourEvent::Sync(event) => self.on_sync(event),
            BehaviourEvent::Txs(event) => self.on_txs(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Ping(event) => {
                if let Err(error) = event.result {
                    tracing::info!(peer = %event.peer, %error, "connection is dead");
                    self.swarm.close_connection(event.connection);
                }
            }
            BehaviourEvent::Gate(never) | BehaviourEvent::Limits(never) => match never {},
        }
    }

    /// Whether the peer finished its side of the handshake. Others are not heard.
    pub(super) fn is_greeted(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.status.is_some())
    }

    pub(super) fn too_often(&mut self, peer: PeerId) {
        self.metrics.requests_refused.add(1);
        self.penalise(peer, peer::FLOOD, "asks too often");
    }

    pub(super) fn on_inbound_failure(&mut self, peer: PeerId, error: &InboundFailure) {
        // Time-outs, closed connections and requests we left unanswered are no offence; what cannot be read is.
        if let InboundFailure::Io(error) = error
            && error.kind() == std::io::ErrorKind::InvalidData
        {
            self.penalise(peer, peer::MALFORMED, "message too long");
        }
    }

    /// A message of ours has no answer.
    pub(super) fn on_failure(&mut self, peer: PeerId, failure: Failure) {
        match failure {
            Failure::Malformed => self.penalise(peer, peer::MALFORMED, "answer malformed or too long"),
            Failure::Timeout | Failure::Declined | Failure::Broken(_) => self.unanswered(peer),
            Failure::Unsupported => self.disconnect(peer),
            Failure::Disconnected => {}
        }
    }

    pub(super) fn too_long(&mut self, peer: PeerId) {
        self.penalise(peer, peer::MALFORMED, "message malformed or too long");
    }

    pub(super) fn on_outbound_failure(&mut self, peer: PeerId, error: &OutboundFailure) {
        match error {
            OutboundFailure::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                self.penalise(peer, peer::MALFORMED, "answer too long");
            }
            OutboundFailure::Timeout | OutboundFailure::Io(_) => self.unanswered(peer),
            OutboundFailure::UnsupportedProtocols => self.disconnect(peer),
            OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {}
        }
    }

    fn on_blocks(&mut self, event: pipelined::Event) {
        match event {
            pipelined::Event::Request { peer, request, reply } => self.on_announcement(peer, &request, reply),
            pipelined::Event::Answer { peer, .. } => {
                self.answered(peer);
                self.announcement_done(peer);
            }
            pipelined::Event::Failed { peer, failure, .. } => {
                self.announcement_done(peer);
                self.on_failure(peer, failure);
            }
            pipelined::Event::Malformed { peer } => self.too_long(peer),
        }
    }

    fn on_announcement(&mut self, peer: PeerId, request: &[u8], reply: Reply) {
        if !self.is_greeted(&peer) {
            return;
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if !state.blocks_rate.take() {
            return self.too_often(peer);
        }
        reply.send(Vec::new());
        self.metrics.announcements_received.add(1);
        let Ok(Announcement { head, block, transactions }) = Announcement::from_bytes(request) else {
            return self.penalise(peer, peer::MALFORMED, "malformed announcement");
        };
        if let Some(state) = self.peers.get_mut(&peer) {
            state.known_blocks.put(head.hash);
        }
        self.directory.claim(&peer, head, self.source.status().score);
        if self.source.contains(head.hash) {
            return;
        }
        if block.is_empty() {
            return self.announced.hash(peer, head, &self.parts, &self.tasks);
        }
        if !transactions.is_empty() {
            let Some(compact) = Compact::decode(head, &block, transactions, &self.config.header_format) else {
                return self.penalise(peer, peer::MALFORMED, "announced a header that is not the block's");
            };
            return self.announced.compact(peer, head, compact, &self.parts, &self.tasks);
        }
        match SealedBlock::decode(&block, &self.config.header_format) {
            Ok(block) if block.hash() == head.hash && block.number() == head.number => {
                self.announced.block(FromPeer { peer, block });
            }
            Ok(_) => self.penalise(peer, peer::MALFORMED, "announced another block than it sent"),
            Err(_) => self.penalise(peer, peer::MALFORMED, "announced what is no block"),
        }
    }

    fn on_sync(&mut self, event: Exchange) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                if !self.is_greeted(&peer) {
                    return;
                }
                let Some(state) = self.peers.get_mut(&peer) else { return };
                if !state.sync_rate.take() {
                    return self.too_often(peer);
                }
                let Ok(request) = SyncRequest::from_bytes(&request) else {
                    return self.penalise(peer, peer::MALFORMED, "malformed question");
                };
                self.metrics.requests_served.add(1);
                let (source, format) = (Arc::clone(&self.source), self.config.header_format);
                self.in_background(channel, move || serve::answer(&*source, &request, &format));
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                self.answered(peer);
                if let Some(answer) = self.asks.remove(&request_id) {
                    let _ = answer.send(Some(response));
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                if let Some(answer) = self.asks.remove(&request_id) {
                    let _ = answer.send(None);
                }
                self.on_outbound_failure(peer, &error);
            }
            Event::InboundFailure { peer, error, .. } => self.on_inbound_failure(peer, &error),
            Event::ResponseSent { .. } => {}
        }
    }

    fn on_txs(&mut self, event: pipelined::Event) {
        match event {
            pipelined::Event::Request { peer, request, reply } => self.on_transactions(peer, &request, reply),
            pipelined::Event::Answer { peer, id, answer } => {
                self.answered(peer);
                let Some(sent) = self.sent_txs.remove(&id) else { return };
                let Ok(wanted) = Wanted::from_bytes(&answer) else {
                    return self.penalise(peer, peer::MALFORMED, "malformed acknowledgement");
                };
                self.transactions_acknowledged(peer, &sent, &wanted);
            }
            pipelined::Event::Failed { peer, id, failure } => {
                if let Some(sent) = self.sent_txs.remove(&id)
                    && let Some(state) = self.peers.get_mut(&peer)
                {
                    state.txs.failed(&sent);
                    self.tick_soon();
                }
                self.on_failure(peer, failure);
            }
            pipelined::Event::Malformed { peer } => self.too_long(peer),
        }
    }

    fn on_transactions(&mut self, peer: PeerId, request: &[u8], reply: Reply) {
        if !self.is_greeted(&peer) {
            return;
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if !state.txs_rate.take() {
            return self.too_often(peer);
        }
        let Ok(message) = TxMessage::from_bytes(request) else {
            return self.penalise(peer, peer::MALFORMED, "malformed transactions");
        };
        let inbox = Arc::clone(&self.inbox);
        match message {
            TxMessage::Whole(transactions) => {
                for bytes in &transactions {
                    state.txs.knows(alloy::primitives::keccak256(bytes));
                }
                self.metrics.transactions_received.add(transactions.len() as u64);
                // Acknowledged when they are pooled: a peer that sends faster waits.
                self.take_in(peer, reply, move || (Wanted::default(), inbox.take(&transactions)));
            }
            TxMessage::Offer(hashes) => {
                for hash in &hashes {
                    state.txs.knows(*hash);
                }
                self.take_in(peer, reply, move || (inbox.want(&hashes), Ok(())));
            }
        }
    }

    /// Makes an answer of sync on a blocking thread, a few at a time.
    fn in_background(&self, channel: ResponseChannel<Vec<u8>>, work: impl FnOnce() -> Vec<u8> + Send + 'static) {
        let (serving, asker) = (Arc::clone(&self.serving), self.asker.clone());
        self.tasks.spawn(async move {
            let Ok(_permit) = serving.acquire_owned().await else { return };
            let Ok(bytes) = tokio::task::spawn_blocking(work).await else {
                return tracing::error!("answering a peer panicked");
            };
            asker.send(Command::Answer { channel, bytes }).await;
        });
    }

    /// Takes in what a peer sent of transactions, on the pool's threads, a few messages at a time.
    fn take_in(
        &self,
        peer: PeerId,
        reply: Reply,
        work: impl FnOnce() -> (Wanted, Result<(), TransactionError>) + Send + 'static,
    ) {
        let (taking, asker, pool) = (Arc::clone(&self.taking), self.asker.clone(), self.pool.clone());
        self.tasks.spawn(async move {
            let Ok(permit) = taking.acquire_owned().await else { return };
            let (done, answer) = oneshot::channel();
            pool.spawn(move || {
                let _permit = permit;
                // Nobody waits once the node stops.
                let _ = done.send(work());
            });
            let Ok((wanted, result)) = answer.await else { return };
            reply.send(wanted.to_bytes());
            if let Err(error) = result {
                tracing::debug!(%peer, %error, "peer forwarded what is no transaction");
                asker.penalise(peer, peer::MALFORMED, "forwarded what is no transaction").await;
            }
        });
    }
}
