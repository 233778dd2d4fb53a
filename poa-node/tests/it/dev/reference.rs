//! The reference's examples of development methods: a request of each, asked of a new chain whose times are set.

#[path = "../../../crates/rpc/tests/it/reference/book.rs"]
mod book;
#[path = "../../../crates/rpc/tests/it/reference/words.rs"]
pub(crate) mod words;

use alloy::primitives::{Address, address};
use poa_node::{
    Config, NodeHandle,
    cli::Args,
    dev::{ACCOUNTS, DevConfig},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::book::Book;
use crate::dev::call;

/// Of the first block.
const START: u64 = 1_700_000_000;
const SOMEBODY: Address = address!("00000000000000000000000000000000000000aa");

/// A chain, and the answers it gave.
struct Asker {
    node: NodeHandle,
    book: Book,
    /// Time of the last block.
    time: u64,
}

impl Asker {
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let result = self.unnoted(method, params.clone()).await;
        self.book.note(method, &params, &result);
        result
    }

    async fn unnoted(&self, method: &str, params: Value) -> Value {
        call(&self.node, method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same under each of its names.
    async fn ask_all(&mut self, names: &[&str], method: &str, params: &Value) {
        for name in names {
            self.ask(&format!("{name}_{method}"), params.clone()).await;
        }
    }

    /// Holds the chain's clock a minute after the last block: what is mined or read then is the same in each run.
    async fn set_time(&mut self) {
        self.time += 60;
        self.unnoted("evm_setNextBlockTimestamp", json!([self.time])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reference_examples_are_what_a_development_chain_answers() {
    let folder = tempfile::tempdir().unwrap();
    let args = <Args as clap::Parser>::parse_from(["poa-node", "--jsonrpc-port", "0", "--ws-port", "0"]);
    let dev = DevConfig { chain_id: 1337, block_time: None };
    let mut config = Config::dev(&args.options, folder.path(), dev).unwrap();
    config.rpc.client_version = "Aurum/v0.1.0/linux-x86_64".to_owned();
    let node = poa_node::run(config, CancellationToken::new()).await.unwrap();
    let mut asker = Asker { node, book: Book::default(), time: START };
    let clock = &mut asker;
    times(clock).await;
    accounts(clock).await;
    blocks(clock).await;
    edits(clock).await;
    asker.book.keep("dev.json");
    asker.node.stop().await;
}

async fn times(asker: &mut Asker) {
    // The first of all, while nothing else has moved the clock.
    asker.ask("evm_increaseTime", json!([3600])).await;
    asker.ask("anvil_increaseTime", json!(["0xe10"])).await;
    asker.ask_all(&["evm", "anvil"], "setAutomine", &json!([false])).await;
    asker.ask_all(&["anvil", "hardhat"], "getAutomine", &json!([])).await;
    asker.ask("evm_setIntervalMining", json!([0])).await;
    asker.ask("anvil_setIntervalMining", json!([0])).await;
    asker.unnoted("evm_setAutomine", json!([false])).await;
    asker.ask("anvil_getIntervalMining", json!([])).await;
    asker.ask("evm_setNextBlockTimestamp", json!([START])).await;
    asker.ask("anvil_setNextBlockTimestamp", json!([format!("{START:#x}")])).await;
    asker.unnoted("evm_mine", json!([])).await;
}

async fn accounts(asker: &mut Asker) {
    let (from, to) = (ACCOUNTS[0].0, ACCOUNTS[1].0);
    asker.set_time().await;
    let message = json!({ "from": from, "to": to, "value": "0xde0b6b3a7640000" });
    asker.ask("eth_signTransaction", json!([message])).await;
    let sent = asker.ask("eth_sendTransaction", json!([message])).await;
    asker.ask("eth_sign", json!([from, "0x68656c6c6f"])).await;
    asker.ask("personal_sign", json!(["0x68656c6c6f", from])).await;
    let mail = json!({
        "types": {
            "EIP712Domain": [{ "name": "name", "type": "string" }, { "name": "chainId", "type": "uint256" }],
            "Mail": [{ "name": "to", "type": "address" }, { "name": "contents", "type": "string" }],
        },
        "primaryType": "Mail",
        "domain": { "name": "Ether Mail", "chainId": 1337 },
        "message": { "to": to, "contents": "hello" },
    });
    asker.ask("eth_signTypedData_v4", json!([from, mail])).await;
    asker.ask_all(&["anvil", "hardhat"], "impersonateAccount", &json!([SOMEBODY])).await;
    asker.ask_all(&["anvil", "hardhat"], "stopImpersonatingAccount", &json!([SOMEBODY])).await;
    asker.ask("anvil_dropTransaction", json!([sent])).await;
    asker.ask("hardhat_dropTransaction", json!([sent])).await;
}

async fn blocks(asker: &mut Asker) {
    asker.time += 60;
    asker.ask("evm_mine", json!([asker.time])).await;
    for name in ["anvil", "hardhat"] {
        asker.set_time().await;
        asker.ask(&format!("{name}_mine"), json!(["0x2", "0xa"])).await;
        asker.time += 10;
    }
    asker.set_time().await;
    let run = asker.ask("anvil_metadata", json!([])).await;
    asker.book.draws(&run["instanceId"]);
    asker.ask("hardhat_metadata", json!([])).await;
    asker.ask("anvil_nodeInfo", json!([])).await;
}

async fn edits(asker: &mut Asker) {
    let first = asker.ask("evm_snapshot", json!([])).await;
    let second = asker.ask("anvil_snapshot", json!([])).await;
    let word = format!("0x{:064x}", 42);
    for (method, params) in [
        ("setBalance", json!([SOMEBODY, "0xde0b6b3a7640000"])),
        ("setNonce", json!([SOMEBODY, "0x9"])),
        ("setCode", json!([SOMEBODY, "0x5f545f5260205ff3"])),
        ("setStorageAt", json!([SOMEBODY, "0x0", word])),
    ] {
        asker.ask_all(&["anvil", "hardhat"], method, &params).await;
    }
    asker.ask("anvil_revert", json!([second])).await;
    asker.ask("evm_revert", json!([first])).await;
    asker.ask("anvil_reset", json!([])).await;
    asker.ask("hardhat_reset", json!([])).await;
}
