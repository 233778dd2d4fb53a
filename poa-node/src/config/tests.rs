use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use clap::Parser as _;

use super::*;
use crate::cli::Args;
use aurum_rpc::Access;

fn options(args: &[&str]) -> Options {
    Args::parse_from(["poa-node"].iter().chain(args)).options
}

fn spec_in(folder: &Path) -> PathBuf {
    let path = folder.join("spec.json");
    fs::write(&path, include_str!("../dev/spec.json")).unwrap();
    path
}

fn resolve(folder: &Path, args: &[&str]) -> Result<Config, ConfigError> {
    let spec = spec_in(folder);
    let base = folder.join("base");
    let mut all = vec!["--chain", spec.to_str().unwrap(), "-d", base.to_str().unwrap()];
    all.extend(args);
    Config::resolve(&options(&all))
}

#[test]
fn the_command_line_goes_before_the_file_and_the_file_before_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.toml");
    fs::write(&file, "[network]\nport = 1111\n[rpc]\nport = 2222\ninterface = \"all\"\n").unwrap();
    let typed = options(&["--port", "3333"]);
    let (merged, warnings) = typed.with_file(Some(&file)).unwrap();
    assert!(warnings.is_empty());
    assert_eq!((merged.port, merged.jsonrpc_port), (Some(3333), Some(2222)));
    let rpc = rpc(&merged).unwrap();
    assert_eq!(rpc.http, "0.0.0.0:2222".parse().ok());
    assert_eq!(rpc.ws, "127.0.0.1:8546".parse().ok());
    assert_eq!(rpc.metrics, None);
}

#[test]
fn paths_in_a_file_are_taken_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    spec_in(folder.path());
    let file = folder.path().join("authority.toml");
    fs::write(&file, "[parity]\nchain = \"spec.json\"\nbase_path = \"data\"\nkeys_path = \"$BASE/k\"\n").unwrap();
    let (merged, _) = Options::default().with_file(Some(&file)).unwrap();
    let config = Config::resolve(&merged).unwrap();
    assert_eq!(config.database, folder.path().join("data/chains/dev/db"));
    assert_eq!(merged.keys_path, Some(PathBuf::from("$BASE/k")));
}

#[test]
fn an_observer_needs_nothing_but_a_chain() {
    let folder = tempfile::tempdir().unwrap();
    let config = resolve(folder.path(), &[]).unwrap();
    assert!(config.sealing.is_none() && config.dev.is_none());
    assert_eq!(config.network.as_ref().unwrap().listen, "127.0.0.1:30303".parse().unwrap());
    // The node's identity is made once and kept, for its owner only.
    let key = folder.path().join("base/network/key");
    let first = fs::read_to_string(&key).unwrap();
    let again = resolve(folder.path(), &[]).unwrap();
    assert_eq!(fs::read_to_string(&key).unwrap(), first);
    assert_eq!(config.network.unwrap().key.id(), again.network.unwrap().key.id());
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&key).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_missing_key_names_the_folders_and_a_wrong_password_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let signer = "0x00Ea169ce7e0992960D3BdE6F5D539C955316432";
    let error = resolve(folder.path(), &["--engine-signer", signer]).unwrap_err().to_string();
    assert!(error.contains("no key of the engine signer") && error.contains("base/keys/dev"), "{error}");

    let keys = folder.path().join("base/keys/dev");
    fs::create_dir_all(&keys).unwrap();
    // The PBKDF2 vector of the Web3 Secret Storage Definition; like old files it does not say whose it is.
    fs::write(keys.join("UTC--vector"), KEYSTORE).unwrap();
    let address = "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b".to_owned();
    let error = resolve(folder.path(), &["--engine-signer", &address]).unwrap_err().to_string();
    assert!(error.contains("no password") && error.contains("--password FILE"), "{error}");

    let password = folder.path().join("password");
    let args = ["--engine-signer", &address, "--password", password.to_str().unwrap()];
    fs::write(&password, "wrong\n").unwrap();
    let error = resolve(folder.path(), &args).unwrap_err().to_string();
    assert!(error.contains("none of the passwords") && error.contains("password"), "{error}");
    assert!(!error.contains("wrong"));

    fs::write(&password, "wrong\ntestpassword\n").unwrap();
    let config = resolve(folder.path(), &args).unwrap();
    let sealing = config.sealing.unwrap();
    assert_eq!(sealing.signer.address().to_string(), address);
    assert_eq!(sealing.empty_blocks, EmptyBlocks::Always);
    assert!(!format!("{sealing:?}").contains("7a28b5ba"));

    let args = [&args[..], &["--no-empty-blocks", "--reseal-max-period", "5000"]].concat();
    let sealing = resolve(folder.path(), &args).unwrap().sealing.unwrap();
    assert_eq!(sealing.empty_blocks, EmptyBlocks::AfterSilence { most: Duration::from_secs(5), reseal: ResealOn::All });
}

#[test]
fn a_reserved_peer_that_is_none_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let peers = folder.path().join("reserved_peers");
    fs::write(&peers, "# ours\n\nenode://12@host:1\n").unwrap();
    let error = resolve(folder.path(), &["--reserved-peers", peers.to_str().unwrap()]).unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn a_node_does_not_dial_itself() {
    let folder = tempfile::tempdir().unwrap();
    let key = "11".repeat(32);
    let own = NodeKey::from_bytes([0x11; 32]).unwrap().id();
    let other = NodeKey::from_bytes([0x22; 32]).unwrap().id();
    let nodes = format!("enode://{own}@127.0.0.1:1,enode://{other}@host.example:2");
    let config = resolve(folder.path(), &["--node-key", &key, "--bootnodes", &nodes]).unwrap();
    let network = config.network.unwrap();
    assert_eq!(network.key.id(), own);
    assert_eq!(network.reserved.len(), 1);
    assert_eq!(network.reserved[0].id, other);
}

#[test]
fn what_means_nothing_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let error = Config::resolve(&Options::default()).unwrap_err().to_string();
    assert!(error.contains("--chain") && error.contains("poa-node dev"), "{error}");
    let error = resolve(folder.path(), &["--jsonrpc-interface", "everywhere"]).unwrap_err().to_string();
    assert!(error.contains("--jsonrpc-interface everywhere"), "{error}");
    let error = resolve(folder.path(), &["--jsonrpc-apis", "eth,magic"]).unwrap_err().to_string();
    assert!(error.contains("magic"), "{error}");
}

#[test]
fn a_development_chain_listens_on_loopback_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let dev = DevConfig { chain_id: 5, block_time: None };
    let config = Config::dev(&options(&["--metrics-port", "0"]), folder.path(), dev).unwrap();
    let addresses = [config.rpc.http, config.rpc.ws, config.rpc.metrics];
    assert!(addresses.iter().flatten().all(|address| address.ip().is_loopback()));
    assert!(config.network.is_none() && config.dev.is_some());
    assert_eq!(config.spec.params.chain_id, 5);

    let config = Config::dev(&options(&["--jsonrpc-interface", "all"]), folder.path(), dev).unwrap();
    assert_eq!(config.rpc.http, "0.0.0.0:8545".parse().ok());
    assert_eq!(config.rpc.ws, "127.0.0.1:8546".parse().ok());
}

const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,
"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6",
"version":3}"#;

#[test]
fn flags_have_one_meaning_each() {
    // What clap itself asserts, it asserts in debug builds only.
    let mut command = <Args as clap::CommandFactory>::command();
    command.build();
    let longs = command.get_arguments().flat_map(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long().into_iter().chain(aliases).map(str::to_owned).collect::<Vec<_>>()
    });
    let mut seen = std::collections::HashSet::new();
    for long in longs {
        assert!(seen.insert(long.clone()), "--{long} twice");
    }
    assert!(seen.contains("pruning") && seen.contains("tracing"));
}

#[test]
fn flags_of_parity_without_effect_are_named_and_its_older_names_work() {
    let args = ["poa-node", "--no-warp", "--tracing", "on", "--rpcport", "7", "--gas-floor-target", "0x7A1200"];
    let (args, warnings) = Args::parse_from(args).complete().unwrap();
    assert_eq!(warnings, ["--no-warp has no effect in this node", "--tracing has no effect in this node"]);
    assert_eq!((args.options.jsonrpc_port, args.options.gas_floor_target), (Some(7), Some(8_000_000)));
}

#[test]
fn options_may_stand_before_a_command_and_after_it() {
    let args = Args::parse_from(["poa-node", "-d", "a", "--chain", "b", "import", "file", "--chain", "c"]);
    let Some(crate::cli::Command::Import(import)) = args.command else { panic!("import") };
    let options = import.folder.options(args.options, None).unwrap();
    assert_eq!((options.base_path, options.chain), (Some("a".into()), Some("c".into())));
}

#[test]
fn a_filter_of_targets_leaves_everything_else_at_info() {
    let filter = |flag: &str| Args::parse_from(["poa-node", "-l", flag]).log_filter();
    assert_eq!(filter("engine=trace,miner=trace"), "info,engine=trace,miner=trace");
    assert_eq!(filter("debug"), "debug");
    assert_eq!(filter("warn,aurum_chain=debug"), "warn,aurum_chain=debug");
}

#[test]
fn a_node_with_peers_elsewhere_listens_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let id = NodeKey::from_bytes([7; 32]).unwrap().id();
    let peers = folder.path().join("reserved_peers");
    let listens = |host: &str, more: &[&str]| {
        fs::write(&peers, format!("enode://{id}@{host}:30303\n")).unwrap();
        let mut args = vec!["--reserved-peers", peers.to_str().unwrap()];
        args.extend(more);
        resolve(folder.path(), &args).unwrap().network.unwrap().listen.to_string()
    };
    assert_eq!(listens("host1", &[]), "0.0.0.0:30303");
    assert_eq!(listens("10.0.0.7", &["--ports-shift", "10"]), "0.0.0.0:30313");
    assert_eq!(listens("127.0.0.1", &[]), "127.0.0.1:30303");
    assert_eq!(listens("localhost", &[]), "127.0.0.1:30303");
    assert_eq!(listens("host1", &["--interface", "local"]), "127.0.0.1:30303");
}

#[test]
fn strict_refuses_a_spec_with_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../dev/spec.json").replacen("\"name\"", "\"nonsense\": 1, \"name\"", 1);
    let path = folder.path().join("odd.json");
    fs::write(&path, text).unwrap();
    let (path, base) = (path.to_str().unwrap(), folder.path().join("base"));
    let args = ["--chain", path, "-d", base.to_str().unwrap()];
    assert!(Config::resolve(&options(&args)).is_ok());
    let error = Config::resolve(&options(&[&args[..], &["--strict"]].concat())).unwrap_err().to_string();
    assert!(error.contains("nonsense"), "{error}");
}

#[test]
fn a_keystore_is_found_in_a_folder_of_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("base/keys/consortium");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("UTC--vector"), KEYSTORE).unwrap();
    let password = folder.path().join("password");
    // Parity passes over blanks at a line's ends.
    fs::write(&password, "testpassword \r\n").unwrap();
    let address = "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b";
    let config =
        resolve(folder.path(), &["--engine-signer", address, "--password", password.to_str().unwrap()]).unwrap();
    assert_eq!(config.sealing.unwrap().signer.address(), address.parse::<Address>().unwrap());
}

fn with_file(folder: &Path, text: &str) -> Result<RpcConfig, ConfigError> {
    let file = folder.join("node.toml");
    fs::write(&file, text).unwrap();
    let (merged, warnings) = Options::default().with_file(Some(&file))?;
    assert_eq!(warnings, Vec::<String>::new());
    rpc(&merged)
}

#[test]
fn without_sections_for_it_there_is_no_other_listener() {
    let folder = tempfile::tempdir().unwrap();
    assert!(with_file(folder.path(), "[rpc]\ninterface = \"all\"\n").unwrap().listeners.is_empty());
}

#[test]
fn a_section_makes_a_listener_with_its_policy() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("api-keys");
    fs::write(&keys, format!("explorer 0x{} {}\n", "07".repeat(20), "ab".repeat(32))).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let text = "[rpc]\napis = \"eth\"\n[rpc.members]\nport = 1\ninterface = \"all\"\ndomains = [\"rpc.acme.example\"]\n\
                token_ttl = 60\napi_keys = \"api-keys\"\nown_transactions_only = true\nrequests_per_second = 7\n\
                log_blocks = 9\nrequest_time = 5\n[rpc.public]\n[rpc.admin]\n[misc]\nports_shift = 10\n";
    let rpc = with_file(folder.path(), text).unwrap();
    let [public, members, admin] = &rpc.listeners[..] else { panic!("{:?}", rpc.listeners) };
    assert_eq!((public.address, admin.address), ("127.0.0.1:8565".parse().unwrap(), "127.0.0.1:8567".parse().unwrap()));
    assert!(matches!((&public.access, &admin.access), (Access::Public, Access::Admin)));
    assert!(!public.apis.serves("evm_mine") && admin.apis.serves("evm_mine") && admin.quota.is_none());
    assert_eq!(members.address, "0.0.0.0:11".parse().unwrap());
    let Access::Members { login, own_transactions_only: true } = &members.access else {
        panic!("{:?}", members.access)
    };
    assert_eq!((login.token_ttl, login.api_keys.len()), (Duration::from_secs(60), 1));
    assert!(members.hosts.admit("rpc.acme.example") && !members.hosts.admit("evil.example"));
    assert_eq!(members.quota.unwrap().per_second, 7);
    assert_eq!((members.limits.log_blocks, members.limits.request_time), (9, Duration::from_secs(5)));
}

#[test]
fn a_listener_for_client_certificates_is_read_from_the_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    put("services", &format!("explorer 0x{} {}\n", "07".repeat(20), ["AB"; 32].join(":")));
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    put("node.pem", &own.cert.pem());
    put("node.key", &own.key_pair.serialize_pem());
    let text = "[rpc.members]\ntls_cert = \"node.pem\"\ntls_key = \"node.key\"\nclient_ca = \"node.pem\"\n\
                client_certificates = \"services\"\n";
    let rpc = with_file(folder.path(), text).unwrap();
    let Access::Members { login, .. } = &rpc.listeners[0].access else { panic!("{:?}", rpc.listeners) };
    assert_eq!(login.certificates.as_ref().map(|list| list.len()), Some(1));
    assert!(rpc.listeners[0].tls.is_some());
    let plain = "[rpc.members]\nclient_ca = \"node.pem\"\nclient_certificates = \"services\"\n";
    let error = with_file(folder.path(), plain).unwrap_err().to_string();
    assert!(error.contains("[rpc.members] client_ca: needs tls_cert and tls_key"), "{error}");
    fs::set_permissions(folder.path().join("node.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = with_file(folder.path(), text).unwrap_err().to_string();
    assert!(error.contains("is open to others (mode 640): run chmod 600"), "{error}");
}

#[test]
fn a_listener_that_would_not_keep_its_word_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("[rpc.admin]\ninterface = \"all\"", "[rpc.admin] interface: administrators are served on loopback only"),
        ("[rpc.members]\ninterface = \"all\"", "[rpc.members] domains: needed"),
        ("[rpc.members]\ndomains = [\"https://a.example/\"]", "[rpc.members] domains: \"https://a.example/\""),
        ("[rpc.members]\ntoken_ttl = 0", "[rpc.members] token_ttl: between"),
        ("[rpc.members]\napi_keys = \"none\"", "[rpc.members] api_keys: cannot read"),
        ("[rpc.public]\ntls_cert = \"a.pem\"", "[rpc.public] tls_cert: tls_cert and tls_key need each other"),
        ("[rpc.public]\ntls_cert = \"a.pem\"\ntls_key = \"a.key\"", "[rpc.public] tls_cert: cannot read"),
        ("[rpc.public]\nclient_ca = \"a.pem\"", "[rpc.public] client_ca: client certificates are for [rpc.members]"),
        ("[rpc.members]\nclient_ca = \"a.pem\"", "[rpc.members] client_ca: client_ca (who may sign) and"),
        ("[rpc.members]\napi_keys = \"k\"\nclient_ca = \"a.pem\"", "[rpc.members] api_keys: with client_ca"),
        ("[rpc.public]\napis = [\"ethh\"]", "[rpc.public] apis: unknown API"),
        ("[rpc.public]\nport = 70000", "[rpc.public] port = 70000"),
        ("[rpc]\npublic = 3", "[rpc.public] must be a section"),
        ("[rpc]\ninterface = \"all\"\n[rpc.members]", "[rpc.members] is in vain while [rpc] or [websockets]"),
        ("[websockets]\ninterface = \"all\"\n[rpc.members]", "[rpc.members] is in vain while [rpc] or [websockets]"),
    ];
    for (text, expected) in cases {
        let error = with_file(folder.path(), text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let disabled = "[rpc]\ninterface = \"all\"\ndisable = true\n[rpc.members]\n";
    assert_eq!(with_file(folder.path(), disabled).unwrap().listeners.len(), 1);
}

#[test]
fn blocks_are_executed_in_parallel_only_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let parallel = |args: &[&str]| resolve(folder.path(), args).map(|config| config.parallel);
    assert_eq!(parallel(&[]).unwrap(), None);
    assert_eq!(parallel(&["--parallel-execution", "off"]).unwrap(), None);
    let eight = NonZeroUsize::new(8).unwrap();
    assert_eq!(parallel(&["--parallel-execution", "8"]).unwrap(), Some(Parallel::on(eight)));
    for wrong in ["0", "1", "-2", "all", ""] {
        let error = parallel(&[&format!("--parallel-execution={wrong}")]).unwrap_err().to_string();
        assert!(error.contains("neither off nor a number of threads"), "{error}");
    }
    let file = folder.path().join("node.toml");
    fs::write(&file, "[parity]\nparallel_execution = 4\n").unwrap();
    let (options, warnings) = Options::default().with_file(Some(&file)).unwrap();
    assert_eq!((options.parallel_execution.as_deref(), warnings.len()), (Some("4"), 0));
}

#[test]
fn all_states_are_kept_unless_pruning_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let history = |args: &[&str]| resolve(folder.path(), args).map(|config| config.storage.history);
    assert_eq!(history(&[]).unwrap(), History::Archive);
    assert_eq!(history(&["--pruning", "auto", "--pruning-history", "9"]).unwrap(), History::Archive);
    assert_eq!(history(&["--pruning", "fast"]).unwrap(), History::Last(2_048));
    assert_eq!(history(&["--pruning=fast", "--pruning-history=64"]).unwrap(), History::Last(2_048));
    assert_eq!(history(&["--pruning=fast", "--pruning-history=5000"]).unwrap(), History::Last(5_000));
    let error = history(&["--pruning", "light"]).unwrap_err().to_string();
    assert_eq!(error, "--pruning light: neither archive, fast nor auto");

    let memory = |args: &[&str]| resolve(folder.path(), args).map(|config| config.storage.trie_memory);
    assert_eq!(memory(&[]).unwrap(), 512 << 20);
    assert_eq!(memory(&["--cache-size-state", "64"]).unwrap(), 64 << 20);
    assert!(memory(&[&format!("--cache-size-state={}", usize::MAX)]).is_err());
    let checkpoint = |args: &[&str]| resolve(folder.path(), args).map(|config| config.storage.checkpoint_bytes);
    assert_eq!(checkpoint(&[]).unwrap(), 128 << 20);
    assert_eq!(checkpoint(&["--cache-size-state=256"]).unwrap(), 64 << 20);
    assert_eq!(checkpoint(&["--cache-size-state=25"]).unwrap(), 32 << 20);

    let text = "[footprint]\npruning = \"fast\"\npruning_history = 2000\ncache_size_state = 100\nfat_db = \"off\"\n";
    let file = folder.path().join("node.toml");
    fs::write(&file, text).unwrap();
    let (options, warnings) = Options::default().with_file(Some(&file)).unwrap();
    assert_eq!((options.pruning.as_deref(), options.pruning_history), (Some("fast"), Some(2_000)));
    assert_eq!((options.cache_size_state, warnings), (Some(100), Vec::new()));
}
