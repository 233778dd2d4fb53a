//! What the rest of the node holds of the network.

use std::{path::Path, sync::Arc};

use alloy::primitives::{B256, Bytes};
use aurum_types::{BlockNumber, SealedBlock};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{
    Counters, Enode, FetchError, NodeId, PeerInfo, SnapshotOffer, Topic,
    directory::Directory,
    message::{Gossip, Message as _, Proofs, SyncRequest},
    metrics::Metrics,
    snapshot,
    switch::Asker,
    sync::Branches,
};

/// A message of our own engine.
#[derive(Clone, Debug)]
pub(crate) struct Ours {
    pub(crate) message: Gossip,
    /// Whether it goes to those as well who were told before.
    pub(crate) again: bool,
}

/// A running network. Cheap to clone; it runs until the token given to [`crate::run`] is cancelled.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    pub(crate) announce: mpsc::Sender<SealedBlock>,
    pub(crate) gossip: mpsc::Sender<Ours>,
    pub(crate) asker: Asker,
    pub(crate) branches: Arc<Branches>,
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
        self.tell(topic, body, false);
    }

    /// As [`Self::gossip`], also to peers that were told before and may have lost it.
    pub fn gossip_again(&self, topic: Topic, body: Bytes) {
        self.tell(topic, body, true);
    }

    fn tell(&self, topic: Topic, body: Bytes, again: bool) {
        if let Err(error) = self.gossip.try_send(Ours { message: Gossip { topic, body }, again }) {
            tracing::warn!(?topic, %error, "message of the engine was not passed on");
        }
    }

    /// Asks one peer, another at each call, for proofs of finality above a height.
    pub async fn proofs_above(&self, number: BlockNumber) -> Vec<Bytes> {
        let Some(peer) = self.directory.next() else { return Vec::new() };
        let Some(answer) = self.asker.ask(peer, &SyncRequest::Proofs(number)).await else { return Vec::new() };
        Proofs::from_bytes(&answer).map(|answer| answer.proofs).unwrap_or_default()
    }

    /// Asks every reserved peer for the snapshot it holds. Peers that have none, or do not answer, are left out.
    pub async fn snapshots(&self) -> Vec<(NodeId, SnapshotOffer)> {
        snapshot::offers(&self.asker, &self.directory).await
    }

    /// Fetches what a peer offered into a file, which is emptied first, and checks its size and digest. What the snapshot
    /// says is left to whoever reads it.
    ///
    /// # Errors
    /// [`FetchError`]; what is in the file is worth nothing then.
    pub async fn fetch_snapshot(&self, from: NodeId, offer: SnapshotOffer, into: &Path) -> Result<(), FetchError> {
        snapshot::fetch(&self.asker, from, offer, into).await
    }

    /// Fetches a block of any branch, and those before it that are not here, from whoever has them. Returns whether it is
    /// here now.
    pub async fn fetch_branch(&self, hash: B256) -> bool {
        for peer in self.directory.ids() {
            if self.branches.fetch(&self.asker, peer, hash).await {
                return true;
            }
        }
        false
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
