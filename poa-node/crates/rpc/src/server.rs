//! The listeners, and what is behind each.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use aurum_chain::{Gate, Grant, Head, Identity, Read};
use aurum_pool::Newly;
use axum::{
    Router,
    extract::connect_info::Connected,
    middleware,
    routing::{any, get},
    serve::IncomingStream,
};
use jsonrpsee::{
    core::server::Methods,
    server::{ServerHandle, StopHandle, stop_channel},
};
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    task::JoinSet,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;

use crate::{
    access::{Access, ListenerConfig},
    config::RpcConfig,
    context::{Context, Parts},
    dev::DevApi,
    endpoint::{Rpc, builder, json_rpc, live, ready, render_metrics},
    fast::{self, Fast},
    files::LOOK_EVERY,
    finality::FinalityApi,
    guard::{self, Guard, Policy},
    health::Health,
    layer::Watch,
    listener::LimitedListener,
    login::{self, Logins},
    methods::Registrar,
    metrics::{NodeCollector, RpcMetrics},
    namespaces,
    patience::Patience,
    peers::PeersApi,
    quota::Quotas,
    sealing::SealingApi,
    tls::Tls,
    work::WorkPool,
};

/// Workers of the listener for administrators: it answers while the others are flooded.
const ADMIN_WORKERS: usize = 2;
/// How long open requests may take when the node stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

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
    #[error("cannot start the threads that take transactions in: {0}")]
    Threads(#[source] io::Error),
    /// Two methods have one name.
    #[error(transparent)]
    Methods(#[from] jsonrpsee::core::RegisterMethodError),
}

/// A running server. Dropping it leaves the server running until its token is cancelled.
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
    tasks: JoinSet<()>,
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
    /// Waits until every listener has ended, which they do once the token is cancelled.
    pub async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Starts serving; returns as soon as every port is bound.
///
/// # Errors
/// [`RpcError::Bind`] names the taken port; nothing is served then.
pub async fn serve(config: RpcConfig, services: Services, shutdown: CancellationToken) -> Result<RpcHandle, RpcError> {
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
    let (stop, server) = stop_channel();
    let common = Common { gate, parts, health, stop };

    // Every port first: a node that serves half of what it should is not started.
    let http = bind(config.http, "HTTP RPC").await?;
    let ws = bind(config.ws, "WebSocket RPC").await?;
    let scrape = bind(config.metrics, "metrics").await?;
    let mut others = Vec::new();
    for listener in &config.listeners {
        others.extend(bind(Some(listener.address), listener.access.name()).await?.map(|bound| (bound, listener)));
    }

    let mut handle = RpcHandle {
        http: local(&http),
        ws: local(&ws),
        metrics: local(&scrape),
        listeners: Vec::new(),
        tasks: JoinSet::new(),
    };
    let limited = |listener, most, tls| {
        LimitedListener::new(listener, most, metrics.connections.clone(), tls, Patience::default())
    };
    let usual = common.usual_front(&config)?;
    for listener in [http, ws].into_iter().flatten() {
        let listener = limited(listener, config.limits.connections, None);
        handle.tasks.spawn(run(listener, usual.router(), shutdown.clone()));
    }
    usual.tend(&mut handle.tasks, &shutdown);
    for (bound, listener) in others {
        let front = common.front(listener)?;
        let (name, methods) = (listener.access.name(), front.methods.method_names().collect());
        if let Ok(address) = bound.local_addr() {
            tracing::info!(%address, listener = name, tls = front.tls.is_some(), "JSON-RPC");
            handle.listeners.push(ServedListener { name, address, methods });
        }
        let bound = limited(bound, listener.limits.connections, listener.tls.clone());
        handle.tasks.spawn(run(bound, front.router(), shutdown.clone()));
        front.tend(&mut handle.tasks, &shutdown);
    }
    if let Some(listener) = scrape {
        let app = Router::new().route("/metrics", get(render_metrics)).with_state((registry, usual.work.clone()));
        handle.tasks.spawn(run(limited(listener, config.limits.connections, None), app, shutdown.clone()));
    }
    handle.tasks.spawn(stop_connections(server, shutdown));
    Ok(handle)
}

/// What all listeners have in common.
struct Common {
    gate: Gate,
    parts: Parts,
    health: Health,
    stop: StopHandle,
}

/// One policy with everything behind it.
struct Front {
    context: Arc<Context>,
    work: WorkPool,
    methods: Methods,
    guard: Arc<Guard>,
    cors: CorsLayer,
    quotas: Option<Arc<Quotas>>,
    /// The short way for sent transactions, where they are served, nobody logs in and nobody's share is counted.
    fast: Option<Arc<Fast>>,
    /// TLS, whose files are read again.
    tls: Option<Tls>,
    gate: Gate,
    health: Health,
    stop: StopHandle,
}

impl Common {
    /// HTTP and WebSocket on their usual ports.
    fn usual_front(&self, config: &RpcConfig) -> Result<Front, RpcError> {
        let administers = !config.listeners.iter().any(|listener| matches!(listener.access, Access::Admin));
        let guard =
            Guard { hosts: config.hosts.clone(), origins: config.cors.clone(), policy: Policy::Open { administers } };
        self.make(guard, None, None, self.parts.clone())
    }

    /// A listener with a policy of its own.
    fn front(&self, config: &ListenerConfig) -> Result<Front, RpcError> {
        let ListenerConfig { access, tls, apis, cors, hosts, limits, quota, .. } = config;
        let mut parts = Parts { apis: apis.clone(), limits: limits.clone(), ..self.parts.clone() };
        let policy = match access {
            Access::Public => Policy::Public,
            Access::Members { login, own_transactions_only } => {
                parts.own_transactions_only = *own_transactions_only;
                let chain_id = self.gate.grant_read(&Identity::Local);
                let chain_id = chain_id.map_or(0, |grant| self.gate.view(&grant).spec().params.chain_id);
                Policy::Members(Arc::new(Logins::new(login.clone(), chain_id)))
            }
            Access::Admin => {
                parts.limits.workers = ADMIN_WORKERS;
                Policy::Admin
            }
        };
        let guard = Guard { hosts: hosts.clone(), origins: cors.clone(), policy };
        self.make(guard, tls.clone(), quota.map(|quota| Arc::new(Quotas::new(quota))), parts)
    }

    fn make(
        &self,
        guard: Guard,
        tls: Option<Tls>,
        quotas: Option<Arc<Quotas>>,
        parts: Parts,
    ) -> Result<Front, RpcError> {
        let work = WorkPool::new(parts.limits.workers, parts.limits.queued);
        let context = Arc::new(Context::new(self.gate.clone(), parts));
        let mut registrar = Registrar::new(Arc::clone(&context), work.clone());
        namespaces::register(&mut registrar)?;
        let methods = registrar.finish();
        let fast = match (&guard.policy, &quotas, methods.method(fast::METHOD)) {
            (Policy::Open { .. }, None, Some(_)) => {
                Some(Arc::new(Fast::new(&context, &work).map_err(RpcError::Threads)?))
            }
            _ => None,
        };
        Ok(Front {
            methods,
            fast,
            cors: guard::cors(&guard.origins),
            guard: Arc::new(guard),
            context,
            work,
            quotas,
            tls,
            gate: self.gate.clone(),
            health: self.health.clone(),
            stop: self.stop.clone(),
        })
    }
}

impl Front {
    /// Everything one port of it serves.
    fn router(&self) -> Router {
        let limits = &self.context.limits;
        let watch = Watch {
            methods: self.methods.clone(),
            metrics: Arc::clone(&self.context.metrics),
            batch: limits.batch,
            response_bytes: limits.response_bytes as usize,
            request_time: limits.request_time,
            quotas: self.quotas.clone(),
        };
        let rpc = Arc::new(Rpc {
            builder: builder(limits, watch),
            methods: self.methods.clone(),
            head: self.gate.grant_read(&Identity::Local).map(|grant| self.gate.view(&grant).watch_head()).ok(),
            context: Arc::clone(&self.context),
            work: self.work.clone(),
            stop: self.stop.clone(),
            request_bytes: limits.request_bytes,
            fast: self.fast.clone(),
        });
        let mut routes = Router::new()
            .route("/", any(json_rpc).with_state(Arc::clone(&rpc)))
            .route("/health", get(live))
            .route("/ready", get(ready).with_state((self.health.clone(), self.work.clone())));
        if let Policy::Members(logins) = &self.guard.policy
            && !logins.by_certificate()
        {
            routes = routes
                .route("/k/{proof}", any(json_rpc).with_state(Arc::clone(&rpc)))
                .route("/k/{proof}/", any(json_rpc).with_state(rpc))
                .merge(login::routes(Arc::clone(logins), Arc::clone(&self.context), self.work.clone()));
        }
        routes.layer(middleware::from_fn_with_state(Arc::clone(&self.guard), guard::check)).layer(self.cors.clone())
    }

    /// What goes on beside requests: filters hear of transactions, and end with their owners' right to read; changed files
    /// are read again.
    fn tend(&self, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
        let Ok(grant) = self.gate.grant_read(&Identity::Local) else { return };
        let view = self.gate.view(&grant);
        // From now on, not from when the task first runs.
        tasks.spawn(feed_pending(Arc::clone(&self.context), view.pool().subscribe(), shutdown.clone()));
        let logins = match &self.guard.policy {
            Policy::Members(logins) => Some(Arc::clone(logins)),
            _ => None,
        };
        if logins.is_some() || self.tls.is_some() {
            tasks.spawn(read_again(logins.clone(), self.tls.clone(), shutdown.clone()));
        }
        if logins.is_some() {
            let (context, work, head) = (Arc::clone(&self.context), self.work.clone(), view.watch_head());
            tasks.spawn(end_filters(context, work, head, shutdown.clone()));
        }
    }
}

/// Looks at the files of services and certificates.
async fn read_again(logins: Option<Arc<Logins>>, tls: Option<Tls>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let (logins, tls) = (logins.clone(), tls.clone());
        let looked = tokio::task::spawn_blocking(move || {
            logins.iter().for_each(|logins| logins.refresh());
            tls.iter().for_each(Tls::refresh);
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "files of keys and certificates could not be looked at");
        }
    }
}

/// At each new head, filters of accounts that may not read any more end.
async fn end_filters(
    context: Arc<Context>,
    work: WorkPool,
    mut head: watch::Receiver<Head>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = head.changed() => if changed.is_err() { return },
        }
        let context = Arc::clone(&context);
        let swept = work.run_waiting(move || {
            for owner in context.filters.owners() {
                let granted: Result<Grant<Read>, _> = context.grant(&Identity::Address(owner));
                if granted.is_err() {
                    context.filters.forget(owner);
                }
            }
            Ok(())
        });
        if let Err(failure) = swept.await {
            tracing::warn!(%failure, "filters of lost readers were not ended; they cannot be polled either");
        }
    }
}

async fn bind(address: Option<SocketAddr>, what: &'static str) -> Result<Option<TcpListener>, RpcError> {
    let Some(address) = address else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(source) => Err(RpcError::Bind { address, what, source }),
    }
}

fn local(listener: &Option<TcpListener>) -> Option<SocketAddr> {
    listener.as_ref().and_then(|listener| listener.local_addr().ok())
}

/// Tells open WebSocket connections to end when the node stops.
async fn stop_connections(server: ServerHandle, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    // Already stopped is as good.
    let _ = server.stop();
}

/// Remembers pooled transactions for filters.
async fn feed_pending(context: Arc<Context>, mut pooled: Receiver<Newly>, shutdown: CancellationToken) {
    loop {
        let next = tokio::select! {
            () = shutdown.cancelled() => return,
            next = pooled.recv() => next,
        };
        match next {
            Ok(pooled) => pooled.iter().for_each(|tx| context.filters.pending.push(tx.hash())),
            Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "pending filters missed transactions"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    /// SHA-256 of the client's certificate, where it was asked for one.
    pub(crate) certificate: Option<[u8; 32]>,
}

impl Connected<IncomingStream<'_, LimitedListener>> for Remote {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        Self { address: *stream.remote_addr(), certificate: stream.io().certificate() }
    }
}

async fn run(listener: LimitedListener, app: Router, shutdown: CancellationToken) {
    let service = app.into_make_service_with_connect_info::<Remote>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::error!(%error, "an RPC listener ended");
        },
        () = overdue => tracing::warn!("RPC requests did not end in time and were dropped"),
    }
}
