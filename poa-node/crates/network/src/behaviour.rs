//! The protocols spoken, put together.

use std::time::Duration;

use libp2p::{
    StreamProtocol,
    connection_limits::{self, ConnectionLimits},
    ping,
    request_response::{Behaviour as RequestResponse, Config, ProtocolSupport},
    swarm::NetworkBehaviour,
};

use crate::{
    codec::Bounded,
    gate::Gate,
    message::MAX_GOSSIP_BYTES,
    pipelined::{Kind, Pipelined},
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Largest message with blocks: one answer of sync, or one block above the usual limit.
const BLOCKS_LIMIT: usize = 32 * MIB;

/// How often a silent connection is tried, and after what silence it is given up: a cut cable closes nothing.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    limits: connection_limits::Behaviour,
    ping: ping::Behaviour,
    pub(crate) status: RequestResponse<Bounded>,
    pub(crate) sync: RequestResponse<Bounded>,
    pub(crate) blocks: Pipelined,
    pub(crate) gossip: Pipelined,
    pub(crate) txs: Pipelined,
}

impl Behaviour {
    pub(crate) fn new(gate: Gate, request_timeout: Duration) -> Self {
        let seldom = |name: &'static str, request: usize, response: usize, streams: usize| {
            RequestResponse::with_codec(
                Bounded { request, response },
                [(StreamProtocol::new(name), ProtocolSupport::Full)],
                Config::default().with_request_timeout(request_timeout).with_max_concurrent_streams(streams),
            )
        };
        let often = |name: &'static str, request: usize, answer: usize, at_once: usize| {
            let protocol = StreamProtocol::new(name);
            Pipelined::new(Kind { protocol, request, answer, at_once, timeout: request_timeout })
        };
        let limits =
            ConnectionLimits::default().with_max_pending_incoming(Some(64)).with_max_established_per_peer(Some(4));
        Self {
            gate,
            limits: connection_limits::Behaviour::new(limits),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
            status: seldom("/aurum/status/1", 4 * KIB, 4 * KIB, 8),
            sync: seldom("/aurum/sync/1", 4 * KIB, BLOCKS_LIMIT, 64),
            blocks: often("/aurum/blocks/2", 2 * MIB, KIB, 64),
            gossip: often("/aurum/gossip/2", MAX_GOSSIP_BYTES + 1, KIB, 64),
            txs: often("/aurum/transactions/2", MIB, 64 * KIB, 16),
        }
    }
}
