//! Connections: made, greeted, lost, given up.

use std::{
    io,
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    request_response::{self, Message, OutboundFailure},
    swarm::{DialError, SwarmEvent, dial_opts::DialOpts},
};

use super::{Command, Switch, inbound::Exchange};
use crate::{
    NodeId, PeerInfo,
    behaviour::BehaviourEvent,
    message::{Message as _, Status, VERSION},
    peer::{self, Peer},
    reserved,
};

/// Time to let an answer out that tells a peer why it is disconnected.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// Time for the handshake.
const GREETING: Duration = Duration::from_secs(10);

impl Switch {
    pub(super) fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_message(event),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, num_established, .. }
                if num_established.get() == 1 =>
            {
                self.greet(peer_id, endpoint.get_remote_address(), endpoint.is_listener());
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                match self.peers.remove(&peer_id) {
                    Some(peer) if peer.ready => {
                        tracing::info!(peer = %peer_id, ?cause, peers = self.peers.len(), "peer left");
                    }
                    Some(peer) if !peer.inbound => self.reserved.missed(
                        &peer_id,
                        &"it closed the connection before the handshake; it may not permit this node, or not yet",
                    ),
                    _ => {}
                }
                self.directory.leave(&peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                let why = match &error {
                    DialError::WrongPeerId { obtained, .. } => {
                        let has = NodeId::of_peer(obtained).map_or_else(|| obtained.to_string(), |id| id.to_string());
                        format!("the node there has another key: {has}")
                    }
                    other => other.to_string(),
                };
                tracing::debug!(%peer, why, "dial failed");
                self.reserved.missed(&peer, &why);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "incoming connection failed");
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                tracing::error!(?reason, "no longer listening for peers");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listening for peers"),
            _ => {}
        }
    }

    pub(super) fn on_tick(&mut self) {
        let now = Instant::now();
        let peers = &self.peers;
        let gate = &self.swarm.behaviour().gate;
        let due = self.reserved.due(now, |peer| peers.contains_key(peer) || gate.is_banned(peer));
        for (peer, host, port) in due {
            if let Err(refused) = self.swarm.behaviour().gate.may_dial(&peer) {
                self.reserved.refused(&peer, &refused);
                continue;
            }
            let asker = self.asker.clone();
            self.tasks.spawn(async move {
                let addresses = reserved::resolve(&host, port).await;
                asker.send(Command::Dial { peer, addresses }).await;
            });
        }
        let doomed: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, state)| state.close_at.is_some_and(|at| at <= now))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in doomed {
            self.disconnect(peer);
        }
        self.review_peers();
        self.flush_offers();
    }

    /// Whether nothing waits for a tick: no transaction, no farewell, no reserved peer to be dialled.
    pub(super) fn is_calm(&self) -> bool {
        let at_rest = |state: &peer::Peer| state.txs.is_idle() && state.close_at.is_none();
        self.peers.values().all(at_rest) && self.reserved.peers().all(|peer| self.peers.contains_key(&peer))
    }

    /// Asks about everybody connected once a head: permissions may have changed with it.
    fn review_peers(&mut self) {
        let head = self.source.status().hash;
        if head == self.reviewed_at {
            return;
        }
        self.reviewed_at = head;
        let peers = self.peers.iter().map(|(peer, state)| (*peer, state.node));
        let Some(review) = self.swarm.behaviour().gate.review(peers) else { return };
        let (asker, tasks) = (self.asker.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            let Ok(dismissed) = tasks.spawn_blocking(move || review.run()).await else { return };
            for (peer, why) in dismissed {
                asker.send(Command::Dismiss { peer, why }).await;
            }
        });
    }

    /// Parts with a peer that may no longer be connected. It is dialled again, if it is a reserved one, once it may be.
    pub(super) fn dismiss(&mut self, peer: PeerId, why: &str) {
        let Some(state) = self.peers.get(&peer) else { return };
        tracing::warn!(node = %state.node, why, "peer disconnected");
        self.metrics.peers_dismissed.add(1);
        self.disconnect(peer);
    }

    pub(super) fn on_second(&mut self) {
        for peer in self.peers.values_mut() {
            peer.penalty = peer.penalty.saturating_sub(1);
        }
        self.tell_head();
    }

    pub(super) fn dial(&mut self, peer: PeerId, addresses: io::Result<Vec<Multiaddr>>) {
        let addresses = match addresses {
            Ok(addresses) => addresses,
            Err(error) => return self.reserved.missed(&peer, &error),
        };
        // A port of its own: sharing the listening one makes quick redials fail.
        let options = DialOpts::peer_id(peer).addresses(addresses).allocate_new_port().build();
        match self.swarm.dial(options) {
            // Connected or being dialled meanwhile.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.reserved.missed(&peer, &error),
        }
    }

    pub(super) fn disconnect(&mut self, peer: PeerId) {
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Holds something against a peer; at the limit it is disconnected and banned for a while.
    pub(super) fn penalise(&mut self, peer: PeerId, amount: u32, why: &str) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.penalty >= peer::LIMIT {
            return;
        }
        state.penalty += amount;
        tracing::debug!(%peer, amount, total = state.penalty, why, "peer misbehaved");
        if state.penalty >= peer::LIMIT {
            let time = self.swarm.behaviour_mut().gate.ban(peer);
            self.metrics.peers_penalised.add(1);
            tracing::warn!(%peer, why, ?time, "peer banned");
            self.disconnect(peer);
        }
    }

    /// Counts a message without answer; several in a row end the connection.
    pub(super) fn unanswered(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.timeouts += 1;
        if state.timeouts >= peer::TIMEOUTS {
            tracing::info!(%peer, "peer does not answer; disconnecting");
            self.disconnect(peer);
        }
    }

    pub(super) fn answered(&mut self, peer: PeerId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.timeouts = 0;
        }
    }

    fn own_status(&self) -> Status {
        let status = self.source.status();
        Status {
            version: VERSION,
            network_id: self.config.network_id,
            genesis: status.genesis,
            head: status.into(),
            client: self.config.client.clone(),
        }
    }

    fn greet(&mut self, peer: PeerId, address: &Multiaddr, inbound: bool) {
        // The gate lets no other keys through.
        let Some(node) = NodeId::of_peer(&peer) else { return self.disconnect(peer) };
        self.connections = self.connections.wrapping_add(1);
        let mut state = Peer::new(self.connections, node, address.to_string(), inbound);
        state.close_at = Some(Instant::now() + GREETING);
        self.peers.insert(peer, state);
        let status = self.own_status().to_bytes();
        self.swarm.behaviour_mut().status.send_request(&peer, status.into());
    }

    pub(super) fn on_status(&mut self, event: Exchange) {
        match event {
            request_response::Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                let Some(state) = self.peers.get_mut(&peer) else { return };
                if !state.status_rate.take() {
                    return self.penalise(peer, peer::FLOOD, "greets too often");
                }
                let own = self.own_status().to_bytes();
                let _ = self.swarm.behaviour_mut().status.send_response(channel, own);
                if !self.check_status(peer, &request)
                    && let Some(state) = self.peers.get_mut(&peer)
                {
                    state.close_at = Some(Instant::now() + LAST_WORDS);
                    self.tick_soon();
                }
            }
            request_response::Event::Message { peer, message: Message::Response { response, .. }, .. } => {
                if self.check_status(peer, &response) {
                    self.enter(peer);
                } else if let Some(state) = self.peers.get_mut(&peer) {
                    state.close_at = Some(Instant::now() + LAST_WORDS);
                    self.tick_soon();
                }
            }
            request_response::Event::OutboundFailure { peer, error, .. }
                if !matches!(error, OutboundFailure::ConnectionClosed) =>
            {
                tracing::debug!(%peer, %error, "handshake failed");
                self.disconnect(peer);
            }
            _ => {}
        }
    }

    /// Whether the peer is of our chain; notes its side of the handshake if so.
    fn check_status(&mut self, peer: PeerId, bytes: &[u8]) -> bool {
        let status = match Status::from_bytes(bytes) {
            Ok(status) => status,
            Err(error) => {
                tracing::debug!(%peer, %error, "handshake is malformed");
                self.penalise(peer, peer::MALFORMED, "malformed handshake");
                return false;
            }
        };
        let own = self.own_status();
        let same = (status.version, status.network_id, status.genesis) == (own.version, own.network_id, own.genesis);
        if !same {
            let bounded = self.strangers.len() < 1_024;
            if bounded && self.strangers.insert(peer) {
                let node = self.peers.get(&peer).map(|state| state.node.to_string()).unwrap_or_default();
                tracing::warn!(
                    node,
                    our_genesis = %own.genesis,
                    their_genesis = %status.genesis,
                    our_network = own.network_id,
                    their_network = status.network_id,
                    our_version = own.version,
                    their_version = status.version,
                    "peer is of another chain; compare the spec files of both"
                );
            }
            return false;
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.status = Some(status);
        }
        true
    }

    /// Both sides of the handshake are done: the peer counts.
    fn enter(&mut self, peer: PeerId) {
        let reserved = self.swarm.behaviour().gate.is_reserved(&peer);
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let Some(status) = &state.status else { return };
        if std::mem::replace(&mut state.ready, true) {
            return;
        }
        state.close_at = None;
        let info = PeerInfo {
            id: state.node,
            address: state.address.clone(),
            inbound: state.inbound,
            reserved,
            head: status.head,
            client: status.client.clone(),
        };
        tracing::info!(id = ?info.id, address = info.address, head = info.head.number, client = info.client, "peer joined");
        self.directory.enter(peer, info);
        self.reserved.connected(&peer);
        self.parts.wake_sync.notify_one();
        self.offer_all(peer);
        self.tick_soon();
    }
}
