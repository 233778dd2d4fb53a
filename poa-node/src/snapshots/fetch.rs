//! Beginning with a peer's snapshot.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::primitives::{Address, B256, Bytes};
use aurum_chain::state_snapshot::{SnapshotError, SnapshotSummary, SnapshotTrust, restore_snapshot};
use aurum_network::{
    BlockSource, ChainStatus, FetchError, NetworkConfig, NetworkError, NetworkHandle, NodeId, SnapshotOffer, Verdict,
};
use aurum_pool::{Admission, Origin, Pool, PoolConfig, Refusal};
use aurum_types::{Account, BlockNumber, ChainSpec, Recovered, Score, SealedBlock, Transaction};
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::{commands::chain::Genesis, node::blocking};

/// How long offers are waited for before the chain is synced from its first block.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often peers are asked while there is no offer.
const ASK: Duration = Duration::from_secs(1);

/// That a node without a database looks for a snapshot first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchSnapshot {
    /// Height below which a snapshot is not worth it.
    pub barrier: BlockNumber,
}

/// Why a node cannot even look for one.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFetchError {
    /// Genesis cannot be made from the spec.
    #[error("genesis: {0:#}")]
    Genesis(anyhow::Error),
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The folder.
    #[error("cannot write {}: {source}", path.display())]
    Disk {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A node before its first block.
pub(crate) struct Begin<'a> {
    pub(crate) spec: &'a Arc<ChainSpec>,
    pub(crate) network: &'a NetworkConfig,
    /// Where the database is to be; nothing is there.
    pub(crate) database: &'a Path,
    /// Where it is made first.
    pub(crate) draft: &'a Path,
    pub(crate) wanted: FetchSnapshot,
}

impl Begin<'_> {
    /// Makes the database from the newest snapshot of a reserved peer that proves itself. Without one there is no database
    /// when this returns, and the chain is synced from its first block.
    ///
    /// # Errors
    /// [`SnapshotFetchError`]; what peers do wrong is no error.
    pub(crate) async fn run(self, shutdown: &CancellationToken) -> Result<(), SnapshotFetchError> {
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |source| SnapshotFetchError::Disk { path, source }
        };
        if self.draft.exists() {
            // Of a snapshot that was being restored when the node ended.
            fs::remove_dir_all(self.draft).map_err(disk(self.draft))?;
        }
        let spec = Arc::clone(self.spec);
        let genesis = blocking(move || Genesis::of(&spec)).await.map_err(SnapshotFetchError::Genesis)?;
        let stop = shutdown.child_token();
        let pool = Pool::open(PoolConfig::default(), Arc::new(Nothing(genesis.hash)))
            .map_err(|error| SnapshotFetchError::Genesis(error.into()))?;
        let config = NetworkConfig { follow: false, ..self.network.clone() };
        let network = aurum_network::run(config, Arc::new(Nothing(genesis.hash)), pool, stop.clone()).await?;
        let file = self.database.with_extension("snapshot");
        let genesis = Arc::new(genesis);
        let found = shutdown.run_until_cancelled(self.look(&network, &genesis, &file)).await;
        stop.cancel();
        network.stopped().await;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk(&file)(error)),
            _ => {}
        }
        match found.flatten() {
            Some(SnapshotSummary { number, hash, state_root, .. }) => {
                tracing::info!(number, %hash, root = %state_root, "began with a peer's snapshot, proven by certificates");
            }
            None => tracing::info!("no peer has a snapshot for us: syncing from the first block"),
        }
        Ok(())
    }

    /// Tries offers, the newest first, each once, until one is good or there has been none for a while.
    async fn look(&self, network: &NetworkHandle, genesis: &Arc<Genesis>, file: &Path) -> Option<SnapshotSummary> {
        let mut tried = HashSet::new();
        let mut until = time::Instant::now() + PATIENCE;
        loop {
            let mut offers = network.snapshots().await;
            offers
                .retain(|(peer, offer)| offer.number >= self.wanted.barrier && !tried.contains(&(*peer, offer.digest)));
            let Some((peer, offer)) = offers.into_iter().max_by_key(|(_, offer)| offer.number) else {
                if time::Instant::now() >= until {
                    return None;
                }
                time::sleep(ASK).await;
                continue;
            };
            tracing::info!(number = offer.number, size = offer.size, %peer, "fetching a snapshot");
            tried.insert((peer, offer.digest));
            match self.take(network, genesis, (peer, offer), file).await {
                Ok(summary) => return Some(summary),
                Err(error) => tracing::warn!(number = offer.number, %peer, %error, "a snapshot was refused"),
            }
            until = time::Instant::now() + PATIENCE;
        }
    }

    async fn take(
        &self,
        network: &NetworkHandle,
        genesis: &Arc<Genesis>,
        (peer, offer): (NodeId, SnapshotOffer),
        file: &Path,
    ) -> Result<SnapshotSummary, TakeError> {
        network.fetch_snapshot(peer, offer, file).await?;
        let (spec, genesis, file) = (Arc::clone(self.spec), Arc::clone(genesis), file.to_owned());
        let (database, draft) = (self.database.to_owned(), self.draft.to_owned());
        blocking(move || {
            let validators = genesis.validators(&spec.engine.validators).map_err(TakeError::Genesis)?;
            let input = io::BufReader::with_capacity(1 << 20, fs::File::open(file)?);
            let input = (input, SnapshotTrust::Certificates);
            Ok(restore_snapshot(&spec, &genesis.header, validators.as_ref(), input, &database, &draft)?)
        })
        .await
    }
}

/// Why an offer came to nothing.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("{0}")]
    Disk(#[from] io::Error),
    #[error("{0:#}")]
    Genesis(anyhow::Error),
}

/// A chain of which only the hash of block 0 is known: it gives and takes nothing.
#[derive(Clone, Copy, Debug)]
struct Nothing(B256);

impl BlockSource for Nothing {
    fn status(&self) -> ChainStatus {
        ChainStatus { genesis: self.0, number: 0, hash: self.0, score: Score::default() }
    }

    fn contains(&self, hash: B256) -> bool {
        hash == self.0
    }

    fn hash_at(&self, number: BlockNumber) -> Option<B256> {
        (number == 0).then_some(self.0)
    }

    fn block(&self, _: B256) -> Option<Bytes> {
        None
    }

    fn import(&self, _: SealedBlock) -> Verdict {
        Verdict::UnknownParent
    }
}

impl Admission for Nothing {
    fn account(&self, _: Address) -> Result<Account, Refusal> {
        Ok(Account::default())
    }

    fn admits(&self, _: &Recovered<Transaction>, _: Origin) -> Result<(), Refusal> {
        Err(Refusal::UnsupportedType)
    }
}
