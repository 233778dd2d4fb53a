//! What the operator decides about serving JSON-RPC.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use aurum_chain::view::MAX_LOG_BLOCKS;

use crate::access::ListenerConfig;

/// Every namespace there is, in the order `rpc_modules` lists them.
pub const NAMESPACES: [&str; 16] = [
    "anvil", "aura", "debug", "eth", "evm", "finality", "hardhat", "net", "ots", "parity", "perm", "personal", "rpc",
    "trace", "txpool", "web3",
];

/// Where to listen, for whom, and how much of it.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// JSON-RPC over HTTP (and WebSocket upgrades), `/health` and `/ready`. `None` = not served.
    pub http: Option<SocketAddr>,
    /// JSON-RPC over WebSocket. `None` = not served.
    pub ws: Option<SocketAddr>,
    /// Prometheus at `/metrics`. `None` = not served.
    pub metrics: Option<SocketAddr>,
    /// Namespaces served on HTTP and WebSocket.
    pub apis: Apis,
    /// Web pages that may call this node from a browser.
    pub cors: Origins,
    /// Names by which this node may be called, besides IP addresses.
    pub hosts: Hosts,
    /// Limits of HTTP and WebSocket.
    pub limits: Limits,
    /// Threads that accept connections, read requests and write answers, for all listeners but the administrators', which has
    /// one of its own.
    pub io_threads: usize,
    /// Listeners besides these two, each with a policy of its own.
    pub listeners: Vec<ListenerConfig>,
    /// When `/ready` says no.
    pub readiness: Readiness,
    /// `web3_clientVersion`: `Aurum/v0.1.0/linux-x86_64/rust1.95`.
    pub client_version: String,
}

impl Default for RpcConfig {
    /// Ports 8545, 8546 and 9545 on 127.0.0.1, safe namespaces, no web pages.
    fn default() -> Self {
        let local = |port| Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        Self {
            http: local(8545),
            ws: local(8546),
            metrics: local(9545),
            apis: Apis::default(),
            cors: Origins::default(),
            hosts: Hosts::default(),
            limits: Limits::default(),
            io_threads: (cores() / 2).clamp(1, 4),
            listeners: Vec::new(),
            readiness: Readiness::default(),
            client_version: format!(
                "Aurum/v{}/{}-{}",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
        }
    }
}

/// How much one node answers. Beyond it requests fail with −32005 and say so.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one HTTP body or WebSocket message.
    pub request_bytes: u32,
    /// How long the body of one request may take to come (geth's `ReadTimeout`).
    pub body_time: Duration,
    /// Bytes of one answer; of all answers of a batch together.
    pub response_bytes: u32,
    /// Requests in one batch.
    pub batch: usize,
    /// Open connections per listener.
    pub connections: usize,
    /// Subscriptions on one connection.
    pub subscriptions: u32,
    /// Messages that wait for a slow WebSocket client before its subscriptions stall, and then end.
    pub buffered_messages: u32,
    /// Requests that run at once.
    pub workers: usize,
    /// Requests that wait for a worker.
    pub queued: usize,
    /// Gas of one `eth_call`, `eth_estimateGas` or `eth_createAccessList`.
    pub call_gas: u64,
    /// Traces (`debug_trace*`, `trace_*`) and simulations that run at once, apart from [`Self::workers`].
    pub tracers: usize,
    /// How long one trace may take.
    pub trace_time: Duration,
    /// Bytes one trace may record.
    pub trace_bytes: usize,
    /// Blocks in one `trace_filter`.
    pub trace_blocks: u64,
    /// Storage slots a contract may have for `debug_storageRangeAt` to list them: all are looked at for each page.
    pub storage_slots: usize,
    /// Storage slots in one `eth_getProof`.
    pub proof_slots: usize,
    /// How many blocks below the head `eth_getProof` goes back: the trie of an older block is made from all that was written
    /// since.
    pub proof_blocks: u64,
    /// Blocks in one `eth_feeHistory`.
    pub fee_history: u64,
    /// Blocks that one `eth_getLogs` looks at.
    pub log_blocks: u64,
    /// How long one request may take, waiting included. Calls, traces and searches for logs end then; other reads go on to
    /// their end, unanswered, and are bounded by limits of their own.
    pub request_time: Duration,
    /// Polling filters of all clients together.
    pub filters: usize,
    /// How long a filter lives without being polled.
    pub filter_ttl: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = cores();
        Self {
            request_bytes: 5 << 20,
            body_time: Duration::from_secs(30),
            response_bytes: 32 << 20,
            batch: 1000,
            connections: 512,
            subscriptions: 128,
            buffered_messages: 1024,
            workers: (cores * 2).max(4),
            queued: 2048,
            call_gas: 100_000_000,
            tracers: (cores / 2).max(1),
            trace_time: Duration::from_secs(10),
            trace_bytes: 128 << 20,
            trace_blocks: 1000,
            storage_slots: 250_000,
            proof_slots: 1024,
            proof_blocks: 4096,
            fee_history: 1024,
            log_blocks: MAX_LOG_BLOCKS,
            request_time: Duration::from_secs(30),
            filters: 4096,
            filter_ttl: Duration::from_secs(300),
        }
    }
}

/// How many threads the machine runs at once.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// When `/ready` says no.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// Fewest peers; 0 for a chain of one.
    pub peers: usize,
    /// Most blocks behind the best peer.
    pub behind: u64,
    /// Most blocks between head and final block.
    pub finality_lag: u64,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { peers: 0, behind: 3, finality_lag: 64 }
    }
}

/// Why a list of the configuration is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown API {name:?}: there are {}, all and safe", NAMESPACES.join(", "))]
pub struct UnknownApi {
    /// As written.
    pub name: String,
}

/// The namespaces that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apis(BTreeSet<&'static str>);

impl Apis {
    /// What strangers may use: no development methods.
    pub fn safe() -> Self {
        Self(
            NAMESPACES
                .into_iter()
                .filter(|name| !matches!(*name, "anvil" | "debug" | "evm" | "hardhat" | "personal"))
                .collect(),
        )
    }

    /// Everything. Development methods still need a development chain.
    pub fn all() -> Self {
        Self(NAMESPACES.into_iter().collect())
    }

    /// Whether `method` (`eth_call`) is in a served namespace; what Otterscan asks by Erigon's name is in `ots`.
    pub fn serves(&self, method: &str) -> bool {
        let namespace = method.split_once(['_', '.']).map(|(namespace, _)| namespace);
        namespace.is_some_and(|namespace| self.0.contains(if namespace == "erigon" { "ots" } else { namespace }))
    }

    /// The served namespaces in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().copied()
    }
}

impl Default for Apis {
    fn default() -> Self {
        Self::safe()
    }
}

impl FromStr for Apis {
    type Err = UnknownApi;

    /// Parity's list: names by comma, `all`, `safe`, and `-name` to leave one out. Names Parity had and this node has not
    /// (`pubsub`, `personal`, `parity_set`, …) are accepted and serve nothing.
    fn from_str(list: &str) -> Result<Self, UnknownApi> {
        const PARITY: [&str; 10] = [
            "pubsub",
            "parity_pubsub",
            "parity_accounts",
            "parity_set",
            "parity_signing",
            "signer",
            "secretstore",
            "private",
            "shh",
            "admin",
        ];
        let mut served = BTreeSet::new();
        for item in list.split([',', ' ']).filter(|item| !item.is_empty()) {
            let (name, keep) = item.strip_prefix('-').map_or((item, true), |name| (name, false));
            let names: Vec<&'static str> = match name {
                "all" => NAMESPACES.to_vec(),
                "traces" => vec!["trace"],
                "safe" => Self::safe().iter().collect(),
                _ => match NAMESPACES.into_iter().find(|known| *known == name) {
                    Some(known) => vec![known],
                    None if PARITY.contains(&name) => Vec::new(),
                    None => return Err(UnknownApi { name: name.to_owned() }),
                },
            };
            for name in names {
                if keep {
                    served.insert(name);
                } else {
                    served.remove(name);
                }
            }
        }
        Ok(Self(served))
    }
}

/// Web pages that may call this node. Programs that are no browsers send no `Origin` and are not concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// No page.
    #[default]
    None,
    /// Every page.
    Any,
    /// Pages of these origins (`http://localhost:8080`).
    List(Vec<String>),
}

impl Origins {
    /// Reads `none`, `all`, `*`, or origins by comma.
    pub fn parse(list: &str) -> Self {
        let items: Vec<_> = list.split([',', ' ']).filter(|item| !item.is_empty()).collect();
        match items.as_slice() {
            [] | ["none" | "null"] => Self::None,
            items if items.iter().any(|item| matches!(*item, "*" | "all" | "any")) => Self::Any,
            items => Self::List(items.iter().map(|item| item.trim_end_matches('/').to_ascii_lowercase()).collect()),
        }
    }

    /// Whether a page of `origin` may call.
    pub fn admit(&self, origin: &str) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::List(list) => list.iter().any(|item| item.eq_ignore_ascii_case(origin)),
        }
    }
}

/// Names by which this node may be called. A page of evil.example whose name suddenly points to 127.0.0.1 (DNS
/// rebinding) sends `Host: evil.example` and is refused; IP addresses cannot be rebound and always pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Any name.
    Any,
    /// `localhost` and these, without port.
    List(Vec<String>),
}

impl Default for Hosts {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Hosts {
    /// Reads `none`, `all`, `*`, or names by comma.
    pub fn parse(list: &str) -> Self {
        let items: Vec<_> = list.split([',', ' ']).filter(|item| !item.is_empty() && *item != "none").collect();
        if items.iter().any(|item| matches!(*item, "*" | "all" | "any")) {
            return Self::Any;
        }
        Self::List(items.iter().map(|item| host_name(item).to_ascii_lowercase()).collect())
    }

    /// Whether a request with this `Host` may enter.
    pub fn admit(&self, host: &str) -> bool {
        let Self::List(list) = self else { return true };
        let name = host_name(host);
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || list.iter().any(|item| item.eq_ignore_ascii_case(name))
    }
}

/// The name without port and without the brackets of IPv6.
pub(crate) fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(name, _)| name);
    }
    match host.rsplit_once(':') {
        Some((name, _)) if !name.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::{Apis, Hosts, Origins};

    #[test]
    fn reads_paritys_api_lists() {
        let apis: Apis = "web3,eth,pubsub,net,parity,parity_pubsub,traces,rpc".parse().unwrap();
        assert!(apis.serves("eth_call") && apis.serves("rpc_modules"));
        assert!(!apis.serves("txpool_status") && !apis.serves("evm_mine") && !apis.serves("call"));
        assert!(apis.serves("trace_block") && !apis.serves("erigon_getHeaderByNumber"));
        let apis: Apis = "all,-debug".parse().unwrap();
        assert!(apis.serves("evm_mine") && !apis.serves("debug_getRawBlock"));
        assert!("web3,ethh".parse::<Apis>().is_err());
    }

    #[test]
    fn hosts_admit_addresses_localhost_and_the_list() {
        let hosts = Hosts::parse("node.acme.example");
        for host in ["127.0.0.1:8545", "[::1]:8545", "10.0.0.7", "localhost:8545", "LOCALHOST", "Node.acme.example:1"] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8545", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!hosts.admit(host), "{host}");
        }
        assert!(Hosts::parse("all").admit("evil.example"));
    }

    #[test]
    fn origins_admit_the_list() {
        let origins = Origins::parse("http://localhost:8080, https://bridge.example/");
        assert!(origins.admit("http://localhost:8080") && origins.admit("https://bridge.example"));
        assert!(!origins.admit("https://evil.example"));
        assert!(!Origins::parse("none").admit("https://bridge.example"));
        assert!(Origins::parse("*").admit("null"));
    }
}
