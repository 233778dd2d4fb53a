//! A fake pair of nodes, a fake relayer, and the pages over them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, Bytes, U256, address},
    sol_types::{SolCall, SolEvent, SolValue},
};
use aurum_contracts::{BridgeValidators, BridgedToken, ForeignBridge, HomeBridge, Permissions, transfer_id};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get, routing::post};
use bridge_ui::{Config, Handle};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const ACCOUNT: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
pub(crate) const HOME_BRIDGE: Address = address!("1100000000000000000000000000000000000001");
pub(crate) const FOREIGN_BRIDGE: Address = address!("2200000000000000000000000000000000000001");
pub(crate) const HOME_TOKEN: Address = address!("1100000000000000000000000000000000000003");
pub(crate) const FOREIGN_TOKEN: Address = address!("2200000000000000000000000000000000000003");
pub(crate) const OUTSIDER: Address = address!("0000000000000000000000000000000000000bad");
pub(crate) const VALIDATORS: [Address; 3] =
    [Address::repeat_byte(0xa1), Address::repeat_byte(0xa2), Address::repeat_byte(0xa3)];

/// Whole RLC in smallest units.
pub(crate) fn rlc(tokens: u64) -> U256 {
    U256::from(tokens) * U256::from(1_000_000_000_u64)
}

/// Longer than the pages remember what moves.
pub(crate) async fn caches_expire() {
    tokio::time::sleep(Duration::from_millis(800)).await;
}

/// What a fake node answers from.
pub(crate) struct ChainState {
    pub(crate) away: bool,
    pub(crate) chain_id: u64,
    pub(crate) head: u64,
    pub(crate) finalized: u64,
    pub(crate) paused: bool,
    pub(crate) info: ForeignBridge::TokenInfo,
    pub(crate) balance: U256,
    pub(crate) allowance: U256,
    pub(crate) rights: Option<u32>,
    pub(crate) signers: Vec<Address>,
    /// The transaction that executed whatever is asked about.
    pub(crate) executed: Option<B256>,
    pub(crate) pending: Vec<B256>,
    receipts: HashMap<B256, Value>,
    /// Calls that revert, with what.
    pub(crate) refuse: Vec<([u8; 4], Vec<u8>)>,
    pub(crate) approve_through_zero: bool,
    bridge: Address,
}

impl ChainState {
    fn new(chain_id: u64, bridge: Address, outstanding: U256) -> Self {
        let limits = ForeignBridge::Limits {
            depositMin: U256::from(1_000_000),
            depositMax: rlc(100_000),
            depositDaily: rlc(1_000_000),
            executionMax: rlc(100_000),
            executionDaily: rlc(1_000_000),
        };
        let info = ForeignBridge::TokenInfo {
            local: Address::ZERO,
            remote: Address::ZERO,
            limits,
            depositLeft: rlc(1_000_000),
            depositMaxNow: rlc(100_000),
            executionLeft: rlc(1_000_000),
            executionMaxNow: rlc(100_000),
            outstanding,
        };
        Self {
            away: false,
            chain_id,
            head: 20,
            finalized: 5,
            paused: false,
            info,
            balance: rlc(1000),
            allowance: U256::ZERO,
            rights: None,
            signers: Vec::new(),
            executed: None,
            pending: Vec::new(),
            receipts: HashMap::new(),
            refuse: Vec::new(),
            approve_through_zero: false,
            bridge,
        }
    }

    /// Puts a transaction into a block.
    pub(crate) fn mine(&mut self, tx: B256, block: u64, ok: bool, logs: &[Value]) {
        let receipt = json!({ "blockNumber": format!("{block:#x}"), "status": if ok { "0x1" } else { "0x0" },
            "gasUsed": "0x5208", "effectiveGasPrice": "0x0", "logs": logs });
        self.receipts.insert(tx, receipt);
    }

    fn transaction(&self, tx: B256) -> Value {
        let block = match self.receipts.get(&tx) {
            Some(receipt) => receipt["blockNumber"].clone(),
            None if self.pending.contains(&tx) => Value::Null,
            None => return Value::Null,
        };
        let input =
            ForeignBridge::depositCall { token: FOREIGN_TOKEN, amount: rlc(1), recipient: ACCOUNT }.abi_encode();
        json!({ "hash": tx, "from": ACCOUNT, "to": self.bridge, "value": "0x0", "input": Bytes::from(input),
            "gas": "0x30000", "nonce": "0x1", "type": "0x2", "blockNumber": block })
    }

    fn block(&self, number: u64) -> Value {
        if number > self.head {
            return Value::Null;
        }
        json!({ "number": format!("{number:#x}"), "hash": B256::repeat_byte(number as u8), "parentHash": B256::ZERO,
            "timestamp": "0x65000000", "miner": VALIDATORS[0], "gasUsed": "0x0", "gasLimit": "0x1c9c380",
            "baseFeePerGas": "0x0", "stateRoot": B256::ZERO, "size": "0x220", "transactions": [] })
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, Value> {
        let hash = || params[0].as_str().and_then(|text| text.parse::<B256>().ok()).unwrap_or_default();
        Ok(match method {
            "eth_chainId" => json!(format!("{:#x}", self.chain_id)),
            "eth_getBlockByNumber" => match params[0].as_str().unwrap_or_default() {
                "latest" => self.block(self.head),
                "finalized" => self.block(self.finalized),
                number => self.block(u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap_or(u64::MAX)),
            },
            "eth_getTransactionReceipt" => self.receipts.get(&hash()).cloned().unwrap_or_default(),
            "eth_getTransactionByHash" => self.transaction(hash()),
            "eth_getBlockByHash" => Value::Null,
            "eth_getBalance" => json!("0xde0b6b3a7640000"),
            "eth_getTransactionCount" => json!("0x2"),
            "eth_getCode" => json!("0x"),
            "eth_getLogs" => self.executions(params),
            "eth_call" => return self.call(params),
            _ => return Err(json!({ "code": -32601, "message": "the method does not exist" })),
        })
    }

    fn executions(&self, params: &Value) -> Value {
        match self.executed {
            Some(tx) => json!([{ "address": self.bridge, "topics": params[0]["topics"], "data": "0x",
                "transactionHash": tx, "blockNumber": "0xc" }]),
            None => json!([]),
        }
    }

    fn call(&self, params: &Value) -> Result<Value, Value> {
        let text = params[0]["data"].as_str().or_else(|| params[0]["input"].as_str()).unwrap_or_default();
        let data: Bytes = text.parse().unwrap_or_default();
        let selector: [u8; 4] = data.get(..4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        let revert =
            |data: Vec<u8>| Err(json!({ "code": 3, "message": "execution reverted", "data": Bytes::from(data) }));
        if let Some((_, with)) = self.refuse.iter().find(|(refused, _)| *refused == selector) {
            return revert(with.clone());
        }
        if self.approve_through_zero
            && BridgedToken::approveCall::abi_decode(&data).is_ok_and(|call| !call.value.is_zero())
        {
            return revert(Vec::new());
        }
        let answer: Vec<u8> = match selector {
            ForeignBridge::pausedCall::SELECTOR => self.paused.abi_encode(),
            ForeignBridge::tokenInfoCall::SELECTOR => ForeignBridge::tokenInfoCall::abi_encode_returns(&self.info),
            ForeignBridge::isExecutedCall::SELECTOR => self.executed.is_some().abi_encode(),
            ForeignBridge::executionReadyAtCall::SELECTOR => U256::from(2_000_000_000_u64).abi_encode(),
            BridgeValidators::validatorsCall::SELECTOR => VALIDATORS.to_vec().abi_encode(),
            BridgeValidators::thresholdCall::SELECTOR => U256::from(2).abi_encode(),
            BridgeValidators::epochCall::SELECTOR => U256::from(7).abi_encode(),
            HomeBridge::signaturesCall::SELECTOR => {
                let signatures_ = self.signers.iter().map(|signer| signer.to_vec().into()).collect();
                let found = HomeBridge::signaturesReturn { signers: self.signers.clone(), signatures_ };
                HomeBridge::signaturesCall::abi_encode_returns(&found)
            }
            HomeBridge::digestsCall::SELECTOR => Vec::<B256>::new().abi_encode(),
            BridgedToken::balanceOfCall::SELECTOR => self.balance.abi_encode(),
            BridgedToken::allowanceCall::SELECTOR => self.allowance.abi_encode(),
            Permissions::rightsOfCall::SELECTOR => match self.rights {
                Some(rights) => U256::from(rights).abi_encode(),
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        Ok(json!(Bytes::from(answer)))
    }
}

/// A fake node.
#[derive(Clone)]
pub(crate) struct FakeNode(Arc<Mutex<ChainState>>);

impl FakeNode {
    pub(crate) fn edit(&self, change: impl FnOnce(&mut ChainState)) {
        change(&mut self.0.lock().unwrap());
    }

    async fn start(self) -> String {
        serve(Router::new().route("/", post(rpc)).with_state(self)).await
    }
}

async fn rpc(State(node): State<FakeNode>, Json(request): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let state = node.0.lock().unwrap();
    if state.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let id = request["id"].clone();
    Ok(Json(match state.answer(request["method"].as_str().unwrap_or_default(), &request["params"]) {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    }))
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{addr}")
}

/// Two nodes, a relayer, and the pages.
pub(crate) struct System {
    pub(crate) home: FakeNode,
    pub(crate) foreign: FakeNode,
    handle: Handle,
    client: reqwest::Client,
    _stop: DropGuard,
}

impl System {
    pub(crate) async fn start() -> Self {
        Self::with_symbol("RLC").await
    }

    pub(crate) async fn with_symbol(symbol: &str) -> Self {
        let home = FakeNode(Arc::new(Mutex::new(ChainState::new(2026, HOME_BRIDGE, rlc(10)))));
        let foreign = FakeNode(Arc::new(Mutex::new(ChainState::new(1337, FOREIGN_BRIDGE, rlc(12)))));
        let status = json!({ "relayer": VALIDATORS[0], "ready": true,
            "lanes": [{ "direction": "foreign-to-home", "deposits": 2, "open": 1 }, { "deposits": 1, "open": 0 }] });
        let relayer = serve(
            Router::new()
                .route("/api/v1/status", get(async move || Json(status)))
                .route("/api/v1/transfers", get(async || Json(json!({ "transfers": [{ "updated": 1_700_000_000 }] })))),
        )
        .await;
        let folder = tempfile::tempdir().unwrap();
        let addresses = json!({
            "version": 1,
            "home": { "chainId": 2026, "bridge": HOME_BRIDGE, "validators": Address::repeat_byte(0x12), "deployBlock": 1, "genesis": B256::ZERO },
            "foreign": { "chainId": 1337, "bridge": FOREIGN_BRIDGE, "validators": Address::repeat_byte(0x22), "deployBlock": 1, "genesis": B256::ZERO, "finality": "tag" },
            "tokens": [{ "symbol": symbol, "name": "iExec", "decimals": 9, "foreign": FOREIGN_TOKEN, "home": HOME_TOKEN }],
        });
        std::fs::write(folder.path().join("addresses.json"), addresses.to_string()).unwrap();
        let toml = format!(
            "listen = \"127.0.0.1:0\"\naddresses = \"addresses.json\"\nrelayers = [\"{relayer}\", \"http://127.0.0.1:1\"]\n\
             [home]\nrpc = \"{}\"\nname = \"Home\"\ncurrency = \"AUR\"\n\
             [foreign]\nrpc = \"{}\"\nname = \"Public\"\ncurrency = \"ETH\"\n",
            home.clone().start().await,
            foreign.clone().start().await,
        );
        let path = folder.path().join("ui.toml");
        std::fs::write(&path, toml).unwrap();
        let shutdown = CancellationToken::new();
        let handle = bridge_ui::run(Config::read(&path).unwrap(), shutdown.clone()).await.unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { home, foreign, handle, client, _stop: shutdown.drop_guard() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.handle.addr)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}

/// The log of a deposit on one side, as a node tells it.
pub(crate) fn deposit_log(side: &str, nonce: u64, amount: U256) -> Value {
    let (home, foreign) = ((U256::from(2026), HOME_BRIDGE), (U256::from(1337), FOREIGN_BRIDGE));
    let (source, destination, token) =
        if side == "home" { (home, foreign, HOME_TOKEN) } else { (foreign, home, FOREIGN_TOKEN) };
    let nonce = U256::from(nonce);
    let event = ForeignBridge::Deposited {
        id: transfer_id(source, destination, nonce),
        nonce,
        sender: ACCOUNT,
        token,
        recipient: ACCOUNT,
        amount,
        policyEpoch: 0,
        previousBlock: 0,
    };
    let data = event.encode_log_data();
    json!({ "address": source.1, "topics": data.topics(), "data": data.data })
}
