//! One chain as its node tells it. Answers in JSON are read tolerantly: any Ethereum node will do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::{
    contract,
    primitives::{Address, B256, Bytes, U64, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    transports::{RpcError, TransportError},
};
use aurum_contracts::{
    BridgeSide, BridgeValidators, BridgedToken, Finality, ForeignBridge, HomeBridge, Permissions, Side, genesis,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{cache::Cache, config::ChainConfig, refusal};

/// Longest wait for one answer of a node.
const ANSWER_LIMIT: Duration = Duration::from_secs(6);
/// How long heads, limits and the like are remembered.
const MOMENT: Duration = Duration::from_millis(700);
/// How long what rarely changes is remembered.
const WHILE: Duration = Duration::from_secs(5);
/// Blocks of the first look for a log; every further look doubles it.
const FIRST_SPAN: u64 = 500;
/// How often it doubles: about a hundred thousand blocks in all.
const LOOKS: u32 = 8;

/// Why a chain did not answer a question.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unanswered {
    /// No answer at all, or one that cannot be read.
    #[error("the node of {chain} does not answer")]
    Unreachable {
        /// Name of the chain.
        chain: String,
        /// What went wrong; for the log, it may name internal addresses.
        detail: String,
    },
    /// The node serves another chain than the bridge's.
    #[error("the node of {chain} serves chain {actual}, the bridge is on chain {expected}")]
    OtherChain {
        /// Name of the chain.
        chain: String,
        /// What the node says.
        actual: u64,
        /// What `addresses.json` says.
        expected: u64,
    },
    /// The contracts are not where `addresses.json` says.
    #[error("{chain} has no contracts of the bridge where they should be")]
    NoContracts {
        /// Name of the chain.
        chain: String,
    },
    /// The node refused, or a contract reverted.
    #[error("{reason}")]
    Refused {
        /// In words.
        reason: String,
        /// What the contract reverted with.
        data: Option<Bytes>,
        /// The node's code.
        code: i64,
    },
}

/// A chain and how to talk to it.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Which one.
    pub side: Side,
    /// How it is reached and called.
    pub config: ChainConfig,
    /// Where the bridge is on it.
    pub at: BridgeSide,
    provider: DynProvider,
    heads: Cache<(), Heads>,
    tokens: Cache<Address, TokenState>,
    validators: Cache<(), ValidatorsState>,
    identity: Cache<(), u64>,
    executions: Cache<B256, Option<Execution>>,
}

/// Where a chain is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Heads {
    /// Newest block.
    pub latest: u64,
    /// Its time, Unix seconds.
    pub timestamp: u64,
    /// Newest final block, if the node knows one.
    pub finalized: Option<u64>,
    /// Whether the bridge takes and pays nothing now.
    pub paused: bool,
}

/// The accounts whose attestations one side counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ValidatorsState {
    /// In the contract's order.
    pub list: Vec<Address>,
    /// How many must agree.
    pub threshold: usize,
    /// Of the set.
    pub epoch: u64,
}

/// Limits of one token on one side, smallest units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenState {
    /// Smallest deposit.
    pub deposit_min: U256,
    /// Largest deposit.
    pub deposit_max: U256,
    /// Most deposited in 24 hours.
    pub deposit_daily: U256,
    /// What is left of it.
    pub deposit_left: U256,
    /// Largest payout.
    pub execution_max: U256,
    /// Most paid out in 24 hours.
    pub execution_daily: U256,
    /// What is left of it.
    pub execution_left: U256,
    /// Locked (foreign) or minted (home).
    pub outstanding: U256,
}

/// The transaction that paid a transfer out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Execution {
    /// Its hash.
    pub tx: B256,
    /// Its block.
    pub block: u64,
}

/// A transaction's outcome.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// Block it is in.
    pub block_number: U64,
    /// 1 is success; absent in receipts of old chains.
    #[serde(default)]
    pub status: Option<U64>,
    /// Gas it used.
    #[serde(default)]
    pub gas_used: U64,
    /// Price paid for it.
    #[serde(default)]
    pub effective_gas_price: Option<U256>,
    /// Contract it created.
    #[serde(default)]
    pub contract_address: Option<Address>,
    /// What contracts told.
    #[serde(default)]
    pub logs: Vec<Log>,
}

/// One log of a [`Receipt`].
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Log {
    /// Contract.
    pub address: Address,
    /// Indexed part.
    pub topics: Vec<B256>,
    /// The rest.
    pub data: Bytes,
    /// Transaction.
    #[serde(default)]
    pub transaction_hash: Option<B256>,
    /// Block.
    #[serde(default)]
    pub block_number: Option<U64>,
}

/// A transaction as sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
    /// Its hash.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
    /// Whom it calls; nobody when it creates a contract.
    #[serde(default)]
    pub to: Option<Address>,
    /// Wei of the chain's coin.
    #[serde(default)]
    pub value: U256,
    /// What it calls with.
    #[serde(default)]
    pub input: Bytes,
    /// Most gas it may use.
    #[serde(default)]
    pub gas: U64,
    /// Position among the sender's.
    #[serde(default)]
    pub nonce: U64,
    /// EIP-2718 type.
    #[serde(default, rename = "type")]
    pub kind: U64,
    /// Block, once mined.
    #[serde(default)]
    pub block_number: Option<U64>,
}

/// A block with the hashes of its transactions.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Block {
    /// Height.
    pub number: U64,
    /// Of the header.
    pub hash: B256,
    /// Of the parent's header.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: U64,
    /// Author.
    #[serde(default)]
    pub miner: Option<Address>,
    /// Gas used.
    #[serde(default)]
    pub gas_used: U64,
    /// Gas allowed.
    #[serde(default)]
    pub gas_limit: U64,
    /// Price of gas nobody can go below.
    #[serde(default)]
    pub base_fee_per_gas: Option<U256>,
    /// Root of the state after it.
    #[serde(default)]
    pub state_root: Option<B256>,
    /// Bytes.
    #[serde(default)]
    pub size: Option<U64>,
    /// Their hashes.
    #[serde(default)]
    pub transactions: Vec<B256>,
}

impl Chain {
    /// Prepares a connection; the node is not asked yet, and may be away.
    ///
    /// # Errors
    /// When a WebSocket cannot be opened or the URL is none.
    pub(crate) async fn connect(side: Side, config: ChainConfig, at: BridgeSide) -> Result<Self, TransportError> {
        let builder = ProviderBuilder::default();
        let provider = if config.rpc.starts_with("ws") {
            builder.connect(&config.rpc).await?.erased()
        } else {
            let client = reqwest::Client::builder()
                .timeout(ANSWER_LIMIT)
                .build()
                .map_err(alloy::transports::TransportErrorKind::custom)?;
            let url = config.rpc.parse().map_err(alloy::transports::TransportErrorKind::custom)?;
            builder.connect_reqwest(client, url).erased()
        };
        Ok(Self {
            side,
            config,
            at,
            provider,
            heads: Cache::new(),
            tokens: Cache::new(),
            validators: Cache::new(),
            identity: Cache::new(),
            executions: Cache::new(),
        })
    }

    /// Name shown to people.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// The bridge, by what both sides have.
    pub(crate) fn bridge(&self) -> ForeignBridge::ForeignBridgeInstance<DynProvider> {
        ForeignBridge::new(self.at.bridge, self.provider.clone())
    }

    /// The notice board; on home only.
    pub(crate) fn home_bridge(&self) -> HomeBridge::HomeBridgeInstance<DynProvider> {
        HomeBridge::new(self.at.bridge, self.provider.clone())
    }

    /// A token.
    pub(crate) fn token(&self, token: Address) -> BridgedToken::BridgedTokenInstance<DynProvider> {
        BridgedToken::new(token, self.provider.clone())
    }

    /// Asks the node anything.
    ///
    /// # Errors
    /// When it does not answer, refuses, or answers something else.
    pub(crate) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Unanswered> {
        let answer: Value =
            self.provider.raw_request(method.into(), params).await.map_err(|error| self.unanswered(&error))?;
        serde_json::from_value(answer).map_err(|error| Unanswered::Unreachable {
            chain: self.name().to_owned(),
            detail: format!("{method}: {error}"),
        })
    }

    /// Turns an error of a binding into ours.
    pub(crate) fn failed(&self, error: &contract::Error) -> Unanswered {
        match error {
            contract::Error::TransportError(error) => self.unanswered(error),
            contract::Error::ZeroData(..) => Unanswered::NoContracts { chain: self.name().to_owned() },
            other => Unanswered::Unreachable { chain: self.name().to_owned(), detail: other.to_string() },
        }
    }

    fn unanswered(&self, error: &TransportError) -> Unanswered {
        match error {
            RpcError::ErrorResp(payload) => {
                let data = payload.as_revert_data();
                let reason = data.as_ref().and_then(|data| refusal::explain(data, None));
                Unanswered::Refused {
                    reason: reason.unwrap_or_else(|| payload.message.to_string()),
                    data,
                    code: payload.code,
                }
            }
            other => {
                tracing::debug!(chain = self.name(), error = %other, "no answer");
                Unanswered::Unreachable { chain: self.name().to_owned(), detail: other.to_string() }
            }
        }
    }

    /// Refuses a node of another chain.
    async fn check_identity(&self) -> Result<(), Unanswered> {
        let ask = async { self.ask::<U64>("eth_chainId", json!([])).await.map(|id| id.to::<u64>()) };
        let actual = self.identity.or_ask((), Duration::from_secs(30), ask).await?;
        let expected = self.at.chain_id;
        if actual == expected {
            Ok(())
        } else {
            Err(Unanswered::OtherChain { chain: self.name().to_owned(), actual, expected })
        }
    }

    /// Where the chain is.
    ///
    /// # Errors
    /// When the node does not answer or serves another chain.
    pub(crate) async fn heads(&self) -> Result<Heads, Unanswered> {
        self.heads.or_ask((), MOMENT, self.ask_heads()).await
    }

    async fn ask_heads(&self) -> Result<Heads, Unanswered> {
        self.check_identity().await?;
        let bridge = self.bridge();
        let (latest, tagged, paused) = tokio::join!(
            self.ask::<Option<Block>>("eth_getBlockByNumber", json!(["latest", false])),
            async {
                match self.at.finality() {
                    Finality::Tag => self
                        .ask::<Option<Block>>("eth_getBlockByNumber", json!(["finalized", false]))
                        .await
                        .ok()
                        .flatten(),
                    Finality::Confirmations(_) => None,
                }
            },
            async { bridge.paused().call().await },
        );
        let latest = latest?.ok_or_else(|| Unanswered::Unreachable {
            chain: self.name().to_owned(),
            detail: "the node has no blocks".into(),
        })?;
        let number = latest.number.to::<u64>();
        let finalized = match self.at.finality() {
            Finality::Tag => tagged.map(|block| block.number.to::<u64>()),
            Finality::Confirmations(depth) => number.checked_sub(depth),
        };
        let paused = paused.map_err(|error| self.failed(&error))?;
        Ok(Heads { latest: number, timestamp: latest.timestamp.to(), finalized, paused })
    }

    /// Limits of a token now.
    ///
    /// # Errors
    /// When the node does not answer or the token is unknown.
    pub(crate) async fn token_state(&self, token: Address) -> Result<TokenState, Unanswered> {
        let ask = async {
            let info = self.bridge().tokenInfo(token).call().await.map_err(|error| self.failed(&error))?;
            let limits = info.limits;
            Ok(TokenState {
                deposit_min: limits.depositMin,
                deposit_max: limits.depositMax,
                deposit_daily: limits.depositDaily,
                deposit_left: info.depositLeft,
                execution_max: limits.executionMax,
                execution_daily: limits.executionDaily,
                execution_left: info.executionLeft,
                outstanding: info.outstanding,
            })
        };
        self.tokens.or_ask(token, MOMENT, ask).await
    }

    /// When the daily limit lets `amount` be paid out, Unix seconds; `None` if the limits never let it.
    ///
    /// # Errors
    /// When the node does not answer or the token is unknown.
    pub(crate) async fn ready_at(&self, token: Address, amount: U256) -> Result<Option<u64>, Unanswered> {
        let at = self.bridge().executionReadyAt(token, amount).call().await.map_err(|error| self.failed(&error))?;
        Ok(at.try_into().ok())
    }

    /// Whose attestations count on this side.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn validators(&self) -> Result<ValidatorsState, Unanswered> {
        let ask = async {
            let contract = BridgeValidators::new(self.at.validators, self.provider.clone());
            let (list, threshold, epoch) = (contract.validators(), contract.threshold(), contract.epoch());
            let (list, threshold, epoch) =
                tokio::try_join!(async { list.call().await }, async { threshold.call().await }, async {
                    epoch.call().await
                })
                .map_err(|error| self.failed(&error))?;
            Ok(ValidatorsState { list, threshold: threshold.try_into().unwrap_or(usize::MAX), epoch })
        };
        self.validators.or_ask((), WHILE, ask).await
    }

    /// Outcome of a transaction, if it is in a block.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn receipt(&self, tx: B256) -> Result<Option<Receipt>, Unanswered> {
        self.ask("eth_getTransactionReceipt", json!([tx])).await
    }

    /// A transaction, mined or waiting.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn transaction(&self, tx: B256) -> Result<Option<Transaction>, Unanswered> {
        self.ask("eth_getTransactionByHash", json!([tx])).await
    }

    /// A block by number.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn block(&self, number: u64) -> Result<Option<Block>, Unanswered> {
        self.ask("eth_getBlockByNumber", json!([U64::from(number), false])).await
    }

    /// A block by hash.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, Unanswered> {
        self.ask("eth_getBlockByHash", json!([hash, false])).await
    }

    /// Runs a call without sending it.
    ///
    /// # Errors
    /// What it would be refused for.
    pub(crate) async fn simulate(
        &self,
        from: Address,
        to: Option<Address>,
        data: &Bytes,
        value: U256,
        block: Value,
    ) -> Result<(), Unanswered> {
        let mut call = json!({ "from": from, "data": data, "value": value });
        if let (Some(to), Some(call)) = (to, call.as_object_mut()) {
            call.insert("to".into(), json!(to));
        }
        self.ask::<Value>("eth_call", json!([call, block])).await.map(|_| ())
    }

    /// Why a mined transaction failed, by running it again on the state before its block: right unless an earlier
    /// transaction of the block had a part in it, and unknown where the node no longer has that state.
    pub(crate) async fn why_failed(&self, tx: &Transaction) -> Option<String> {
        let before = tx.block_number?.to::<u64>().checked_sub(1)?;
        match self.simulate(tx.from, tx.to, &tx.input, tx.value, json!(U64::from(before))).await {
            Err(Unanswered::Refused { reason, .. }) => Some(reason),
            _ => None,
        }
    }

    /// The transaction that paid `id` out. `hints` are transactions others say did; each is verified. Otherwise looked
    /// for backwards from the head, in a bounded number of steps.
    pub(crate) async fn execution_of(&self, id: B256, hints: &[B256]) -> Option<Execution> {
        let known = self.executions.get(&id, Duration::from_secs(3600)).flatten();
        if known.is_some() {
            return known;
        }
        if self.executions.get(&id, Duration::from_secs(2)).is_some() {
            return None;
        }
        for &tx in hints {
            let receipt = self.receipt(tx).await.ok().flatten();
            if let Some(receipt) = receipt.filter(|receipt| receipt.logs.iter().any(|log| self.is_execution(log, id))) {
                let execution = Execution { tx, block: receipt.block_number.to() };
                self.executions.put(id, Some(execution));
                return Some(execution);
            }
        }
        let execution = self.search_execution(id).await;
        self.executions.put(id, execution);
        execution
    }

    fn is_execution(&self, log: &Log, id: B256) -> bool {
        use alloy::sol_types::SolEvent as _;
        log.address == self.at.bridge
            && log.topics.first() == Some(&ForeignBridge::Executed::SIGNATURE_HASH)
            && log.topics.get(1) == Some(&id)
    }

    async fn search_execution(&self, id: B256) -> Option<Execution> {
        use alloy::sol_types::SolEvent as _;
        let mut upper = self.heads().await.ok()?.latest;
        for look in 0..LOOKS {
            let lower = upper.saturating_sub(FIRST_SPAN << look).max(self.at.deploy_block);
            // The head known here may be a moment old, and the payout newer.
            let to = if look == 0 { json!("latest") } else { json!(U64::from(upper)) };
            let filter = json!([{
                "address": self.at.bridge,
                "topics": [ForeignBridge::Executed::SIGNATURE_HASH, id],
                "fromBlock": U64::from(lower),
                "toBlock": to,
            }]);
            let logs: Vec<Log> = self.ask("eth_getLogs", filter).await.ok()?;
            let found = logs.iter().find(|log| self.is_execution(log, id));
            if let Some((tx, block)) = found.and_then(|log| log.transaction_hash.zip(log.block_number)) {
                return Some(Execution { tx, block: block.to() });
            }
            if lower <= self.at.deploy_block {
                return None;
            }
            upper = lower - 1;
        }
        None
    }

    /// The permission contract's answer about an account: its bits, `None` where there is no such contract.
    pub(crate) async fn rights(&self, account: Address) -> Option<u32> {
        let at = self.config.permissions.unwrap_or(genesis::PERMISSIONS);
        Permissions::new(at, self.provider.clone()).rightsOf(account).call().await.ok()
    }

    /// Peers of the node, if it tells.
    pub(crate) async fn peers(&self) -> Option<u64> {
        self.ask::<U64>("net_peerCount", json!([])).await.ok().map(|count| count.to())
    }

    /// Authorities that seal the next block, if the node tells (`aura_getValidators`).
    pub(crate) async fn sealers(&self) -> Option<Vec<Address>> {
        self.ask("aura_getValidators", json!([])).await.ok()
    }
}

/// Unix seconds now.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
