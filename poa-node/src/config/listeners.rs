//! The sections `[rpc.public]`, `[rpc.members]` and `[rpc.admin]`: listeners with a policy of their own. They stand in the
//! file only; what they may hold is listed in docs/rpc-access.md.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use aurum_rpc::{Access, Apis, Hosts, Limits, ListenerConfig, LoginConfig, Origins, Quota, ServiceList, Tls, TlsFiles};

use super::{ConfigError, address, options::Words};

/// For whom a section's listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// `[rpc.public]`
    Public,
    /// `[rpc.members]`
    Members,
    /// `[rpc.admin]`
    Admin,
}

impl Audience {
    /// All of them, in the order they are served.
    pub const ALL: [Self; 3] = [Self::Public, Self::Members, Self::Admin];

    /// The section's name.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Public => "rpc.public",
            Self::Members => "rpc.members",
            Self::Admin => "rpc.admin",
        }
    }

    const fn usual_port(self) -> u16 {
        match self {
            Self::Public => 8555,
            Self::Members => 8556,
            Self::Admin => 8557,
        }
    }
}

/// One such section as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSection {
    /// Which.
    pub audience: Audience,
    /// The file it stands in, for messages.
    pub file: PathBuf,
    /// What it says.
    pub keys: ListenerKeys,
}

/// What a section says, each `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the keys of the file by their own names, explained in docs/rpc-access.md")]
pub struct ListenerKeys {
    pub port: Option<u16>,
    pub interface: Option<String>,
    pub apis: Option<Words>,
    pub cors: Option<Words>,
    pub hosts: Option<Words>,
    pub domains: Option<Words>,
    pub token_ttl: Option<u64>,
    pub api_keys: Option<PathBuf>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub client_ca: Option<PathBuf>,
    pub client_certificates: Option<PathBuf>,
    pub own_transactions_only: Option<bool>,
    pub requests_per_second: Option<u32>,
    pub burst: Option<u32>,
    pub concurrent: Option<u32>,
    pub max_connections: Option<usize>,
    pub max_payload: Option<u32>,
    pub batch_size: Option<usize>,
    pub call_gas: Option<u64>,
    pub log_blocks: Option<u64>,
    pub request_time: Option<u64>,
}

impl ListenerSection {
    /// What the section means.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub(super) fn resolve(&self, ports_shift: u16) -> Result<ListenerConfig, ConfigError> {
        let keys = &self.keys;
        let port = keys.port.unwrap_or(self.audience.usual_port());
        let port = if port == 0 { Some(0) } else { port.checked_add(ports_shift) };
        let port = port.ok_or_else(|| self.wrong("port", "with ports_shift it is above 65535"))?;
        let address = address("interface", keys.interface.as_deref(), port)
            .map_err(|_| self.wrong("interface", "neither local, all, nor an IP address"))?;
        let apis = match &keys.apis {
            None if self.audience == Audience::Admin => Apis::all(),
            None => Apis::safe(),
            Some(words) => words.joined().parse().map_err(|error| self.wrong("apis", error))?,
        };
        let mut hosts = keys.hosts.clone().unwrap_or_default();
        let access = match self.audience {
            Audience::Public => Access::Public,
            Audience::Admin if !address.ip().is_loopback() => {
                return Err(self.wrong("interface", "administrators are served on loopback only: use an SSH tunnel"));
            }
            Audience::Admin => Access::Admin,
            Audience::Members => {
                let login = self.login(address)?;
                hosts.0.extend(login.domains.iter().cloned());
                Access::Members { login, own_transactions_only: keys.own_transactions_only.unwrap_or(false) }
            }
        };
        Ok(ListenerConfig {
            access,
            address,
            tls: self.tls()?,
            apis,
            cors: Origins::parse(&keys.cors.clone().unwrap_or_default().joined()),
            hosts: Hosts::parse(&hosts.joined()),
            limits: self.limits(),
            quota: self.quota(),
        })
    }

    fn login(&self, address: SocketAddr) -> Result<LoginConfig, ConfigError> {
        let domains = match self.keys.domains.clone().map(|words| words.0).filter(|domains| !domains.is_empty()) {
            Some(domains) => domains,
            None if address.ip().is_loopback() => vec![address.to_string(), format!("localhost:{}", address.port())],
            None => return Err(self.wrong("domains", "needed: the name by which members call this node")),
        };
        if let Some(domain) = domains.iter().find(|domain| domain.contains('/')) {
            return Err(self.wrong("domains", format!("{domain:?} is not HOST or HOST:PORT")));
        }
        let api_keys = match &self.keys.api_keys {
            None => ServiceList::default(),
            Some(_) if self.keys.client_ca.is_some() => {
                return Err(self.wrong("api_keys", "with client_ca, services are known by their client_certificates"));
            }
            Some(path) => ServiceList::read(path).map_err(|error| self.wrong("api_keys", error))?,
        };
        let certificates = match &self.keys.client_certificates {
            None => None,
            Some(path) => Some(ServiceList::read(path).map_err(|error| self.wrong("client_certificates", error))?),
        };
        let token_ttl = self.keys.token_ttl.unwrap_or(3600);
        if !(1..=7 * 86_400).contains(&token_ttl) {
            return Err(self.wrong("token_ttl", "between 1 second and 7 days (604800)"));
        }
        Ok(LoginConfig { domains, token_ttl: Duration::from_secs(token_ttl), api_keys, certificates })
    }

    fn tls(&self) -> Result<Option<Tls>, ConfigError> {
        let ListenerKeys { tls_cert, tls_key, client_ca, client_certificates, .. } = &self.keys;
        let asks = client_ca.is_some() || client_certificates.is_some();
        if asks && self.audience != Audience::Members {
            return Err(self.wrong("client_ca", "client certificates are for [rpc.members]"));
        }
        if client_ca.is_some() != client_certificates.is_some() {
            let reason = "client_ca (who may sign) and client_certificates (which are let in) need each other";
            return Err(self.wrong("client_ca", reason));
        }
        match (tls_cert, tls_key) {
            (None, None) if asks => Err(self.wrong("client_ca", "needs tls_cert and tls_key")),
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let (certificate, key, client_ca) = (certificate.clone(), key.clone(), client_ca.clone());
                let tls = Tls::read(TlsFiles { certificate, key, client_ca });
                Ok(Some(tls.map_err(|error| self.wrong("tls_cert", error))?))
            }
            _ => Err(self.wrong("tls_cert", "tls_cert and tls_key need each other")),
        }
    }

    /// The public has half the workers, so that it cannot take the members' share as well.
    fn limits(&self) -> Limits {
        let (keys, usual) = (&self.keys, Limits::default());
        Limits {
            connections: keys.max_connections.unwrap_or(usual.connections),
            request_bytes: keys.max_payload.map_or(usual.request_bytes, |mib| mib.saturating_mul(1 << 20)),
            batch: keys.batch_size.unwrap_or(usual.batch),
            call_gas: keys.call_gas.unwrap_or(usual.call_gas),
            log_blocks: keys.log_blocks.unwrap_or(usual.log_blocks),
            request_time: keys.request_time.map_or(usual.request_time, Duration::from_secs),
            workers: if self.audience == Audience::Public { usual.workers.div_ceil(2) } else { usual.workers },
            ..usual
        }
    }

    fn quota(&self) -> Option<Quota> {
        let usual = match self.audience {
            Audience::Public => Quota { per_second: 50, burst: 200, concurrent: 8 },
            Audience::Members => Quota { per_second: 1000, burst: 5000, concurrent: 64 },
            Audience::Admin => return None,
        };
        let per_second = self.keys.requests_per_second.unwrap_or(usual.per_second);
        Some(Quota {
            per_second,
            burst: self.keys.burst.unwrap_or(usual.burst.max(per_second)),
            concurrent: self.keys.concurrent.unwrap_or(usual.concurrent),
        })
    }

    fn wrong(&self, key: &str, reason: impl std::fmt::Display) -> ConfigError {
        ConfigError::File { path: self.file.clone(), reason: format!("[{}] {key}: {reason}", self.audience.section()) }
    }
}

/// The listeners of a configuration, and that they do not contradict the usual ones.
///
/// # Errors
/// [`ConfigError`], also when [rpc] or [websockets] would let everybody read on another machine what members log in for.
pub(super) fn listeners(
    sections: &[ListenerSection],
    ports_shift: u16,
    open: [Option<SocketAddr>; 2],
) -> Result<Vec<ListenerConfig>, ConfigError> {
    let beyond = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
    if let Some(section) = sections.iter().find(|section| section.audience == Audience::Members)
        && let Some(address) = open.iter().flatten().find(beyond)
    {
        let reason = format!(
            "[{}] is in vain while [rpc] or [websockets] lets everybody read at {address}: keep those on loopback, or \
             disable them and serve strangers with [rpc.public]",
            section.audience.section()
        );
        return Err(ConfigError::File { path: section.file.clone(), reason });
    }
    sections.iter().map(|section| section.resolve(ports_shift)).collect()
}

/// Paths in a section are taken from its file's folder.
pub(super) fn with_paths_from(sections: &mut [ListenerSection], file: &Path) {
    let folder = file.parent().unwrap_or(Path::new(""));
    for section in sections {
        section.file = file.to_owned();
        let ListenerKeys { api_keys, tls_cert, tls_key, client_ca, client_certificates, .. } = &mut section.keys;
        let paths = [api_keys, tls_cert, tls_key, client_ca, client_certificates];
        for path in paths.into_iter().flatten().filter(|path| path.is_relative()) {
            *path = folder.join(&*path);
        }
    }
}
