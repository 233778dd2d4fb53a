//! Legacy transactions without a chain id, which any chain would take (EIP-155).

use alloy::{
    consensus::{SignableTransaction, TxLegacy},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
};
use aurum_aura::Signer;
use aurum_pool::PoolConfig;
use aurum_types::Transaction;
use serde_json::{Value, json};

use crate::common::{
    Server,
    kit::{Kit, key},
};

/// A transfer of 3 wei that names no chain.
fn unprotected() -> Transaction {
    let to = TxKind::Call(Address::repeat_byte(9));
    let tx = TxLegacy { chain_id: None, gas_limit: 21_000, to, value: U256::from(3), ..TxLegacy::default() };
    let signature = key(0).sign(tx.signature_hash()).expect("signs");
    let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
    tx.into_signed(Signature::from_scalars_and_parity(r, s, signature[64] == 1)).into()
}

fn raw(tx: &Transaction) -> Value {
    json!([Bytes::from(tx.encoded_2718())])
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_they_are_refused_in_geths_words() {
    let server = Server::start(Kit::new(1)).await;
    let tx = unprotected();
    // Alone by the short way, in a mixed batch by the general one.
    let alone = server.call("eth_sendRawTransaction", raw(&tx)).await.unwrap_err();
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" },
        { "jsonrpc": "2.0", "id": 2, "method": "eth_sendRawTransaction", "params": raw(&tx) },
    ]);
    let answers = server.post(batch.to_string()).await;
    for refused in [&alone, &answers[1]["error"]] {
        assert_eq!(refused["code"], -32000);
        assert_eq!(refused["message"], "only replay-protected (EIP-155) transactions allowed over RPC");
    }
    assert_eq!(server.ok("eth_getTransactionByHash", json!([tx.tx_hash()])).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_flag_they_are_pooled_and_mined() {
    let kit = Kit { pool: PoolConfig { allow_unprotected: true, ..PoolConfig::default() }, ..Kit::new(1) };
    let server = Server::start(kit).await;
    let tx = unprotected();
    assert_eq!(server.ok("eth_sendRawTransaction", raw(&tx)).await, json!(tx.tx_hash()));
    let pooled = server.ok("eth_getTransactionByHash", json!([tx.tx_hash()])).await;
    assert_eq!((&pooled["blockHash"], &pooled["from"]), (&Value::Null, &json!(key(0).address())));
    assert!(pooled["chainId"].is_null() && ["0x1b", "0x1c"].contains(&pooled["v"].as_str().unwrap()), "{pooled}");
    server.mine(std::slice::from_ref(&tx));
    let receipt = server.ok("eth_getTransactionReceipt", json!([tx.tx_hash()])).await;
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x1"), &json!("0x1")));
    assert_eq!(server.ok("txpool_status", json!([])).await["pending"], "0x0");
}
