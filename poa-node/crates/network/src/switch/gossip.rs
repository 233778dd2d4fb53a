//! Small messages of the engine: judged once, then passed on to whoever has not shown to have them.

use std::sync::Arc;

use alloy::primitives::{Bytes, keccak256};
use libp2p::PeerId;

use super::{Command, Switch};
use crate::{
    Verdict,
    message::{Gossip, Message as _},
    peer,
    pipelined::{self, Reply},
};

impl Switch {
    pub(super) fn on_gossip(&mut self, event: pipelined::Event) {
        match event {
            pipelined::Event::Request { peer, request, reply } => self.on_gossiped(peer, &request, reply),
            pipelined::Event::Answer { peer, .. } => {
                self.answered(peer);
                self.gossip_done(peer);
            }
            pipelined::Event::Failed { peer, failure, .. } => {
                self.gossip_done(peer);
                self.on_failure(peer, failure);
            }
            pipelined::Event::Malformed { peer } => self.too_long(peer),
        }
    }

    fn gossip_done(&mut self, peer: PeerId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.gossiping = state.gossiping.saturating_sub(1);
        }
    }

    fn on_gossiped(&mut self, peer: PeerId, request: &[u8], reply: Reply) {
        if !self.is_greeted(&peer) {
            return;
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if !state.gossip_rate.take() {
            return self.too_often(peer);
        }
        reply.send(Vec::new());
        self.metrics.gossip_received.add(1);
        let Ok(message) = Gossip::from_bytes(request) else {
            return self.penalise(peer, peer::MALFORMED, "malformed message of the engine");
        };
        let hash = keccak256(request);
        if let Some(state) = self.peers.get_mut(&peer) {
            state.known_gossip.put(hash);
        }
        if self.heard.contains(&hash) {
            return;
        }
        let (source, serving, asker) = (Arc::clone(&self.source), Arc::clone(&self.serving), self.asker.clone());
        self.tasks.spawn(async move {
            let Ok(_permit) = serving.acquire_owned().await else { return };
            let heard = message.clone();
            let Ok(verdict) = tokio::task::spawn_blocking(move || source.hear(heard.topic, &heard.body)).await else {
                return tracing::error!("judging a message of the engine panicked");
            };
            match verdict {
                Verdict::Imported => asker.send(Command::Heard { message, from: peer, relay: true }).await,
                Verdict::Known => asker.send(Command::Heard { message, from: peer, relay: false }).await,
                Verdict::Invalid(why) => {
                    tracing::debug!(%peer, topic = ?message.topic, why, "message of the engine is malformed");
                    asker.send(Command::Heard { message, from: peer, relay: false }).await;
                    asker.penalise(peer, peer::MALFORMED, "passed on a malformed message of the engine").await;
                }
                // It may be judged when it comes again.
                Verdict::UnknownParent | Verdict::TemporarilyInvalid(_) | Verdict::Refused(_) | Verdict::Fault(_) => {}
            }
        });
    }

    /// A message was judged: it is not judged again, and goes on if it is good.
    pub(super) fn on_heard(&mut self, message: &Gossip, from: PeerId, relay: bool) {
        if self.heard.put(keccak256(message.to_bytes())) && relay {
            self.gossip(message, Some(from), false);
        }
    }

    /// Tells every peer that has not shown to have it, or everybody `again`.
    pub(super) fn gossip(&mut self, message: &Gossip, except: Option<PeerId>, again: bool) {
        let bytes = Bytes::from(message.to_bytes());
        let hash = keccak256(&bytes);
        self.heard.put(hash);
        let protocol = &mut self.swarm.behaviour_mut().gossip;
        for (peer, state) in &mut self.peers {
            if !state.ready || Some(*peer) == except || (!again && state.known_gossip.contains(&hash)) {
                continue;
            }
            if state.gossiping >= peer::GOSSIPING {
                self.metrics.gossip_dropped.add(1);
                continue;
            }
            state.known_gossip.put(hash);
            state.gossiping += 1;
            self.metrics.gossip_sent.add(1);
            protocol.send_request(peer, bytes.clone());
        }
    }
}
