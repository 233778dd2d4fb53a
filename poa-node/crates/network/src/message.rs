//! What peers say to each other: RLP, with a leading byte where a protocol has several messages.

use alloy::primitives::{B256, Bytes, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use aurum_types::{BlockNumber, Score};

use crate::ChainStatus;

/// Version of the protocols below; peers of another are refused.
pub(crate) const VERSION: u64 = 3;
/// Numbers one [`SyncRequest::Hashes`] may ask for.
pub(crate) const MAX_HASHES: usize = 64;
/// Blocks one [`SyncRequest::Blocks`] is answered with.
pub(crate) const MAX_BLOCKS: u64 = 128;
/// Encoded bytes of blocks after which an answer ends (one block may be larger).
pub(crate) const MAX_BLOCKS_BYTES: usize = 4 << 20;
/// Transactions in one message.
pub(crate) const MAX_TRANSACTIONS: usize = 1_024;
/// Encoded bytes of transactions after which a message ends.
pub(crate) const MAX_TRANSACTIONS_BYTES: usize = 256 << 10;
/// Hashes in one [`TxMessage::Offer`].
pub(crate) const MAX_OFFER: usize = 4_096;
/// Transactions of a block that is announced by their hashes; one with more is announced by its own hash.
pub(crate) const MAX_COMPACT: usize = 50_000;
/// Places one [`SyncRequest::Transactions`] may name. Where more are missing, the whole block is fetched.
pub(crate) const MAX_MISSING: usize = 1_000;
/// Bytes of one gossiped message of the engine: the proof of a large validator set is the longest.
pub(crate) const MAX_GOSSIP_BYTES: usize = 64 << 10;
/// Bytes of a snapshot in one [`SnapshotPart`]; every part but the last is as long.
pub(crate) const SNAPSHOT_PART: u64 = 1 << 20;
/// Proofs of finality one [`SyncRequest::Proofs`] is answered with.
pub(crate) const MAX_PROOFS: usize = 64;

/// The end of a chain, as a peer claims it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Head {
    /// Height.
    pub number: BlockNumber,
    /// Hash.
    pub hash: B256,
    score: U256,
}

impl Head {
    pub(crate) const fn new(number: BlockNumber, hash: B256, score: Score) -> Self {
        Self { number, hash, score: score.0 }
    }

    /// Total difficulty; zero where the peer claims none.
    pub const fn score(&self) -> Score {
        Score(self.score)
    }
}

impl From<ChainStatus> for Head {
    fn from(status: ChainStatus) -> Self {
        Self::new(status.number, status.hash, status.score)
    }
}

/// First message of either side.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Status {
    pub(crate) version: u64,
    pub(crate) network_id: u64,
    pub(crate) genesis: B256,
    pub(crate) head: Head,
    pub(crate) client: String,
}

/// A block in one of three forms: whole; its header and the hashes of its transactions, which most peers have (`block`
/// is the header then); or only its hash, where it is too large or passed on (`block` is empty).
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Announcement {
    pub(crate) head: Head,
    pub(crate) block: Bytes,
    pub(crate) transactions: Vec<B256>,
}

impl Announcement {
    /// The form without a body.
    pub(crate) const fn of_head(head: Head) -> Self {
        Self { head, block: Bytes::new(), transactions: Vec::new() }
    }
}

/// A question of sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyncRequest {
    /// Canonical hashes at heights; answered by [`Hashes`].
    Hashes(Vec<u64>),
    /// Canonical blocks from a height on, ascending; answered by [`Blocks`].
    Blocks { first: BlockNumber, count: u64 },
    /// One block of any branch; answered by [`Blocks`] with one or none.
    Block(B256),
    /// Proofs of finality of blocks above a height; answered by [`Proofs`].
    Proofs(BlockNumber),
    /// Transactions at these places of a block, counted from 0; answered by [`Transactions`], empty where the block is not
    /// there.
    Transactions { block: B256, places: Vec<u64> },
    /// The snapshot the peer holds for others; answered by [`Snapshots`] with one or none.
    Snapshot,
    /// Bytes of a snapshot from an offset on; answered by [`SnapshotPart`], empty where it is gone.
    SnapshotPart { digest: B256, offset: u64 },
}

/// A snapshot that a node holds for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct SnapshotOffer {
    /// Height of the final block whose state it is.
    pub number: BlockNumber,
    /// Bytes of the file.
    pub size: u64,
    /// keccak256 of the file.
    pub digest: B256,
}

#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Snapshots {
    pub(crate) offers: Vec<SnapshotOffer>,
}

#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct SnapshotPart {
    pub(crate) bytes: Bytes,
}

/// EIP-2718 forms, in the order asked for.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Transactions {
    pub(crate) transactions: Vec<Bytes>,
}

/// What leads somebody at the height asked for to what is final: bytes of the engine, ascending.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Proofs {
    pub(crate) proofs: Vec<Bytes>,
}

/// Zero where there is none.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Hashes {
    pub(crate) hashes: Vec<B256>,
}

#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Blocks {
    pub(crate) blocks: Vec<Bytes>,
}

/// Transaction gossip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TxMessage {
    /// EIP-2718 forms; answered by an empty [`Wanted`].
    Whole(Vec<Bytes>),
    /// Hashes the sender has; answered by those wanted.
    Offer(Vec<B256>),
}

/// What a message that every node passes on is about. Its bytes are the engine's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// An authority lets its step pass without a block: `RLP([signature, [step, parent hash]])`.
    EmptyStep,
    /// A vote on finality.
    Vote,
    /// The votes of a quorum, which justify a block.
    Proof,
}

impl Topic {
    const fn tag(self) -> u8 {
        match self {
            Self::EmptyStep => 0,
            Self::Vote => 1,
            Self::Proof => 2,
        }
    }

    const fn of_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::EmptyStep),
            1 => Some(Self::Vote),
            2 => Some(Self::Proof),
            _ => None,
        }
    }
}

/// A message that every node passes on once it has found it good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gossip {
    pub(crate) topic: Topic,
    pub(crate) body: Bytes,
}

/// Places in the offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Wanted {
    pub(crate) places: Vec<u64>,
}

/// Bytes are not the message their protocol demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub(crate) struct Malformed(&'static str);

impl From<alloy_rlp::Error> for Malformed {
    fn from(_: alloy_rlp::Error) -> Self {
        Self("not the RLP expected")
    }
}

pub(crate) trait Message: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed>;
}

fn decode_all<T: Decodable>(mut bytes: &[u8]) -> Result<T, Malformed> {
    let value = T::decode(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(Malformed("bytes after the message")) }
}

fn tagged(tag: u8, body: &dyn Encodable) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + body.length());
    out.push(tag);
    body.encode(&mut out);
    out
}

macro_rules! plain {
    ($($name:ty),*) => {$(
        impl Message for $name {
            fn to_bytes(&self) -> Vec<u8> {
                alloy_rlp::encode(self)
            }
            fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
                decode_all(bytes)
            }
        }
    )*};
}
plain!(Status, Announcement, Hashes, Blocks, Proofs, Wanted, Transactions, Snapshots, SnapshotPart);

impl Message for SyncRequest {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Hashes(numbers) => tagged(0, numbers),
            Self::Blocks { first, count } => tagged(1, &vec![*first, *count]),
            Self::Block(hash) => tagged(2, hash),
            Self::Proofs(above) => tagged(3, above),
            Self::Transactions { block, places } => {
                let mut out = tagged(4, block);
                places.encode(&mut out);
                out
            }
            Self::Snapshot => vec![5],
            Self::SnapshotPart { digest, offset } => {
                let mut out = tagged(6, digest);
                offset.encode(&mut out);
                out
            }
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        match bytes.split_first() {
            Some((0, body)) => {
                let numbers: Vec<u64> = decode_all(body)?;
                if numbers.len() > MAX_HASHES {
                    return Err(Malformed("too many hashes asked for"));
                }
                Ok(Self::Hashes(numbers))
            }
            Some((1, body)) => match decode_all::<Vec<u64>>(body)?[..] {
                [first, count] => Ok(Self::Blocks { first, count }),
                _ => Err(Malformed("a range has two numbers")),
            },
            Some((2, body)) => Ok(Self::Block(decode_all(body)?)),
            Some((3, body)) => Ok(Self::Proofs(decode_all(body)?)),
            Some((4, mut body)) => {
                let block = B256::decode(&mut body)?;
                let places: Vec<u64> = decode_all(body)?;
                if places.len() > MAX_MISSING {
                    return Err(Malformed("too many transactions asked for"));
                }
                Ok(Self::Transactions { block, places })
            }
            Some((5, [])) => Ok(Self::Snapshot),
            Some((6, mut body)) => {
                let digest = B256::decode(&mut body)?;
                Ok(Self::SnapshotPart { digest, offset: decode_all(body)? })
            }
            _ => Err(Malformed("unknown request")),
        }
    }
}

impl Message for TxMessage {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(transactions) => tagged(0, transactions),
            Self::Offer(hashes) => tagged(1, hashes),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        match bytes.split_first() {
            Some((0, body)) => {
                let transactions: Vec<Bytes> = decode_all(body)?;
                if transactions.len() > MAX_TRANSACTIONS {
                    return Err(Malformed("too many transactions"));
                }
                Ok(Self::Whole(transactions))
            }
            Some((1, body)) => {
                let hashes: Vec<B256> = decode_all(body)?;
                if hashes.len() > MAX_OFFER {
                    return Err(Malformed("too many hashes offered"));
                }
                Ok(Self::Offer(hashes))
            }
            _ => Err(Malformed("unknown message")),
        }
    }
}

impl Message for Gossip {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.body.len());
        out.push(self.topic.tag());
        out.extend_from_slice(&self.body);
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let (tag, body) = bytes.split_first().ok_or(Malformed("no topic"))?;
        let topic = Topic::of_tag(*tag).ok_or(Malformed("unknown topic"))?;
        Ok(Self { topic, body: Bytes::copy_from_slice(body) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash() -> impl Strategy<Value = B256> {
        any::<[u8; 32]>().prop_map(B256::from)
    }

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
    }

    fn head() -> impl Strategy<Value = Head> {
        (any::<u64>(), hash(), any::<[u8; 32]>())
            .prop_map(|(number, hash, score)| Head::new(number, hash, Score(U256::from_be_bytes(score))))
    }

    fn check<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
        assert_eq!(M::from_bytes(&message.to_bytes()).as_ref(), Ok(message));
    }

    proptest! {
        #[test]
        fn decoding_inverts_encoding(
            head in head(), genesis in hash(), block in bytes(), client in "[ -~]{0,40}", network_id in any::<u64>(),
            numbers in prop::collection::vec(any::<u64>(), 0..MAX_HASHES),
            hashes in prop::collection::vec(hash(), 0..40), blobs in prop::collection::vec(bytes(), 0..20),
        ) {
            check(&Status { version: VERSION, network_id, genesis, head, client });
            check(&Announcement { head, block: block.clone(), transactions: hashes.clone() });
            check(&Announcement::of_head(head));
            check(&SyncRequest::Hashes(numbers.clone()));
            check(&SyncRequest::Blocks { first: network_id, count: 7 });
            check(&SyncRequest::Block(genesis));
            check(&SyncRequest::Proofs(network_id));
            check(&SyncRequest::Transactions { block: genesis, places: numbers.clone() });
            check(&SyncRequest::Snapshot);
            check(&SyncRequest::SnapshotPart { digest: genesis, offset: network_id });
            check(&Snapshots { offers: vec![SnapshotOffer { number: network_id, size: 1, digest: genesis }] });
            check(&SnapshotPart { bytes: block.clone() });
            check(&Transactions { transactions: blobs.clone() });
            check(&Proofs { proofs: blobs.clone() });
            check(&Hashes { hashes: hashes.clone() });
            check(&Blocks { blocks: blobs.clone() });
            check(&TxMessage::Whole(blobs));
            check(&TxMessage::Offer(hashes));
            check(&Wanted { places: numbers });
            for topic in [Topic::EmptyStep, Topic::Vote, Topic::Proof] {
                check(&Gossip { topic, body: block.clone() });
            }
        }

        #[test]
        fn garbage_is_malformed_not_a_panic(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Status::from_bytes(&garbage);
            let _ = Announcement::from_bytes(&garbage);
            let _ = SyncRequest::from_bytes(&garbage);
            let _ = Blocks::from_bytes(&garbage);
            let _ = TxMessage::from_bytes(&garbage);
            let _ = Gossip::from_bytes(&garbage);
        }
    }
}
