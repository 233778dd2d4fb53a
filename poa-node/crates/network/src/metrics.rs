//! Counts of what went over the wire.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters { $($(#[$doc])* pub $name: u64,)* }

        #[derive(Debug, Default)]
        pub(crate) struct Metrics { $(pub(crate) $name: Counter,)* }

        impl Metrics {
            pub(crate) fn read(&self) -> Counters {
                Counters { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

counters! {
    /// Announcements sent, one a peer.
    announcements_sent,
    /// Announcements received.
    announcements_received,
    /// Announcements that were reduced to the newest head since the peer had not acknowledged earlier ones.
    announcements_superseded,
    /// Announced blocks left to sync since the import queue was full.
    announced_blocks_deferred,
    /// Blocks imported that were announced.
    blocks_announced_imported,
    /// Blocks that were announced by hashes of transactions and rebuilt from the pool.
    blocks_rebuilt,
    /// Transactions fetched for them since the pool did not have them.
    transactions_fetched,
    /// Blocks announced so that had to be fetched whole.
    blocks_not_rebuilt,
    /// Blocks imported by sync.
    blocks_synced,
    /// Transactions sent in full, one a peer.
    transactions_sent,
    /// Messages they went in.
    transaction_messages_sent,
    /// Transactions received in full.
    transactions_received,
    /// Transactions that did not fit a slow peer's queue and are offered to it later.
    transactions_deferred,
    /// Messages of the engine sent, one a peer.
    gossip_sent,
    /// Messages of the engine received.
    gossip_received,
    /// Messages of the engine not sent to a peer that has not acknowledged earlier ones.
    gossip_dropped,
    /// Requests answered.
    requests_served,
    /// Requests not answered, being too many.
    requests_refused,
    /// Connections closed for what the peer did.
    peers_penalised,
    /// Peers disconnected since they may no longer be connected.
    peers_dismissed,
    /// Connections refused: not admitted, banned, not reserved, or too many.
    connections_refused,
}
