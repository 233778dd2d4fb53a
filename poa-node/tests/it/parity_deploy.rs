//! Folders as parity-deploy.sh makes them start unchanged: spec, authority.toml, keystores, key.priv, reserved_peers.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::{hex, keccak256};
use aurum_network::NodeKey;
use poa_node::{
    NodeHandle,
    cli::{Args, Resolved},
};
use tokio_util::sync::CancellationToken;

/// parity-deploy's `config/dev.json`: Parity's own form of a keystore, of an account whose password is empty.
const DEV_JSON: &str = r#"{
    "id": "8923b5b4-74a1-7065-2860-d3b1576ca9ba",
    "version": 3,
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {
            "iv": "91b6f9053a255c7a8d56a16af9319477"
        },
        "ciphertext": "a4e71b6d76d8ea369cdf6925ed8343c98763faf39fd60535788f23e5bfa6fcb7",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 10240,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "aea8ab45f8c89ed5454e4b431befda1eb208edda27f4c03f467cc97314c38956"
        },
        "mac": "a4d01eff44659abc18a48d2784b42a28b53bdf436626db98aeaceb584070719e"
    },
    "address": "00ea169ce7e0992960d3bde6f5d539c955316432",
    "name": "",
    "meta": {
        "description": "",
        "passwordHint": "",
        "timestamp": 1495730764711
    }
}
"#;

/// `deployment/chain/spec.json`: the parts that the script puts together, with these validators.
fn spec(validators: &[String]) -> String {
    let validators: Vec<_> = validators.iter().map(|address| format!("\"{address}\"")).collect();
    let engine = format!(
        r#"    "engine": {{
        "authorityRound": {{
            "params": {{
                "stepDuration": "2",
                "validators" : {{
                    "list": [ {} ]
                }}
            }}
        }}
    }},
"#,
        validators.join(", ")
    );
    format!("{{\n    \"name\": \"parity\",\n{engine}{PARAMS}{GENESIS}{ACCOUNTS}}}\n")
}

const PARAMS: &str = r#"    "params": {
        "maximumExtraDataSize": "0x20",
        "minGasLimit": "0x1388",
        "gasLimitBoundDivisor": "0x400",
        "networkID" : "0x11",
        "eip140Transition": "0x0",
        "eip211Transition": "0x0",
        "eip214Transition": "0x0",
        "eip658Transition": "0x0"
    },
"#;

const GENESIS: &str = r#"    "genesis": {
        "seal": {
            "authorityRound": {
                "step": "0x0",
                "signature": "0x0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            }
        },
        "difficulty": "0x20000",
        "gasLimit": "0x2625A00"
    },
"#;

const ACCOUNTS: &str = r#"    "accounts": {
        "0x0000000000000000000000000000000000000001": { "balance": "1", "builtin": { "name": "ecrecover", "pricing": { "linear": { "base": 3000, "word": 0 } } } },
        "0x0000000000000000000000000000000000000002": { "balance": "1", "builtin": { "name": "sha256", "pricing": { "linear": { "base": 60, "word": 12 } } } },
        "0x0000000000000000000000000000000000000003": { "balance": "1", "builtin": { "name": "ripemd160", "pricing": { "linear": { "base": 600, "word": 120 } } } },
        "0x0000000000000000000000000000000000000004": { "balance": "1", "builtin": { "name": "identity", "pricing": { "linear": { "base": 15, "word": 3 } } } },
        "0x0000000000000000000000000000000000000005": { "builtin": { "name": "modexp", "activate_at": "0x0", "pricing": { "modexp": { "divisor": 20 } } } },
        "0x0000000000000000000000000000000000000006": { "builtin": { "name": "alt_bn128_add", "activate_at": "0x0", "pricing": { "linear": { "base": 500, "word": 0 } } } },
        "0x0000000000000000000000000000000000000007": { "builtin": { "name": "alt_bn128_mul", "activate_at": "0x0", "pricing": { "linear": { "base": 40000, "word": 0 } } } },
        "0x0000000000000000000000000000000000000008": { "builtin": { "name": "alt_bn128_pairing", "activate_at": "0x0", "pricing": { "alt_bn128_pairing": { "base": 100000, "pair": 80000 } } } },
        "0x00Ea169ce7e0992960D3BdE6F5D539C955316432": { "balance": "1606938044258990275541962092341162602522202993782792835301376" }
    }
"#;

/// `authority.toml`, with the container's `/home/parity` at `home`.
fn authority_toml(home: &Path, engine_signer: &str) -> String {
    format!(
        r#"[parity]
chain = "{home}/spec.json"

[account]
password = ["{home}/password"]

[network]
reserved_peers = "{home}/reserved_peers"

[ui]
force = true
interface = "0.0.0.0"

[rpc]
interface = "0.0.0.0"
cors = "all"
hosts = ["all"]
apis = ["web3", "eth", "net", "parity", "traces", "rpc", "personal", "parity_accounts", "signer", "parity_set"]

[mining]
reseal_on_txs = "none"
engine_signer = "{engine_signer}"

[websockets]
disable = false
port = 8546
interface = "all"
origins = ["http://127.0.0.1:8180"]
apis = ["web3", "eth", "net", "parity", "traces", "rpc", "secretstore"]
hosts = ["all"]
"#,
        home = home.display()
    )
}

/// The container of node `id`: the volumes that `docker-compose.yml` mounts, in their places.
struct Container {
    home: PathBuf,
}

impl Container {
    fn new(folder: &Path, id: usize, spec: &str, reserved: &str, secret: &str) -> Self {
        let home = folder.join(format!("host{id}"));
        fs::create_dir_all(home.join("data/keys/parity")).unwrap();
        fs::create_dir_all(home.join("data/network")).unwrap();
        fs::write(home.join("spec.json"), spec).unwrap();
        fs::write(home.join("reserved_peers"), reserved).unwrap();
        // key.priv, as ethkey printed it.
        fs::write(home.join("data/network/key"), format!("{secret}\n")).unwrap();
        Self { home }
    }

    /// The keystore file, its password file, and authority.toml naming the account.
    fn account(&self, keystore: &str, password: &str, address: &str) {
        let name = "UTC--2018-03-08T10-12-38Z--8923b5b4-74a1-7065-2860-d3b1576ca9ba";
        fs::write(self.home.join("data/keys/parity").join(name), keystore).unwrap();
        fs::write(self.home.join("password"), format!("{password}\n")).unwrap();
        fs::write(self.home.join("authority.toml"), authority_toml(&self.home, address)).unwrap();
    }

    /// The command of `docker-compose.yml`, with what the script's caller appended.
    async fn start(&self, more: &[&str]) -> NodeHandle {
        let path = |name: &str| self.home.join(name).to_str().unwrap().to_owned();
        let mut args = vec!["poa-node".to_owned(), "--chain".to_owned(), path("spec.json"), "--config".to_owned()];
        args.extend([path("authority.toml"), "-d".to_owned(), path("data")]);
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        let (args, warnings) = <Args as clap::Parser>::try_parse_from(args).unwrap().complete().unwrap();
        for warning in warnings {
            assert!(warning.contains("no effect"), "{warning}");
        }
        let Resolved { config, .. } = args.resolve().unwrap();
        poa_node::run(config, CancellationToken::new()).await.unwrap()
    }
}

/// A port nobody uses at the moment.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..900 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen");
}

/// What operators append: flags of Parity, some of them without a use here.
const OPERATORS_FLAGS: [&str; 14] = [
    "--jsonrpc-port=0",
    "--ws-port=0",
    "--no-discovery",
    "--no-warp",
    "--tracing=on",
    "--fat-db=on",
    "--pruning=archive",
    "--usd-per-tx=0",
    "--reseal-min-period=0",
    "--gasprice=0x0",
    "--nat=none",
    "--no-ipc",
    "-lengine=trace,miner=trace",
    "--allow-ips=private",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_authority_seals_from_its_unchanged_folder() {
    let folder = tempfile::tempdir().unwrap();
    let address = "0x00ea169ce7e0992960d3bde6f5d539c955316432";
    let secret = "4d5db4107d237df6a3d58ee5f70ae63d73d7658d4026f2eefd2f204c81682cb7";
    let id = NodeKey::from_bytes(hex::decode_to_array(secret).unwrap()).unwrap().id();
    // The node itself is in its list of peers, by the name of its container.
    let reserved = format!("enode://{id}@host1:30303\n");
    let container = Container::new(folder.path(), 1, &spec(&[address.to_owned()]), &reserved, secret);
    container.account(DEV_JSON, "", address);
    // A database that Parity left in this folder is in nobody's way.
    let parity = container.home.join("data/chains/parity/db/906a34e69aec8c0d/archive/db");
    fs::create_dir_all(&parity).unwrap();
    fs::write(parity.join("CURRENT"), "MANIFEST-000004\n").unwrap();

    let port = free_port();
    let mut flags = vec!["--port", &port];
    flags.extend(OPERATORS_FLAGS);
    let node = container.start(&flags).await;
    assert_eq!(node.author.as_ref().unwrap().address(), address.parse::<alloy::primitives::Address>().unwrap());
    until("two blocks", || node.chain.head().latest.number >= 2).await;
    assert!(node.http.is_some() && node.ws.is_some());
    assert_eq!(node.network().unwrap().local_enode().id, id, "the node's name is key.priv's");
    node.stop().await;
    assert_eq!(fs::read_to_string(parity.join("CURRENT")).unwrap(), "MANIFEST-000004\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_authorities_meet_by_their_enodes() {
    let folder = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()];
    // ethkey's secret is both the node's and the account's.
    let secrets = [keccak256("host 1"), keccak256("host 2")];
    let accounts = secrets.map(|secret| keygen::Secret::from_bytes(secret.as_slice()).unwrap());
    let addresses: Vec<_> = accounts.iter().map(|account| account.address().to_string()).collect();
    let enode = |index: usize| {
        let id = NodeKey::from_bytes(secrets[index].0).unwrap().id();
        format!("enode://{id}@localhost:{}\n", ports[index])
    };
    let reserved = format!("{}{}", enode(0), enode(1));
    let mut nodes = Vec::new();
    for index in 0..2 {
        let secret = hex::encode(secrets[index]);
        let container = Container::new(folder.path(), index + 1, &spec(&addresses), &reserved, &secret);
        let password = "Zm9yIHRlc3Rz";
        let draft = folder.path().join(format!("draft{index}"));
        let path = keygen::create_account(&draft, &accounts[index], Some(&keygen::Password::from(password))).unwrap();
        container.account(&fs::read_to_string(path).unwrap(), password, &addresses[index]);
        nodes.push(container.start(&["--port", &ports[index], "--jsonrpc-port=0", "--ws-port=0"]).await);
    }
    until("they see each other", || nodes.iter().all(|node| node.network().unwrap().peers().len() == 1)).await;
    until("finality, which needs both", || nodes.iter().all(|node| node.chain.head().finalized.number >= 2)).await;
    let number = nodes.iter().map(|node| node.chain.head().finalized.number).min().unwrap();
    let hashes: Vec<_> = nodes.iter().map(|node| node.chain.canonical_hash(number).unwrap()).collect();
    assert!(hashes[0].is_some() && hashes[0] == hashes[1], "{hashes:?}");
    for node in nodes {
        node.stop().await;
    }
}
