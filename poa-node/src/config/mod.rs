//! From what was typed to what it means: [`Options`] (flags, environment, file) to [`Config`].
//!
//! Precedence: command line, `AURUM_*` environment, TOML file, default.

mod file;
mod listeners;
mod options;

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::primitives::{Address, Bytes};
use aurum_aura::Signer;
use aurum_chain::{History, StorageOptions};
use aurum_evm::Parallel;
use aurum_network::{Enode, NetworkConfig, NodeKey};
use aurum_pool::PoolConfig;
use aurum_rpc::{Apis, Hosts, Origins, Readiness, RpcConfig};
use aurum_types::{
    ChainSpec,
    spec::{ParseOptions, SpecError},
};

pub use listeners::{Audience, ListenerKeys, ListenerSection};
pub use options::{Options, Words};

use crate::{
    author::{EmptyBlocks, ResealOn},
    dev::DevConfig,
    keys::{self, KeyError},
    snapshots::{FetchSnapshot, MakeSnapshots},
};

/// Blocks whose states a node that prunes keeps at least, and unless it is told to keep more: twice as far as a chain can be
/// unwound for a heavier one while nothing becomes final.
const PRUNING_HISTORY: u64 = 2_048;
/// Bytes of new trie nodes for which a check-point waits at least, however little memory is granted to saved ones.
const LEAST_CHECKPOINT: usize = 32 << 20;

/// What a node is started with. Everything is decided here: paths are whole, files are read, the key is unlocked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// Folder of the database.
    pub database: PathBuf,
    /// File of the last sealed step.
    pub last_sealed: PathBuf,
    /// Whether to seal again although our key was seen at work elsewhere: the other node is stopped.
    pub resume_sealing: bool,
    /// The pool, with its journal's place.
    pub pool: PoolConfig,
    /// Least price of a unit of gas for the pool, wei.
    pub min_gas_price: u128,
    /// How others' blocks are executed in parallel, if at all.
    pub parallel: Option<Parallel>,
    /// Which states are kept, and with how much memory.
    pub storage: StorageOptions,
    /// How blocks are sealed; `None` for an observer.
    pub sealing: Option<Sealing>,
    /// Peers; `None` keeps the node alone.
    pub network: Option<NetworkConfig>,
    /// Whether a node without a database looks for a peer's snapshot first.
    pub fetch_snapshot: Option<FetchSnapshot>,
    /// Whether snapshots are made for nodes that begin.
    pub make_snapshots: Option<MakeSnapshots>,
    /// JSON-RPC, health and metrics.
    pub rpc: RpcConfig,
    /// A development chain's accounts and block times.
    pub dev: Option<DevConfig>,
}

/// How an authority seals.
#[derive(Clone, Debug)]
pub struct Sealing {
    /// Its key.
    pub signer: Arc<dyn Signer>,
    /// What it does in a step without transactions.
    pub empty_blocks: EmptyBlocks,
    /// Gas limit to move towards; the parent's if absent.
    pub gas_target: Option<u64>,
    /// Extra data of its blocks, no longer than the spec allows.
    pub extra_data: Bytes,
}

/// Why the configuration means nothing. Each message is the one line an operator sees.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder or file cannot be made.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration file is wrong.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What about it.
        reason: String,
    },
    /// The chain spec is wrong.
    #[error("chain spec {}: {source}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// What about it.
        source: SpecError,
    },
    /// The chain spec asks for rules that cannot be executed exactly.
    #[error(transparent)]
    Rules(#[from] aurum_evm::UnsupportedRules),
    /// No chain was named.
    #[error("which chain? give its spec with --chain FILE, or start a development chain with `poa-node dev`")]
    NoChain,
    /// A flag's value means nothing.
    #[error("--{flag} {value}: {reason}")]
    Value {
        /// The flag.
        flag: &'static str,
        /// As given.
        value: String,
        /// Why not.
        reason: String,
    },
    /// The authority's key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Options {
    /// These options, completed from the configuration file: `file`, or `config.toml` in the base path if it is there.
    /// Also gives what in the file nobody understands.
    ///
    /// # Errors
    /// [`ConfigError`] when a file that was named cannot be read, or one is wrong.
    pub fn with_file(self, file: Option<&Path>) -> Result<(Self, Vec<String>), ConfigError> {
        let usual = self.base_path.clone().unwrap_or_else(default_base_path).join("config.toml");
        let path = match file {
            Some(path) => path,
            None if usual.exists() => &usual,
            None => return Ok((self, Vec::new())),
        };
        let (from_file, warnings) = file::read(path)?;
        Ok((self.or(from_file), warnings))
    }
}

impl Config {
    /// What the options mean. Reads the chain spec, reserved peers and keys; makes the node's key at the first start.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolve(options: &Options) -> Result<Self, ConfigError> {
        Self::for_chain(options, read_spec(options)?)
    }

    fn for_chain(options: &Options, spec: Arc<ChainSpec>) -> Result<Self, ConfigError> {
        let places = Places::of(options, &spec);
        let sealing = match options.engine_signer {
            None => None,
            Some(address) => Some(sealing(options, &spec, &places, address)?),
        };
        Ok(Self {
            network: Some(network(options, &spec, &places)?),
            rpc: rpc(options)?,
            pool: pool(options, Some(places.chain.join("pool.journal"))),
            min_gas_price: options.min_gas_price.unwrap_or(0),
            parallel: parallel(options)?,
            storage: storage(options)?,
            fetch_snapshot: options
                .warp
                .unwrap_or(false)
                .then(|| FetchSnapshot { barrier: options.warp_barrier.unwrap_or(0) }),
            make_snapshots: make_snapshots(options, &places)?,
            database: places.chain.join("db"),
            last_sealed: places.chain.join("last_sealed"),
            resume_sealing: options.resume_sealing.unwrap_or(false),
            sealing,
            dev: None,
            spec,
        })
    }

    /// A development chain in `base`, without peers. It is served on loopback; an interface that was asked for by name is
    /// used, with a warning, since whoever reaches it can spend for everybody.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn dev(options: &Options, base: &Path, dev: DevConfig) -> Result<Self, ConfigError> {
        let spec = Arc::new(dev.spec());
        let chain = options.db_path.clone().unwrap_or_else(|| base.join("chains")).join(&spec.data_dir);
        let mut rpc = rpc(&Options {
            jsonrpc_cors: Some(options.jsonrpc_cors.clone().unwrap_or_else(|| Words(vec!["all".to_owned()]))),
            jsonrpc_apis: Some(options.jsonrpc_apis.clone().unwrap_or_else(|| Words(vec!["all".to_owned()]))),
            ..options.clone()
        })?;
        for address in [rpc.http, rpc.ws].into_iter().flatten().filter(|address| !address.ip().is_loopback()) {
            tracing::warn!(%address, "a development chain beyond loopback: its keys are public and the node signs for anybody");
        }
        rpc.readiness.peers = 0;
        Ok(Self {
            pool: pool(options, Some(chain.join("pool.journal"))),
            min_gas_price: options.min_gas_price.unwrap_or(0),
            // Nobody else seals there.
            parallel: None,
            storage: storage(options)?,
            database: chain.join("db"),
            last_sealed: chain.join("last_sealed"),
            resume_sealing: options.resume_sealing.unwrap_or(false),
            sealing: Some(Sealing {
                signer: Arc::new(crate::dev::authority()),
                empty_blocks: EmptyBlocks::Always,
                gas_target: options.gas_floor_target,
                extra_data: extra_data(options, &spec),
            }),
            network: None,
            fetch_snapshot: None,
            make_snapshots: None,
            rpc,
            dev: Some(dev),
            spec,
        })
    }
}

/// A chain and where a node keeps it, for commands that work on the database alone: no key is read or made.
#[derive(Clone, Debug)]
pub struct ChainFolder {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// Everything of this chain but keys.
    pub folder: PathBuf,
    /// Folder of the database, in [`Self::folder`].
    pub database: PathBuf,
    /// How blocks are executed in parallel, if at all.
    pub parallel: Option<Parallel>,
    /// Which states are kept, and with how much memory.
    pub storage: StorageOptions,
}

impl ChainFolder {
    /// Reads the chain spec and names the places; makes nothing.
    ///
    /// # Errors
    /// [`ConfigError`] about the spec.
    pub fn resolve(options: &Options) -> Result<Self, ConfigError> {
        let spec = read_spec(options)?;
        aurum_evm::check_rules(&spec)?;
        let folder = Places::of(options, &spec).chain;
        let (parallel, storage) = (parallel(options)?, storage(options)?);
        Ok(Self { spec, database: folder.join("db"), folder, parallel, storage })
    }

    /// Where a database is made before it is put in its place: what is here was interrupted.
    pub fn restoring(&self) -> PathBuf {
        restoring(&self.database)
    }
}

/// Where a restore makes the database that is to stand at `database`.
pub(crate) fn restoring(database: &Path) -> PathBuf {
    database.with_extension("restoring")
}

fn read_spec(options: &Options) -> Result<Arc<ChainSpec>, ConfigError> {
    let path = options.chain.clone().ok_or(ConfigError::NoChain)?;
    let text = read(&path)?;
    let parse = ParseOptions { strict: options.strict.unwrap_or(false), any_engine: false };
    let (spec, warnings) =
        ChainSpec::parse_with(&text, parse).map_err(|source| ConfigError::Spec { path: path.clone(), source })?;
    for warning in warnings {
        tracing::warn!(spec = %path.display(), "{warning}");
    }
    Ok(Arc::new(spec))
}

/// Where the node keeps its things: Parity's layout.
struct Places {
    base: PathBuf,
    /// Everything of this chain but keys.
    chain: PathBuf,
    /// Where the keystore may be, in order.
    keys: Vec<PathBuf>,
}

impl Places {
    fn of(options: &Options, spec: &ChainSpec) -> Self {
        let base = options.base_path.clone().unwrap_or_else(default_base_path);
        let whole = |path: &PathBuf| path.strip_prefix("$BASE").map_or_else(|_| path.clone(), |rest| base.join(rest));
        let keys = options.keys_path.as_ref().map_or_else(|| base.join("keys"), whole);
        let chains = options.db_path.as_ref().map_or_else(|| base.join("chains"), whole);
        Self { chain: chains.join(&spec.data_dir), keys: keystores(&keys, &spec.data_dir, &base), base }
    }
}

/// Where a keystore may lie, in order: Parity's folder of the chain, the flat forms, then folders of other names, since
/// Parity named them after `dataDir` and operators after the network.
fn keystores(keys: &Path, data_dir: &str, base: &Path) -> Vec<PathBuf> {
    let mut folders = vec![keys.join(data_dir), keys.to_owned(), base.join("keystore")];
    let entries = fs::read_dir(keys).into_iter().flatten().flatten();
    let mut others: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    others.sort();
    others.retain(|path| !folders.contains(path));
    folders.extend(others);
    folders
}

/// `$XDG_DATA_HOME/aurum`, or `~/.local/share/aurum`.
fn default_base_path() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home).unwrap_or_default().join("aurum")
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn sealing(options: &Options, spec: &ChainSpec, places: &Places, address: Address) -> Result<Sealing, ConfigError> {
    let passwords = options.password.as_ref().map_or(&[][..], |words| &words.0);
    let passwords = passwords.iter().map(PathBuf::from).collect::<Vec<_>>();
    let signer = keys::unlock(address, &places.keys, &passwords)?;
    let suppress = options.no_empty_blocks.unwrap_or(false) || options.force_sealing == Some(false);
    let most = Duration::from_millis(options.reseal_max_period.unwrap_or(120_000));
    let reseal = options.reseal_on_txs.as_deref().map_or(Ok(ResealOn::All), |text| {
        text.parse().map_err(|reason| ConfigError::Value { flag: "reseal-on-txs", value: text.to_owned(), reason })
    })?;
    if options.reseal_on_txs.is_some() && !suppress {
        tracing::info!("reseal_on_txs has no effect here: a block is sealed in every step of ours");
    }
    Ok(Sealing {
        signer: Arc::new(signer),
        empty_blocks: if suppress { EmptyBlocks::AfterSilence { most, reseal } } else { EmptyBlocks::Always },
        gas_target: options.gas_floor_target,
        extra_data: extra_data(options, spec),
    })
}

fn extra_data(options: &Options, spec: &ChainSpec) -> Bytes {
    let text = options.extra_data.clone().unwrap_or_else(|| concat!("aurum/", env!("CARGO_PKG_VERSION")).to_owned());
    let most = usize::try_from(spec.params.maximum_extra_data_size).unwrap_or(usize::MAX);
    let mut bytes = text.into_bytes();
    bytes.truncate(most);
    bytes.into()
}

fn pool(options: &Options, journal: Option<PathBuf>) -> PoolConfig {
    let usual = PoolConfig::default();
    PoolConfig {
        journal,
        refuse_service_transactions: options.refuse_service_transactions.unwrap_or(false),
        allow_unprotected: options.jsonrpc_allow_unprotected_txs.unwrap_or(false),
        max_transactions: options.tx_queue_size.unwrap_or(usual.max_transactions),
        max_per_sender: options.tx_queue_per_sender.unwrap_or(usual.max_per_sender),
        ..usual
    }
}

fn parallel(options: &Options) -> Result<Option<Parallel>, ConfigError> {
    let Some(text) = options.parallel_execution.as_deref().filter(|text| *text != "off") else { return Ok(None) };
    match text.parse() {
        Ok(threads) if threads > NonZeroUsize::MIN => Ok(Some(Parallel::on(threads))),
        _ => Err(ConfigError::Value {
            flag: "parallel-execution",
            value: text.to_owned(),
            reason: "neither off nor a number of threads from 2 on".to_owned(),
        }),
    }
}

fn storage(options: &Options) -> Result<StorageOptions, ConfigError> {
    let usual = StorageOptions::default();
    let history = match options.pruning.as_deref() {
        None | Some("archive" | "auto") => History::Archive,
        Some("fast") => History::Last(options.pruning_history.unwrap_or_default().max(PRUNING_HISTORY)),
        Some(other) => {
            let reason = "neither archive, fast nor auto".to_owned();
            return Err(ConfigError::Value { flag: "pruning", value: other.to_owned(), reason });
        }
    };
    let trie_memory = match options.cache_size_state {
        None => usual.trie_memory,
        Some(mebibytes) => mebibytes.checked_mul(1 << 20).ok_or_else(|| ConfigError::Value {
            flag: "cache-size-state",
            value: mebibytes.to_string(),
            reason: "more than there can be".to_owned(),
        })?,
    };
    // What a check-point waits for is in memory whatever is granted.
    let checkpoint_bytes = usual.checkpoint_bytes.min(LEAST_CHECKPOINT.max(trie_memory / 4));
    Ok(StorageOptions { history, trie_memory, checkpoint_bytes, ..usual })
}

fn make_snapshots(options: &Options, places: &Places) -> Result<Option<MakeSnapshots>, ConfigError> {
    // Parity's period.
    let period = options.snapshot_period.unwrap_or(5_000);
    if period == 0 {
        let reason = "must be a positive number of blocks".to_owned();
        return Err(ConfigError::Value { flag: "snapshot-period", value: period.to_string(), reason });
    }
    let wanted = options.enable_snapshotting.unwrap_or(false);
    Ok(wanted.then(|| MakeSnapshots { folder: places.chain.join("snapshots"), period }))
}

fn network(options: &Options, spec: &ChainSpec, places: &Places) -> Result<NetworkConfig, ConfigError> {
    let key = match &options.node_key {
        Some(hex) if is_hex_key(hex) => keys::node_key_from_hex(hex),
        Some(path) => keys::read_node_key(Path::new(path))?,
        None => keys::read_or_make_node_key(&places.base.join("network/key"))?,
    };
    let key = NodeKey::from_bytes(key).map_err(|error| ConfigError::Value {
        flag: "node-key",
        value: "***".to_owned(),
        reason: error.to_string(),
    })?;
    let mut reserved = Vec::new();
    if let Some(path) = &options.reserved_peers {
        for (number, line) in read(path)?.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                reserved.push(line.parse::<Enode>().map_err(|error| ConfigError::File {
                    path: path.clone(),
                    reason: format!("line {}: {error}", number + 1),
                })?);
            }
        }
    }
    let bootnodes = options.bootnodes.as_ref().map_or(&[][..], |words| &words.0);
    for enode in bootnodes.iter().chain(&spec.nodes) {
        reserved.push(enode.parse().map_err(|error: aurum_network::EnodeError| ConfigError::Value {
            flag: "bootnodes",
            value: enode.clone(),
            reason: error.to_string(),
        })?);
    }
    reserved.retain(|enode| enode.id != key.id());
    // As in Parity a node with peers on other machines listens for them; alone it stays on loopback.
    let usual = if reserved.iter().all(is_here) { "local" } else { "all" };
    let interface = options.interface.as_deref().unwrap_or(usual);
    let listen = address("interface", Some(interface), port(options, "port", options.port, 30303)?)?;
    let mut config =
        NetworkConfig::new(key, listen, options.network_id.unwrap_or(spec.params.network_id), spec.header_format());
    config.public_host = match options.nat.as_deref().and_then(|nat| nat.split_once(':')) {
        Some(("extip", host)) => Some(host.to_owned()),
        _ => None,
    };
    config.reserved = reserved;
    config.reserved_only = options.reserved_only.unwrap_or(false);
    config.max_peers = options.max_peers.unwrap_or(config.max_peers);
    if let Some(name) = &options.identity {
        config.client = format!("{}/{name}", config.client);
    }
    Ok(config)
}

fn rpc(options: &Options) -> Result<RpcConfig, ConfigError> {
    let usual = RpcConfig::default();
    let http_port = port(options, "jsonrpc-port", options.jsonrpc_port, 8545)?;
    let http = address("jsonrpc-interface", options.jsonrpc_interface.as_deref(), http_port)?;
    let ws_port = port(options, "ws-port", options.ws_port, 8546)?;
    let ws = address("ws-interface", options.ws_interface.as_deref(), ws_port)?;
    let metrics_port = port(options, "metrics-port", options.metrics_port, 9545)?;
    let scrape = address("metrics-interface", options.metrics_interface.as_deref(), metrics_port)?;
    let with_metrics = options.metrics.unwrap_or(options.metrics_port.is_some());
    let both = |one: &Option<Words>, two: &Option<Words>| {
        let words = |words: &Option<Words>| words.clone().unwrap_or_default().0;
        Words([words(one), words(two)].concat()).joined()
    };
    let apis = match options.jsonrpc_apis.as_ref().or(options.ws_apis.as_ref()) {
        None => Apis::default(),
        Some(words) => words.joined().parse().map_err(|error: aurum_rpc::UnknownApi| ConfigError::Value {
            flag: "jsonrpc-apis",
            value: words.joined(),
            reason: error.to_string(),
        })?,
    };
    let mut limits = usual.limits.clone();
    limits.connections = options.ws_max_connections.unwrap_or(limits.connections);
    let http = (!options.no_jsonrpc.unwrap_or(false)).then_some(http);
    let ws = (!options.no_ws.unwrap_or(false)).then_some(ws);
    Ok(RpcConfig {
        http,
        ws,
        listeners: listeners::listeners(&options.listeners, options.ports_shift.unwrap_or(0), [http, ws])?,
        metrics: with_metrics.then_some(scrape),
        apis,
        cors: Origins::parse(&both(&options.jsonrpc_cors, &options.ws_origins)),
        hosts: Hosts::parse(&both(&options.jsonrpc_hosts, &options.ws_hosts)),
        limits,
        readiness: Readiness { peers: options.min_peers.unwrap_or(0), ..usual.readiness },
        ..usual
    })
}

/// Whether a peer is on this machine, as far as its name tells.
fn is_here(enode: &Enode) -> bool {
    enode.host == "localhost" || enode.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A port with `--ports-shift`; 0, any free port, stays what it is.
fn port(options: &Options, flag: &'static str, given: Option<u16>, usual: u16) -> Result<u16, ConfigError> {
    let (port, shift) = (given.unwrap_or(usual), options.ports_shift.unwrap_or(0));
    if port == 0 {
        return Ok(0);
    }
    port.checked_add(shift).ok_or_else(|| ConfigError::Value {
        flag,
        value: port.to_string(),
        reason: format!("with --ports-shift {shift} it is above 65535"),
    })
}

/// Parity's `local`, `all`, or an IP address.
fn address(flag: &'static str, interface: Option<&str>, port: u16) -> Result<SocketAddr, ConfigError> {
    let ip = match interface.unwrap_or("local") {
        "local" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        "all" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "[::]" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        text => text.parse().map_err(|_| ConfigError::Value {
            flag,
            value: text.to_owned(),
            reason: "neither local, all, nor an IP address".to_owned(),
        })?,
    };
    Ok(SocketAddr::new(ip, port))
}

/// Whether this is a key itself rather than a file's name.
fn is_hex_key(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
