//! Listeners besides the usual two: for whom each is, and what it gives them.

use std::net::SocketAddr;

use crate::{
    config::{Apis, Hosts, Limits, Origins},
    login::LoginConfig,
    quota::Quota,
    tls::Tls,
};

/// One listener: HTTP and WebSocket on one port.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// For whom it is.
    pub access: Access,
    /// Where to listen.
    pub address: SocketAddr,
    /// TLS; `None` for plain TCP.
    pub tls: Option<Tls>,
    /// Namespaces served.
    pub apis: Apis,
    /// Web pages that may call.
    pub cors: Origins,
    /// Names by which it may be called, besides IP addresses.
    pub hosts: Hosts,
    /// How much it answers.
    pub limits: Limits,
    /// The share of each caller; `None` for no limit but those of all together.
    pub quota: Option<Quota>,
}

/// For whom a listener is.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody, who may read as far as the account 0x0 has the right to.
    Public,
    /// Accounts that log in, who may read as far as they have the right to.
    Members {
        /// How they do.
        login: LoginConfig,
        /// Whether transactions have to be signed by the account that hands them in.
        own_transactions_only: bool,
    },
    /// The operator, on the node's own machine. Once there is such a listener, no other one administers.
    Admin,
}

impl Access {
    /// Its name in configuration, logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Members { .. } => "members",
            Self::Admin => "admin",
        }
    }
}
