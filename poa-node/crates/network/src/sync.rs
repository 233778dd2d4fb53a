//! Following a peer whose chain is heavier: find the common ancestor by hashes, fetch ranges, import them in order.

mod ancestor;
mod branch;

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use aurum_types::{BlockNumber, HeaderFormat, SealedBlock};
use libp2p::PeerId;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use self::ancestor::Search;
pub(crate) use self::branch::Branches;
use crate::{
    BlockSource, Head, Verdict,
    directory::Directory,
    message::{Blocks, Hashes, MAX_BLOCKS, Message as _, SyncRequest},
    metrics::Metrics,
    peer,
    switch::Asker,
};

/// How often heads are compared without a reason.
const LOOK: Duration = Duration::from_millis(200);
/// How long a peer is not asked after it did not answer, when others may be.
const AVOID_SILENT: Duration = Duration::from_secs(5);
/// How long after our own failure, or a block that is not valid yet.
const AVOID_LATER: Duration = Duration::from_secs(1);
/// How long a peer is not followed whose chain contradicts what is final here.
const AVOID_REFUSED: Duration = Duration::from_secs(15);
/// How often a peer may change its branch while we follow it before another turn is taken.
const BRANCH_CHANGES: usize = 4;

pub(crate) struct Sync {
    pub(crate) source: Arc<dyn BlockSource>,
    pub(crate) asker: Asker,
    pub(crate) directory: Arc<Directory>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) format: HeaderFormat,
    pub(crate) max_fork_depth: u64,
}

/// Why following a peer ended before its head.
enum Stop {
    /// No answer, or it went away.
    Silent,
    /// It must be blamed, with so much and for this.
    Blame(u32, String),
    /// It changed to another branch meanwhile.
    OtherBranch,
    /// Not now, and nobody's fault: not valid yet, or our own failure.
    Later,
    /// Its chain contradicts what is final here. Either side may be the odd one out, so nobody is blamed.
    Refused,
    /// It does not keep the blocks we need: it began with a snapshot of a later state.
    Lacks,
}

impl Sync {
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let work = async {
            loop {
                let _ = tokio::time::timeout(LOOK, self.wake.notified()).await;
                while let Some((peer, head)) = self.directory.ahead(self.source.status().score) {
                    self.follow(peer, head).await;
                }
            }
        };
        shutdown.run_until_cancelled(work).await;
    }

    async fn follow(&self, peer: PeerId, head: Head) {
        let from = self.source.status();
        tracing::debug!(%peer, ours = from.number, theirs = head.number, "following a heavier chain");
        let mut result = Err(Stop::OtherBranch);
        for _ in 0..BRANCH_CHANGES {
            result = self.try_follow(peer, head).await;
            if !matches!(result, Err(Stop::OtherBranch)) {
                break;
            }
        }
        let now = self.source.status();
        if now.hash != from.hash {
            tracing::info!(from = from.number, to = now.number, hash = %now.hash, "synced");
        }
        // It delivered what it claims, and finality keeps us on another branch.
        let other_branch = self.source.contains(head.hash) && self.hash_at(head.number).await != Some(head.hash);
        match result {
            Ok(()) if now.score < head.score() && other_branch => self.directory.avoid(&peer, AVOID_REFUSED),
            Ok(()) if now.score < head.score() => {
                // All it has is here, and it is lighter than it said.
                self.directory.correct(&peer, now.into());
                self.asker.penalise(peer, peer::LIED, "its chain is lighter than it claimed").await;
            }
            Ok(()) => {}
            Err(Stop::Silent | Stop::Lacks) => self.directory.avoid(&peer, AVOID_SILENT),
            Err(Stop::Refused) => self.directory.avoid(&peer, AVOID_REFUSED),
            Err(Stop::Later | Stop::OtherBranch) => self.directory.avoid(&peer, AVOID_LATER),
            Err(Stop::Blame(penalty, why)) => {
                tracing::warn!(%peer, why, "peer misled sync");
                self.directory.avoid(&peer, AVOID_SILENT);
                self.asker.penalise(peer, penalty, "misled sync").await;
            }
        }
    }

    async fn try_follow(&self, peer: PeerId, head: Head) -> Result<(), Stop> {
        let ancestor = self.common_ancestor(peer, head.number).await?;
        let mut parent = self.hash_at(ancestor).await.ok_or(Stop::Later)?;
        let mut next = ancestor + 1;
        let mut coming = self.start_range(peer, next).await;
        loop {
            let answer = coming.await.ok().flatten().ok_or(Stop::Silent)?;
            let blocks = self.decode_range(answer, next, parent).await?;
            let Some(last) = blocks.last() else { return self.judge_nothing(peer, next).await };
            parent = last.hash();
            next = last.number() + 1;
            let reached = self.directory.head(&peer).is_none_or(|head| next > head.number);
            // Fetched while these are imported.
            coming = if reached { settled_empty() } else { self.start_range(peer, next).await };
            self.import(blocks).await?;
            if reached {
                return Ok(());
            }
        }
    }

    /// A peer gave no block from `next` on: it has none although its head is above, or this is its end.
    async fn judge_nothing(&self, peer: PeerId, next: BlockNumber) -> Result<(), Stop> {
        if self.directory.head(&peer).is_none_or(|head| head.number < next) {
            return Ok(());
        }
        let answer = self.asker.ask(peer, &SyncRequest::Hashes(vec![next])).await.ok_or(Stop::Silent)?;
        let hashes = Hashes::from_bytes(&answer).map_err(|error| malformed(&error))?.hashes;
        if hashes.first() == Some(&B256::ZERO) {
            tracing::debug!(%peer, next, "the peer does not keep blocks from here on");
            return Err(Stop::Lacks);
        }
        Ok(())
    }

    async fn common_ancestor(&self, peer: PeerId, theirs: BlockNumber) -> Result<BlockNumber, Stop> {
        let top = self.source.status().number.min(theirs);
        let mut search = Search::new(top, self.max_fork_depth);
        while let Some(probes) = search.probes() {
            let answer = self.asker.ask(peer, &SyncRequest::Hashes(probes.clone())).await.ok_or(Stop::Silent)?;
            let hashes = Hashes::from_bytes(&answer).map_err(|error| malformed(&error))?.hashes;
            if hashes.len() != probes.len() {
                return Err(malformed(&"as many hashes as asked for are due"));
            }
            let mut same = Vec::with_capacity(probes.len());
            for (number, hash) in probes.into_iter().zip(hashes) {
                same.push((number, self.hash_at(number).await == Some(hash)));
            }
            search.learn(&same);
        }
        search.found().ok_or_else(|| {
            tracing::error!(%peer, depth = self.max_fork_depth, "a peer's heavier chain forks off deeper than is followed");
            Stop::Blame(peer::LIED, "no common block within the depth that is followed".to_owned())
        })
    }

    async fn hash_at(&self, number: BlockNumber) -> Option<B256> {
        let source = Arc::clone(&self.source);
        tokio::task::spawn_blocking(move || source.hash_at(number)).await.ok().flatten()
    }

    async fn start_range(&self, peer: PeerId, first: BlockNumber) -> oneshot::Receiver<Option<Vec<u8>>> {
        self.asker.start(peer, &SyncRequest::Blocks { first, count: MAX_BLOCKS }).await
    }

    /// Decodes, off the async workers, and checks that the blocks follow each other and the one before.
    async fn decode_range(&self, answer: Vec<u8>, first: BlockNumber, parent: B256) -> Result<Vec<SealedBlock>, Stop> {
        let format = self.format;
        let decode = move || {
            use rayon::prelude::*;
            let blocks = Blocks::from_bytes(&answer).map_err(|error| malformed(&error))?.blocks;
            let blocks = blocks
                .par_iter()
                .map(|bytes| SealedBlock::decode(bytes, &format))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| malformed(&error))?;
            let mut parent = parent;
            for (place, block) in blocks.iter().enumerate() {
                if block.number() != first + place as u64 {
                    return Err(malformed(&"blocks of other heights than asked for"));
                }
                if block.header().parent_hash != parent {
                    return Err(if place == 0 {
                        Stop::OtherBranch
                    } else {
                        malformed(&"blocks of one answer that do not follow each other")
                    });
                }
                parent = block.hash();
            }
            Ok(blocks)
        };
        tokio::task::spawn_blocking(decode).await.map_err(|_| Stop::Later)?
    }

    async fn import(&self, blocks: Vec<SealedBlock>) -> Result<(), Stop> {
        let source = Arc::clone(&self.source);
        let imported = tokio::task::spawn_blocking(move || source.import_range(blocks)).await;
        let Ok((done, verdict)) = imported else {
            tracing::error!("import of synced blocks panicked");
            return Err(Stop::Later);
        };
        self.metrics.blocks_synced.add(done as u64);
        match verdict {
            None | Some(Verdict::Imported | Verdict::Known) => Ok(()),
            Some(Verdict::Invalid(why)) => Err(Stop::Blame(peer::INVALID, format!("sent an invalid block: {why}"))),
            Some(Verdict::Refused(why)) => {
                tracing::warn!(why, "a heavier chain is not taken");
                Err(Stop::Refused)
            }
            Some(Verdict::TemporarilyInvalid(why)) => {
                tracing::debug!(why, "synced block is not valid yet");
                Err(Stop::Later)
            }
            Some(Verdict::UnknownParent) => Err(Stop::OtherBranch),
            Some(Verdict::Fault(why)) => {
                tracing::error!(why, "our side failed to import a synced block");
                Err(Stop::Later)
            }
        }
    }
}

fn malformed(error: &dyn std::fmt::Display) -> Stop {
    Stop::Blame(peer::MALFORMED, error.to_string())
}

fn settled_empty() -> oneshot::Receiver<Option<Vec<u8>>> {
    oneshot::channel().1
}
