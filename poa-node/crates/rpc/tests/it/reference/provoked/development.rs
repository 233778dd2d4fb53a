//! Errors of development methods: of a stand-in that cannot do what it is asked.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Signature};
use aurum_chain::{Cancel, Development, Edit};
use aurum_rpc::{DevApi, DevError, Mining, Services};
use serde_json::{Value, json};

use super::{Provoked, chains::Chains};
use crate::{common::config, reference::world::At, sends::Dev};

/// Fails in one way whatever is asked.
struct Fails(DevError);

impl DevApi for Fails {
    fn accounts(&self) -> Vec<Address> {
        Dev.accounts()
    }

    fn sign(&self, account: Address, hash: B256) -> Result<Signature, DevError> {
        Dev.sign(account, hash)
    }

    fn advance_time(&self, seconds: u64) -> u64 {
        seconds
    }

    fn set_next_time(&self, _seconds: u64) -> Result<(), DevError> {
        Err(self.0.clone())
    }

    fn mine(&self, _blocks: u64, _apart: Option<u64>, _given_up: &Cancel) -> Result<(), DevError> {
        Err(self.0.clone())
    }

    fn mining(&self) -> Mining {
        Dev.mining()
    }

    fn set_mining(&self, _mining: Mining) {}

    fn edit(&self, _edit: Edit) -> Result<(), DevError> {
        Err(self.0.clone())
    }

    fn impersonate(&self, _account: Address) -> Result<(), DevError> {
        Err(self.0.clone())
    }

    fn stop_impersonating(&self, _account: Address) {}

    fn impersonates(&self, _account: Address) -> Option<Development> {
        None
    }

    fn snapshot(&self) -> Result<u64, DevError> {
        Err(self.0.clone())
    }

    fn revert(&self, _snapshot: u64) -> Result<bool, DevError> {
        Err(self.0.clone())
    }

    fn reset(&self) -> Result<(), DevError> {
        Err(self.0.clone())
    }
}

pub async fn run(provoked: &mut Provoked, chains: &Chains) {
    let account = chains.world.user;
    let edits = [
        ("setBalance", json!([account, "0x1"])),
        ("setCode", json!([account, "0x00"])),
        ("setNonce", json!([account, "0x9"])),
        ("setStorageAt", json!([account, "0x0", "0x1"])),
    ];
    let edits: Vec<_> = ["anvil", "hardhat"]
        .into_iter()
        .flat_map(|tool| edits.iter().map(move |(name, params)| (format!("{tool}_{name}"), params.clone())))
        .collect();
    let of = |names: &[&str], params: Value| -> Vec<(String, Value)> {
        names.iter().map(|name| ((*name).to_owned(), params.clone())).collect()
    };
    let mines = of(&["evm_mine", "anvil_mine", "hardhat_mine"], json!([]));
    let back = [of(&["evm_revert", "anvil_revert"], json!(["0x1"])), of(&["anvil_reset", "hardhat_reset"], json!([]))]
        .concat();
    let ours = [
        of(&["anvil_impersonateAccount", "hardhat_impersonateAccount"], json!([account])),
        of(&["evm_snapshot", "anvil_snapshot"], json!([])),
    ]
    .concat();
    let past =
        [of(&["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"], json!([1])), of(&["evm_mine"], json!([1]))]
            .concat();
    let ways = [
        (DevError::OtherAuthority, [edits.clone(), back.clone(), ours].concat(), "this chain has an authority"),
        (DevError::Mining("no step is ours".to_owned()), [edits, mines.clone()].concat(), "no block was mined: "),
        (DevError::Ended { mined: 3, blocks: 9 }, mines, "mining ended after 3 of 9 blocks"),
        (DevError::Rewind("it is not kept".to_owned()), back, "the chain was not taken back: "),
        (DevError::Past { seconds: 1, head: 2 }, past, "Timestamp 1 is lower"),
    ];
    for (error, requests, beginning) in ways {
        let services = Services { dev: Some(Arc::new(Fails(error))), ..chains.world.services(true) };
        let at = At::serve(config(), services).await;
        for (method, params) in requests {
            provoked.refused(&at, &method, &params, -32000, beginning).await;
        }
    }
    let at = &chains.at;
    let (too_many, stranger) = (json!(["0x186a1"]), json!([account, "0x00"]));
    let forks = json!([{ "forking": { "jsonRpcUrl": "http://localhost" } }]);
    let owner = Dev.accounts()[0];
    for (method, params, code, beginning) in [
        ("evm_mine", json!([{ "blocks": "0x186a1" }]), -32005, "100001 blocks"),
        ("anvil_mine", too_many.clone(), -32005, "100001 blocks"),
        ("hardhat_mine", too_many, -32005, "100001 blocks"),
        ("anvil_reset", forks.clone(), -32602, "this node does not fork"),
        ("hardhat_reset", forks, -32602, "this node does not fork"),
        ("eth_sign", stranger.clone(), -32000, "unknown account"),
        ("personal_sign", json!(["0x00", account]), -32000, "unknown account"),
        ("eth_signTypedData_v4", json!([account, mail()]), -32000, "unknown account"),
        ("eth_signTypedData_v4", json!([owner, {}]), -32602, "typed data: "),
    ] {
        provoked.refused(at, method, &params, code, beginning).await;
    }
}

fn mail() -> Value {
    let types = json!({ "EIP712Domain": [], "Mail": [{ "name": "contents", "type": "string" }] });
    json!({ "types": types, "primaryType": "Mail", "domain": {}, "message": { "contents": "hello" } })
}
