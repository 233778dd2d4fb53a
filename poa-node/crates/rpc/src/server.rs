//! The listeners.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use aurum_chain::Gate;
use axum::{Router, routing::get};
use jsonrpsee::server::{ServerHandle, stop_channel};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    config::RpcConfig,
    context::Parts,
    dev::DevApi,
    endpoint::render_metrics,
    finality::FinalityApi,
    front::Common,
    health::Health,
    http::{self, SHUTDOWN_GRACE},
    listener::LimitedListener,
    metrics::{NodeCollector, RpcMetrics},
    patience::Patience,
    peers::PeersApi,
    runtime::{OwnRuntime, Urgency},
    sealing::SealingApi,
};

/// What the server serves, besides its configuration.
pub struct Services {
    /// The only way to the chain.
    pub gate: Gate,
    /// The network.
    pub peers: Arc<dyn PeersApi>,
    /// Only on a development chain.
    pub dev: Option<Arc<dyn DevApi>>,
    /// Only where finality certificates are on.
    pub finality: Option<Arc<dyn FinalityApi>>,
    /// The author, if this node seals.
    pub sealing: Option<Arc<dyn SealingApi>>,
    /// Metrics of the other parts; the server adds its own and serves them all.
    pub registry: Registry,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("seals", &self.sealing.is_some()).finish_non_exhaustive()
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// An address is taken, or not ours.
    #[error("cannot listen on {address} for {what}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// `HTTP RPC`, `WebSocket RPC`, `metrics`, or a listener's name.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the threads of JSON-RPC: {0}")]
    Threads(#[source] io::Error),
    /// Two methods have one name.
    #[error(transparent)]
    Methods(#[from] jsonrpsee::core::RegisterMethodError),
}

/// A running server, on threads of its own. Dropping it ends the server and waits for its threads, which takes seconds at
/// worst; [`Self::stopped`] waits without blocking.
#[derive(Debug)]
pub struct RpcHandle {
    /// Where HTTP is served.
    pub http: Option<SocketAddr>,
    /// Where WebSocket is served.
    pub ws: Option<SocketAddr>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// The listeners besides these.
    pub listeners: Vec<ServedListener>,
    runtimes: Vec<OwnRuntime>,
}

/// A listener of [`RpcConfig::listeners`].
#[derive(Clone, Debug)]
pub struct ServedListener {
    /// `public`, `members` or `admin`.
    pub name: &'static str,
    /// Where it is.
    pub address: SocketAddr,
    /// Every method it serves.
    pub methods: Vec<&'static str>,
}

impl RpcHandle {
    /// Waits until every listener and its threads have ended, which they do once the token is cancelled.
    pub async fn stopped(self) {
        for runtime in self.runtimes {
            runtime.ended().await;
        }
    }
}

/// Starts serving; returns as soon as every port is bound. The listener for administrators has threads of its own, so that it
/// answers while the others are flooded; they alone are as urgent as what imports blocks.
///
/// # Errors
/// [`RpcError::Bind`] names the taken port; nothing is served then.
pub fn serve(config: &RpcConfig, services: Services, shutdown: &CancellationToken) -> Result<RpcHandle, RpcError> {
    let Services { gate, peers, dev, finality, sealing, mut registry } = services;
    let metrics = Arc::new(RpcMetrics::new(&mut registry));
    registry.register_collector(Box::new(NodeCollector::new(gate.clone(), Arc::clone(&peers))));
    let registry = Arc::new(registry);

    let health = Health::new(gate.clone(), Arc::clone(&peers), config.readiness);
    let parts = Parts {
        peers,
        dev,
        finality,
        sealing,
        own_transactions_only: false,
        limits: config.limits.clone(),
        apis: config.apis.clone(),
        client_version: config.client_version.clone(),
        metrics: Arc::clone(&metrics),
    };
    let develops = parts.dev.is_some();
    let (stop, server) = stop_channel();
    let common = Common { gate, parts, health, stop };

    let shutdown = shutdown.child_token();
    let runtime =
        |name, workers, urgency| OwnRuntime::start(name, workers, urgency, shutdown.clone()).map_err(RpcError::Threads);
    // The blocks of a development chain are made by whoever asks for them.
    let urgency = if develops { Urgency::Usual } else { Urgency::Yielding };
    let everybody = runtime("rpc", config.io_threads, urgency)?;
    let administers = config.listeners.iter().any(|listener| matches!(listener.access, Access::Admin));
    let admin = administers.then(|| runtime("rpc-admin", 1, Urgency::Usual)).transpose()?;
    let runs_on = |access: &Access| match (access, &admin) {
        (Access::Admin, Some(admin)) => admin,
        _ => &everybody,
    };

    // Every port first: a node that serves half of what it should is not started.
    let http = bind(&everybody, config.http, "HTTP RPC")?;
    let ws = bind(&everybody, config.ws, "WebSocket RPC")?;
    let scrape = bind(&everybody, config.metrics, "metrics")?;
    let mut others = Vec::new();
    for listener in &config.listeners {
        let bound = bind(runs_on(&listener.access), Some(listener.address), listener.access.name())?;
        others.extend(bound.map(|bound| (bound, listener)));
    }

    let (at_http, at_ws, at_metrics) = (local(&http), local(&ws), local(&scrape));
    let mut listeners = Vec::new();
    let limited = |listener, most, tls| {
        LimitedListener::new(listener, most, metrics.connections.clone(), tls, Patience::default())
    };
    let usual = common.usual_front(config)?;
    for listener in [http, ws].into_iter().flatten() {
        let listener = limited(listener, config.limits.connections, None);
        everybody.spawn(http::serve(listener, usual.router(), shutdown.clone()));
    }
    usual.tend(&everybody, &shutdown);
    for (bound, listener) in others {
        let front = common.front(listener)?;
        let (name, methods) = (listener.access.name(), front.methods.method_names().collect());
        if let Ok(address) = bound.local_addr() {
            tracing::info!(%address, listener = name, tls = front.tls.is_some(), "JSON-RPC");
            listeners.push(ServedListener { name, address, methods });
        }
        let bound = limited(bound, listener.limits.connections, listener.tls.clone());
        let runtime = runs_on(&listener.access);
        runtime.spawn(http::serve(bound, front.router(), shutdown.clone()));
        front.tend(runtime, &shutdown);
    }
    if let Some(listener) = scrape {
        let app = Router::new().route("/metrics", get(render_metrics)).with_state((registry, usual.work));
        everybody.spawn(http::serve(limited(listener, config.limits.connections, None), app, shutdown.clone()));
    }
    let runtimes: Vec<_> = std::iter::once(everybody).chain(admin).collect();
    for runtime in &runtimes {
        runtime.spawn(end_connections(server.clone(), shutdown.clone()));
    }
    Ok(RpcHandle { http: at_http, ws: at_ws, metrics: at_metrics, listeners, runtimes })
}

fn bind(
    runtime: &OwnRuntime,
    address: Option<SocketAddr>,
    what: &'static str,
) -> Result<Option<TcpListener>, RpcError> {
    let bound =
        address.map(|address| runtime.listen(address).map_err(|source| RpcError::Bind { address, what, source }));
    bound.transpose()
}

fn local(listener: &Option<TcpListener>) -> Option<SocketAddr> {
    listener.as_ref().and_then(|listener| listener.local_addr().ok())
}

/// Tells open WebSocket connections to end when the node stops, and waits for what they have to say still.
async fn end_connections(server: ServerHandle, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    // Already stopped is as good.
    let _ = server.stop();
    if timeout(SHUTDOWN_GRACE, server.stopped()).await.is_err() {
        tracing::warn!("WebSocket connections did not end in time and were dropped");
    }
}
