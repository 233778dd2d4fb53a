//! What peers are told: blocks, heads, transactions.

use std::{sync::Arc, time::Instant};

use alloy::primitives::{B256, Bytes};
use aurum_pool::{Newly, Pooled};
use aurum_types::{Score, SealedBlock};
use libp2p::PeerId;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{GATHER, POOLED_PER_TURN, Switch, TICK};
use crate::{
    Head, compact,
    gossip::{Encoder, Sent},
    message::{Announcement, Message as _, TxMessage, Wanted},
    peer,
};

impl Switch {
    /// Tells everybody about a block of ours: by its header and the hashes of its transactions, or whole if there are few.
    pub(super) fn announce_own(&mut self, block: &SealedBlock) {
        let status = self.source.status();
        let score = if status.hash == block.hash() { status.score } else { Score::default() };
        let head = Head::new(block.number(), block.hash(), score);
        self.told_head = block.hash();
        self.announce(&compact::announcement(head, block, self.config.announce_whole), None);
    }

    /// Passes on the hash of a block that came from a peer. Peers that lack it fetch it, so that it gets through a
    /// partial mesh; in a full mesh its sealer has sent it to everybody already.
    pub(super) fn relay(&mut self, head: Head, from: PeerId) {
        if head.hash == self.source.status().hash {
            self.told_head = head.hash;
        }
        self.announce(&Announcement::of_head(head), Some(from));
    }

    /// Tells the head if it changed in any other way: by sync, or when an announcement was lost.
    pub(super) fn tell_head(&mut self) {
        let status = self.source.status();
        if status.hash != self.told_head {
            self.told_head = status.hash;
            self.announce(&Announcement::of_head(status.into()), None);
        }
    }

    fn announce(&mut self, announcement: &Announcement, except: Option<PeerId>) {
        let (head, message) = (announcement.head, Bytes::from(announcement.to_bytes()));
        let protocol = &mut self.swarm.behaviour_mut().blocks;
        for (peer, state) in &mut self.peers {
            if !state.ready || Some(*peer) == except || state.known_blocks.contains(&head.hash) {
                continue;
            }
            if state.announcing >= peer::ANNOUNCING {
                self.metrics.announcements_superseded.add(1);
                state.behind = Some(head);
                continue;
            }
            state.known_blocks.put(head.hash);
            state.announcing += 1;
            self.metrics.announcements_sent.add(1);
            protocol.send_request(peer, message.clone());
        }
    }

    /// An announcement was acknowledged, or lost: there is room for the newest head the peer was not told.
    pub(super) fn announcement_done(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.announcing = state.announcing.saturating_sub(1);
        let Some(head) = state.behind.take() else { return };
        if state.known_blocks.put(head.hash) {
            state.announcing += 1;
            self.metrics.announcements_sent.add(1);
            let message = Announcement::of_head(head).to_bytes();
            self.swarm.behaviour_mut().blocks.send_request(&peer, message);
        }
    }

    /// Queues newly pooled transactions for every peer and sends what may go.
    pub(super) fn on_pooled(&mut self, first: Result<Newly, RecvError>, more: &mut broadcast::Receiver<Newly>) {
        let now = Instant::now();
        match first {
            Ok(newly) => {
                newly.iter().for_each(|tx| self.queue(tx, now));
                for _ in 0..POOLED_PER_TURN {
                    match more.try_recv() {
                        Ok(newly) => newly.iter().for_each(|tx| self.queue(tx, now)),
                        Err(_) => break,
                    }
                }
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "transactions came faster than they are passed on; offering the whole pool");
                let peers: Vec<_> = self.peers.keys().copied().collect();
                for peer in peers {
                    self.offer_all(peer);
                }
            }
            // The pool cannot end while the inbox holds it.
            Err(RecvError::Closed) => {}
        }
        self.flush_soon();
    }

    fn queue(&mut self, tx: &Arc<Pooled>, now: Instant) {
        let hash = tx.hash();
        let from = self.peers.values().find(|state| state.txs.is_known(&hash)).map(|state| state.number);
        for state in self.peers.values_mut().filter(|state| state.ready) {
            if !state.txs.push(tx, from, now) {
                self.metrics.transactions_deferred.add(1);
            }
        }
    }

    /// Offers a peer all that waits: when it comes, and after its queue overflowed.
    pub(super) fn offer_all(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer).filter(|state| state.ready) else { return };
        let content = self.pool.content();
        for tx in content.pending.values().chain(content.queued.values()).flatten() {
            state.txs.offer_again(tx.hash());
        }
    }

    /// Offers again what this node answers for and what has waited since the last time: authorities may have had no
    /// room for it.
    pub(super) fn reoffer_waiting(&mut self) {
        let content = self.pool.content();
        let ours: Vec<_> = content.pending.values().flatten().filter(|tx| tx.origin().is_ours()).collect();
        let waiting: Vec<B256> =
            ours.iter().filter(|tx| tx.arrival() <= self.reoffered_to).map(|tx| tx.hash()).collect();
        self.reoffered_to = ours.iter().map(|tx| tx.arrival()).max().unwrap_or(self.reoffered_to);
        for state in self.peers.values_mut().filter(|state| state.ready) {
            for hash in &waiting {
                state.txs.offer_again(*hash);
            }
        }
    }

    /// Lets what waits in full be gathered for a moment: a message costs as much as many transactions in it. Offers wait
    /// for the next tick.
    fn flush_soon(&mut self) {
        if self.flush_at.is_none() && self.peers.values().any(|state| state.txs.has_whole()) {
            self.flush_at = Some(tokio::time::Instant::now() + GATHER);
        }
        self.tick_soon();
    }

    /// Something waits for a tick: a calm one would be late.
    pub(super) fn tick_soon(&mut self) {
        self.tick_at = self.tick_at.min(tokio::time::Instant::now() + TICK);
    }

    /// Sends what waits in full, as far as peers have acknowledged what came before.
    pub(super) fn flush_whole(&mut self) {
        self.flush_at = None;
        let protocol = &mut self.swarm.behaviour_mut().txs;
        let mut encoder = Encoder::default();
        // In rounds, each a message to every peer, so that those that are the same follow one another.
        loop {
            let mut sent = false;
            for (peer, state) in self.peers.iter_mut().filter(|(_, state)| state.ready) {
                let Some(transactions) = state.txs.next_whole() else { continue };
                let (message, hashes) = encoder.encode(&transactions);
                self.metrics.transactions_sent.add(hashes.len() as u64);
                self.metrics.transaction_messages_sent.add(1);
                let id = protocol.send_request(peer, message);
                self.sent_txs.insert(id, Sent::Whole(hashes));
                sent = true;
            }
            if !sent {
                return;
            }
        }
    }

    /// Sends what waits: whole ones, then offers. Offers wait for a tick or two, so that peers
    /// can show meanwhile what they have.
    pub(super) fn flush_offers(&mut self) {
        self.flush_whole();
        let (now, mut deferred) = (Instant::now(), Vec::new());
        let protocol = &mut self.swarm.behaviour_mut().txs;
        for (peer, state) in self.peers.iter_mut().filter(|(_, state)| state.ready) {
            while let Some((message, offers)) = state.txs.next_offer() {
                let id = protocol.send_request(peer, TxMessage::to_bytes(&message));
                self.sent_txs.insert(id, Sent::Offers(offers));
            }
            state.txs.ripen(now, |hash| self.pool.get(hash).is_some());
            if state.txs.take_deferred() {
                deferred.push(*peer);
            }
        }
        for peer in deferred {
            self.offer_all(peer);
        }
    }

    pub(super) fn transactions_acknowledged(&mut self, peer: PeerId, sent: &Sent, wanted: &Wanted) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.txs.acknowledged(sent, wanted);
        for place in &wanted.places {
            let Some(hash) = sent.at(*place) else {
                return self.penalise(peer, peer::MALFORMED, "wants what was not offered");
            };
            // Mined or replaced meanwhile: nothing to send.
            if let Some(tx) = self.pool.get(hash) {
                state.txs.push_wanted(tx);
            }
        }
        self.flush_soon();
    }
}
