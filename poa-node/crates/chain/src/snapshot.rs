//! What is stored beside the persisted tip: the consensus state from which a restart goes on.

use alloy::primitives::{B256, Bytes, U256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use aurum_aura::EngineState;
use aurum_types::{ChainSpec, Header, Score};

use crate::{BlockRef, Fault, recent::Link};

/// One [`Link`] without its header, which the database has.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredLink {
    hash: B256,
    score: U256,
    engine: Bytes,
    finalized_number: u64,
    finalized_hash: B256,
}

impl StoredLink {
    fn of(link: &Link) -> Self {
        Self {
            hash: link.hash,
            score: link.score.0,
            engine: link.engine.encode().into(),
            finalized_number: link.finalized.number,
            finalized_hash: link.finalized.hash,
        }
    }

    pub(crate) const fn hash(&self) -> B256 {
        self.hash
    }

    /// Total score up to and with the block.
    pub(crate) const fn score(&self) -> U256 {
        self.score
    }

    /// The link again.
    ///
    /// # Errors
    /// [`Fault::Inconsistent`] when the engine state is of another version.
    pub(crate) fn with_header(&self, spec: &ChainSpec, header: Header) -> Result<Link, Fault> {
        let engine = EngineState::decode(spec, &self.engine)
            .map_err(|error| Fault::Inconsistent(format!("stored engine state of block {}: {error}", self.hash)))?;
        Ok(Link {
            hash: self.hash,
            header,
            score: Score(self.score),
            engine,
            finalized: BlockRef { number: self.finalized_number, hash: self.finalized_hash },
        })
    }
}

/// The persisted tip and the anchor (the newest block that is final and persisted; often the tip itself).
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Snapshot {
    version: u8,
    pub(crate) tip: StoredLink,
    pub(crate) anchor: StoredLink,
}

impl Snapshot {
    const VERSION: u8 = 1;

    pub(crate) fn of(tip: &Link, anchor: &Link) -> Self {
        Self { version: Self::VERSION, tip: StoredLink::of(tip), anchor: StoredLink::of(anchor) }
    }

    /// With one block for both.
    pub(crate) fn at(block: StoredLink) -> Self {
        Self { version: Self::VERSION, tip: block.clone(), anchor: block }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`Fault::Inconsistent`] for anything else.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, Fault> {
        let snapshot = <Self as Decodable>::decode(&mut bytes)
            .map_err(|error| Fault::Inconsistent(format!("stored consensus snapshot: {error}")))?;
        if snapshot.version != Self::VERSION {
            let found = snapshot.version;
            return Err(Fault::Inconsistent(format!("stored consensus snapshot has version {found}")));
        }
        Ok(snapshot)
    }
}
