//! [`Chain`]: the handle everybody inside the node holds.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::{B256, Bytes};
use aurum_aura::{
    Clock,
    certificate::{Branches, Certificate},
};
use aurum_evm::Parallel;
use aurum_pool::{Pool, PoolConfig};
use aurum_storage::Options as StorageOptions;
use aurum_types::{BlockNumber, ChainSpec, HeaderFormat, Score, SealedBlock};
use tokio::sync::{broadcast, watch};

use crate::{
    Authoring, BlockRef, Built, ChainError, Checkpoint, Development, EmptyStepError, Fault, Head, HeadChange,
    ImportError, Observer, RewindError, View, empty_steps, open, pipeline::Importer, reader::Reader,
};

/// What a chain is opened with.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// The rules and the genesis.
    pub spec: Arc<ChainSpec>,
    /// The database's folder; made if it is not there.
    pub path: PathBuf,
    /// Our clock.
    pub clock: Arc<dyn Clock>,
    /// The pool. `gas_free` and `base_fee` are set from the spec and the head.
    pub pool: PoolConfig,
    /// Wei a unit of gas must offer for this node's pool; nothing on a gas-free chain.
    pub min_gas_price: u128,
    /// How blocks that others sealed are executed in parallel; `None` runs their transactions one by one.
    pub parallel: Option<Parallel>,
    /// Which states are kept, and with how much memory.
    pub storage: StorageOptions,
}

/// What an import did.
#[derive(Clone, Debug)]
pub enum Imported {
    /// The block is the new head.
    Head(Arc<HeadChange>),
    /// The block is on a branch that does not win (yet).
    Side {
        /// Its total score.
        score: Score,
    },
    /// It was here already.
    Known,
}

/// One chain: its database, head, pool and import. Cheap to clone; the last clone that goes closes the database.
///
/// Everything blocks for as long as disk and EVM do: not for async threads, but for [`Self::head`], [`Self::watch_head`] and
/// [`Self::events`].
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

struct Inner {
    // Dropped first: it ends and joins the persist thread, which holds the writer.
    importer: Mutex<Importer>,
    reader: Arc<Reader>,
    pool: Pool,
    head: watch::Receiver<Head>,
    events: broadcast::Sender<Arc<HeadChange>>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Chain {
    /// Opens the chain in a folder: makes genesis if the folder is empty, else goes on where it stopped, however it
    /// stopped. Stored blocks above the persisted tip go through the pipeline again.
    ///
    /// # Errors
    /// [`ChainError`]: another chain's folder, a genesis that contradicts the spec, a disk that fails.
    pub fn open(config: ChainConfig) -> Result<Self, ChainError> {
        let open::Opened { importer, reader, pool, head, events } = open::open(config)?;
        Ok(Self(Arc::new(Inner { importer: Mutex::new(importer), reader, pool, head, events })))
    }

    /// Imports a block that somebody sent. Imports wait for each other.
    ///
    /// # Errors
    /// [`ImportError`]; the chain is as it was.
    pub fn import(&self, block: SealedBlock) -> Result<Imported, ImportError> {
        self.importer().import(block)
    }

    /// Imports ascending blocks (sync): each stage works on another of them at the same time, and they share fsyncs. Returns
    /// what was imported and what stopped it, if something did, both as [`Self::import`] of one after the other does.
    pub fn import_batch(&self, blocks: &[SealedBlock]) -> (Vec<Imported>, Option<ImportError>) {
        self.importer().import_batch(blocks)
    }

    /// Imports a block of our own through the same door; what building it gave is taken over instead of computed again.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import_built(&self, block: SealedBlock, built: Built) -> Result<Imported, ImportError> {
        self.importer().import_built(block, built)
    }

    /// Takes an empty step, our own or a peer's, and keeps it for the author if it may stand in a seal. Whether it is new.
    ///
    /// # Errors
    /// [`EmptyStepError`]; only [`EmptyStepError::Malformed`] is the fault of whoever passed it on.
    pub fn offer_empty_step(&self, message: &[u8]) -> Result<bool, EmptyStepError> {
        empty_steps::offer(&self.0.reader, message)
    }

    /// Lets `observer` watch what the import sees of the authorities, from now on. The first one stays.
    pub fn observe_with(&self, observer: Arc<dyn Observer>) {
        if self.0.reader.observer.set(observer).is_err() {
            tracing::warn!("the chain is observed already");
        }
    }

    /// Decodes a block of this chain's header layout.
    ///
    /// # Errors
    /// [`ImportError::Invalid`] for bytes that are no block.
    pub fn decode(&self, bytes: &[u8]) -> Result<SealedBlock, ImportError> {
        Ok(SealedBlock::decode(bytes, &self.0.reader.format)?)
    }

    /// What the author needs to build on the head.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn authoring(&self) -> Result<Authoring, Fault> {
        Authoring::new(Arc::clone(&self.0.reader))
    }

    /// Latest, safe and finalized block.
    pub fn head(&self) -> Head {
        *self.0.head.borrow()
    }

    /// The head, whenever it moves. Every value was durable before it was sent.
    pub fn watch_head(&self) -> watch::Receiver<Head> {
        self.0.head.clone()
    }

    /// Every step of the head. A receiver that falls behind by 1024 steps sees `Lagged`.
    pub fn events(&self) -> broadcast::Receiver<Arc<HeadChange>> {
        self.0.events.subscribe()
    }

    /// Unix time in the head's header, in seconds.
    pub fn head_timestamp(&self) -> u64 {
        self.0.reader.recent().head_link().header.timestamp
    }

    /// Total score of the head.
    pub fn score(&self) -> Score {
        self.0.reader.recent().head_link().score
    }

    /// The pool. It asks this chain what it admits, and this chain tells it of every head.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The spec.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.0.reader.spec
    }

    /// How headers are laid out.
    pub fn header_format(&self) -> &HeaderFormat {
        &self.0.reader.format
    }

    /// Hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.0.reader.genesis_hash
    }

    /// Reads for the node's own parts. Whoever serves others goes through [`crate::Gate`].
    pub fn view(&self) -> View {
        View::new(self)
    }

    /// The wire form of a block of any branch, as it is sent to peers.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn block_bytes(&self, hash: B256) -> Result<Option<Bytes>, Fault> {
        if let Some(block) = self.0.reader.recent().node(hash).and_then(|node| node.block.clone()) {
            return Ok(Some(block.sealed().block().encode()));
        }
        Ok(self.0.reader.database.block(hash)?.map(|block| block.encode()))
    }

    /// The canonical block at a height, or `None` above the head.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn canonical_hash(&self, number: BlockNumber) -> Result<Option<B256>, Fault> {
        self.0.reader.canonical_hash(number)
    }

    /// Makes another database of what is stored now, without stopping anything: [`Chain::open`] finds in it what it would find
    /// after a crash at this moment. `path` must not exist and lie on the same disk.
    ///
    /// # Errors
    /// [`Fault`] when the disk fails.
    pub fn copy_database(&self, path: &Path) -> Result<(), Fault> {
        Ok(self.0.reader.database.copy_to(path)?)
    }

    /// Merges the database's files: they take the least room then and are read fastest. Reads and writes most of them;
    /// imports wait.
    ///
    /// # Errors
    /// [`Fault`] when the disk fails.
    pub fn compact_database(&self) -> Result<(), Fault> {
        Ok(self.importer().persist.writer().compact()?)
    }

    /// Whether finality certificates are made here: the block above which they are.
    pub fn certificates_from(&self) -> Option<BlockNumber> {
        self.spec().engine.finality_certificates_transition
    }

    /// The branches, as counting votes asks for them.
    pub fn branches(&self) -> &impl Branches<Error = Fault> {
        &*self.0.reader
    }

    /// Makes the block of a verified certificate final: stored first, then shown as final. A branch that holds it becomes
    /// the head if it is not.
    ///
    /// # Errors
    /// [`ImportError`] for a block that is not here or contradicts what is final.
    pub fn certify(&self, certificate: &Certificate) -> Result<(), ImportError> {
        self.importer().certify(certificate)
    }

    /// Prefers the branch with the target of a verified proof, even to heavier ones, and keeps the proof.
    ///
    /// # Errors
    /// As [`Self::certify`].
    pub fn justify(&self, proof: &Certificate) -> Result<(), ImportError> {
        self.importer().justify(proof)
    }

    /// As [`Self::justify`] for a block of whose proof only the knowledge is left that there was one.
    ///
    /// # Errors
    /// As [`Self::certify`].
    pub fn prefer(&self, at: BlockRef) -> Result<(), ImportError> {
        self.importer().prefer(at)
    }

    /// What leads somebody whose final block is at `number` to the newest certificate, ascending; none if it is not above.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn certificates_above(&self, number: BlockNumber) -> Result<Vec<Certificate>, Fault> {
        let reader = &self.0.reader;
        let newest = reader.newest_certificate()?.filter(|newest| newest.link.source.number > number);
        let Some(newest) = newest else { return Ok(Vec::new()) };
        Ok(reader.certificates_above(number, newest)?.into_iter().map(|step| step.certificate).collect())
    }

    /// The certificate of this very block, if there is one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn certificate_of(&self, block: BlockRef) -> Result<Option<Certificate>, Fault> {
        let found = self.0.reader.certificate_from(block.number)?;
        Ok(found.filter(|certificate| BlockRef::from(certificate.link.source) == block))
    }

    /// Proofs that were kept over the last restart: the newest certificate, and the newest justification of a block above
    /// it if there is one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn kept_proofs(&self) -> Result<Vec<Certificate>, Fault> {
        let reader = &self.0.reader;
        Ok([reader.newest_certificate()?, reader.justification()?].into_iter().flatten().collect())
    }

    /// Proof that this is a development chain, if it is one.
    pub fn development(&self) -> Option<Development> {
        self.0.reader.evm.development()
    }

    /// The head and what waits, to be gone back to with [`Self::rewind`].
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::of(&self.0.reader, &self.0.pool)
    }

    /// Block 0 of a development chain, to be gone back to with [`Self::rewind`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn genesis_checkpoint(&self, _development: Development) -> Result<Checkpoint, Fault> {
        Checkpoint::genesis(&self.0.reader)
    }

    /// Takes the head of a development chain back to where it was: the blocks above are no more, not even after a restart,
    /// and the pool holds what waited then.
    ///
    /// # Errors
    /// [`RewindError`]; the chain is as it was, unless it is a [`Fault`].
    pub fn rewind(&self, _development: Development, to: &Checkpoint) -> Result<(), RewindError> {
        self.importer().rewind(to)
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.0.reader
    }

    fn importer(&self) -> MutexGuard<'_, Importer> {
        self.0.importer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
