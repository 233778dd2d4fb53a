//! The few methods a load generator calls, typed.

use alloy::primitives::{Address, B256, Bytes, U64, U256};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::http::Http;

/// A client of one endpoint.
#[derive(Debug)]
pub(super) struct Client {
    http: Http,
}

/// The parts of a block that are read, its transactions by hash.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block {
    pub(super) number: U64,
    pub(super) hash: B256,
    pub(super) parent_hash: B256,
    pub(super) gas_used: U64,
    pub(super) transactions: Vec<B256>,
}

/// The parts of a receipt that are read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    pub(super) status: Option<U64>,
    pub(super) contract_address: Option<Address>,
}

/// How the number of the last final block is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finality {
    /// By `eth_feeHistory`, whose answer is small.
    FeeHistory,
    /// By `eth_getBlockByNumber`, which lists the whole block.
    Block,
    /// The node does not know the tag.
    Unknown,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistory {
    oldest_block: U64,
}

impl Client {
    pub(super) fn new(url: &str) -> Self {
        Self { http: Http::new(url) }
    }

    /// Calls a method whose answer may be `null`.
    pub(super) fn maybe<T: DeserializeOwned>(&mut self, method: &str, params: &Value) -> Result<Option<T>> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answer = self.http.post(body.as_bytes()).with_context(|| method.to_owned())?;
        let answer: Answer<T> = serde_json::from_slice(&answer)
            .with_context(|| format!("{method}: {}", String::from_utf8_lossy(&answer[..answer.len().min(200)])))?;
        if let Some(error) = answer.error {
            bail!("{method}: {error}");
        }
        Ok(answer.result)
    }

    /// Calls a method.
    pub(super) fn call<T: DeserializeOwned>(&mut self, method: &str, params: &Value) -> Result<T> {
        self.maybe(method, params)?.with_context(|| format!("{method} answered null"))
    }

    /// A block by number, if there is one.
    pub(super) fn block(&mut self, number: u64) -> Result<Option<Block>> {
        self.maybe("eth_getBlockByNumber", &json!([U64::from(number), false]))
    }

    /// The latest block.
    pub(super) fn head(&mut self) -> Result<Block> {
        self.call("eth_getBlockByNumber", &json!(["latest", false]))
    }

    /// Which way of asking for the last final block the node understands.
    pub(super) fn finality(&mut self) -> Finality {
        let short = self.finalized(Finality::FeeHistory);
        match (self.finalized(Finality::Block), short) {
            (Err(_), _) => Finality::Unknown,
            // Some nodes take the tag and answer for another block. A block may have become final between the two questions.
            (Ok(Some(block)), Ok(Some(short))) if block.abs_diff(short) <= 1 && short > 0 => Finality::FeeHistory,
            (Ok(_), _) => Finality::Block,
        }
    }

    /// Number of the last final block, if there is one.
    pub(super) fn finalized(&mut self, by: Finality) -> Result<Option<u64>> {
        Ok(match by {
            Finality::FeeHistory => {
                let history: FeeHistory = self.call("eth_feeHistory", &json!(["0x1", "finalized", []]))?;
                Some(history.oldest_block.to())
            }
            Finality::Block => self
                .maybe::<Block>("eth_getBlockByNumber", &json!(["finalized", false]))?
                .map(|block| block.number.to()),
            Finality::Unknown => None,
        })
    }

    /// Nonce of the account at the latest block.
    pub(super) fn nonce(&mut self, account: Address) -> Result<u64> {
        Ok(self.call::<U64>("eth_getTransactionCount", &json!([account, "latest"]))?.to())
    }

    /// Wei of the account at the latest block.
    pub(super) fn balance(&mut self, account: Address) -> Result<U256> {
        self.call("eth_getBalance", &json!([account, "latest"]))
    }

    /// Sends a signed transaction.
    pub(super) fn send(&mut self, raw: &Bytes) -> Result<B256> {
        self.call("eth_sendRawTransaction", &json!([raw]))
    }

    /// The receipt, once there is one.
    pub(super) fn receipt(&mut self, hash: B256) -> Result<Option<Receipt>> {
        self.maybe("eth_getTransactionReceipt", &json!([hash]))
    }
}
