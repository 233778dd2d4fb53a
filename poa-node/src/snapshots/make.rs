//! Making snapshots while the node runs.

use std::{
    fs, io,
    io::{BufWriter, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use alloy::primitives::Keccak256;
use aurum_aura::{Clock, SystemClock};
use aurum_chain::{
    Chain, ChainConfig, Fault, StorageOptions,
    state_snapshot::{SnapshotError, create_snapshot},
};
use aurum_network::SnapshotOffer;
use aurum_pool::PoolConfig;
use tokio::task;
use tokio_util::sync::CancellationToken;

use super::Shelf;

/// A head older than this is being synced.
const RECENT: Duration = Duration::from_secs(120);

/// That a node makes snapshots for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakeSnapshots {
    /// Where they are held.
    pub folder: PathBuf,
    /// Final blocks between one and the next.
    pub period: u64,
}

/// Makes one whenever finality has come far enough.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(crate) chain: Chain,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) period: u64,
}

/// Why none was made this time.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error("{0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl Maker {
    /// Runs until the token is cancelled. A snapshot that cannot be made is logged, and made a period later.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let maker = Arc::new(self);
        let mut head = maker.chain.watch_head();
        let mut last = maker.shelf.newest().map_or(0, |offer| offer.number);
        loop {
            let finalized = head.borrow_and_update().finalized.number;
            if finalized / maker.period > last / maker.period && maker.keeps_up() {
                let making = Arc::clone(&maker);
                match task::spawn_blocking(move || making.make()).await {
                    Ok(Ok(offer)) => {
                        let SnapshotOffer { number, size, .. } = offer;
                        tracing::info!(number, size, "made a snapshot for nodes that begin");
                    }
                    Ok(Err(error)) => tracing::warn!(%error, "no snapshot was made"),
                    Err(_) => return,
                }
                last = finalized;
            }
            match shutdown.run_until_cancelled(head.changed()).await {
                Some(Ok(())) => {}
                None | Some(Err(_)) => return,
            }
        }
    }

    /// Whether the head is recent: while old blocks are synced, nobody needs a snapshot of one.
    fn keeps_up(&self) -> bool {
        self.clock.now().saturating_sub(Duration::from_secs(self.chain.head_timestamp())) < RECENT
    }

    /// The chain is not stopped: its database is copied by links, and the copy is opened and read.
    fn make(&self) -> Result<SnapshotOffer, MakeError> {
        self.shelf.clear_unfinished()?;
        let folder = self.shelf.unfinished();
        fs::create_dir_all(&folder)?;
        let (database, path) = (folder.join("db"), folder.join("file"));
        self.chain.copy_database(&database)?;
        let config = ChainConfig {
            spec: Arc::clone(self.chain.spec()),
            path: database,
            clock: Arc::new(SystemClock),
            pool: PoolConfig::default(),
            min_gas_price: 0,
            parallel: None,
            storage: StorageOptions::default(),
        };
        let mut out = Digested { out: BufWriter::new(fs::File::create(&path)?), digest: Keccak256::new() };
        let summary = create_snapshot(config, &mut out)?;
        let file = out.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let offer = SnapshotOffer { number: summary.number, size: summary.bytes, digest: out.digest.finalize() };
        self.shelf.put(&path, offer)?;
        self.shelf.clear_unfinished()?;
        Ok(offer)
    }
}

/// Hashes what is written.
struct Digested<W> {
    out: W,
    digest: Keccak256,
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
