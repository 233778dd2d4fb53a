//! Builds the parts and hands each its neighbours' handles: wiring only.

use std::{fmt, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::B256;
use aurum_aura::{Clock, SystemClock};
use aurum_chain::{Chain, ChainConfig, ChainError, Fault, Gate};
use aurum_network::{NetworkError, NetworkHandle};
use aurum_rpc::{DevApi, FinalityApi, NoPeers, PeersApi, RpcError, RpcHandle, SealingApi, ServedListener, Services};
use prometheus_client::registry::Registry;
use tokio::{sync::mpsc, task};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    adapters::{Blocks, Peers, Sealer},
    author::{Author, AuthorMetrics, AuthorThread, LastSealed, Lookout},
    config::Config,
    dev::{DevClock, DevServices, Miner, Mode},
    finality::{Finality, FinalityError},
    neighbours::Neighbours,
    snapshots::{Begin, MakeSnapshots, Maker, Shelf, SnapshotFetchError},
    watch::Watcher,
};

/// How long the parts may take to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Why a node does not start, or stopped by itself. Each message is the one line an operator sees.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The folder cannot be made.
    #[error("cannot make the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A snapshot was being restored into this folder.
    #[error("a restore was interrupted: run `poa-node snapshot restore` again, or remove {} to sync from peers", path.display())]
    InterruptedRestore {
        /// What it left.
        path: PathBuf,
    },
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The record of sealed steps cannot be read: sealing could make a second block for a step.
    #[error("cannot tell which step was sealed last: {0}")]
    LastSealed(io::Error),
    /// Votes on finality.
    #[error(transparent)]
    Finality(#[from] FinalityError),
    /// A peer's snapshot cannot even be looked for.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFetchError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// JSON-RPC.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Our disk, or a bug; the node stopped itself.
    #[error("the node stopped: {0}")]
    Fault(#[from] Fault),
}

/// A running node. [`Self::stop`] ends it in order; dropping the handle ends it too, without waiting for its network.
pub struct NodeHandle {
    /// Where JSON-RPC over HTTP is served.
    pub http: Option<SocketAddr>,
    /// Where JSON-RPC over WebSocket is served.
    pub ws: Option<SocketAddr>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Listeners of JSON-RPC with a policy of their own.
    pub listeners: Vec<ServedListener>,
    /// The chain, for tests and tools inside the process.
    pub chain: Chain,
    /// The author, if this node seals.
    pub author: Option<Arc<Author>>,
    network: Option<NetworkHandle>,
    rpc: Option<RpcHandle>,
    author_thread: Option<AuthorThread>,
    tasks: TaskTracker,
    faults: mpsc::Receiver<Fault>,
    shutdown: CancellationToken,
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle").field("http", &self.http).field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Starts a node and returns once everything is open: chain, peers, JSON-RPC, sealing. It runs until `shutdown` is
/// cancelled, the handle is dropped, or a [`Fault`] ends it ([`NodeHandle::run`] tells).
///
/// # Errors
/// [`NodeError`]; nothing runs then.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<NodeHandle, NodeError> {
    let Config { spec, database, last_sealed, resume_sealing, pool, min_gas_price, parallel, storage, .. } = config;
    let Config { sealing, network, fetch_snapshot, make_snapshots, rpc, dev, .. } = config;
    // If a later part does not start, this ends those that run already.
    let started = shutdown.clone().drop_guard();
    let (fault_sender, faults) = mpsc::channel(1);
    let tasks = TaskTracker::new();

    let mut record = LastSealed::open(&last_sealed).map_err(NodeError::LastSealed)?;
    if resume_sealing && let Some(found) = record.resume().map_err(NodeError::LastSealed)? {
        let (step, number) = (found.step, found.number);
        tracing::warn!(%step, number, hash = %found.hash, "sealing again after our key was seen elsewhere");
    }
    let dev_clock = dev.is_some().then(|| {
        let steps = aurum_aura::StepSchedule::new(&spec.engine);
        Arc::new(DevClock::new(record.step().map_or(Duration::ZERO, |step| steps.start_of(step.next()))))
    });
    let clock: Arc<dyn Clock> = match &dev_clock {
        Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
        None => Arc::new(SystemClock),
    };
    let restoring = crate::config::restoring(&database);
    if restoring.exists() && !database.exists() && fetch_snapshot.is_none() {
        return Err(NodeError::InterruptedRestore { path: restoring });
    }
    if let Some(folder) = database.parent() {
        std::fs::create_dir_all(folder).map_err(|source| NodeError::Folder { path: folder.to_owned(), source })?;
    }
    if let (Some(wanted), Some(network), false) = (fetch_snapshot, &network, database.exists()) {
        let begin = Begin { spec: &spec, network, database: &database, draft: &restoring, wanted };
        begin.run(&shutdown).await?;
    }
    let open_shelf = |making: &MakeSnapshots| {
        let path = making.folder.clone();
        Shelf::open(path.clone()).map(Arc::new).map_err(|source| NodeError::Folder { path, source })
    };
    let shelf = make_snapshots.as_ref().map(open_shelf).transpose()?;
    let chain = ChainConfig { spec, path: database, clock: Arc::clone(&clock), pool, min_gas_price, parallel, storage };
    let chain = blocking(move || Chain::open(chain)).await?;

    let signer = sealing.as_ref().map(|sealing| Arc::clone(&sealing.signer));
    let folder = last_sealed.parent().unwrap_or(std::path::Path::new(".")).to_owned();
    let finality = {
        let (chain, clock, faults) = (chain.clone(), Arc::clone(&clock), fault_sender.clone());
        blocking(move || Finality::open(chain, clock, signer, &folder, faults)).await?
    };
    let (finality, to_fetch) = finality.unzip();

    let (network, peers): (_, Arc<dyn PeersApi>) = match network {
        None => (None, Arc::new(NoPeers)),
        Some(mut config) => {
            config.admit = config.admit.or_else(|| Neighbours::of_chain(&chain, &clock, config.key.id()));
            let max_peers = config.max_peers;
            let blocks = Arc::new(Blocks {
                chain: chain.clone(),
                faults: fault_sender.clone(),
                finality: finality.clone(),
                snapshots: shelf.clone(),
            });
            let network = aurum_network::run(config, blocks, chain.pool().clone(), shutdown.clone()).await?;
            if let Some(finality) = &finality {
                finality.attach(network.clone());
            }
            (Some(network.clone()), Arc::new(Peers { network, max_peers }))
        }
    };

    let author = sealing
        .map(|sealing| Arc::new(Author::new(chain.clone(), sealing, Arc::clone(&clock), record, network.clone())));
    let lookout = match &author {
        Some(author) => Arc::clone(author.lookout()),
        None => Lookout::of_observer(&chain),
    };
    let metrics = author.as_ref().map_or_else(AuthorMetrics::default, |author| author.metrics().clone());
    let miner = match (&author, dev_clock, dev) {
        (Some(author), Some(clock), Some(dev)) => {
            Some(Miner::new(chain.clone(), Arc::clone(author), clock, Mode::of(dev.block_time)))
        }
        _ => None,
    };
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    if let Some(finality) = &finality {
        finality.metrics().register(&mut registry);
    }
    let services = Services {
        gate: Gate::new(chain.clone()),
        peers,
        dev: miner.clone().map(|miner| Arc::new(DevServices::new(miner, shutdown.clone())) as Arc<dyn DevApi>),
        finality: finality.clone().map(|finality| finality as Arc<dyn FinalityApi>),
        sealing: author.clone().map(|author| Arc::new(Sealer(author)) as Arc<dyn SealingApi>),
        registry,
    };
    let rpc = aurum_rpc::serve(&rpc, services, &shutdown)?;

    let watcher = Watcher { chain: chain.clone(), clock: Arc::clone(&clock), lookout, author: author.clone(), metrics };
    tasks.spawn(watcher.run(shutdown.clone()));
    if let (Some(shelf), Some(making)) = (shelf, make_snapshots) {
        let maker = Maker { chain: chain.clone(), clock, shelf, period: making.period };
        tasks.spawn(maker.run(shutdown.clone()));
    }
    if let (Some(finality), Some(to_fetch)) = (finality, to_fetch) {
        tasks.spawn(finality.run(to_fetch, shutdown.clone()));
    }
    let author_thread = match (&author, miner) {
        (_, Some(miner)) => {
            tasks.spawn(miner.run(fault_sender, shutdown.clone()));
            None
        }
        (Some(author), _) => {
            tracing::info!(address = %author.address(), "sealing as an authority");
            Some(AuthorThread::start(Arc::clone(author), fault_sender).map_err(NodeError::Thread)?)
        }
        (None, _) => None,
    };
    tasks.close();
    started.disarm();
    Ok(NodeHandle {
        http: rpc.http,
        ws: rpc.ws,
        metrics: rpc.metrics,
        listeners: rpc.listeners.clone(),
        chain,
        author,
        network,
        rpc: Some(rpc),
        author_thread,
        tasks,
        faults,
        shutdown,
    })
}

impl NodeHandle {
    /// The network, unless the node is alone.
    pub const fn network(&self) -> Option<&NetworkHandle> {
        self.network.as_ref()
    }

    /// Hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.chain.genesis_hash()
    }

    /// Waits until the token is cancelled, then stops in order.
    ///
    /// # Errors
    /// [`NodeError::Fault`] when the node had to stop by itself.
    pub async fn run(mut self) -> Result<(), NodeError> {
        let fault = tokio::select! {
            () = self.shutdown.cancelled() => None,
            Some(fault) = self.faults.recv() => Some(fault),
        };
        self.stop().await;
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Stops sealing first, then everything else, and waits for it; the database is closed when this returns.
    pub async fn stop(mut self) {
        let author = self.author_thread.take();
        let joined = task::spawn_blocking(move || drop(author));
        self.shutdown.cancel();
        let (network, rpc, tasks) = (self.network.take(), self.rpc.take(), self.tasks.clone());
        let ended = async {
            // The only error is a panic of the author's thread, printed where it happened.
            let _ = joined.await;
            tasks.wait().await;
            if let Some(network) = network {
                network.stopped().await;
            }
            if let Some(rpc) = rpc {
                rpc.stopped().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, ended).await.is_err() {
            tracing::warn!("some part did not end in time");
        }
        let (chain, author) = (self.chain.clone(), self.author.take());
        drop(self);
        // The last handle closes the database and joins its thread.
        let closed = task::spawn_blocking(move || drop((author, chain)));
        let _ = closed.await;
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Runs `work` where it may block.
pub(crate) async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
