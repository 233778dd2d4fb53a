//! What the switch remembers about one connected peer.

use std::time::Instant;

use crate::{Head, NodeId, gossip::TxLane, known::Known, message::Status};

/// Misbehaviour at which a peer is disconnected and banned.
pub(crate) const LIMIT: u32 = 100;
/// Sent a block that breaks a rule.
pub(crate) const INVALID: u32 = 100;
/// Sent what cannot be decoded, or an answer that contradicts itself.
pub(crate) const MALFORMED: u32 = 50;
/// Claimed a head it does not deliver.
pub(crate) const LIED: u32 = 34;
/// Asked more often than anybody needs to.
pub(crate) const FLOOD: u32 = 1;
/// Unanswered messages in a row after which the connection is given up (without a ban: it may be overloaded).
pub(crate) const TIMEOUTS: u32 = 4;
/// Announcements on their way to one peer. Beyond it only the newest head is kept for it.
pub(crate) const ANNOUNCING: usize = 8;

/// Messages of the engine on their way to one peer. It misses what comes beyond them.
pub(crate) const GOSSIPING: usize = 64;

const KNOWN_GOSSIP: usize = 2_048;
const KNOWN_BLOCKS: usize = 1_024;

/// Admits a number of requests per second, with bursts.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    per_second: f64,
    at: Instant,
}

impl Bucket {
    /// Bursts of twice the rate.
    fn new(per_second: f64) -> Self {
        Self { tokens: 2.0 * per_second, per_second, at: Instant::now() }
    }

    pub(crate) fn take(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + earned).min(2.0 * self.per_second);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[derive(Debug)]
pub(crate) struct Peer {
    /// Counts the connections this node has made: another one for each.
    pub(crate) number: u32,
    pub(crate) node: NodeId,
    pub(crate) address: String,
    pub(crate) inbound: bool,
    /// The peer's side of the handshake, once found to be of our chain: its messages are heard.
    pub(crate) status: Option<Status>,
    /// Our side was answered: messages may be sent.
    pub(crate) ready: bool,
    /// To be disconnected, when the answer that tells why is out.
    pub(crate) close_at: Option<Instant>,
    pub(crate) penalty: u32,
    pub(crate) timeouts: u32,
    pub(crate) known_blocks: Known,
    pub(crate) announcing: usize,
    pub(crate) behind: Option<Head>,
    pub(crate) txs: TxLane,
    pub(crate) known_gossip: Known,
    pub(crate) gossiping: usize,
    pub(crate) gossip_rate: Bucket,
    pub(crate) status_rate: Bucket,
    pub(crate) blocks_rate: Bucket,
    pub(crate) sync_rate: Bucket,
    pub(crate) txs_rate: Bucket,
}

impl Peer {
    pub(crate) fn new(number: u32, node: NodeId, address: String, inbound: bool) -> Self {
        Self {
            number,
            node,
            address,
            inbound,
            status: None,
            ready: false,
            close_at: None,
            penalty: 0,
            timeouts: 0,
            known_blocks: Known::new(KNOWN_BLOCKS),
            announcing: 0,
            behind: None,
            txs: TxLane::new(),
            known_gossip: Known::new(KNOWN_GOSSIP),
            gossiping: 0,
            gossip_rate: Bucket::new(500.0),
            status_rate: Bucket::new(2.0),
            blocks_rate: Bucket::new(200.0),
            sync_rate: Bucket::new(100.0),
            txs_rate: Bucket::new(500.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_admits_its_burst_and_then_refuses() {
        let mut bucket = Bucket::new(0.001);
        bucket.tokens = 3.0;
        bucket.per_second = 1.5;
        bucket.at = Instant::now();
        assert_eq!((0..10).filter(|_| bucket.take()).count(), 3);
    }
}
