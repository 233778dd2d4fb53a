//! Parity's TOML sections as [`Options`]. A key nobody knows is a warning, and one that Parity knows and this node has no
//! use for is silently accepted: configurations of Parity and OpenEthereum start unchanged.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use toml::{Table, Value};

use super::{
    ConfigError,
    listeners::{self, Audience, ListenerKeys, ListenerSection},
    options::{Options, Words, quantity},
};

/// Sections of Parity that mean nothing here.
const IGNORED_SECTIONS: [&str; 9] =
    ["secretstore", "private_tx", "whisper", "stratum", "ui", "dapps", "light", "ipc", "vm"];

/// Keys of Parity that mean nothing here, by section.
const IGNORED_KEYS: [(&str, &[&str]); 10] = [
    (
        "parity",
        &[
            "mode",
            "mode_timeout",
            "mode_alarm",
            "auto_update",
            "release_track",
            "no_download",
            "no_consensus",
            "light",
            "no_persistent_txqueue",
            "public_node",
            "no_periodic_snapshot",
            "no_hardcoded_sync",
            "gas_price_percentile",
            "poll_lifetime",
            "no_seal_check",
            "auto_update_delay",
            "auto_update_check_frequency",
        ],
    ),
    (
        "footprint",
        &[
            "tracing",
            "pruning_memory",
            "cache_size",
            "cache_size_db",
            "cache_size_blocks",
            "cache_size_queue",
            "db_compaction",
            "fast_and_loose",
            "fat_db",
            "scale_verifiers",
            "num_verifiers",
        ],
    ),
    ("account", &["keys_iterations", "disable_hardware_wallet", "fast_unlock", "refresh_time", "enable_account_hints"]),
    (
        "network",
        &[
            "disable",
            "snapshot_peers",
            "max_pending_peers",
            "allow_ips",
            "discovery",
            "no_discovery",
            "no_serve_light",
            "client_version",
        ],
    ),
    (
        "rpc",
        &[
            "server_threads",
            "processing_threads",
            "max_payload",
            "experimental_rpcs",
            "poll_lifetime",
            "keep_alive",
            "allow_missing_blocks",
            "batch_size",
        ],
    ),
    ("websockets", &["support_token_api", "max_payload"]),
    ("snapshots", &["disable_periodic", "processing_threads"]),
    ("metrics", &["prefix"]),
    (
        "mining",
        &[
            "author",
            "reseal_min_period",
            "work_queue_size",
            "relay_set",
            "usd_per_tx",
            "usd_per_eth",
            "price_update_period",
            "gas_cap",
            "tx_queue_mem_limit",
            "tx_queue_gas",
            "tx_queue_strategy",
            "tx_queue_ban_count",
            "tx_queue_ban_time",
            "tx_queue_no_unfamiliar_locals",
            "tx_queue_locals",
            "tx_queue_no_early_reject",
            "tx_gas_limit",
            "tx_time_limit",
            "remove_solved",
            "notify_work",
            "infinite_pending_block",
            "no_early_reject",
            "max_round_blocks_to_import",
            "new_transactions_stats_period",
        ],
    ),
    ("misc", &["log_file", "color", "unsafe_expose"]),
];

/// Reads a configuration file. Relative paths in it are taken from its own folder if they exist there, else from the
/// working folder as Parity does; `$BASE` stands for the base path and is filled in later.
///
/// # Errors
/// [`ConfigError`] when the file cannot be read, is no TOML, or a value is not what its key demands.
pub(super) fn read(path: &Path) -> Result<(Options, Vec<String>), ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let (mut options, warnings) = parse(&text).map_err(|reason| ConfigError::File { path: path.to_owned(), reason })?;
    listeners::with_paths_from(&mut options.listeners, path);
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok((with_paths_from(options, folder), warnings))
}

fn parse(text: &str) -> Result<(Options, Vec<String>), String> {
    let mut root: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut warnings = Vec::new();
    let mut section = |name: &'static str| match root.remove(name) {
        None => Ok(Section { name, table: Table::new() }),
        Some(Value::Table(table)) => Ok(Section { name, table }),
        Some(_) => Err(format!("[{name}] must be a section")),
    };
    let mut parity = section("parity")?;
    let mut footprint = section("footprint")?;
    let mut account = section("account")?;
    let mut network = section("network")?;
    let mut snapshots = section("snapshots")?;
    let mut rpc = section("rpc")?;
    let mut websockets = section("websockets")?;
    let mut metrics = section("metrics")?;
    let mut mining = section("mining")?;
    let mut misc = section("misc")?;
    let mut listeners = Vec::new();
    for audience in Audience::ALL {
        let name = audience.section();
        match rpc.table.remove(name.trim_start_matches("rpc.")) {
            None => {}
            Some(Value::Table(table)) => {
                let (keys, unknown) = listener(Section { name, table })?;
                warnings.extend(unknown);
                listeners.push(ListenerSection { audience, file: PathBuf::new(), keys });
            }
            Some(_) => return Err(format!("[{name}] must be a section")),
        }
    }

    let options = Options {
        chain: parity.parsed("chain")?,
        base_path: parity.parsed("base_path")?,
        db_path: parity.parsed("db_path")?,
        keys_path: parity.parsed("keys_path")?,
        strict: parity.parsed("strict")?,
        identity: parity.parsed("identity")?,
        parallel_execution: parity.parsed("parallel_execution")?,
        pruning: footprint.parsed("pruning")?,
        pruning_history: footprint.parsed("pruning_history")?,
        cache_size_state: footprint.parsed("cache_size_state")?,
        engine_signer: mining.parsed("engine_signer")?,
        password: account.parsed("password")?,
        unlock: account.parsed("unlock")?,
        force_sealing: mining.parsed("force_sealing")?,
        no_empty_blocks: mining.parsed("no_empty_blocks")?,
        reseal_max_period: mining.parsed("reseal_max_period")?,
        // Said once, after looking, not in a file that stays.
        resume_sealing: None,
        reseal_on_txs: mining.parsed("reseal_on_txs")?,
        gas_floor_target: mining.number("gas_floor_target")?,
        extra_data: mining.parsed("extra_data")?,
        min_gas_price: mining.number("min_gas_price")?,
        refuse_service_transactions: mining.parsed("refuse_service_transactions")?,
        jsonrpc_allow_unprotected_txs: rpc.parsed("allow_unprotected_txs")?,
        tx_queue_size: mining.parsed("tx_queue_size")?,
        tx_queue_per_sender: mining.parsed("tx_queue_per_sender")?,
        port: network.parsed("port")?,
        ports_shift: misc.parsed("ports_shift")?,
        interface: network.parsed("interface")?,
        nat: network.parsed("nat")?,
        reserved_peers: network.parsed("reserved_peers")?,
        reserved_only: network.parsed("reserved_only")?,
        bootnodes: network.parsed("bootnodes")?,
        node_key: network.parsed("node_key")?,
        max_peers: network.parsed("max_peers")?,
        min_peers: network.parsed("min_peers")?,
        network_id: network.parsed("id")?,
        warp: network.parsed("warp")?,
        warp_barrier: network.parsed("warp_barrier")?,
        enable_snapshotting: snapshots.parsed("enable")?,
        snapshot_period: snapshots.parsed("period")?,
        no_jsonrpc: rpc.parsed("disable")?,
        jsonrpc_port: rpc.parsed("port")?,
        jsonrpc_interface: rpc.parsed("interface")?,
        jsonrpc_cors: rpc.parsed("cors")?,
        jsonrpc_hosts: rpc.parsed("hosts")?,
        jsonrpc_apis: rpc.parsed("apis")?,
        no_ws: websockets.parsed("disable")?,
        ws_port: websockets.parsed("port")?,
        ws_interface: websockets.parsed("interface")?,
        ws_origins: websockets.parsed("origins")?,
        ws_hosts: websockets.parsed("hosts")?,
        ws_apis: websockets.parsed("apis")?,
        ws_max_connections: websockets.parsed("max_connections")?,
        metrics: metrics.parsed("enable")?,
        metrics_port: metrics.parsed("port")?,
        metrics_interface: metrics.parsed("interface")?,
        logging: misc.parsed("logging")?,
        listeners,
    };
    for section in [parity, footprint, account, network, snapshots, rpc, websockets, metrics, mining, misc] {
        warnings.extend(section.unknown());
    }
    for name in root.keys().filter(|name| !IGNORED_SECTIONS.contains(&name.as_str())) {
        warnings.push(format!("unknown section [{name}]"));
    }
    Ok((options, warnings))
}

/// A section of a listener, and what in it nobody understands.
fn listener(mut section: Section) -> Result<(ListenerKeys, Vec<String>), String> {
    let keys = ListenerKeys {
        port: section.parsed("port")?,
        interface: section.parsed("interface")?,
        apis: section.parsed("apis")?,
        cors: section.parsed("cors")?,
        hosts: section.parsed("hosts")?,
        domains: section.parsed("domains")?,
        token_ttl: section.parsed("token_ttl")?,
        api_keys: section.parsed("api_keys")?,
        tls_cert: section.parsed("tls_cert")?,
        tls_key: section.parsed("tls_key")?,
        client_ca: section.parsed("client_ca")?,
        client_certificates: section.parsed("client_certificates")?,
        own_transactions_only: section.parsed("own_transactions_only")?,
        requests_per_second: section.parsed("requests_per_second")?,
        burst: section.parsed("burst")?,
        concurrent: section.parsed("concurrent")?,
        max_connections: section.parsed("max_connections")?,
        max_payload: section.parsed("max_payload")?,
        batch_size: section.parsed("batch_size")?,
        call_gas: section.number("call_gas")?,
        log_blocks: section.parsed("log_blocks")?,
        request_time: section.parsed("request_time")?,
    };
    Ok((keys, section.unknown()))
}

struct Section {
    name: &'static str,
    table: Table,
}

impl Section {
    /// The key's value, parsed as it would be on the command line; lists are joined by commas.
    fn parsed<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, String>
    where
        T::Err: std::fmt::Display,
    {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        let text = typed(&value).ok_or_else(|| format!("[{}] {key} must be a value or a list", self.name))?;
        text.parse().map(Some).map_err(|error| format!("[{}] {key} = {value}: {error}", self.name))
    }

    /// As [`Self::parsed`], for numbers that Parity takes as hex strings too.
    fn number<T: FromStr + TryFrom<u128>>(&mut self, key: &str) -> Result<Option<T>, String>
    where
        T::Err: std::fmt::Display,
    {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        let text = typed(&value).ok_or_else(|| format!("[{}] {key} must be a number", self.name))?;
        quantity(&text).map(Some).map_err(|error| format!("[{}] {key} = {value}: {error}", self.name))
    }

    fn unknown(self) -> Vec<String> {
        let ignored = IGNORED_KEYS.iter().find(|(name, _)| *name == self.name).map_or(&[][..], |(_, keys)| keys);
        let unknown = self.table.keys().filter(|key| !ignored.contains(&key.as_str()));
        unknown.map(|key| format!("unknown key {key} in [{}]", self.name)).collect()
    }
}

fn typed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(items) => items.iter().map(typed).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn with_paths_from(mut options: Options, folder: &Path) -> Options {
    let near = |path: PathBuf| {
        let there = folder.join(&path);
        if path.is_relative() && !path.starts_with("$BASE") && there.exists() { there } else { path }
    };
    for path in [&mut options.chain, &mut options.reserved_peers, &mut options.keys_path] {
        *path = path.take().map(near);
    }
    // A folder that is made at the first start cannot be looked for; it belongs beside the file.
    for path in [&mut options.base_path, &mut options.db_path] {
        *path = path.take().map(|path| if path.starts_with("$BASE") { path } else { folder.join(path) });
    }
    if let Some(Words(files)) = &mut options.password {
        for file in files {
            *file = near(PathBuf::from(&*file)).to_string_lossy().into_owned();
        }
    }
    if let Some(key) = &mut options.node_key
        && !super::is_hex_key(key)
    {
        *key = near(PathBuf::from(&*key)).to_string_lossy().into_owned();
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_file_that_parity_deploy_writes() {
        // parity-deploy's authority.toml, with the engine signer of its first node.
        let (options, warnings) = parse(
            r#"
            [parity]
            chain = "/home/parity/spec.json"
            [account]
            password = ["/home/parity/authority.pwd"]
            unlock = ["0x00Ea169ce7e0992960D3BdE6F5D539C955316432"]
            [network]
            reserved_peers="/home/parity/data/reserved_peers"
            [rpc]
            interface = "0.0.0.0"
            cors = ["all"]
            hosts = ["all"]
            apis = ["web3", "eth", "net", "parity", "traces", "rpc", "personal", "parity_accounts", "signer", "parity_set"]
            [mining]
            reseal_on_txs = "none"
            engine_signer = "0x00Ea169ce7e0992960D3BdE6F5D539C955316432"
            gas_floor_target = "0x7A1200"
            [websockets]
            port = 8546
            interface = "all"
            origins = ["all"]
            [footprint]
            tracing = "on"
            "#,
        )
        .unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(options.jsonrpc_interface.as_deref(), Some("0.0.0.0"));
        assert_eq!(options.jsonrpc_apis.unwrap().0.len(), 10);
        assert_eq!(options.gas_floor_target, Some(8_000_000));
        assert!(options.engine_signer.is_some());
    }

    #[test]
    fn snapshots_between_nodes_have_paritys_keys() {
        let text = "[network]\nwarp = true\nwarp_barrier = 100\n[snapshots]\nenable = true\nprocessing_threads = 2\n";
        let (options, warnings) = parse(text).unwrap();
        assert_eq!((options.warp, options.warp_barrier), (Some(true), Some(100)));
        assert_eq!((options.enable_snapshotting, options.snapshot_period), (Some(true), None));
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_are_warnings_and_wrong_values_errors() {
        let (_, warnings) = parse("[network]\nprot = 1\nwarp = false\n[netwrok]\nport = 1\n").unwrap();
        assert_eq!(warnings, ["unknown key prot in [network]", "unknown section [netwrok]"]);
        let error = parse("[network]\nport = 70000\n").unwrap_err();
        assert!(error.contains("[network] port = 70000"), "{error}");
        assert!(parse("network = 3").is_err());
        assert!(parse("[network").is_err());
    }
}
