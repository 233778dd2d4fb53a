//! A node that begins gets a snapshot from a reserved peer, or learns that it did not.

use std::sync::Arc;

use crate::common::{FakeChain, Node, config, genesis, until};
use alloy::primitives::keccak256;
use aurum_network::{FetchError, NetworkConfig, SnapshotOffer};

/// Longer than two parts.
const SIZE: usize = (2 << 20) + 17;

fn file() -> (SnapshotOffer, Vec<u8>) {
    let bytes: Vec<u8> = (0..SIZE).map(|place| u8::try_from(place % 251).unwrap()).collect();
    (SnapshotOffer { number: 40, size: SIZE as u64, digest: keccak256(&bytes) }, bytes)
}

fn chain() -> Arc<FakeChain> {
    FakeChain::new(genesis(b"g"))
}

/// One that holds `snapshot`, and one that begins and reserves it.
async fn pair(snapshot: Option<(SnapshotOffer, Vec<u8>)>) -> (Node, Node) {
    let old = Node::start(config(1, &[]), chain()).await;
    old.chain.grow(50, 1, b"main");
    *old.chain.snapshot.lock().unwrap() = snapshot;
    let new = Node::start(NetworkConfig { follow: false, ..config(2, &[old.enode()]) }, chain()).await;
    until("they know each other", || new.knows(&old)).await;
    (old, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_of_an_offered_snapshot_arrives() {
    let (offer, bytes) = file();
    let (old, new) = pair(Some((offer, bytes.clone()))).await;
    let offers = new.net.snapshots().await;
    assert_eq!(offers, [(old.enode().id, offer)]);
    assert!(old.net.snapshots().await.is_empty(), "who is not reserved is not asked");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    new.net.fetch_snapshot(old.enode().id, offer, &path).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(new.chain.status_number(), 0, "it follows nobody meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_a_snapshot_offers_none() {
    let (_old, new) = pair(None).await;
    assert!(new.net.snapshots().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_than_offered_and_one_that_is_gone_are_told_apart() {
    let (offer, mut bytes) = file();
    bytes[SIZE - 1] ^= 1;
    let (old, new) = pair(Some((offer, bytes.clone()))).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let fetch = |offer| new.net.fetch_snapshot(old.enode().id, offer, &path);
    assert!(matches!(fetch(offer).await, Err(FetchError::OtherFile)));
    bytes.truncate(1 << 20);
    *old.chain.snapshot.lock().unwrap() = Some((offer, bytes));
    assert!(matches!(fetch(offer).await, Err(FetchError::Gone { offset }) if offset == 1 << 20), "it is shorter");
    // A size without end ends with the bytes.
    let endless = SnapshotOffer { size: u64::MAX, ..offer };
    assert!(matches!(fetch(endless).await, Err(FetchError::Gone { .. })));
    *old.chain.snapshot.lock().unwrap() = None;
    assert!(matches!(fetch(offer).await, Err(FetchError::Gone { offset: 0 })));
}
