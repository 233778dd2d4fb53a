//! Peers over libp2p (TCP, noise, yamux): block announcements, transaction gossip, and sync by request and response.
//!
//! ```text
//!            ┌ status   handshake: genesis, network id, head      ─▶ directory of peers and their heads
//! peer ──────┤ blocks   announcements, acknowledged               ─▶ announced: import, relay      ┐
//! (5 proto-  │ sync     hashes, blocks, proofs, snapshots         ─▶ serve: reads of BlockSource   ├ blocking threads
//!  cols)     │ txs      batches and offers, acknowledged          ─▶ inbox: recover, Pool::add     │
//!            └ gossip   small messages of the engine              ─▶ BlockSource::hear, relay      ┘
//!
//! sync task: a peer's head is heavier than ours ─▶ find the common ancestor ─▶ fetch ranges ─▶ BlockSource::import
//! ```
//!
//! Every message to a peer waits for its acknowledgement, so a slow peer slows only what goes to it: at most a few
//! announcements and two transaction batches are on their way, what comes meanwhile waits in a bounded queue of its own.
//! Of announcements only the newest head is kept when a peer does not keep up; of transactions, those that did not fit
//! are offered again later. Blocks and transactions have queues of their own, and blocks are served first. What is sent
//! often (`blocks`, `txs`, `gossip`) goes over streams that stay open, one for each kind and direction (`pipelined`).
//!
//! The crate does not know the chain: it reads and feeds it through [`BlockSource`]. It is the only one naming libp2p.

mod announced;
mod behaviour;
mod codec;
mod compact;
mod config;
mod directory;
mod enode;
mod error;
mod gate;
mod gossip;
mod handle;
mod inbox;
mod known;
mod message;
mod metrics;
mod peer;
mod pipelined;
mod reserved;
mod serve;
mod snapshot;
mod source;
mod switch;
mod sync;

pub use config::{Admit, NetworkConfig, Standing};
pub use directory::PeerInfo;
pub use enode::{Enode, EnodeError, NodeId, NodeKey};
pub use error::NetworkError;
pub use handle::NetworkHandle;
pub use message::{Head, SnapshotOffer, Topic};
pub use metrics::Counters;
pub use snapshot::FetchError;
pub use source::{BlockSource, ChainStatus, Verdict};
pub use switch::run;
