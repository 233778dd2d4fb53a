//! `debug_storageRangeAt` beside a model of the contract's storage that follows every transaction.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, TxKind, U256, hex, keccak256};
use aurum_aura::Signer;
use aurum_rpc::{Limits, RpcConfig};
use aurum_types::Transaction;
use serde_json::{Value, json};

use crate::common::{
    Server, config, init_code,
    kit::{Kit, import_all, key, transaction},
};

/// What a contract stores; nothing that is zero.
type Model = BTreeMap<U256, U256>;

/// One call of [`contract`].
#[derive(Clone, Copy, Debug)]
enum Step {
    Store(u64, u64),
    Destroy,
}

/// Stores its second word in the slot its first word names; called with nothing, it destroys itself.
fn contract() -> Vec<u8> {
    // CALLDATASIZE PUSH1 6 JUMPI CALLER SELFDESTRUCT JUMPDEST, CALLDATALOAD(32) CALLDATALOAD(0) SSTORE STOP.
    hex!("3660065733ff5b6020356000355500").to_vec()
}

fn kit() -> Kit {
    Kit::with(3, |spec| {
        // As before Cancun: a contract that destroys itself is gone with all it stored.
        spec["params"].as_object_mut().unwrap().remove("eip6780TransitionTimestamp");
    })
}

fn address() -> Address {
    key(0).address().create(0)
}

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

fn transactions(first_nonce: u64, steps: &[Step]) -> Vec<Transaction> {
    let call = |(nonce, step): (u64, &Step)| {
        let input = match step {
            Step::Store(slot, value) => [word(*slot), word(*value)].concat(),
            Step::Destroy => Vec::new(),
        };
        transaction(&key(0), nonce, TxKind::Call(address()), 0, input.into())
    };
    (first_nonce..).zip(steps).map(call).collect()
}

fn apply(model: &mut Model, step: Step) {
    match step {
        Step::Destroy => model.clear(),
        Step::Store(slot, 0) => drop(model.remove(&U256::from(slot))),
        Step::Store(slot, value) => drop(model.insert(U256::from(slot), U256::from(value))),
    }
}

/// The slots of a model from a hash on, as the method gives them: all, or `count` and where to go on.
fn expected(model: &Model, start: B256, count: usize) -> Value {
    let hashed = model.iter().map(|(slot, value)| (keccak256(B256::from(*slot)), (B256::from(*slot), *value)));
    let mut slots: BTreeMap<_, _> = hashed.filter(|(hash, _)| *hash >= start).collect();
    let next = slots.keys().nth(count).copied();
    slots.retain(|hash, _| next.is_none_or(|next| *hash < next));
    let entry = |(hash, (slot, value)): (B256, (B256, U256))| {
        (hash.to_string(), json!({ "key": slot, "value": B256::from(value) }))
    };
    let storage: serde_json::Map<_, _> = slots.into_iter().map(entry).collect();
    json!({ "storage": storage, "nextKey": next })
}

async fn range(server: &Server, block: B256, index: usize, start: &str, count: usize) -> Value {
    server.ok("debug_storageRangeAt", json!([block, index, address(), start, count])).await
}

/// A block as the test knows it: its hash, its steps, and the storage before it.
struct Mined {
    hash: B256,
    steps: Vec<Step>,
    before: Model,
}

impl Mined {
    /// Compares before each of its transactions, whole and in pages.
    async fn check(&self, server: &Server) {
        let mut model = self.before.clone();
        for index in 0..self.steps.len().max(1) {
            let at = format!("block {} transaction {index}", self.hash);
            assert_eq!(range(server, self.hash, index, "0x", 1000).await, expected(&model, B256::ZERO, 1000), "{at}");
            let (mut start, mut pages) = (B256::ZERO, 0);
            loop {
                let page = range(server, self.hash, index, &start.to_string(), 7).await;
                assert_eq!(page, expected(&model, start, 7), "{at} from {start}");
                pages += 1;
                let Some(next) = page["nextKey"].as_str() else { break };
                start = next.parse().unwrap();
            }
            assert_eq!(pages, model.len().div_ceil(7).max(1), "{at}");
            if let Some(step) = self.steps.get(index) {
                apply(&mut model, *step);
            }
        }
    }
}

/// Slots set, changed, cleared and set again over four blocks, one of them empty.
fn story() -> Vec<Vec<Step>> {
    let fill = (0..40).map(|slot| Step::Store(slot, slot + 1)).collect();
    let change = (0..40).step_by(3).map(|slot| Step::Store(slot, slot % 2 * 7)).collect();
    let again = (30..50).map(|slot| Step::Store(slot, slot % 4)).collect();
    vec![fill, change, Vec::new(), again]
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_listed_as_it_was_before_every_transaction() {
    let server = Server::start(kit()).await;
    server.mine(&[transaction(&key(0), 0, TxKind::Create, 0, init_code(&contract()))]);
    let (mut model, mut nonce, mut mined) = (Model::new(), 1, Vec::new());
    let mut blocks = story();
    blocks.push(vec![Step::Store(1, 9), Step::Destroy, Step::Store(2, 9)]);
    blocks.push(Vec::new());
    for steps in blocks {
        let before = model.clone();
        let block = server.mine(&transactions(nonce, &steps));
        nonce += steps.len() as u64;
        for step in &steps {
            apply(&mut model, *step);
            // What comes after it in its block goes to an account without code.
            if matches!(step, Step::Destroy) {
                break;
            }
        }
        mined.push(Mined { hash: block.hash(), steps, before });
    }
    // The model is the chain's storage, as another method tells it.
    for (number, block) in mined.iter().enumerate() {
        for slot in 0..50 {
            let found =
                server.ok("eth_getStorageAt", json!([address(), U256::from(slot), U256::from(number + 1)])).await;
            let expected = block.before.get(&U256::from(slot)).copied().unwrap_or_default();
            assert_eq!(found, json!(B256::from(expected)), "slot {slot} after block {}", number + 1);
        }
    }
    let last_two = mined.split_off(mined.len() - 2);
    for block in mined {
        block.check(&server).await;
    }
    let [destroyed, after] = &last_two[..] else { unreachable!() };
    let mut model = destroyed.before.clone();
    apply(&mut model, Step::Store(1, 9));
    assert_eq!(range(&server, destroyed.hash, 1, "0x", 1000).await, expected(&model, B256::ZERO, 1000));
    assert_eq!(range(&server, destroyed.hash, 2, "0x", 1000).await, json!({ "storage": {}, "nextKey": null }));
    after.check(&server).await;
    assert!(after.before.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_branch_has_its_own_storage_and_old_blocks_keep_theirs() {
    let server = Server::start(kit()).await;
    let kit = &server.kit;
    let deployed = kit.mine(&server.node, &[transaction(&key(0), 0, TxKind::Create, 0, init_code(&contract()))]);
    let other = kit.node();
    import_all(&other, std::slice::from_ref(&deployed));
    let steps = [vec![Step::Store(1, 1), Step::Store(2, 2)], vec![Step::Store(1, 0), Step::Store(3, 3)]];
    let mut left = Vec::new();
    let (mut model, mut nonce) = (Model::new(), 1);
    for steps in &steps {
        let before = model.clone();
        let block = kit.mine_by(&server.node, &kit.validators[..1], &transactions(nonce, steps));
        nonce += steps.len() as u64;
        steps.iter().for_each(|step| apply(&mut model, *step));
        left.push(Mined { hash: block.hash(), steps: steps.clone(), before });
    }
    for block in &left {
        block.check(&server).await;
    }
    // A longer branch of another authority, where other things were stored.
    let mut right = Vec::new();
    let mut model = Model::new();
    let mut blocks = Vec::new();
    for (nonce, steps) in
        [(1, vec![Step::Store(2, 5)]), (2, vec![Step::Store(4, 4), Step::Store(2, 0)]), (4, Vec::new())]
    {
        let before = model.clone();
        let block = kit.mine_by(&other, &kit.validators[1..2], &transactions(nonce, &steps));
        steps.iter().for_each(|step| apply(&mut model, *step));
        right.push(Mined { hash: block.hash(), steps, before });
        blocks.push(block);
    }
    import_all(&server.node, &blocks);
    assert_eq!(server.ok("eth_getBlockByNumber", json!(["latest", false])).await["hash"], json!(right[2].hash));
    for block in left.iter().chain(&right) {
        block.check(&server).await;
    }
    // Until they are persisted, and read from history.
    for _ in 0..6 {
        kit.mine(&server.node, &[]);
    }
    for block in &right {
        block.check(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_listed_says_why() {
    let limits = Limits { storage_slots: 5, ..Limits::default() };
    let server = Server::with(kit(), RpcConfig { limits, ..config() }, |services| services).await;
    // One authority of three, so that nothing becomes final and goes to history, where all slots ever are looked at.
    let mine = |transactions: &[Transaction]| {
        server.kit.mine_by(&server.node, &server.kit.validators[..1], transactions);
    };
    mine(&[transaction(&key(0), 0, TxKind::Create, 0, init_code(&contract()))]);
    let five: Vec<_> = (0..5).map(|slot| Step::Store(slot, 1)).collect();
    mine(&transactions(1, &five));
    mine(&transactions(6, &[Step::Store(5, 1)]));
    mine(&[]);
    let five = server.ok("debug_storageRangeAt", json!(["0x3", 0, address(), "0x", 10])).await;
    assert_eq!(five["storage"].as_object().unwrap().len(), 5);
    let start = format!("0x{}", "00".repeat(33));
    for (params, code, words) in [
        (json!(["0x4", 0, address(), "0x", 10]), -32005, "account 0x"),
        (json!(["0x3", 1, address(), "0x", 10]), -32000, "transaction index 1 out of range for block 0x"),
        (json!(["0x4", 1, address(), "0x", 10]), -32000, "transaction index 1 out of range for block 0x"),
        (json!(["0x0", 0, address(), "0x", 10]), -32602, "genesis is not traceable"),
        (json!([B256::ZERO, 0, address(), "0x", 10]), -32000, "header not found"),
        (json!(["0x3", 0, address(), start, 10]), -32602, "a start of 33 bytes"),
        (json!(["0x3", 0, address(), "0x"]), -32602, "missing value for required argument 4"),
    ] {
        let refused = server.call("debug_storageRangeAt", params.clone()).await.unwrap_err();
        assert_eq!(refused["code"], code, "{params}: {refused}");
        assert!(refused["message"].as_str().unwrap().starts_with(words), "{params}: {refused}");
    }
    let nobody = server.ok("debug_storageRangeAt", json!(["0x3", 0, Address::repeat_byte(9), "0x", 10])).await;
    assert_eq!(nobody, json!({ "storage": {}, "nextKey": null }));
    // Hashes that begin with 0x80 or more.
    let half = server.ok("debug_storageRangeAt", json!(["0x3", 0, address(), "0x80", 10])).await;
    let all: Model = (0..5).map(|slot| (U256::from(slot), U256::from(1))).collect();
    let mut start = B256::ZERO;
    start[0] = 0x80;
    assert_eq!(half, expected(&all, start, 10));
    let none = server.ok("debug_storageRangeAt", json!(["0x3", 0, address(), "0x", 0])).await;
    assert_eq!(none, expected(&all, B256::ZERO, 0));
}
