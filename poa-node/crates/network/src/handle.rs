//! What the rest of the node holds of the network.

use std::sync::Arc;

use alloy::primitives::Bytes;
use aurum_types::{BlockNumber, SealedBlock};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{Counters, Enode, PeerInfo, Topic, directory::Directory, message::Gossip, metrics::Metrics};

/// A running network. Cheap to clone; it runs until the token given to [`crate::run`] is cancelled.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    pub(crate) announce: mpsc::Sender<SealedBlock>,
    pub(crate) gossip: mpsc::Sender<Gossip>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) enode: Enode,
    pub(crate) tasks: TaskTracker,
}

impl NetworkHandle {
    /// Tells every peer about a block of our own, which the chain has imported already. Returns at once; if 64 blocks
    /// wait to be announced, peers learn of this one by the head that is told every second.
    pub fn announce(&self, block: SealedBlock) {
        if let Err(error) = self.announce.try_send(block) {
            tracing::warn!(%error, "block was not announced");
        }
    }

    /// Passes a message of our own engine to every peer. Returns at once; with 256 waiting it is dropped, with a warning:
    /// what such messages say can be said again or is made good by blocks.
    pub fn gossip(&self, topic: Topic, body: Bytes) {
        if let Err(error) = self.gossip.try_send(Gossip { topic, body }) {
            tracing::warn!(?topic, %error, "message of the engine was not passed on");
        }
    }

    /// Peers that passed the handshake.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.directory.infos()
    }

    /// How others reach this node.
    pub const fn local_enode(&self) -> &Enode {
        &self.enode
    }

    /// Height of the heaviest head any connected peer claims.
    pub fn best_peer_height(&self) -> Option<BlockNumber> {
        self.directory.best_height()
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.metrics.read()
    }

    /// Waits until everything has ended after the token was cancelled.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}
