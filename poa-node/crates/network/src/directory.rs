//! Peers that passed the handshake and the heads they claim, as sync and the node's owner see them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use aurum_types::{BlockNumber, Score};
use libp2p::PeerId;

use crate::{Head, NodeId};

/// How long a heavier head may stay with a peer before sync asks for it. Announced blocks usually come sooner.
const SETTLE: Duration = Duration::from_millis(400);

/// A connected peer.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Who.
    pub id: NodeId,
    /// The other end of the connection, as a libp2p address.
    pub address: String,
    /// Whether the peer connected to us.
    pub inbound: bool,
    /// Whether it is one of the configured peers.
    pub reserved: bool,
    /// The heaviest head it claimed.
    pub head: Head,
    /// Its name and version.
    pub client: String,
}

#[derive(Debug)]
struct Entry {
    info: PeerInfo,
    head_since: Instant,
    avoided_until: Instant,
    /// When it was chosen by [`Directory::next`].
    asked: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Directory(Mutex<HashMap<PeerId, Entry>>);

impl Directory {
    fn peers(&self) -> MutexGuard<'_, HashMap<PeerId, Entry>> {
        self.0.lock().expect("nothing panics while holding the directory")
    }

    /// Enters a peer after its handshake. Its head may be asked for at once.
    pub(crate) fn enter(&self, peer: PeerId, info: PeerInfo) {
        let now = Instant::now();
        let head_since = now.checked_sub(SETTLE).unwrap_or(now);
        self.peers().insert(peer, Entry { info, head_since, avoided_until: now, asked: now });
    }

    pub(crate) fn leave(&self, peer: &PeerId) {
        self.peers().remove(peer);
    }

    /// Notes a claimed head if it is heavier than the one before. While that one is heavier than `ours` too, we are
    /// behind since then: a chain that grows quickly settles all the same.
    pub(crate) fn claim(&self, peer: &PeerId, head: Head, ours: Score) {
        if let Some(entry) = self.peers().get_mut(peer)
            && head.score() > entry.info.head.score()
        {
            if entry.info.head.score() <= ours {
                entry.head_since = Instant::now();
            }
            entry.info.head = head;
        }
    }

    /// Replaces a claim that was found not to hold.
    pub(crate) fn correct(&self, peer: &PeerId, head: Head) {
        if let Some(entry) = self.peers().get_mut(peer) {
            entry.info.head = head;
        }
    }

    /// Lets sync ask for the peer's head at once.
    pub(crate) fn settle(&self, peer: &PeerId) {
        if let Some(entry) = self.peers().get_mut(peer) {
            let now = Instant::now();
            entry.head_since = now.checked_sub(SETTLE).unwrap_or(now);
        }
    }

    /// Keeps sync from asking the peer for a while.
    pub(crate) fn avoid(&self, peer: &PeerId, time: Duration) {
        if let Some(entry) = self.peers().get_mut(peer) {
            entry.avoided_until = Instant::now() + time;
        }
    }

    /// The peer with the heaviest settled head above `ours`.
    pub(crate) fn ahead(&self, ours: Score) -> Option<(PeerId, Head)> {
        let now = Instant::now();
        self.peers()
            .iter()
            .filter(|(_, entry)| {
                let settled = now.saturating_duration_since(entry.head_since) >= SETTLE;
                entry.info.head.score() > ours && entry.avoided_until <= now && settled
            })
            .max_by_key(|(_, entry)| entry.info.head.score())
            .map(|(peer, entry)| (*peer, entry.info.head))
    }

    /// Every peer.
    pub(crate) fn ids(&self) -> Vec<PeerId> {
        self.peers().keys().copied().collect()
    }

    /// One of the peers, in turn.
    pub(crate) fn next(&self) -> Option<PeerId> {
        let mut peers = self.peers();
        let (peer, entry) = peers.iter_mut().min_by_key(|(_, entry)| entry.asked)?;
        entry.asked = Instant::now();
        Some(*peer)
    }

    pub(crate) fn head(&self, peer: &PeerId) -> Option<Head> {
        self.peers().get(peer).map(|entry| entry.info.head)
    }

    pub(crate) fn best_height(&self) -> Option<BlockNumber> {
        self.peers().values().map(|entry| entry.info.head).max_by_key(Head::score).map(|head| head.number)
    }

    pub(crate) fn infos(&self) -> Vec<PeerInfo> {
        let mut infos: Vec<_> = self.peers().values().map(|entry| entry.info.clone()).collect();
        infos.sort_by_key(|info| info.id);
        infos
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use alloy::primitives::{B256, U256};

    use super::*;
    use crate::NodeKey;

    fn head(score: u64) -> Head {
        Head::new(score, B256::ZERO, Score(U256::from(score)))
    }

    fn score(score: u64) -> Score {
        Score(U256::from(score))
    }

    fn with_peer(score: u64) -> (Directory, PeerId) {
        let directory = Directory::default();
        let id = NodeKey::from_bytes([1; 32]).unwrap().id();
        let peer = id.peer_id().unwrap();
        let (address, client) = (String::new(), String::new());
        let info = PeerInfo { id, address, inbound: false, reserved: false, head: head(score), client };
        directory.enter(peer, info);
        (directory, peer)
    }

    #[test]
    fn a_head_claimed_at_the_handshake_is_followed_at_once_and_later_ones_settle_first() {
        let (directory, peer) = with_peer(5);
        assert_eq!(directory.ahead(score(4)), Some((peer, head(5))));
        assert_eq!(directory.ahead(score(5)), None);
        directory.claim(&peer, head(6), score(5));
        assert_eq!(directory.ahead(score(5)), None, "the announced block is probably on its way");
        directory.settle(&peer);
        assert_eq!(directory.ahead(score(5)), Some((peer, head(6))));
        directory.claim(&peer, head(7), score(5));
        assert_eq!(directory.ahead(score(5)), Some((peer, head(7))), "behind since before");
        directory.avoid(&peer, Duration::from_secs(60));
        assert_eq!(directory.ahead(score(5)), None);
        assert_eq!(directory.best_height(), Some(7));
    }
}
