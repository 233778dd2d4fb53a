//! Errors of messages that are run, traced and simulated.

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256, hex},
};
use aurum_aura::Signer as _;
use aurum_types::{Block, Transaction};
use serde_json::{Value, json};

use super::{
    Provoked,
    chains::{Chains, WASM},
    pool,
};
use crate::{
    common::kit::{key, transaction},
    reference::world::At,
};

/// One byte more than creation code may have.
pub const TOO_LONG: usize = 49_153;

/// Methods that take a message.
const OF_MESSAGES: [&str; 9] = [
    "eth_call",
    "eth_estimateGas",
    "eth_createAccessList",
    "eth_simulateV1",
    "debug_traceCall",
    "trace_call",
    "trace_callMany",
    "perm_check",
    "perm_explain",
];
/// Those that take overrides of accounts, and of the block.
const OVERRIDES: [&str; 4] = ["eth_call", "eth_estimateGas", "eth_createAccessList", "debug_traceCall"];

/// Parameters of a method for a message at a block.
fn with_message(method: &str, message: &Value, block: &str) -> Value {
    match method {
        "eth_simulateV1" => json!([{ "blockStateCalls": [{ "calls": [message] }] }, block]),
        "trace_call" => json!([message, ["trace"], block]),
        "trace_callMany" => json!([[[message, ["trace"]]], block]),
        "eth_sendTransaction" | "eth_signTransaction" => json!([message]),
        _ => json!([message, block]),
    }
}

pub fn creation(code: &[u8]) -> Value {
    json!({ "from": key(0).address(), "input": Bytes::copy_from_slice(code) })
}

/// An authorization nobody signed.
pub fn delegates() -> Value {
    let word = U256::from(1);
    let authorization =
        json!({ "chainId": "0x0", "address": WASM, "nonce": "0x0", "yParity": "0x0", "r": word, "s": word });
    json!({ "from": key(0).address(), "to": key(1).address(), "authorizationList": [authorization] })
}

pub async fn run(provoked: &mut Provoked, chains: &Chains) {
    messages(provoked, chains).await;
    ends(provoked, &chains.at).await;
    overrides(provoked, &chains.at).await;
    simulations(provoked, chains).await;
    tracers(provoked, chains).await;
    blocks(provoked, chains).await;
}

async fn messages(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, no_time, fees, old, .. } = chains;
    let contradictions = [
        (json!({ "chainId": "0x1" }), "chainId does not match"),
        (json!({ "gasPrice": "0x1", "maxFeePerGas": "0x1" }), "both gasPrice and"),
        (json!({ "maxFeePerBlobGas": "0x1" }), "blob transactions"),
        (json!({ "data": "0x00", "input": "0x01" }), "both \"data\" and \"input\""),
    ];
    let owner = key(0).address();
    for method in OF_MESSAGES {
        for (message, beginning) in &contradictions {
            provoked.refused(at, method, &with_message(method, message, "latest"), -32602, beginning).await;
        }
    }
    let run =
        ["eth_call", "eth_estimateGas", "eth_createAccessList", "debug_traceCall", "trace_call", "trace_callMany"];
    for method in run {
        let gas = json!({ "from": owner, "to": owner, "gas": "0x5208", "input": "0x01" });
        provoked.refused(at, method, &with_message(method, &gas, "latest"), -32000, "intrinsic gas too low").await;
    }
    for method in run.into_iter().chain(["eth_sendTransaction", "eth_signTransaction"]) {
        for (at, message, beginning) in [
            (at, creation(&[0; TOO_LONG]), "max initcode size exceeded"),
            (
                &fees.at,
                json!({ "from": owner, "to": owner, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2" }),
                "max priority fee per gas higher",
            ),
            (&old.at, json!({ "from": owner, "to": WASM }), "code that begins as wasm"),
        ] {
            provoked.refused(at, method, &with_message(method, &message, "latest"), -32000, beginning).await;
        }
    }
    // Short ones end before anybody looks at the clock.
    for method in ["eth_createAccessList", "eth_simulateV1", "debug_traceCall", "trace_call", "trace_callMany"] {
        let params = with_message(method, &creation(&hex!("5b5f56")), "latest");
        provoked.refused(no_time, method, &params, -32005, "execution timeout: ").await;
    }
    let many = vec![json!([{ "to": owner }, ["trace"]]); 1001];
    provoked.refused(at, "trace_callMany", &json!([many]), -32005, "1001 calls asked for").await;
    raw_transactions(provoked, chains).await;
}

pub fn raw(tx: &Transaction) -> Value {
    json!(Bytes::from(tx.encoded_2718()))
}

async fn raw_transactions(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, fees, old, .. } = chains;
    let owner = TxKind::Call(key(0).address());
    let too_long = transaction(&key(0), 9, TxKind::Create, 0, vec![0; TOO_LONG].into());
    let wasm = transaction(&key(0), 0, TxKind::Call(WASM), 0, Bytes::new());
    let cases = [
        (at, raw(&too_long), "max initcode size exceeded"),
        (at, raw(&pool::with_gas(9, owner, 20_000)), "intrinsic gas too low"),
        (&fees.at, raw(&pool::with_fees(0, 1, 2)), "max priority fee per gas higher"),
        (&old.at, raw(&wasm), "code that begins as wasm"),
        (at, json!("0xf8"), "malformed transaction"),
        (at, json!("0x03"), "transaction type not supported"),
        (at, raw(&pool::unsigned()), "invalid sender"),
    ];
    let endless = json!([raw(&transaction(&key(0), 9, TxKind::Create, 0, hex!("5b5f56").into())), ["trace"], "latest"]);
    provoked.refused(&chains.no_time, "trace_rawTransaction", &endless, -32005, "execution timeout: ").await;
    for (at, raw, beginning) in cases {
        let params = json!([raw, ["trace"], "latest"]);
        provoked.refused(at, "trace_rawTransaction", &params, -32000, beginning).await;
    }
}

/// How a message ends that does not succeed: creation code that ends so.
async fn ends(provoked: &mut Provoked, at: &At) {
    let cases: [(&[u8], i64, &str); 9] = [
        (&hex!("5f5ffd"), 3, "execution reverted"),
        (&hex!("5b5f56"), -32000, "gas required exceeds allowance"),
        (&hex!("fe"), -32000, "invalid opcode"),
        (&hex!("5f56"), -32000, "invalid jump destination"),
        (&hex!("01"), -32000, "stack underflow"),
        (&hex!("5b5f5f56"), -32000, "stack limit reached 1024"),
        (&hex!("60015f5f3e"), -32000, "return data out of bounds"),
        (&hex!("6160015ff3"), -32000, "max code size exceeded"),
        (&hex!("60ef5f5360015ff3"), -32000, "invalid code: must not begin with 0xef"),
    ];
    for method in ["eth_call", "eth_estimateGas", "eth_sendTransaction", "eth_signTransaction"] {
        for (code, number, beginning) in cases {
            let params = with_message(method, &creation(code), "latest");
            provoked.refused(at, method, &params, number, beginning).await;
        }
        // There is a contract already where the owner's first transaction created one.
        let mut again = creation(&hex!("00"));
        again["nonce"] = json!("0x0");
        let params = with_message(method, &again, "latest");
        provoked.refused(at, method, &params, -32000, "contract address collision").await;
    }
    for method in ["eth_call", "eth_estimateGas"] {
        let mut long = creation(&hex!("5b5f56"));
        long["gas"] = json!("0x11170");
        provoked.refused(at, method, &with_message(method, &long, "latest"), -32000, "out of gas").await;
    }
}

async fn overrides(provoked: &mut Provoked, at: &At) {
    let account = key(7).address();
    let (slot, message) = (json!({ B256::ZERO.to_string(): B256::ZERO }), json!({ "to": account }));
    let states = [
        (json!({ account.to_string(): { "state": slot, "stateDiff": slot } }), "state overrides: account has both"),
        (json!({ account.to_string(): { "movePrecompileToAddress": account } }), "state overrides: account 0x"),
        (json!({ account.to_string(): { "movePrecompileToAddress": Address::ZERO } }), "state overrides: account 0x"),
    ];
    let blocks = [
        (json!({ "blockHash": { "1": B256::ZERO } }), "block overrides: blockHash"),
        (json!({ "parentBeaconBlockRoot": B256::ZERO }), "block overrides: parentBeaconBlockRoot"),
        (json!({ "blobBaseFee": "0x1" }), "block overrides: blobBaseFee"),
        (json!({ "baseFeePerGas": "0x10000000000000000" }), "block overrides: baseFeePerGas"),
    ];
    for method in OVERRIDES {
        for (state, beginning) in &states {
            let params = match method {
                "debug_traceCall" => json!([message, "latest", { "stateOverrides": state }]),
                _ => json!([message, "latest", state]),
            };
            provoked.refused(at, method, &params, -32000, beginning).await;
        }
        for (block, beginning) in &blocks {
            let params = match method {
                "debug_traceCall" => json!([message, "latest", { "blockOverrides": block }]),
                "eth_createAccessList" => continue,
                _ => json!([message, "latest", null, block]),
            };
            provoked.refused(at, method, &params, -32000, beginning).await;
        }
    }
    for (block, beginning) in &blocks {
        let params = json!([{ "blockStateCalls": [{ "blockOverrides": block }] }]);
        provoked.refused(at, "eth_simulateV1", &params, -32000, beginning).await;
    }
    for (state, beginning) in &states {
        let params = json!([{ "blockStateCalls": [{ "stateOverrides": state }] }]);
        provoked.refused(at, "eth_simulateV1", &params, -32602, beginning).await;
    }
}

async fn simulations(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, fees, coded, .. } = chains;
    let owner = key(0).address();
    let call = |message: &Value| json!({ "calls": [message] });
    let of = |change: &Value| {
        let mut message = json!({ "from": owner, "to": owner });
        message.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        call(&message)
    };
    let cases = [
        (at, -38010, of(&json!({ "nonce": "0x0" })), "nonce too low"),
        (at, -38011, of(&json!({ "nonce": "0xff" })), "nonce too high"),
        (&fees.at, -38012, of(&json!({ "maxFeePerGas": "0x1" })), "max fee per gas less"),
        (at, -38013, of(&json!({ "gas": "0x1" })), "intrinsic gas too low"),
        (at, -38014, of(&json!({ "value": "0xffffffffffffffffffff" })), "insufficient funds"),
        (at, -38015, of(&json!({ "gas": "0xffffffff" })), "block gas limit reached"),
        (at, -38020, json!({ "blockOverrides": { "number": "0x1" } }), "block numbers must rise"),
        (at, -38021, json!({ "blockOverrides": { "time": "0x1" } }), "block timestamps must rise"),
        (&coded.at, -38024, of(&json!({})), "sender not an eoa"),
        (at, -38025, call(&creation(&[0; TOO_LONG])), "max initcode size exceeded"),
        (at, -38026, json!({ "blockOverrides": { "number": "0xffff" } }), "too many blocks"),
        (
            &fees.at,
            -32602,
            of(&json!({ "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x77359401" })),
            "max priority fee per gas higher",
        ),
    ];
    for (at, code, block, beginning) in cases {
        let params = json!([{ "blockStateCalls": [block], "validation": true }]);
        provoked.refused(at, "eth_simulateV1", &params, code, beginning).await;
    }
    provoked.refused(at, "eth_simulateV1", &json!([{ "blockStateCalls": [] }]), -32602, "empty input").await;
}

async fn tracers(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, world, .. } = chains;
    let raw = at.call("debug_getRawBlock", json!(["0x2"])).await.unwrap();
    let asked = [
        ("debug_traceTransaction", json!([world.hash(2, 0)])),
        ("debug_traceBlock", json!([raw])),
        ("debug_traceBlockByHash", json!([world.blocks[1].hash()])),
        ("debug_traceBlockByNumber", json!(["0x2"])),
        ("debug_traceCall", json!([{ "to": world.token }, "latest"])),
    ];
    for (method, params) in asked {
        for (options, beginning) in [
            (json!({ "tracer": "{}" }), "JS Tracer is not enabled"),
            (json!({ "tracer": "callTracer", "tracerConfig": { "onlyTopCall": "yes" } }), "invalid tracer config"),
            (mux(&json!({ "4byteTracer": { "no": 1 } })), "unexpected config for tracer"),
            (mux(&json!({ "callTracer": null })), "expected config is missing for tracer"),
            (mux(&json!({ "{}": null })), "unsupported tracer type"),
            (mux(&json!({ "callTracer": { "onlyTopCall": "yes" } })), "error deserializing config"),
            (json!({ "timeout": "soon" }), "time: invalid duration"),
        ] {
            let mut params = params.clone();
            params.as_array_mut().unwrap().push(options);
            provoked.refused(at, method, &params, -32602, beginning).await;
        }
    }
    let past = json!([{ "to": world.token }, "0x2", { "txIndex": "0x9" }]);
    provoked.refused(at, "debug_traceCall", &past, -32602, "txIndex is past").await;
    let genesis = json!([{ "to": world.token }, "0x0", { "txIndex": "0x0" }]);
    provoked.refused(at, "debug_traceCall", &genesis, -32602, "genesis is not traceable").await;
}

fn mux(tracers: &Value) -> Value {
    json!({ "tracer": "muxTracer", "tracerConfig": tracers })
}

/// Blocks that are given.
async fn blocks(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, world, .. } = chains;
    let child = |transactions: Vec<Transaction>| {
        let header = world.blocks[3].header().clone();
        json!([Block { header, transactions, uncles: Vec::new() }.encode()])
    };
    let mut orphan = world.blocks[3].block().clone();
    orphan.header.parent_hash = B256::repeat_byte(0xee);
    let to = TxKind::Call(Address::ZERO);
    let cases = [
        (json!(["0xc0"]), -32602, "could not decode block"),
        (json!([orphan.encode()]), -32602, "parent 0xeeee"),
        (child(vec![pool::unsigned()]), -32602, "invalid transaction signature"),
        (child(vec![transaction(&key(1), 9, to, 0, Bytes::new())]), -32000, "transaction 0 in block: nonce too high"),
        (child(vec![pool::with_gas(5, to, 40_000_000)]), -32000, "transaction 0 in block asks for"),
    ];
    for (params, code, beginning) in cases {
        provoked.refused(at, "debug_traceBlock", &params, code, beginning).await;
    }
}
