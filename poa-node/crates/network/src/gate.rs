//! Who may be connected: asked by libp2p for each connection after the peer proved its key, before each dial, and of those
//! connected after each new head.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};

use crate::{Admit, NetworkConfig, NodeId, Standing, metrics::Metrics};

/// Why a connection is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("its key is not a secp256k1 key")]
    ForeignKey,
    #[error("it is banned for what it sent before")]
    Banned,
    #[error("only reserved peers are let in")]
    NotReserved,
    #[error("there are as many peers as configured")]
    TooMany,
    #[error("{0}")]
    NotAdmitted(String),
}

pub(crate) struct Gate {
    reserved: HashSet<PeerId>,
    reserved_only: bool,
    max_peers: usize,
    ban: Duration,
    admit: Option<Arc<Admit>>,
    banned: HashMap<PeerId, Instant>,
    connected: HashMap<PeerId, usize>,
    metrics: Arc<Metrics>,
}

impl Gate {
    pub(crate) fn new(config: &NetworkConfig, reserved: HashSet<PeerId>, metrics: Arc<Metrics>) -> Self {
        Self {
            reserved,
            reserved_only: config.reserved_only,
            max_peers: config.max_peers,
            ban: config.ban,
            admit: config.admit.clone(),
            banned: HashMap::new(),
            connected: HashMap::new(),
            metrics,
        }
    }

    pub(crate) fn is_reserved(&self, peer: &PeerId) -> bool {
        self.reserved.contains(peer)
    }

    /// Keeps `peer` out for a while; a reserved one for a tenth of it, since it is expected to be repaired.
    pub(crate) fn ban(&mut self, peer: PeerId) -> Duration {
        let now = Instant::now();
        self.banned.retain(|_, until| *until > now);
        let time = if self.is_reserved(&peer) { self.ban / 10 } else { self.ban };
        self.banned.insert(peer, now + time);
        time
    }

    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.get(peer).is_some_and(|until| *until > Instant::now())
    }

    fn judge(&self, peer: &PeerId) -> Result<(), Refused> {
        let Some(node) = NodeId::of_peer(peer) else { return Err(Refused::ForeignKey) };
        if self.is_banned(peer) {
            return Err(Refused::Banned);
        }
        if !self.is_reserved(peer) {
            if self.reserved_only {
                return Err(Refused::NotReserved);
            }
            if self.connected.len() >= self.max_peers && !self.connected.contains_key(peer) {
                return Err(Refused::TooMany);
            }
        }
        self.admits(peer, node)
    }

    /// Whether those who decide about nodes let this one be connected.
    fn admits(&self, peer: &PeerId, node: NodeId) -> Result<(), Refused> {
        let Some(admit) = &self.admit else { return Ok(()) };
        admit(node, self.standing(peer)).map_err(Refused::NotAdmitted)
    }

    fn standing(&self, peer: &PeerId) -> Standing {
        if self.is_reserved(peer) { Standing::Reserved } else { Standing::Other }
    }

    /// Whether a configured peer may be dialled.
    pub(crate) fn may_dial(&self, peer: &PeerId) -> Result<(), Refused> {
        let node = NodeId::of_peer(peer).ok_or(Refused::ForeignKey)?;
        self.admits(peer, node)
    }

    /// A question about these peers for another thread: which of them may no longer be connected, and why. `None` where
    /// everybody may.
    pub(crate) fn review(&self, peers: impl Iterator<Item = (PeerId, NodeId)>) -> Option<Review> {
        let admit = Arc::clone(self.admit.as_ref()?);
        Some(Review { peers: peers.map(|(peer, node)| (peer, node, self.standing(&peer))).collect(), admit })
    }

    fn answer(&self, peer: &PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.judge(peer).map_err(|refused| {
            tracing::debug!(%peer, %refused, "connection refused");
            self.metrics.connections_refused.add(1);
            ConnectionDenied::new(refused)
        })?;
        Ok(dummy::ConnectionHandler)
    }
}

/// See [`Gate::review`].
pub(crate) struct Review {
    peers: Vec<(PeerId, NodeId, Standing)>,
    admit: Arc<Admit>,
}

impl Review {
    /// The peers to part with. Takes as long as the answers do.
    pub(crate) fn run(self) -> Vec<(PeerId, String)> {
        let Self { peers, admit } = self;
        peers.into_iter().filter_map(|(peer, node, standing)| Some((peer, admit(node, standing).err()?))).collect()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("connected", &self.connected.len()).finish_non_exhaustive()
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.answer(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.answer(&peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                *self.connected.entry(established.peer_id).or_default() += 1;
            }
            FromSwarm::ConnectionClosed(closed) if closed.remaining_established == 0 => {
                self.connected.remove(&closed.peer_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
