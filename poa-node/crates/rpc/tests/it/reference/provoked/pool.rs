//! Errors of sent transactions.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip7702, TxLegacy},
    eips::eip7702::Authorization,
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
};
use aurum_aura::Signer as _;
use aurum_types::Transaction;
use serde_json::{Value, json};

use super::{
    Provoked,
    chains::Chains,
    messages::{TOO_LONG, creation, delegates, raw},
};
use crate::common::kit::{CHAIN_ID, key, transaction, transfer};

const RAW: &str = "eth_sendRawTransaction";
const MESSAGE: &str = "eth_sendTransaction";
/// The owner's next nonce.
pub const NEXT: u64 = 12;

fn signature(index: usize, hash: B256) -> Signature {
    let signature = key(index).sign(hash).expect("signs");
    let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
    Signature::from_scalars_and_parity(r, s, signature[64] == 1)
}

fn signed<T: SignableTransaction<Signature>>(tx: T) -> Transaction
where
    Transaction: From<alloy::consensus::Signed<T>>,
{
    let signature = signature(0, tx.signature_hash());
    tx.into_signed(signature).into()
}

fn usual(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        to: TxKind::Call(Address::ZERO),
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        ..TxEip1559::default()
    }
}

pub fn with_gas(nonce: u64, to: TxKind, gas_limit: u64) -> Transaction {
    signed(TxEip1559 { gas_limit, to, ..usual(nonce) })
}

pub fn with_fees(nonce: u64, max_fee_per_gas: u128, max_priority_fee_per_gas: u128) -> Transaction {
    signed(TxEip1559 { max_fee_per_gas, max_priority_fee_per_gas, ..usual(nonce) })
}

fn with_input(nonce: u64, to: TxKind, gas_limit: u64, length: usize) -> Transaction {
    signed(TxEip1559 { to, gas_limit, input: vec![0; length].into(), ..usual(nonce) })
}

fn with_authorizations(nonce: u64, count: usize) -> Transaction {
    let authorization = Authorization { chain_id: U256::ZERO, address: Address::repeat_byte(5), nonce: 0 };
    let signature = signature(5, authorization.signature_hash());
    signed(TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        authorization_list: vec![authorization.into_signed(signature); count],
        ..TxEip7702::default()
    })
}

/// Of type 4.
pub fn delegating(nonce: u64) -> Transaction {
    with_authorizations(nonce, 1)
}

/// With an s that no signer makes.
pub fn unsigned() -> Transaction {
    usual(0).into_signed(Signature::new(U256::from(1), U256::MAX >> 1, false)).into()
}

pub async fn run(provoked: &mut Provoked, chains: &Chains) {
    raw_transactions(provoked, chains).await;
    messages(provoked, chains).await;
}

async fn raw_transactions(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, fees, old, full, crowded, coded, .. } = chains;
    let to = TxKind::Call(Address::ZERO);
    let waits = transfer(&key(1), 1, Address::ZERO, 1);
    at.call(RAW, json!([raw(&waits)])).await.unwrap();
    for nonce in [20, 21] {
        at.call(RAW, json!([raw(&transfer(&key(1), nonce, Address::ZERO, 1))])).await.unwrap();
    }
    for at in [&full.at, &crowded.at] {
        at.call(RAW, json!([raw(&transfer(&key(0), 0, Address::ZERO, 1))])).await.unwrap();
    }
    let legacy = |chain_id| TxLegacy { chain_id, nonce: NEXT, gas_limit: 50_000, to, ..TxLegacy::default() };
    let create = transaction(&key(1), 2, TxKind::Create, 0, Bytes::new());
    let cases = [
        (at, json!("0xf8"), -32000, "malformed transaction"),
        (at, json!("0x03"), -32000, "transaction type not supported: "),
        (at, raw(&unsigned()), -32000, "invalid sender"),
        (at, raw(&waits), -32000, "already known"),
        (at, raw(&transfer(&key(1), 0, Address::ZERO, 1)), -32000, "nonce too low"),
        (at, raw(&transfer(&key(1), 22, Address::ZERO, 1)), -32000, "nonce too high"),
        (&old.at, raw(&transfer(&key(0), u64::MAX, Address::ZERO, 1)), -32000, "nonce has max value"),
        (at, raw(&transfer(&key(1), 1, Address::ZERO, 2)), -32000, "replacement transaction underpriced"),
        (at, raw(&transfer(&key(6), 0, Address::ZERO, 2)), -32000, "insufficient funds for gas * price + value"),
        (at, raw(&with_gas(NEXT, to, 20_000)), -32000, "intrinsic gas too low"),
        (at, raw(&with_gas(NEXT, to, 40_000_000)), -32000, "exceeds block gas limit"),
        (&fees.at, raw(&with_fees(0, 1, 1)), -32000, "max fee per gas less than block base fee"),
        (&fees.at, raw(&with_fees(0, 2_000_000_000, 3_000_000_000)), -32000, "max priority fee per gas higher"),
        (&fees.at, raw(&with_fees(0, 0, 0)), -32000, "zero gas price transaction"),
        (at, raw(&with_input(NEXT, TxKind::Create, 5_000_000, TOO_LONG)), -32000, "max initcode size exceeded"),
        (at, raw(&with_input(NEXT, to, 20_000_000, 132_000)), -32000, "oversized data"),
        (at, raw(&with_authorizations(NEXT, 0)), -32000, "EIP-7702 transaction with empty auth list"),
        (&old.at, raw(&delegating(0)), -32000, "transaction type not supported"),
        (at, raw(&signed(legacy(Some(1)))), -32000, "invalid chain id for signer"),
        (at, raw(&signed(legacy(None))), -32000, "only replay-protected"),
        (&coded.at, raw(&with_gas(0, to, 50_000)), -32000, "sender not an eoa"),
        (at, raw(&create), -32010, "Transaction is not permitted."),
        (&full.at, raw(&transfer(&key(1), 0, Address::ZERO, 1)), -32005, "txpool is full: "),
        (&crowded.at, raw(&transfer(&key(0), 1, Address::ZERO, 1)), -32005, "txpool is full for sender"),
    ];
    for (at, raw, code, beginning) in cases {
        provoked.refused(at, RAW, &json!([raw]), code, beginning).await;
    }
}

/// The same of messages that the node signs.
async fn messages(provoked: &mut Provoked, chains: &Chains) {
    let Chains { at, fees, old, full, crowded, coded, denied, .. } = chains;
    let owner = key(0).address();
    let message = |change: &Value| {
        let mut message = json!({ "from": owner, "to": Address::ZERO, "gas": "0x186a0" });
        message.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        message
    };
    let next = format!("{NEXT:#x}");
    let waits = message(&json!({ "nonce": next }));
    at.call(MESSAGE, json!([waits])).await.unwrap();
    for nonce in ["0x20", "0x21"] {
        at.call(MESSAGE, json!([message(&json!({ "nonce": nonce }))])).await.unwrap();
    }
    let long = |mut message: Value, gas: &str, length: usize| {
        message["gas"] = json!(gas);
        message["input"] = json!(Bytes::from(vec![0; length]));
        message
    };
    let mut typed = delegates();
    typed["gas"] = json!("0x186a0");
    let mut mixed = typed.clone();
    mixed["gasPrice"] = json!("0x0");
    let cases = [
        (at, waits, -32000, "already known"),
        (at, message(&json!({ "nonce": "0x0" })), -32000, "nonce too low"),
        (at, message(&json!({ "nonce": "0x22" })), -32000, "nonce too high"),
        (&old.at, message(&json!({ "nonce": "0xffffffffffffffff" })), -32000, "nonce has max value"),
        (at, message(&json!({ "nonce": next, "value": "0x1" })), -32000, "replacement transaction underpriced"),
        (
            at,
            message(&json!({ "value": "0xffffffffffffffffffff" })),
            -32000,
            "insufficient funds for gas * price + value",
        ),
        (at, message(&json!({ "gas": "0x1" })), -32000, "intrinsic gas too low"),
        (at, message(&json!({ "gas": "0xffffffff" })), -32000, "exceeds block gas limit"),
        (
            &fees.at,
            message(&json!({ "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1" })),
            -32000,
            "max fee per gas less",
        ),
        (
            &fees.at,
            message(&json!({ "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x77359401" })),
            -32000,
            "max priority fee per gas higher",
        ),
        (&fees.at, message(&json!({ "gasPrice": "0x0" })), -32000, "zero gas price transaction"),
        (at, long(creation(&[]), "0x4c4b40", TOO_LONG), -32000, "max initcode size exceeded"),
        (at, long(message(&json!({})), "0x1312d00", 132_000), -32000, "oversized data"),
        (&old.at, typed, -32000, "transaction type not supported"),
        (&coded.at, message(&json!({})), -32000, "sender not an eoa"),
        (&denied.at, message(&json!({})), -32010, "Transaction is not permitted."),
        (&full.at, message(&json!({})), -32005, "txpool is full: "),
        (&crowded.at, message(&json!({})), -32005, "txpool is full for sender"),
    ];
    for (at, message, code, beginning) in cases {
        provoked.refused(at, MESSAGE, &json!([message]), code, beginning).await;
    }
    // What makes no transaction is not signed either.
    let incomplete = [
        (json!({ "to": owner }), -32602, "missing field from"),
        (json!({ "from": owner, "to": owner, "gasPrice": "0x1", "maxFeePerGas": "0x1" }), -32602, "both gasPrice and"),
        (json!({ "from": owner, "to": owner, "maxFeePerBlobGas": "0x1" }), -32602, "blob transactions"),
        (mixed, -32602, "the fields do not make a transaction"),
        (json!({ "from": key(7).address(), "to": owner }), -32000, "unknown account"),
    ];
    for (message, code, beginning) in incomplete {
        for method in [MESSAGE, "eth_signTransaction"] {
            provoked.refused(at, method, &json!([message]), code, beginning).await;
        }
    }
}
