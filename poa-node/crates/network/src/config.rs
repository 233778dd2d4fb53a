//! What the network is told.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use aurum_types::HeaderFormat;

use crate::{Enode, NodeId, NodeKey};

/// Whether a node may be connected now, or why not, in words for the log. Asked before a dial, at each connection in either
/// direction once the other side has proven its key, and of everybody connected after each new head. Must answer within a
/// millisecond or so.
pub type Admit = dyn Fn(NodeId, Standing) -> Result<(), String> + Send + Sync;

/// What a node is to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Configured: a reserved peer or a boot node.
    Reserved,
    /// Anybody else.
    Other,
}

/// Identity, place, neighbours and limits.
#[derive(Clone)]
pub struct NetworkConfig {
    /// Secret of the node's identity.
    pub key: NodeKey,
    /// Address to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host to name in the node's own enode; the listen address if absent.
    pub public_host: Option<String>,
    /// Peers to stay connected with.
    pub reserved: Vec<Enode>,
    /// Whether nobody else is let in.
    pub reserved_only: bool,
    /// Peers at most; reserved ones are let in beyond it.
    pub max_peers: usize,
    /// Network id of the chain spec; another's peers are refused.
    pub network_id: u64,
    /// Layout of this chain's headers.
    pub header_format: HeaderFormat,
    /// Name and version told to peers.
    pub client: String,
    /// Who may be connected; `None` = everybody.
    pub admit: Option<Arc<Admit>>,
    /// How long a peer may take to answer.
    pub request_timeout: Duration,
    /// Encoded blocks up to this many bytes are announced whole, larger ones by the hashes of their transactions.
    pub announce_whole: usize,
    /// How far below the lower of two heads their common ancestor is looked for.
    pub max_fork_depth: u64,
    /// Whether heavier chains of peers are followed. A node that has not got its chain yet only asks.
    pub follow: bool,
    /// How long a peer that sent an invalid block stays out. Reserved peers stay out for a tenth of it.
    pub ban: Duration,
}

impl NetworkConfig {
    /// The usual limits, nobody reserved, everybody admitted.
    pub fn new(key: NodeKey, listen: SocketAddr, network_id: u64, header_format: HeaderFormat) -> Self {
        Self {
            key,
            listen,
            public_host: None,
            reserved: Vec::new(),
            reserved_only: false,
            max_peers: 50,
            network_id,
            header_format,
            client: concat!("aurum/", env!("CARGO_PKG_VERSION")).to_owned(),
            admit: None,
            request_timeout: Duration::from_secs(10),
            announce_whole: 4 << 10,
            max_fork_depth: 65_536,
            follow: true,
            ban: Duration::from_secs(300),
        }
    }
}

impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkConfig")
            .field("id", &self.key.id())
            .field("listen", &self.listen)
            .field("reserved", &self.reserved)
            .field("reserved_only", &self.reserved_only)
            .field("max_peers", &self.max_peers)
            .field("network_id", &self.network_id)
            .finish_non_exhaustive()
    }
}
