//! Accounts and blocks as they are not, in every method that takes them.

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U64, U256, address, hex, keccak256},
    sol_types::SolValue,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::{
    Server,
    kit::{Kit, key, transaction},
    store,
};

const SHA256: Address = address!("0000000000000000000000000000000000000002");
const MOVED: Address = Address::repeat_byte(0x42);
const AUTHOR: Address = Address::repeat_byte(0x33);
const RANDOM: B256 = B256::repeat_byte(0x44);
const TIME: u64 = 0x7777_7777;

/// Puts one word after the other into memory: the block's number, time, gas limit, author, randomness and base fee; the account's
/// balance, its first two slots, and the address of what it creates, which tells its nonce.
fn probe() -> Vec<u8> {
    let words: [&[u8]; 10] = [
        &[0x43],
        &[0x42],
        &[0x45],
        &[0x41],
        &[0x44],
        &[0x48],
        &[0x47],
        &hex!("600054"),
        &hex!("600154"),
        &hex!("600060006000f0"),
    ];
    let mut code = Vec::new();
    for (place, word) in words.into_iter().enumerate() {
        let [high, low] = u16::try_from(place * 32).unwrap().to_be_bytes();
        code.extend_from_slice(word);
        // PUSH2, MSTORE.
        code.extend([0x61, high, low, 0x52]);
    }
    code
}

/// Returns what it sees.
fn teller() -> Bytes {
    [probe(), hex!("6101406000f3").to_vec()].concat().into()
}

/// Reverts unless it sees this.
fn checker(expected: &[u8]) -> Bytes {
    let mut code = [probe(), hex!("610140600020").to_vec(), vec![0x7f], keccak256(expected).to_vec()].concat();
    let end = u8::try_from(code.len() + 9).unwrap();
    // EQ, PUSH1 end, JUMPI, PUSH1 0, PUSH1 0, REVERT, JUMPDEST.
    code.extend([0x14, 0x60, end, 0x57, 0x60, 0, 0x60, 0, 0xfd, 0x5b]);
    code.into()
}

/// Where BASEFEE and sha256 are. Slot 0 of the account is 5.
async fn server() -> (Server, Address) {
    let kit = Kit::with(1, |spec| {
        spec["params"]["eip3198Transition"] = json!(0);
        let price = json!({ "linear": { "base": 60, "word": 12 } });
        spec["accounts"][SHA256.to_string()] = json!({ "builtin": { "name": "sha256", "pricing": price } });
    });
    let server = Server::start(kit).await;
    let account = server.deploy(0, &store());
    let five = B256::with_last_byte(5).to_vec().into();
    server.mine(&[transaction(&key(0), 1, TxKind::Call(account), 0, five)]);
    (server, account)
}

/// The block of [`seen`].
fn block() -> Value {
    json!({
        "number": "0x9",
        "time": format!("{TIME:#x}"),
        "gasLimit": "0x1234567",
        "feeRecipient": AUTHOR,
        "prevRandao": RANDOM,
        "baseFeePerGas": "0x7",
        "blobBaseFee": "0x0",
    })
}

/// What [`probe`] sees in that block of an account with these slots, 100 wei, and three transactions behind it.
fn seen(account: Address, slots: [u64; 2]) -> Vec<u8> {
    let number = U256::from;
    let block = (number(9), number(TIME), number(0x123_4567), AUTHOR, RANDOM, number(7));
    (block, number(100), number(slots[0]), number(slots[1]), account.create(3)).abi_encode()
}

/// What a message returns, by each method that says so.
async fn returned(server: &Server, message: &Value, state: &Value, block: &Value) -> [(&'static str, Value); 3] {
    let called = server.ok("eth_call", json!([message, "latest", state, block])).await;
    let options = json!({ "tracer": "callTracer", "stateOverrides": state, "blockOverrides": block });
    let mut traced = server.ok("debug_traceCall", json!([message, "latest", options])).await;
    let calls = json!([{ "stateOverrides": state, "blockOverrides": block, "calls": [message] }]);
    let mut simulated = server.ok("eth_simulateV1", json!([{ "blockStateCalls": calls }, "latest"])).await;
    let last = simulated.as_array_mut().unwrap().last_mut().unwrap();
    [
        ("eth_call", called),
        ("debug_traceCall", traced["output"].take()),
        ("eth_simulateV1", last["calls"][0]["returnData"].take()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_override_is_seen_by_the_code_that_runs() {
    let (server, account) = server().await;
    let message = json!({ "to": account });
    let slots = json!({ B256::with_last_byte(1).to_string(): B256::with_last_byte(9) });
    // `state` is all there is; `stateDiff` leaves the rest.
    for (kind, expected) in [("state", seen(account, [0, 9])), ("stateDiff", seen(account, [5, 9]))] {
        let with = |code: &Bytes| json!({ account.to_string(): { "balance": "0x64", "nonce": "0x3", "code": code, kind: slots } });
        for (method, output) in returned(&server, &message, &with(&teller()), &block()).await {
            assert_eq!(output, json!(Bytes::copy_from_slice(&expected)), "{method}, {kind}");
        }
        let checked = with(&checker(&expected));
        let gas = server.ok("eth_estimateGas", json!([message, "latest", checked, block()])).await;
        let gas: U64 = serde_json::from_value(gas).unwrap();
        assert!(gas > U64::from(21_000), "{gas}");
        let refused = server.call("eth_estimateGas", json!([message, "latest", checked])).await.unwrap_err();
        assert_eq!(refused["code"], 3, "without the block it is not what it checks: {refused}");
    }
    // Nothing of it happened.
    assert_eq!(server.ok("eth_getBalance", json!([account, "latest"])).await, "0x0");
    assert_eq!(server.ok("eth_getStorageAt", json!([account, "0x1", "latest"])).await, json!(B256::ZERO));
    assert_eq!(server.ok("eth_getCode", json!([account, "latest"])).await, json!(Bytes::from(store())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_block_has_what_it_was_told_in_its_header() {
    let (server, _) = server().await;
    let blocks = json!([{ "blockOverrides": block() }]);
    let simulated = server.ok("eth_simulateV1", json!([{ "blockStateCalls": blocks }, "latest"])).await;
    let last = simulated.as_array().unwrap().last().unwrap();
    for (field, expected) in [
        ("number", json!("0x9")),
        ("timestamp", json!(format!("{TIME:#x}"))),
        ("gasLimit", json!("0x1234567")),
        ("miner", json!(AUTHOR)),
        ("difficulty", json!(U256::from_be_bytes(RANDOM.0))),
        ("baseFeePerGas", json!("0x7")),
    ] {
        assert_eq!(last[field], expected, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precompile_moves_and_leaves_its_place_to_other_code() {
    let (server, _) = server().await;
    let input = Bytes::from_static(b"what is hashed");
    let hash = B256::from_slice(&Sha256::digest(&input));
    // Returns 7.
    let seven = Bytes::from(hex!("600760005260206000f3"));
    let state = json!({ SHA256.to_string(): { "movePrecompileToAddress": MOVED, "code": seven } });
    for (to, expected) in [(MOVED, hash), (SHA256, B256::with_last_byte(7))] {
        let message = json!({ "to": to, "input": input });
        for (method, output) in returned(&server, &message, &state, &json!({})).await {
            assert_eq!(output, json!(expected), "{method} of {to}");
        }
        server.ok("eth_estimateGas", json!([message, "latest", state])).await;
    }
    // Where nothing is overridden, each is where it was.
    let message = |to: Address| json!({ "to": to, "input": input });
    assert_eq!(server.ok("eth_call", json!([message(SHA256), "latest"])).await, json!(hash));
    assert_eq!(server.ok("eth_call", json!([message(MOVED), "latest"])).await, "0x");
    // Nobody is the precompile where something else was said of it.
    let funded = json!({ SHA256.to_string(): { "balance": "0x1" } });
    assert_eq!(server.ok("eth_call", json!([message(SHA256), "latest", funded])).await, "0x");
}
