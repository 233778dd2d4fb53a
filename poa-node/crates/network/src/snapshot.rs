//! A snapshot out of a peer, part by part.

use std::{io, path::Path};

use alloy::primitives::Keccak256;
use futures::{StreamExt as _, stream};
use libp2p::PeerId;
use tokio::io::AsyncWriteExt as _;

use crate::{
    NodeId, SnapshotOffer,
    directory::Directory,
    message::{Message as _, SNAPSHOT_PART, SnapshotPart, Snapshots, SyncRequest},
    switch::Asker,
};

/// Parts asked for at a time.
const AT_A_TIME: usize = 4;
/// How often a part is asked for: an answer may be lost with a connection.
const TRIES: usize = 3;

/// Why a snapshot was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The peer does not answer, or has another snapshot by now.
    #[error("the peer gave no bytes from {offset} on")]
    Gone {
        /// Where in the file.
        offset: u64,
    },
    /// The bytes are not those that were offered.
    #[error("the peer sent another file than it offered")]
    OtherFile,
    /// Writing it down.
    #[error("cannot write the snapshot: {0}")]
    Disk(#[from] io::Error),
}

/// What the reserved peers have.
pub(crate) async fn offers(asker: &Asker, directory: &Directory) -> Vec<(NodeId, SnapshotOffer)> {
    let reserved = directory.infos().into_iter().filter(|peer| peer.reserved);
    let asked = reserved.filter_map(|peer| Some((peer.id, peer.id.peer_id().ok()?))).map(|(id, peer)| async move {
        let answer = asker.ask(peer, &SyncRequest::Snapshot).await?;
        match Snapshots::from_bytes(&answer).map(|answer| answer.offers).as_deref() {
            Ok([offer]) if offer.size > 0 => Some((id, *offer)),
            _ => None,
        }
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

/// Fetches all parts in order, a few ahead.
pub(crate) async fn fetch(asker: &Asker, from: NodeId, offer: SnapshotOffer, into: &Path) -> Result<(), FetchError> {
    let peer = from.peer_id().map_err(|_| FetchError::Gone { offset: 0 })?;
    let mut file = tokio::fs::File::create(into).await?;
    let mut digest = Keccak256::new();
    let offsets = (0..offer.size).step_by(usize::try_from(SNAPSHOT_PART).unwrap_or(usize::MAX));
    let mut parts = stream::iter(offsets).map(|offset| part(asker, peer, offer, offset)).buffered(AT_A_TIME);
    while let Some(bytes) = parts.next().await {
        let bytes = bytes?;
        digest.update(&bytes);
        file.write_all(&bytes).await?;
    }
    if digest.finalize() != offer.digest {
        return Err(FetchError::OtherFile);
    }
    Ok(file.sync_all().await?)
}

async fn part(
    asker: &Asker,
    peer: PeerId,
    offer: SnapshotOffer,
    offset: u64,
) -> Result<alloy::primitives::Bytes, FetchError> {
    let expected = (offer.size - offset).min(SNAPSHOT_PART);
    for _ in 0..TRIES {
        let Some(answer) = asker.ask(peer, &SyncRequest::SnapshotPart { digest: offer.digest, offset }).await else {
            continue;
        };
        let bytes = SnapshotPart::from_bytes(&answer).map(|part| part.bytes).unwrap_or_default();
        return if bytes.len() as u64 == expected { Ok(bytes) } else { Err(FetchError::Gone { offset }) };
    }
    Err(FetchError::Gone { offset })
}
