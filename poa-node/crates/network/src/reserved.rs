//! Peers to stay connected with, and when to dial them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use crate::{Enode, NetworkError, NodeId};

const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Never longer: a peer that was away for a day is connected within seconds of its return.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Entry {
    enode: Enode,
    peer: PeerId,
    next: Instant,
    wait: Duration,
    /// Whether its absence was logged.
    missed: bool,
}

#[derive(Debug)]
pub(crate) struct Reserved(Vec<Entry>);

impl Reserved {
    /// Takes the configured lines; our own, which a shared file holds too, is left out.
    pub(crate) fn new(enodes: &[Enode], own: NodeId) -> Result<Self, NetworkError> {
        let now = Instant::now();
        let mut entries: Vec<Entry> = Vec::new();
        for enode in enodes.iter().filter(|enode| enode.id != own) {
            let peer =
                enode.id.peer_id().map_err(|source| NetworkError::Reserved { enode: enode.to_string(), source })?;
            if entries.iter().any(|entry| entry.peer == peer) {
                continue;
            }
            entries.push(Entry { enode: enode.clone(), peer, next: now, wait: FIRST_WAIT, missed: false });
        }
        Ok(Self(entries))
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.0.iter().map(|entry| entry.peer)
    }

    /// Those to dial now. Each is due again after its wait, which doubles up to the longest.
    pub(crate) fn due(&mut self, now: Instant, skip: impl Fn(&PeerId) -> bool) -> Vec<(PeerId, String, u16)> {
        let mut due = Vec::new();
        for entry in &mut self.0 {
            if entry.next <= now && !skip(&entry.peer) {
                entry.next = now + entry.wait;
                entry.wait = (entry.wait * 2).min(LONGEST_WAIT);
                due.push((entry.peer, entry.enode.host.clone(), entry.enode.port));
            }
        }
        due
    }

    /// The handshake succeeded: waits start anew after the next loss.
    pub(crate) fn connected(&mut self, peer: &PeerId) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.peer == *peer) {
            entry.wait = FIRST_WAIT;
            entry.missed = false;
        }
    }

    /// The peer may not be dialled now. Nobody is bothered by asking again soon: it may be at the next head.
    pub(crate) fn refused(&mut self, peer: &PeerId, why: &dyn std::fmt::Display) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.peer == *peer) {
            entry.wait = FIRST_WAIT;
            if !std::mem::replace(&mut entry.missed, true) {
                tracing::warn!(enode = %entry.enode, %why, "reserved peer is not dialled; asking again at each block");
            }
        }
    }

    /// Logs, once until the peer is back, that it cannot be reached.
    pub(crate) fn missed(&mut self, peer: &PeerId, why: &dyn std::fmt::Display) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.peer == *peer)
            && !std::mem::replace(&mut entry.missed, true)
        {
            tracing::warn!(enode = %entry.enode, %why, "reserved peer cannot be reached; trying on every few seconds");
        }
    }
}

/// Looks the host up anew, so that a node that moved is found, and returns what libp2p dials.
pub(crate) async fn resolve(host: &str, port: u16) -> std::io::Result<Vec<Multiaddr>> {
    let mut addresses = Vec::new();
    for address in tokio::net::lookup_host((host, port)).await? {
        addresses.push(multiaddr(address));
    }
    Ok(addresses)
}

pub(crate) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::NodeKey;

    #[test]
    fn waits_double_up_to_five_seconds_and_start_anew_after_success() {
        let own = NodeKey::from_bytes([1; 32]).unwrap().id();
        let other = NodeKey::from_bytes([2; 32]).unwrap().id();
        let enode = |id| Enode { id, host: "localhost".to_owned(), port: 1 };
        let mut reserved = Reserved::new(&[enode(own), enode(other), enode(other)], own).unwrap();
        let peers: Vec<_> = reserved.peers().collect();
        assert_eq!(peers.len(), 1, "neither ourselves nor anybody twice");

        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let from = now;
            while reserved.due(now, |_| false).is_empty() {
                now += Duration::from_millis(50);
            }
            waits.push((now - from).as_millis());
        }
        assert_eq!(waits, [0, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert!(reserved.due(now + Duration::from_secs(9), |_| true).is_empty(), "not while connected");
        reserved.connected(&peers[0]);
        now += Duration::from_secs(5);
        assert_eq!(reserved.due(now, |_| false).len(), 1);
        assert_eq!(reserved.due(now + FIRST_WAIT, |_| false).len(), 1);
    }
}
