//! What the network tells JSON-RPC.

use std::net::SocketAddr;

/// One connected node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// Its public key: 128 hex digits, as in an enode.
    pub id: String,
    /// What it calls itself (`Aurum/v0.1.0/…`).
    pub name: String,
    /// Its address.
    pub remote: Option<SocketAddr>,
    /// Ours, on this connection.
    pub local: Option<SocketAddr>,
    /// Height of the best block it told us.
    pub height: Option<u64>,
    /// Whether it is one of the reserved peers.
    pub reserved: bool,
}

/// The network as JSON-RPC, health and metrics see it. Implemented by the program over its network handle; calls return at
/// once.
pub trait PeersApi: Send + Sync + 'static {
    /// This node's address for others: `enode://<128 hex>@host:port`.
    fn enode(&self) -> String;
    /// The connected nodes.
    fn peers(&self) -> Vec<PeerView>;
    /// Most peers this node takes.
    fn max_peers(&self) -> usize;
    /// Whether others can connect.
    fn listening(&self) -> bool;
    /// Height of the best block any peer told us.
    fn best_peer_height(&self) -> Option<u64>;
}

/// No network at all: a development chain, or a node that is alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

impl PeersApi for NoPeers {
    fn enode(&self) -> String {
        String::new()
    }

    fn peers(&self) -> Vec<PeerView> {
        Vec::new()
    }

    fn max_peers(&self) -> usize {
        0
    }

    fn listening(&self) -> bool {
        false
    }

    fn best_peer_height(&self) -> Option<u64> {
        None
    }
}
