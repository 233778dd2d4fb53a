//! `eth_simulateV1`: blocks that are not.

use alloy::primitives::{Address, B256, address, hex};
use aurum_aura::Signer;
use serde_json::{Value, json};

use crate::common::{
    Server,
    kit::{Kit, key},
    logger, reverter, store,
};

const GHOST: Address = Address::repeat_byte(0x42);

async fn server() -> (Server, Address) {
    let server = Server::start(Kit::new(1)).await;
    let contract = server.deploy(0, &store());
    (server, contract)
}

async fn simulate(server: &Server, blocks: Value) -> Value {
    server.ok("eth_simulateV1", json!([{ "blockStateCalls": blocks }, "latest"])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_block_goes_on_from_the_one_before_it() {
    let (server, contract) = server().await;
    // Returns slot 0 with the block's number added.
    let sum = hex!("600054430160005260206000f3");
    let first = json!({
        "stateOverrides": { GHOST.to_string(): { "balance": "0x64" } },
        "calls": [
            { "from": GHOST, "to": Address::repeat_byte(9), "value": "0x28" },
            { "from": GHOST, "to": contract, "input": B256::with_last_byte(5) },
        ],
    });
    let second = json!({
        "blockOverrides": { "number": "0x9", "time": "0x77777777" },
        "stateOverrides": { contract.to_string(): { "code": alloy::primitives::Bytes::from(sum) } },
        "calls": [{ "from": GHOST, "to": contract }],
    });
    let blocks = simulate(&server, json!([first, second])).await;
    let blocks = blocks.as_array().unwrap();
    // The head is block 1: 2, then 3 to 8 between the two, then 9.
    let numbers: Vec<_> = blocks.iter().map(|block| block["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["0x2", "0x3", "0x4", "0x5", "0x6", "0x7", "0x8", "0x9"]);
    for pair in blocks.windows(2) {
        assert_eq!(pair[1]["parentHash"], pair[0]["hash"]);
    }
    let calls = blocks[0]["calls"].as_array().unwrap();
    assert_eq!((&calls[0]["status"], &calls[0]["gasUsed"]), (&json!("0x1"), &json!("0x5208")));
    assert_eq!(blocks[0]["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(blocks[7]["calls"][0]["returnData"], json!(B256::with_last_byte(5 + 9)));
    assert_eq!(blocks[7]["timestamp"], "0x77777777");
    assert_ne!(blocks[0]["stateRoot"], blocks[7]["stateRoot"]);
    assert_eq!(server.ok("eth_blockNumber", json!([])).await, "0x1", "nothing of it happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_results_and_logs_have_their_place() {
    let (server, _) = server().await;
    let logger = server.deploy(1, &logger());
    let reverter = server.deploy(2, &reverter("no"));
    let from = key(0).address();
    let calls = json!([{ "from": from, "to": reverter }, { "from": from, "to": logger, "value": "0x7" }]);
    let payload =
        json!({ "blockStateCalls": [{ "calls": calls }], "traceTransfers": true, "returnFullTransactions": true });
    let blocks = server.ok("eth_simulateV1", json!([payload])).await;
    let calls = &blocks[0]["calls"];
    assert_eq!((&calls[0]["status"], &calls[0]["error"]["code"]), (&json!("0x0"), &json!(3)));
    assert_eq!(calls[0]["error"]["message"], "execution reverted: no");
    let logs = calls[1]["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 2);
    assert_eq!(logs[0]["address"], json!(address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee")));
    assert_eq!((&logs[1]["address"], &logs[1]["logIndex"]), (&json!(logger), &json!("0x1")));
    assert_eq!(logs[1]["transactionHash"], blocks[0]["transactions"][1]["hash"]);
    assert_eq!(blocks[0]["transactions"][1]["from"], json!(from));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_block_can_hold_has_its_own_code() {
    let (server, contract) = server().await;
    let from = key(0).address();
    let cases = [
        (json!([{ "calls": [{ "from": GHOST, "to": contract, "value": "0x1" }] }]), false, -38014),
        (json!([{ "calls": [{ "from": from, "to": contract, "nonce": "0x0" }] }]), true, -38010),
        (json!([{ "calls": [{ "from": from, "to": contract, "nonce": "0x9" }] }]), true, -38011),
        (json!([{ "calls": [{ "from": from, "to": contract, "gas": "0x1" }] }]), false, -38013),
        (json!([{ "calls": [{ "from": from, "to": contract, "gas": "0xffffffffff" }] }]), false, -38015),
        (json!([{ "blockOverrides": { "number": "0x1" } }]), false, -38020),
        (json!([{ "blockOverrides": { "time": "0x1" } }]), false, -38021),
        (json!([{ "blockOverrides": { "number": "0xffff" } }]), false, -38026),
        (json!([]), false, -32602),
    ];
    for (blocks, validation, code) in cases {
        let payload = json!({ "blockStateCalls": blocks, "validation": validation });
        let error = server.call("eth_simulateV1", json!([payload])).await.unwrap_err();
        assert_eq!(error["code"], code, "{payload}: {error}");
    }
}
