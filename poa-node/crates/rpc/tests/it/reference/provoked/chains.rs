//! The chains that errors are provoked on: the small chain of the examples under several limits, restored from a snapshot, and
//! others with other rules.

use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, TxKind, hex},
};
use aurum_aura::Signer as _;
use aurum_chain::{
    Gate,
    state_snapshot::{SnapshotTrust, create_snapshot, restore_snapshot},
};
use aurum_rpc::{Limits, NoPeers, RpcConfig, Services};
use aurum_types::{Header, SealedBlock, ValidatorSet};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

use crate::{
    common::{
        config, init_code,
        kit::{Kit, Node, import_all, key, transaction},
        permissions,
    },
    reference::{
        votes::certificate,
        world::{At, World},
    },
    sends::Dev,
};

/// Code of this account begins as wasm.
pub const WASM: Address = Address::repeat_byte(0x5a);

/// A chain of its own.
pub struct Other {
    pub at: At,
    _node: Node,
}

impl Other {
    async fn start(kit: Kit) -> Self {
        let node = kit.node();
        let everybody = kit.validators.clone();
        kit.mine_by(&node, &everybody, &[]);
        let services = Services {
            gate: Gate::new((*node).clone()),
            peers: Arc::new(NoPeers),
            dev: Some(Arc::new(Dev)),
            finality: None,
            sealing: None,
            registry: Registry::default(),
        };
        let at = At::serve(config(), services).await;
        Self { at, _node: node }
    }
}

/// All of them.
pub struct Chains {
    pub world: World,
    /// The world without limits, its time for traces, and its room for them.
    pub at: At,
    pub no_time: At,
    pub no_room: At,
    /// The world, of which nothing much may be asked.
    pub narrow: At,
    /// The same, but for filters.
    pub short: At,
    /// The world from its fifth block on.
    pub restored: At,
    /// Has a log for each 400 gas that a call of it has.
    pub logs: Address,
    /// Calls somebody again and again until the gas of its call is over.
    pub calls: Address,
    /// A block of the world that lost.
    pub side: SealedBlock,
    /// Nothing is final; two authorities.
    pub immediate: Other,
    /// Gas has a price, and who offers nothing needs a certificate.
    pub fees: Other,
    /// Of old rules: no type 4, and wasm.
    pub old: Other,
    /// Room for one transaction.
    pub full: Other,
    /// Room for one transaction of each sender.
    pub crowded: Other,
    /// Key 0 has code.
    pub coded: Other,
    /// Nobody may do anything.
    pub denied: Other,
    _restored: TempDir,
}

fn limited(world: &World, limits: Limits) -> impl Future<Output = At> {
    At::serve(RpcConfig { limits, ..config() }, world.services(true))
}

fn old_rules(spec: &mut Value) {
    let params = spec["params"].as_object_mut().expect("an object");
    params.remove("eip7702TransitionTimestamp");
    params.insert("wasmActivationTransition".to_owned(), json!(0));
    spec["accounts"][WASM.to_string()] = json!({ "balance": "0", "nonce": "0x1", "code": "0x0061736d01" });
}

fn fees(spec: &mut Value) {
    spec["params"]["gasFree"] = json!(false);
    spec["params"]["validateServiceTransactionsTransition"] = json!(0);
    spec["genesis"]["baseFeePerGas"] = json!("0x3b9aca00");
}

fn denies(spec: &mut Value) {
    let contract = Address::repeat_byte(0xee);
    spec["params"]["transactionPermissionContract"] = json!(contract);
    spec["accounts"][contract.to_string()] = json!({ "balance": "0", "code": Bytes::from(permissions(0)) });
}

impl Chains {
    pub async fn start() -> Self {
        let world = World::new();
        let (side, restored_at) = grow(&world);
        let restored = {
            let node = world.kit.open(restored_at.path());
            let services = Services { gate: Gate::new(node), ..world.services(true) };
            At::serve(config(), services).await
        };
        let narrow = Limits {
            proof_slots: 0,
            proof_blocks: 0,
            log_blocks: 1,
            trace_blocks: 1,
            filters: 0,
            storage_slots: 0,
            subscriptions: 0,
            ..Limits::default()
        };
        let immediate = Kit::with(2, |spec| {
            let params = &mut spec["engine"]["authorityRound"]["params"];
            params["immediateTransitions"] = json!(true);
            params.as_object_mut().expect("an object").remove("twoThirdsMajorityTransition");
        });
        let mut full = Kit::new(1);
        full.pool.max_transactions = 1;
        let mut crowded = Kit::new(1);
        crowded.pool.max_per_sender = 1;
        let coded = Kit::with(1, |spec| spec["accounts"][key(0).address().to_string()]["code"] = json!("0x00"));
        Self {
            at: limited(&world, Limits::default()).await,
            no_time: limited(&world, Limits { trace_time: Duration::ZERO, ..Limits::default() }).await,
            no_room: limited(&world, Limits { trace_bytes: 1, ..Limits::default() }).await,
            narrow: limited(&world, narrow).await,
            short: limited(&world, Limits { log_blocks: 1, ..Limits::default() }).await,
            restored,
            side,
            logs: world.owner.create(7),
            calls: world.owner.create(8),
            immediate: Other::start(immediate).await,
            fees: Other::start(Kit::with(1, fees)).await,
            old: Other::start(Kit::with(1, old_rules)).await,
            full: Other::start(full).await,
            crowded: Other::start(crowded).await,
            coded: Other::start(coded).await,
            denied: Other::start(Kit::with(1, denies)).await,
            world,
            _restored: restored_at,
        }
    }
}

/// A block that loses against another of its height, two more blocks with much to tell, of which the first is certified, and a
/// folder that is restored from there.
fn grow(world: &World) -> (SealedBlock, TempDir) {
    let World { kit, node, blocks, .. } = world;
    let other = kit.node();
    import_all(&other, blocks);
    let deploy = |nonce, code: &[u8]| transaction(&key(0), nonce, TxKind::Create, 0, init_code(code));
    // Until little gas is left: LOG0 of nothing.
    let logs = hex!("5b5f5fa05a61200010 5f57 00");
    // Calls of an account without code, for ever.
    let calls = hex!("5b5f5f5f5f5f60aa5af1505f56");
    let won = kit.mine(node, &[deploy(7, &logs), deploy(8, &calls)]);
    let later: Vec<_> = kit.validators.iter().copied().filter(|who| *who != won.header().author).collect();
    let side = kit.mine_by(&other, &later, &[]);
    node.import(side.clone()).expect("a good block, if not the best");
    assert_eq!(node.head().latest.hash, won.hash());
    let next = kit.mine(node, &[]);
    node.certify(&certificate(node, &won, &next, 3)).expect("three of three have voted");

    let (copy, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    node.copy_database(&copy.path().join("db")).unwrap();
    let mut bytes = Vec::new();
    create_snapshot(kit.config(copy.path()), &mut bytes).unwrap();
    let (_, genesis): (_, Header) = node.view().header(BlockId::number(0)).unwrap().unwrap();
    let validators = ValidatorSet::new(kit.validators.clone());
    let (database, draft) = (folder.path().join("db"), folder.path().join("draft"));
    let input = (bytes.as_slice(), SnapshotTrust::Operator);
    restore_snapshot(&kit.spec, &genesis, Some(&validators), input, &database, &draft).unwrap();
    (side, folder)
}
