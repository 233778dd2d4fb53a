//! Blocks that peers announce: rebuilt from the pool or fetched where they came without their body, imported, passed on.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use alloy::primitives::B256;
use aurum_pool::Pool;
use aurum_types::{HeaderFormat, Score, SealedBlock};
use libp2p::PeerId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BlockSource, Head, Verdict,
    compact::{Compact, Rebuilt},
    directory::Directory,
    message::{Blocks, Message as _, SyncRequest},
    metrics::Metrics,
    peer,
    switch::{Asker, Command},
};

/// Announced blocks that wait for import. Beyond it they are left to sync, which knows the peer's head.
pub(crate) const QUEUE: usize = 64;
/// Blocks fetched by hash at a time.
const FETCHES: usize = 8;
/// An announced hash further above our head than this is left to sync.
const FETCH_WINDOW: u64 = 8;

/// A block that came from a peer.
#[derive(Debug)]
pub(crate) struct FromPeer {
    pub(crate) peer: PeerId,
    pub(crate) block: SealedBlock,
}

/// The door of announced blocks.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    queue: mpsc::Sender<FromPeer>,
    fetching: Arc<Mutex<HashSet<B256>>>,
    fetches: Arc<Semaphore>,
    directory: Arc<Directory>,
    wake_sync: Arc<Notify>,
    metrics: Arc<Metrics>,
}

/// What the importing task needs.
pub(crate) struct Parts {
    pub(crate) source: Arc<dyn BlockSource>,
    pub(crate) pool: Pool,
    pub(crate) asker: Asker,
    pub(crate) format: HeaderFormat,
    pub(crate) directory: Arc<Directory>,
    pub(crate) wake_sync: Arc<Notify>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Announced {
    pub(crate) fn spawn(parts: &Parts, tasks: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (queue, incoming) = mpsc::channel(QUEUE);
        let importer = Importer {
            source: Arc::clone(&parts.source),
            asker: parts.asker.clone(),
            directory: Arc::clone(&parts.directory),
            wake_sync: Arc::clone(&parts.wake_sync),
            metrics: Arc::clone(&parts.metrics),
        };
        tasks.spawn(importer.run(incoming, shutdown));
        Self {
            queue,
            fetching: Arc::default(),
            fetches: Arc::new(Semaphore::new(FETCHES)),
            directory: Arc::clone(&parts.directory),
            wake_sync: Arc::clone(&parts.wake_sync),
            metrics: Arc::clone(&parts.metrics),
        }
    }

    /// Takes a whole block. Never waits.
    pub(crate) fn block(&self, from: FromPeer) {
        let peer = from.peer;
        if self.queue.try_send(from).is_err() {
            self.metrics.announced_blocks_deferred.add(1);
            self.leave_to_sync(&peer);
        }
    }

    fn leave_to_sync(&self, peer: &PeerId) {
        self.directory.settle(peer);
        self.wake_sync.notify_one();
    }

    /// Takes a hash that is not in the chain: fetches the block if it follows our head closely.
    pub(crate) fn hash(&self, peer: PeerId, head: Head, parts: &Parts, tasks: &TaskTracker) {
        let Some(turn) = self.turn(peer, head, parts) else { return };
        let (this, asker, format) = (self.clone(), parts.asker.clone(), parts.format);
        tasks.spawn(async move {
            this.fetch(&asker, peer, head.hash, &format).await;
            drop(turn);
        });
    }

    /// Takes a block without its transactions: those of the pool are put in, those that it lacks are asked for. Where that
    /// fails the block is fetched.
    pub(crate) fn compact(&self, peer: PeerId, head: Head, compact: Compact, parts: &Parts, tasks: &TaskTracker) {
        let Some(turn) = self.turn(peer, head, parts) else { return };
        let (this, asker, pool, format) = (self.clone(), parts.asker.clone(), parts.pool.clone(), parts.format);
        tasks.spawn(async move {
            match compact.rebuild(&pool, &asker, peer, &this.metrics).await {
                Rebuilt::Block(block) => {
                    this.metrics.blocks_rebuilt.add(1);
                    this.block(FromPeer { peer, block: *block });
                }
                Rebuilt::Lacking => {
                    this.metrics.blocks_not_rebuilt.add(1);
                    this.fetch(&asker, peer, head.hash, &format).await;
                }
                Rebuilt::Lie(why) => asker.penalise(peer, peer::MALFORMED, why).await,
            }
            drop(turn);
        });
    }

    /// The right to fetch a block, which nobody else has meanwhile. `None`: it is too far above our head, or too many are
    /// fetched.
    fn turn(&self, peer: PeerId, head: Head, parts: &Parts) -> Option<Turn> {
        if head.number > parts.source.status().number.saturating_add(FETCH_WINDOW) {
            self.leave_to_sync(&peer);
            return None;
        }
        let Ok(permit) = Arc::clone(&self.fetches).try_acquire_owned() else {
            self.leave_to_sync(&peer);
            return None;
        };
        let is_first = self.fetching.lock().expect("nothing panics while holding it").insert(head.hash);
        is_first.then(|| Turn { fetching: Arc::clone(&self.fetching), hash: head.hash, _permit: permit })
    }

    async fn fetch(&self, asker: &Asker, peer: PeerId, hash: B256, format: &HeaderFormat) {
        match fetch(asker, peer, hash, format).await {
            Ok(Some(block)) => self.block(FromPeer { peer, block }),
            // It changed its mind, or went away; whoever has the block still has the heavier head.
            Ok(None) => {}
            Err(why) => asker.penalise(peer, peer::MALFORMED, why).await,
        }
    }
}

/// A block that is being fetched.
struct Turn {
    fetching: Arc<Mutex<HashSet<B256>>>,
    hash: B256,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.fetching.lock().expect("nothing panics while holding it").remove(&self.hash);
    }
}

async fn fetch(
    asker: &Asker,
    peer: PeerId,
    hash: B256,
    format: &HeaderFormat,
) -> Result<Option<SealedBlock>, &'static str> {
    let Some(answer) = asker.ask(peer, &SyncRequest::Block(hash)).await else { return Ok(None) };
    let blocks = Blocks::from_bytes(&answer).map_err(|_| "answer is no list of blocks")?.blocks;
    let Some(bytes) = blocks.first() else { return Ok(None) };
    let block = SealedBlock::decode(bytes, format).map_err(|_| "answer is no block")?;
    if block.hash() != hash {
        return Err("answer is another block than asked for");
    }
    Ok(Some(block))
}

struct Importer {
    source: Arc<dyn BlockSource>,
    asker: Asker,
    directory: Arc<Directory>,
    wake_sync: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Importer {
    async fn run(self, mut incoming: mpsc::Receiver<FromPeer>, shutdown: CancellationToken) {
        while let Some(Some(from)) = shutdown.run_until_cancelled(incoming.recv()).await {
            self.import(from).await;
        }
    }

    async fn import(&self, FromPeer { peer, block }: FromPeer) {
        let (number, hash) = (block.number(), block.hash());
        if self.source.contains(hash) {
            return;
        }
        let source = Arc::clone(&self.source);
        let Ok(verdict) = tokio::task::spawn_blocking(move || source.import(block)).await else {
            tracing::error!(number, %hash, "import of an announced block panicked");
            return;
        };
        match verdict {
            Verdict::Imported => {
                self.metrics.blocks_announced_imported.add(1);
                // Only of our head we know the score.
                let status = self.source.status();
                let score = if status.hash == hash { status.score } else { Score::default() };
                self.asker.send(Command::Relay { head: Head::new(number, hash, score), from: peer }).await;
            }
            Verdict::Known => {}
            Verdict::UnknownParent => {
                self.directory.settle(&peer);
                self.wake_sync.notify_one();
            }
            Verdict::TemporarilyInvalid(why) => tracing::debug!(number, %hash, why, "announced block is not valid yet"),
            Verdict::Refused(why) => tracing::debug!(number, %hash, %peer, why, "announced block is not taken"),
            Verdict::Invalid(why) => {
                tracing::warn!(number, %hash, %peer, why, "announced block is invalid");
                self.asker.penalise(peer, peer::INVALID, "announced an invalid block").await;
            }
            Verdict::Fault(why) => tracing::error!(number, %hash, why, "our side failed to import an announced block"),
        }
    }
}
