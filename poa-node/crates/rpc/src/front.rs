//! One policy with everything behind it: who comes in, which methods there are, and what they work with.

use std::sync::Arc;

use aurum_chain::{Gate, Identity};
use axum::{
    Router, middleware,
    routing::{any, get},
};
use jsonrpsee::{core::server::Methods, server::StopHandle};
use tower_http::cors::CorsLayer;

use crate::{
    access::{Access, ListenerConfig},
    body::BodyLimits,
    config::RpcConfig,
    context::{Context, Parts},
    endpoint::{Rpc, builder, json_rpc, live, method_not_allowed, not_found, ready},
    fast::{self, Fast},
    guard::{self, Guard, Policy},
    health::Health,
    login::{self, Logins},
    meter::Meter,
    methods::Registrar,
    namespaces,
    quota::Quotas,
    server::RpcError,
    tls::Tls,
    work::WorkPool,
};

/// Workers of the listener for administrators: it answers while the others are flooded.
const ADMIN_WORKERS: usize = 2;

/// What all listeners have in common.
pub(crate) struct Common {
    pub(crate) gate: Gate,
    pub(crate) parts: Parts,
    pub(crate) health: Health,
    pub(crate) stop: StopHandle,
}

/// One policy with everything behind it.
pub(crate) struct Front {
    pub(crate) context: Arc<Context>,
    pub(crate) work: WorkPool,
    pub(crate) methods: Methods,
    pub(crate) guard: Arc<Guard>,
    cors: CorsLayer,
    quotas: Option<Arc<Quotas>>,
    /// The short way for sent transactions, where they are served, nobody logs in and nobody's share is counted.
    fast: Option<Arc<Fast>>,
    /// TLS, whose files are read again.
    pub(crate) tls: Option<Tls>,
    pub(crate) gate: Gate,
    health: Health,
    stop: StopHandle,
}

impl Common {
    /// HTTP and WebSocket on their usual ports.
    pub(crate) fn usual_front(&self, config: &RpcConfig) -> Result<Front, RpcError> {
        let administers = !config.listeners.iter().any(|listener| matches!(listener.access, Access::Admin));
        let guard =
            Guard { hosts: config.hosts.clone(), origins: config.cors.clone(), policy: Policy::Open { administers } };
        self.make(guard, None, None, self.parts.clone())
    }

    /// A listener with a policy of its own.
    pub(crate) fn front(&self, config: &ListenerConfig) -> Result<Front, RpcError> {
        let ListenerConfig { access, tls, apis, cors, hosts, limits, quota, .. } = config;
        let mut parts = Parts { apis: apis.clone(), limits: limits.clone(), ..self.parts.clone() };
        let policy = match access {
            Access::Public => Policy::Public,
            Access::Members { login, own_transactions_only } => {
                parts.own_transactions_only = *own_transactions_only;
                let chain_id = self.gate.grant_read(&Identity::Local);
                let chain_id = chain_id.map_or(0, |grant| self.gate.view(&grant).spec().params.chain_id);
                Policy::Members(Arc::new(Logins::new(login.clone(), chain_id, tls.is_some())))
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
        let work = WorkPool::new(parts.limits.workers, parts.limits.queued, parts.metrics.running("usual"));
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
    pub(crate) fn router(&self) -> Router {
        let limits = &self.context.limits;
        let meter = Meter {
            methods: self.methods.clone(),
            metrics: Arc::clone(&self.context.metrics),
            batch: limits.batch,
            response_bytes: limits.response_bytes as usize,
            request_time: limits.request_time,
            quotas: self.quotas.clone(),
        };
        let rpc = Arc::new(Rpc {
            builder: builder(limits, meter),
            methods: self.methods.clone(),
            head: self.gate.grant_read(&Identity::Local).map(|grant| self.gate.view(&grant).watch_head()).ok(),
            context: Arc::clone(&self.context),
            work: self.work.clone(),
            stop: self.stop.clone(),
            body: BodyLimits { bytes: limits.request_bytes, time: limits.body_time },
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
        let routes = routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed);
        routes.layer(middleware::from_fn_with_state(Arc::clone(&self.guard), guard::check)).layer(self.cors.clone())
    }
}
