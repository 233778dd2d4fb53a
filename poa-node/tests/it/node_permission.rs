//! Who may be connected, by a contract of the chain: real nodes over real sockets, one of which seals.

use std::{path::Path, sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction, TxLegacy},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256},
};
use aurum_aura::{KeySigner, Signer as _};
use aurum_network::{Enode, NetworkConfig, NodeId, NodeKey};
use aurum_pool::Origin;
use aurum_types::{
    ChainSpec, Recovered, Transaction,
    spec::{AccountSpec, ValidatorsSpec},
};
use clap::Parser as _;
use poa_node::{Config, NodeHandle, author::EmptyBlocks, cli::Args, config::Sealing, dev::DevConfig};
use tokio_util::sync::CancellationToken;

const CONTRACT: Address = Address::repeat_byte(0x42);

/// `connectionAllowed(sl, sh, pl, ph)` answers the slot `pl`; 64 bytes of input set a slot.
const CODE: [u8; 28] = hex!("366040146013576044355460005260206000f35b6020356000355500");

fn signer(id: usize) -> KeySigner {
    KeySigner::new(secp256k1::SecretKey::from_byte_array(keccak256(id.to_string()).0).unwrap())
}

/// One authority, one-second steps, and a contract that knows nobody at genesis.
fn spec() -> Arc<ChainSpec> {
    let mut spec = DevConfig { chain_id: 7, block_time: None }.spec();
    spec.engine.validators = ValidatorsSpec::List(vec![signer(0).address()]);
    spec.params.node_permission_contract = Some(CONTRACT);
    let contract = AccountSpec { nonce: Some(1), code: Some(Bytes::from_static(&CODE)), ..AccountSpec::default() };
    spec.accounts.insert(CONTRACT, contract);
    let rich = AccountSpec { balance: Some(U256::from(10).pow(U256::from(20))), ..AccountSpec::default() };
    spec.accounts.insert(signer(9).address(), rich);
    Arc::new(spec)
}

fn node_key(name: &str) -> NodeKey {
    NodeKey::from_bytes(keccak256(name).0).unwrap()
}

/// A node, which seals if `seals`, with these reserved peers.
async fn start(folder: &Path, spec: &Arc<ChainSpec>, name: &str, seals: bool, reserved: &[Enode]) -> NodeHandle {
    let args = Args::parse_from(["poa-node", "--no-jsonrpc", "--no-ws"]);
    let mut config =
        Config::dev(&args.options, &folder.join(name), DevConfig { chain_id: 7, block_time: None }).unwrap();
    let mut network = NetworkConfig::new(node_key(name), "127.0.0.1:0".parse().unwrap(), 7, spec.header_format());
    network.reserved = reserved.to_vec();
    config.network = Some(network);
    config.dev = None;
    config.spec = Arc::clone(spec);
    config.sealing = seals.then(|| Sealing {
        signer: Arc::new(signer(0)),
        empty_blocks: EmptyBlocks::Always,
        gas_target: None,
        extra_data: Bytes::new(),
    });
    poa_node::run(config, CancellationToken::new()).await.unwrap()
}

/// Lets the contract allow a node, or no longer.
fn set(node: &NodeHandle, nonce: u64, peer: NodeId, allowed: bool) {
    let mut input = peer.halves().0.to_vec();
    input.extend_from_slice(&U256::from(u8::from(allowed)).to_be_bytes::<32>());
    let tx = TxLegacy {
        chain_id: Some(7),
        nonce,
        gas_price: 100_000_000_000,
        gas_limit: 100_000,
        to: TxKind::Call(CONTRACT),
        value: U256::ZERO,
        input: input.into(),
    };
    let signature = signer(9).sign(tx.signature_hash()).unwrap();
    let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
    let tx: Transaction = tx.into_signed(Signature::from_scalars_and_parity(r, s, signature[64] == 1)).into();
    let tx = Recovered::new_unchecked(tx, signer(9).address());
    node.chain.pool().add(tx, Origin::Local).unwrap();
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..30 * 20 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen in 30 s");
}

fn height(node: &NodeHandle) -> u64 {
    node.chain.head().latest.number
}

fn peers(node: &NodeHandle) -> usize {
    node.network().unwrap().peers().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fresh_node_joins_once_it_is_allowed_and_leaves_when_it_no_longer_is() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec();
    let authority = start(folder.path(), &spec, "authority", true, &[]).await;
    until("a first block", || height(&authority) >= 1).await;
    let enode = authority.network().unwrap().local_enode().clone();

    // Its own state, genesis, knows nobody, so it dials the peer it was configured with; that one refuses.
    let joiner = start(folder.path(), &spec, "joiner", false, std::slice::from_ref(&enode)).await;
    let stranger = start(folder.path(), &spec, "stranger", false, &[enode]).await;
    let refused = || authority.network().unwrap().counters().connections_refused;
    until("both are refused", || refused() >= 2).await;
    assert_eq!((height(&joiner), peers(&authority)), (0, 0));

    // Allowed, it syncs; by then the contract has allowed the authority too, so they stay together.
    set(&authority, 0, node_key("authority").id(), true);
    set(&authority, 1, node_key("joiner").id(), true);
    until("the joiner is in", || peers(&authority) == 1 && peers(&joiner) == 1).await;
    until("it has synced", || height(&joiner) > 1 && height(&joiner) + 1 >= height(&authority)).await;
    let from = height(&joiner);
    until("it follows", || height(&joiner) >= from + 2).await;
    assert_eq!((peers(&joiner), peers(&stranger), height(&stranger)), (1, 0, 0));

    // No longer allowed, it is gone with the next head, while it would have liked to stay.
    set(&authority, 2, node_key("joiner").id(), false);
    until("the joiner is out", || peers(&authority) == 0 && peers(&joiner) == 0).await;
    assert_eq!(authority.network().unwrap().counters().peers_dismissed, 1);
    let (left_at, now) = (height(&joiner), height(&authority));
    until("the chain goes on without it", || height(&authority) >= now + 2).await;
    assert_eq!(height(&joiner), left_at);

    set(&authority, 3, node_key("joiner").id(), true);
    until("it is back and follows", || height(&joiner) > now + 2).await;
    for node in [joiner, stranger, authority] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn once_in_sync_the_contract_decides_about_reserved_peers_too() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec();
    let authority = start(folder.path(), &spec, "authority", true, &[]).await;
    let enode = authority.network().unwrap().local_enode().clone();
    // The contract allows the joiner, and never the authority.
    set(&authority, 0, node_key("joiner").id(), true);
    until("a first block", || height(&authority) >= 2).await;
    let joiner = start(folder.path(), &spec, "joiner", false, &[enode]).await;
    until("a fresh node may sync from a reserved peer", || height(&joiner) >= 1).await;
    until("with a recent head it parts with it", || peers(&joiner) == 0).await;
    assert!(joiner.network().unwrap().counters().peers_dismissed >= 1);
    let at = height(&joiner);
    let now = height(&authority);
    until("the chain goes on", || height(&authority) >= now + 2).await;
    assert!(height(&joiner) <= at + 1, "and it does not come back");
    for node in [joiner, authority] {
        node.stop().await;
    }
}
