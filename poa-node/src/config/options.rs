//! What was typed: flags with Parity's names, `AURUM_*` variables, and the same things out of a TOML file.

use std::{path::PathBuf, str::FromStr};

use alloy::primitives::Address;

use super::listeners::ListenerSection;

/// Declares [`Options`] with `or`, so that no field can be forgotten when two sources are put together.
macro_rules! options {
    ($($(#[$attr:meta])* $name:ident: $kind:ty,)*) => {
        /// Everything that can be set, each `None` where it was not. The command line and the environment give one value,
        /// the file another.
        #[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
        pub struct Options {
            $($(#[$attr])* #[arg(long)] pub $name: Option<$kind>,)*
            /// Listeners with a policy of their own, which stand in the file only.
            #[arg(skip)]
            pub listeners: Vec<ListenerSection>,
        }

        impl Options {
            /// What is set here, else what `fallback` sets.
            #[must_use]
            pub fn or(self, fallback: Self) -> Self {
                let listeners = if self.listeners.is_empty() { fallback.listeners } else { self.listeners };
                Self { $($name: self.$name.or(fallback.$name),)* listeners }
            }
        }
    };
}

/// Words separated by commas, as Parity writes lists on the command line and in TOML strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl FromStr for Words {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()))
    }
}

impl Words {
    /// The words as they would be typed.
    pub fn joined(&self) -> String {
        self.0.join(",")
    }
}

/// A number in decimal, or in hex with 0x as Parity takes it too.
///
/// # Errors
/// What is wrong with it.
pub(super) fn quantity<T: FromStr + TryFrom<u128>>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    match text.strip_prefix("0x") {
        None => text.parse().map_err(|error: T::Err| error.to_string()),
        Some(digits) => {
            let number = u128::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
            T::try_from(number).map_err(|_| "the number is too large".to_owned())
        }
    }
}

options! {
    /// Chain spec file
    #[arg(env = "AURUM_CHAIN", value_name = "FILE", help_heading = "Chain")]
    chain: PathBuf,
    /// Folder of this node: keys, network key, database [default: ~/.local/share/aurum]
    #[arg(short = 'd', alias = "datadir", env = "AURUM_BASE_PATH", value_name = "DIR", help_heading = "Chain")]
    base_path: PathBuf,
    /// Folder of databases [default: $BASE/chains]
    #[arg(env = "AURUM_DB_PATH", value_name = "DIR", help_heading = "Chain")]
    db_path: PathBuf,
    /// Folder of keystores [default: $BASE/keys]
    #[arg(env = "AURUM_KEYS_PATH", value_name = "DIR", help_heading = "Chain")]
    keys_path: PathBuf,
    /// Take every warning about the chain spec for an error
    #[arg(env = "AURUM_STRICT", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Chain")]
    strict: bool,
    /// Name of this node for its peers
    #[arg(env = "AURUM_IDENTITY", value_name = "NAME", help_heading = "Chain")]
    identity: String,
    /// Execute the transactions of others' blocks on so many threads at once: pays on nodes with many cores that run heavy
    /// contracts [default: off]
    #[arg(env = "AURUM_PARALLEL_EXECUTION", value_name = "THREADS|off", help_heading = "Chain")]
    parallel_execution: String,
    /// States that are kept: archive, or auto, keeps all; fast those of the last --pruning-history blocks [default: archive]
    #[arg(env = "AURUM_PRUNING", value_name = "archive|fast|auto", help_heading = "Chain")]
    pruning: String,
    /// Where states are pruned, blocks whose states are kept; fewer than the default count as that [default: 2048]
    #[arg(env = "AURUM_PRUNING_HISTORY", value_name = "BLOCKS", help_heading = "Chain")]
    pruning_history: u64,
    /// Most memory for the state trie [default: 512]
    #[arg(env = "AURUM_CACHE_SIZE_STATE", value_name = "MIB", help_heading = "Chain")]
    cache_size_state: usize,

    /// Authority whose key seals blocks; its keystore file lies in $BASE/keys
    #[arg(env = "AURUM_ENGINE_SIGNER", value_name = "ADDRESS", help_heading = "Sealing")]
    engine_signer: Address,
    /// Files with passwords, one a line, for the engine signer's keystore
    #[arg(env = "AURUM_PASSWORD", value_name = "FILE,..", help_heading = "Sealing")]
    password: Words,
    /// Accounts to unlock; only the engine signer's key is ever used
    #[arg(env = "AURUM_UNLOCK", value_name = "ADDRESS,..", help_heading = "Sealing")]
    unlock: Words,
    /// Seal a block in every step of ours, with transactions or without [default: true]
    #[arg(env = "AURUM_FORCE_SEALING", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Sealing")]
    force_sealing: bool,
    /// Seal empty blocks only every --reseal-max-period
    #[arg(env = "AURUM_NO_EMPTY_BLOCKS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Sealing")]
    no_empty_blocks: bool,
    /// Longest time without a block when empty ones are suppressed, milliseconds [default: 120000]
    #[arg(env = "AURUM_RESEAL_MAX_PERIOD", value_name = "MS", help_heading = "Sealing")]
    reseal_max_period: u64,
    /// Seal again although this node's key was seen at work elsewhere: the other node is stopped
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Sealing")]
    resume_sealing: bool,
    /// Where empty blocks are suppressed: transactions for which a step of ours that has begun is used all the same; no
    /// effect otherwise, since every step of ours has a block then [default: all]
    #[arg(env = "AURUM_RESEAL_ON_TXS", value_name = "none|own|ext|all", help_heading = "Sealing")]
    reseal_on_txs: String,
    /// Gas limit that blocks of ours move towards [default: the parent's]
    #[arg(env = "AURUM_GAS_FLOOR_TARGET", value_parser = quantity::<u64>, value_name = "GAS", help_heading = "Sealing")]
    gas_floor_target: u64,
    /// Extra data of our blocks [default: the program's version]
    #[arg(env = "AURUM_EXTRA_DATA", alias = "extradata", value_name = "TEXT", help_heading = "Sealing")]
    extra_data: String,

    /// Least price of a unit of gas for this node's pool, wei; nothing on a gas-free chain [default: 0]
    #[arg(env = "AURUM_MIN_GAS_PRICE", alias = "gasprice", value_parser = quantity::<u128>, value_name = "WEI", help_heading = "Transactions")]
    min_gas_price: u128,
    /// Refuse other nodes' transactions without a gas price even of certified senders
    #[arg(env = "AURUM_REFUSE_SERVICE_TRANSACTIONS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Transactions")]
    refuse_service_transactions: bool,
    /// Take transactions over JSON-RPC that name no chain (without EIP-155): anybody can repeat them on other chains
    #[arg(env = "AURUM_JSONRPC_ALLOW_UNPROTECTED_TXS", alias = "rpc.allow-unprotected-txs", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Transactions")]
    jsonrpc_allow_unprotected_txs: bool,
    /// Transactions in the pool
    #[arg(env = "AURUM_TX_QUEUE_SIZE", value_name = "N", help_heading = "Transactions")]
    tx_queue_size: usize,
    /// Transactions of one sender in the pool
    #[arg(env = "AURUM_TX_QUEUE_PER_SENDER", value_name = "N", help_heading = "Transactions")]
    tx_queue_per_sender: usize,

    /// Port for peers [default: 30303]
    #[arg(env = "AURUM_PORT", value_name = "PORT", help_heading = "Network")]
    port: u16,
    /// Added to every port of this node
    #[arg(env = "AURUM_PORTS_SHIFT", value_name = "N", help_heading = "Network")]
    ports_shift: u16,
    /// Address for peers: local, all, or an IP [default: all if a peer is on another machine, else local]
    #[arg(env = "AURUM_INTERFACE", value_name = "IP", help_heading = "Network")]
    interface: String,
    /// How others reach this node: none, any, or extip:HOST [default: any]
    #[arg(env = "AURUM_NAT", value_name = "METHOD", help_heading = "Network")]
    nat: String,
    /// File with the enodes to stay connected with, one a line
    #[arg(env = "AURUM_RESERVED_PEERS", value_name = "FILE", help_heading = "Network")]
    reserved_peers: PathBuf,
    /// Let in nobody but the reserved peers
    #[arg(env = "AURUM_RESERVED_ONLY", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Network")]
    reserved_only: bool,
    /// More enodes to connect to
    #[arg(env = "AURUM_BOOTNODES", value_name = "ENODE,..", help_heading = "Network")]
    bootnodes: Words,
    /// Secret of the node's identity: 64 hex digits, or a file with them [default: $BASE/network/key]
    #[arg(env = "AURUM_NODE_KEY", alias = "nodekey", hide_env_values = true, value_name = "KEY", help_heading = "Network")]
    node_key: String,
    /// Most peers [default: 50]
    #[arg(env = "AURUM_MAX_PEERS", aliases = ["maxpeers", "peers"], value_name = "N", help_heading = "Network")]
    max_peers: usize,
    /// Peers without which /ready says no [default: 0]
    #[arg(env = "AURUM_MIN_PEERS", value_name = "N", help_heading = "Network")]
    min_peers: usize,
    /// Network id, if not the chain spec's
    #[arg(env = "AURUM_NETWORK_ID", alias = "networkid", value_name = "ID", help_heading = "Network")]
    network_id: u64,
    /// Begin with a reserved peer's snapshot, if finality certificates prove it, instead of the first block. Only for a node
    /// without a database
    #[arg(env = "AURUM_WARP", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Network")]
    warp: bool,
    /// Height below which no snapshot is fetched [default: 0]
    #[arg(env = "AURUM_WARP_BARRIER", value_parser = quantity::<u64>, value_name = "NUMBER", help_heading = "Network")]
    warp_barrier: u64,
    /// Make snapshots for nodes that begin
    #[arg(env = "AURUM_ENABLE_SNAPSHOTTING", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Network")]
    enable_snapshotting: bool,
    /// Final blocks between one snapshot and the next [default: 5000]
    #[arg(env = "AURUM_SNAPSHOT_PERIOD", value_parser = quantity::<u64>, value_name = "BLOCKS", help_heading = "Network")]
    snapshot_period: u64,

    /// No JSON-RPC over HTTP
    #[arg(env = "AURUM_NO_JSONRPC", alias = "jsonrpc-off", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "JSON-RPC")]
    no_jsonrpc: bool,
    /// Port of JSON-RPC over HTTP [default: 8545]
    #[arg(env = "AURUM_JSONRPC_PORT", alias = "rpcport", value_name = "PORT", help_heading = "JSON-RPC")]
    jsonrpc_port: u16,
    /// Address of JSON-RPC over HTTP: local, all, or an IP [default: local]
    #[arg(env = "AURUM_JSONRPC_INTERFACE", alias = "rpcaddr", value_name = "IP", help_heading = "JSON-RPC")]
    jsonrpc_interface: String,
    /// Web pages that may call: none, all, or origins [default: none]
    #[arg(env = "AURUM_JSONRPC_CORS", alias = "rpccorsdomain", value_name = "URL,..", help_heading = "JSON-RPC")]
    jsonrpc_cors: Words,
    /// Names by which this node may be called: none, all, or names [default: none]
    #[arg(env = "AURUM_JSONRPC_HOSTS", value_name = "HOST,..", help_heading = "JSON-RPC")]
    jsonrpc_hosts: Words,
    /// Namespaces: names, all, safe, -name [default: safe]
    #[arg(env = "AURUM_JSONRPC_APIS", alias = "rpcapi", value_name = "API,..", help_heading = "JSON-RPC")]
    jsonrpc_apis: Words,
    /// No JSON-RPC over WebSocket
    #[arg(env = "AURUM_NO_WS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "JSON-RPC")]
    no_ws: bool,
    /// Port of JSON-RPC over WebSocket [default: 8546]
    #[arg(env = "AURUM_WS_PORT", value_name = "PORT", help_heading = "JSON-RPC")]
    ws_port: u16,
    /// Address of JSON-RPC over WebSocket: local, all, or an IP [default: local]
    #[arg(env = "AURUM_WS_INTERFACE", value_name = "IP", help_heading = "JSON-RPC")]
    ws_interface: String,
    /// Web pages that may connect, besides those of --jsonrpc-cors
    #[arg(env = "AURUM_WS_ORIGINS", value_name = "URL,..", help_heading = "JSON-RPC")]
    ws_origins: Words,
    /// Names by which this node may be called, besides those of --jsonrpc-hosts
    #[arg(env = "AURUM_WS_HOSTS", value_name = "HOST,..", help_heading = "JSON-RPC")]
    ws_hosts: Words,
    /// Accepted for Parity's configurations: WebSocket serves the namespaces of --jsonrpc-apis unless only this is given
    #[arg(env = "AURUM_WS_APIS", value_name = "API,..", help_heading = "JSON-RPC")]
    ws_apis: Words,
    /// Open connections on each listener
    #[arg(env = "AURUM_WS_MAX_CONNECTIONS", value_name = "N", help_heading = "JSON-RPC")]
    ws_max_connections: usize,

    /// Serve Prometheus metrics at /metrics
    #[arg(env = "AURUM_METRICS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Metrics and logs")]
    metrics: bool,
    /// Port of metrics [default: 9545]
    #[arg(env = "AURUM_METRICS_PORT", value_name = "PORT", help_heading = "Metrics and logs")]
    metrics_port: u16,
    /// Address of metrics: local, all, or an IP [default: local]
    #[arg(env = "AURUM_METRICS_INTERFACE", value_name = "IP", help_heading = "Metrics and logs")]
    metrics_interface: String,
    /// Log filter, such as info,aurum_chain=debug [default: info]
    #[arg(short = 'l', env = "AURUM_LOGGING", value_name = "FILTER", help_heading = "Metrics and logs")]
    logging: String,
}
