//! The small chain of the reference: three authorities that certify, permissions, a token, and transactions of each kind.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256},
    sol_types::{SolCall, SolConstructor},
};
use aurum_aura::Signer as _;
use aurum_chain::Gate;
use aurum_contracts::{
    RlcLikeToken,
    genesis::{PERMISSIONS, PermissionsGenesis, permissions},
    rights,
};
use aurum_rpc::{RpcConfig, RpcHandle, Services};
use aurum_types::{SealedBlock, Transaction};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::votes::{Author, OnePeer, Voters, certificate};
use crate::{
    common::{
        config, init_code,
        kit::{Kit, Node, key, transaction},
        reverter, store,
    },
    sends::Dev,
};

/// Chain, node and the things on it.
pub struct World {
    pub kit: Kit,
    pub node: Node,
    pub blocks: Vec<SealedBlock>,
    /// Deploys, and may do everything.
    pub owner: Address,
    /// May do what everybody may: send, call and read.
    pub user: Address,
    pub token: Address,
    /// Reverts with `not the owner`.
    pub reverter: Address,
    /// Keeps a word.
    pub store: Address,
    voters: Arc<Voters>,
}

/// Where a chain is served.
pub struct At {
    pub handle: RpcHandle,
    shutdown: CancellationToken,
    http: reqwest::Client,
}

impl Drop for At {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl At {
    pub async fn serve(config: RpcConfig, services: Services) -> Self {
        let shutdown = CancellationToken::new();
        let handle = aurum_rpc::serve(&config, services, &shutdown).expect("serves");
        Self { handle, shutdown, http: reqwest::Client::new() }
    }

    /// What is answered to a request: `result`, or `error`.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let url = format!("http://{}", self.handle.http.expect("http is served"));
        let request = self.http.post(url).header("content-type", "application/json").body(body);
        let response = request.send().await.expect("answers").bytes().await.expect("a body");
        let mut answer: Value = serde_json::from_slice(&response).expect("JSON");
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }
}

fn kit() -> Kit {
    let mut kit = Kit::with(3, |spec| {
        let owner = key(0).address();
        let accounts = permissions(&PermissionsGenesis {
            admins: &[owner],
            threshold: 1,
            default_rights: rights::BASIC | rights::CALL | rights::READ,
            entries: &[(owner, rights::ALL)],
        });
        for (address, account) in accounts.expect("a valid genesis") {
            spec["accounts"][address.to_string()] =
                json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
        }
        spec["name"] = json!("Example");
        spec["params"]["transactionPermissionContract"] = json!(PERMISSIONS);
        spec["params"]["transactionPermissionContractTransition"] = json!(0);
        spec["params"]["registrar"] = json!(Address::repeat_byte(0x11));
        spec["engine"]["authorityRound"]["params"]["finalityCertificatesTransition"] = json!(0);
        spec["engine"]["authorityRound"]["params"]["blockReward"] = json!("0x5");
    });
    kit.pool.max_queued_per_sender = 2;
    kit
}

pub fn transfer(to: Address, amount: u64) -> Bytes {
    RlcLikeToken::transferCall { to, value: U256::from(amount) }.abi_encode().into()
}

impl World {
    /// The same blocks each time; none is final beyond the second, and two transactions wait.
    pub fn new() -> Self {
        let kit = kit();
        let node = kit.node();
        let (owner, user) = (key(0).address(), key(1).address());
        let by_owner = |nonce, to, input: Bytes| transaction(&key(0), nonce, to, 0, input);
        let supply = RlcLikeToken::constructorCall { holder: owner, supply: U256::from(87_000_000_000_000_000_u64) };
        let deploy = [RlcLikeToken::BYTECODE.as_ref(), &supply.abi_encode()].concat();
        let (token, reverter_at, store_at) = (owner.create(0), owner.create(3), owner.create(4));
        let blocks: Vec<Vec<Transaction>> = vec![
            vec![by_owner(0, TxKind::Create, deploy.into())],
            vec![
                by_owner(1, TxKind::Call(token), transfer(user, 5_000_000_000)),
                by_owner(2, TxKind::Call(token), transfer(Address::repeat_byte(0xaa), 1_000_000_000)),
            ],
            vec![
                by_owner(3, TxKind::Create, init_code(&reverter("not the owner"))),
                by_owner(4, TxKind::Create, init_code(&store())),
            ],
            vec![
                by_owner(5, TxKind::Call(store_at), B256::with_last_byte(42).into()),
                by_owner(6, TxKind::Call(reverter_at), Bytes::new()),
                transaction(&key(1), 0, TxKind::Call(Address::repeat_byte(0xaa)), 1_000_000_000, Bytes::new()),
            ],
        ];
        let blocks: Vec<_> = blocks.iter().map(|transactions| kit.mine(&node, transactions)).collect();
        let certificate = certificate(&node, &blocks[1], &blocks[2], 3);
        node.certify(&certificate).expect("three of three have voted");
        let voters = Arc::new(Voters::of(&certificate, &kit.validators));
        Self { kit, node, blocks, owner, user, token, reverter: reverter_at, store: store_at, voters }
    }

    /// What is served of it; `dev` adds the methods of development chains, of a stand-in that knows one account.
    pub fn services(&self, dev: bool) -> Services {
        let own = self.blocks.iter().rfind(|block| block.header().author == self.owner).expect("has its turn");
        Services {
            gate: Gate::new((*self.node).clone()),
            peers: Arc::new(OnePeer(4)),
            dev: dev.then(|| Arc::new(Dev) as Arc<_>),
            finality: Some(Arc::clone(&self.voters) as Arc<_>),
            sealing: Some(Arc::new(Author::of(own))),
            registry: Registry::default(),
        }
    }

    /// Every namespace, on free ports.
    pub async fn serve(&self) -> At {
        let client_version = "Aurum/v0.1.0/linux-x86_64".to_owned();
        At::serve(RpcConfig { client_version, ..config() }, self.services(false)).await
    }

    /// The hash of a transaction of a block.
    pub fn hash(&self, block: usize, index: usize) -> B256 {
        *self.blocks[block - 1].block().transactions[index].tx_hash()
    }
}
