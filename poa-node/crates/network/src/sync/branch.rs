//! A block of a branch that is not heavier than ours, with its ancestors: finality asks for what a quorum voted for.

use std::sync::Weak;

use alloy::primitives::B256;
use aurum_types::{HeaderFormat, SealedBlock};
use libp2p::PeerId;

use crate::{
    BlockSource,
    message::{Blocks, Message as _, SyncRequest},
    switch::Asker,
};

/// Blocks a branch may have above what is here; longer ones are left to sync.
const LONGEST: usize = 512;

/// Fetches blocks by hash.
#[derive(Clone)]
pub(crate) struct Branches {
    /// Not an owner: whoever feeds the chain with what it hears may hold the network's handle, and this with it.
    pub(crate) source: Weak<dyn BlockSource>,
    pub(crate) format: HeaderFormat,
}

impl std::fmt::Debug for Branches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Branches").finish_non_exhaustive()
    }
}

impl Branches {
    /// Asks `peer` for the block and for each parent that is not here, and imports them. Whether the block is here then.
    pub(crate) async fn fetch(&self, asker: &Asker, peer: PeerId, hash: B256) -> bool {
        let Some(source) = self.source.upgrade() else { return false };
        let mut branch = Vec::new();
        let mut next = hash;
        while !source.contains(next) {
            if branch.len() >= LONGEST {
                return false;
            }
            let Some(answer) = asker.ask(peer, &SyncRequest::Block(next)).await else { return false };
            let block = Blocks::from_bytes(&answer).ok().and_then(|answer| answer.blocks.into_iter().next());
            let Some(block) = block.and_then(|bytes| SealedBlock::decode(&bytes, &self.format).ok()) else {
                return false;
            };
            if block.hash() != next {
                return false;
            }
            next = block.header().parent_hash;
            branch.push(block);
        }
        branch.reverse();
        let import = move || {
            let (_, stopped) = source.import_range(branch);
            if let Some(verdict) = stopped {
                tracing::debug!(?verdict, "a branch that a quorum voted for was not taken whole");
            }
            source.contains(hash)
        };
        tokio::task::spawn_blocking(import).await.unwrap_or(false)
    }
}
