//! The chain as the network sees it; the network and the author as JSON-RPC sees them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
};
use aurum_chain::{BlockRef, Chain, EmptyStepError, Fault, ImportError, Imported};
use aurum_network::{BlockSource, ChainStatus, NetworkHandle, PeerInfo, SnapshotOffer, Topic, Verdict};
use aurum_rpc::{NoBlockView, PeerView, PeersApi, SealingApi, SealingView};
use aurum_types::{BlockNumber, SealedBlock};
use tokio::sync::mpsc;

use crate::{
    author::{Author, KeyElsewhere, NoBlock},
    finality::Finality,
    snapshots::Shelf,
};

/// The chain behind the network's [`BlockSource`]. Our own faults go to `faults` as well: the node stops.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) chain: Chain,
    pub(crate) faults: mpsc::Sender<Fault>,
    pub(crate) finality: Option<Arc<Finality>>,
    /// Snapshots held for others, if any are made.
    pub(crate) snapshots: Option<Arc<Shelf>>,
}

impl Blocks {
    fn verdict(&self, result: Result<Imported, ImportError>) -> Verdict {
        match result {
            Ok(Imported::Head(_) | Imported::Side { .. }) => Verdict::Imported,
            Ok(Imported::Known) => Verdict::Known,
            Err(ImportError::UnknownParent(_)) => Verdict::UnknownParent,
            Err(ImportError::TemporarilyInvalid(reason)) => Verdict::TemporarilyInvalid(reason.to_string()),
            Err(ImportError::Invalid(reason)) if reason.is_our_view() => Verdict::Refused(reason.to_string()),
            Err(ImportError::Invalid(reason)) => Verdict::Invalid(reason.to_string()),
            Err(ImportError::Fault(fault)) => {
                let reason = fault.to_string();
                // Full when a fault is on its way already: one is enough.
                let _ = self.faults.try_send(fault);
                Verdict::Fault(reason)
            }
        }
    }
}

impl BlockSource for Blocks {
    fn status(&self) -> ChainStatus {
        let latest = self.chain.head().latest;
        ChainStatus {
            genesis: self.chain.genesis_hash(),
            number: latest.number,
            hash: latest.hash,
            score: self.chain.score(),
        }
    }

    fn contains(&self, hash: B256) -> bool {
        self.chain.view().header(BlockId::hash(hash)).is_ok_and(|found| found.is_some())
    }

    fn hash_at(&self, number: BlockNumber) -> Option<B256> {
        self.chain.canonical_hash(number).ok().flatten()
    }

    fn block(&self, hash: B256) -> Option<Bytes> {
        self.chain.block_bytes(hash).ok().flatten()
    }

    fn import(&self, block: SealedBlock) -> Verdict {
        self.verdict(self.chain.import(block))
    }

    fn hear(&self, topic: Topic, body: &[u8]) -> Verdict {
        match (topic, &self.finality) {
            (Topic::EmptyStep, _) => match self.chain.offer_empty_step(body) {
                Ok(true) => Verdict::Imported,
                Ok(false) => Verdict::Known,
                Err(error @ EmptyStepError::Malformed(_)) => Verdict::Invalid(error.to_string()),
                Err(EmptyStepError::UnknownParent(_)) => Verdict::UnknownParent,
                Err(error) => Verdict::Refused(error.to_string()),
            },
            (Topic::Vote, Some(finality)) => finality.hear_vote(body),
            (Topic::Proof, Some(finality)) => finality.hear_proof(body),
            (Topic::Vote | Topic::Proof, None) => Verdict::Known,
        }
    }

    fn proofs_above(&self, number: BlockNumber) -> Vec<Bytes> {
        self.finality.as_ref().map_or_else(Vec::new, |finality| finality.proofs_above(number))
    }

    fn snapshot(&self) -> Option<SnapshotOffer> {
        self.snapshots.as_ref().and_then(|shelf| shelf.newest())
    }

    fn snapshot_part(&self, digest: B256, offset: u64, most: u64) -> Bytes {
        self.snapshots.as_ref().map_or_else(Bytes::new, |shelf| shelf.part(digest, offset, most))
    }

    fn import_range(&self, blocks: Vec<SealedBlock>) -> (usize, Option<Verdict>) {
        let (imported, stopped) = self.chain.import_batch(&blocks);
        (imported.len(), stopped.map(|error| self.verdict(Err(error))))
    }
}

/// The network behind JSON-RPC's [`PeersApi`].
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) network: NetworkHandle,
    pub(crate) max_peers: usize,
}

impl PeersApi for Peers {
    fn enode(&self) -> String {
        self.network.local_enode().to_string()
    }

    fn peers(&self) -> Vec<PeerView> {
        self.network.peers().into_iter().map(peer_view).collect()
    }

    fn max_peers(&self) -> usize {
        self.max_peers
    }

    fn listening(&self) -> bool {
        true
    }

    fn best_peer_height(&self) -> Option<u64> {
        self.network.best_peer_height()
    }
}

fn peer_view(peer: PeerInfo) -> PeerView {
    PeerView {
        id: peer.id.to_string(),
        name: peer.client,
        remote: socket_address(&peer.address),
        local: None,
        height: Some(peer.head.number),
        reserved: peer.reserved,
    }
}

/// The author behind JSON-RPC's [`SealingApi`].
#[derive(Debug)]
pub(crate) struct Sealer(pub(crate) Arc<Author>);

impl SealingApi for Sealer {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn status(&self) -> SealingView {
        let status = self.0.status();
        let no_block = status.no_block.map(|(step, why)| NoBlockView {
            step,
            code: why.code(),
            reason: why.to_string(),
            intended: matches!(why, NoBlock::NothingToSeal | NoBlock::EmptyStep { .. }),
        });
        let at = |found: KeyElsewhere| (found.step, BlockRef { number: found.number, hash: found.hash });
        SealingView {
            address: self.0.address(),
            last_sealed: status.last_sealed,
            no_block,
            key_elsewhere: status.key_elsewhere.map(at),
            clock_offset_ms: status.clock_offset_ms,
        }
    }
}

/// The socket address in `/ip4/127.0.0.1/tcp/30303`.
fn socket_address(multiaddr: &str) -> Option<SocketAddr> {
    let mut parts = multiaddr.split('/').skip(1);
    let (_, ip, _, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::socket_address;

    #[test]
    fn reads_libp2p_addresses() {
        assert_eq!(socket_address("/ip4/10.0.0.1/tcp/303"), "10.0.0.1:303".parse().ok());
        assert_eq!(socket_address("/ip6/::1/tcp/303/p2p/x"), "[::1]:303".parse().ok());
        assert_eq!(socket_address("/dns4/a.example/tcp/1"), None);
        assert_eq!(socket_address(""), None);
    }
}
