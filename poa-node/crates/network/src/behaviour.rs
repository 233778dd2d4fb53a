//! The protocols spoken, put together.

use std::time::Duration;

use libp2p::{
    StreamProtocol,
    connection_limits::{self, ConnectionLimits},
    ping,
    request_response::{Behaviour as RequestResponse, Config, ProtocolSupport},
    swarm::NetworkBehaviour,
};

use crate::{codec::Bounded, gate::Gate, message::MAX_GOSSIP_BYTES};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Largest message with blocks: one answer of sync, or one block above the usual limit.
const BLOCKS_LIMIT: u64 = 32 * MIB;

/// How often a silent connection is tried, and after what silence it is given up: a cut cable closes nothing.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    limits: connection_limits::Behaviour,
    ping: ping::Behaviour,
    pub(crate) status: RequestResponse<Bounded>,
    pub(crate) blocks: RequestResponse<Bounded>,
    pub(crate) sync: RequestResponse<Bounded>,
    pub(crate) txs: RequestResponse<Bounded>,
    pub(crate) gossip: RequestResponse<Bounded>,
}

impl Behaviour {
    pub(crate) fn new(gate: Gate, request_timeout: Duration) -> Self {
        let protocol = |name: &'static str, request: u64, response: u64, streams: usize| {
            RequestResponse::with_codec(
                Bounded { request, response },
                [(StreamProtocol::new(name), ProtocolSupport::Full)],
                Config::default().with_request_timeout(request_timeout).with_max_concurrent_streams(streams),
            )
        };
        let limits =
            ConnectionLimits::default().with_max_pending_incoming(Some(64)).with_max_established_per_peer(Some(4));
        Self {
            gate,
            limits: connection_limits::Behaviour::new(limits),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
            status: protocol("/aurum/status/1", 4 * KIB, 4 * KIB, 8),
            blocks: protocol("/aurum/blocks/1", 2 * MIB, KIB, 64),
            sync: protocol("/aurum/sync/1", 4 * KIB, BLOCKS_LIMIT, 64),
            txs: protocol("/aurum/transactions/1", MIB, 64 * KIB, 16),
            gossip: protocol("/aurum/gossip/1", MAX_GOSSIP_BYTES + 1, KIB, 64),
        }
    }
}
