//! Sending: every type, no fee flag, and refusals in the words clients match.

use std::sync::Arc;

use crate::common::{
    Server, config, init_code,
    kit::{CHAIN_ID, Kit, key, transaction, transfer},
    logger, permissions, store,
};
use alloy::{
    consensus::{SignableTransaction, TxEip2930, TxEip7702, TxLegacy},
    eips::{eip2718::Encodable2718, eip7702::Authorization},
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, Bytes, Signature, TxKind, U256, keccak256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
};
use aurum_chain::{Cancel, Development, Edit};
use aurum_rpc::{DevApi, DevError, Mining, Services};
use aurum_types::Transaction;
use serde_json::json;

/// The kit's key, as alloy's signer.
fn wallet(index: usize) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(format!("chain test key {index}"))).unwrap()
}

fn signed<T: SignableTransaction<Signature>>(tx: T, by: &PrivateKeySigner) -> Transaction
where
    Transaction: From<alloy::consensus::Signed<T>>,
{
    let signature = by.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

fn raw(tx: &Transaction) -> serde_json::Value {
    json!([Bytes::from(tx.encoded_2718())])
}

#[tokio::test(flavor = "multi_thread")]
async fn types_0_1_2_and_4_are_pooled_mined_and_read_back() {
    let server = Server::start(Kit::new(1)).await;
    let sender = wallet(0);
    let to = TxKind::Call(Address::repeat_byte(9));
    let authorization = Authorization { chain_id: U256::ZERO, address: Address::repeat_byte(5), nonce: 0 };
    let signature = wallet(5).sign_hash_sync(&authorization.signature_hash()).unwrap();
    let transactions = [
        signed(TxLegacy { chain_id: Some(CHAIN_ID), gas_limit: 50_000, to, ..Default::default() }, &sender),
        signed(TxEip2930 { chain_id: CHAIN_ID, nonce: 1, gas_limit: 50_000, to, ..Default::default() }, &sender),
        transfer(&key(0), 2, Address::repeat_byte(9), 1),
        signed(
            TxEip7702 {
                chain_id: CHAIN_ID,
                nonce: 3,
                gas_limit: 100_000,
                to: Address::repeat_byte(9),
                authorization_list: vec![authorization.into_signed(signature)],
                ..Default::default()
            },
            &sender,
        ),
    ];
    for tx in &transactions {
        server.ok("eth_sendRawTransaction", raw(tx)).await;
    }
    server.mine(&transactions);
    for (tx, expected) in transactions.iter().zip(["0x0", "0x1", "0x2", "0x4"]) {
        let found = server.ok("eth_getTransactionByHash", json!([tx.tx_hash()])).await;
        assert_eq!(found["type"], expected);
        let decoded: alloy::rpc::types::Transaction = serde_json::from_value(found).unwrap();
        assert_eq!(decoded.inner.tx_hash(), tx.tx_hash());
        let receipt = server.ok("eth_getTransactionReceipt", json!([tx.tx_hash()])).await;
        assert_eq!((&receipt["type"], &receipt["status"]), (&json!(expected), &json!("0x1")));
        let raw = server.ok("eth_getRawTransactionByHash", json!([tx.tx_hash()])).await;
        assert_eq!(raw, json!(Bytes::from(tx.encoded_2718())));
        for (way, block) in [("Hash", &receipt["blockHash"]), ("Number", &receipt["blockNumber"])] {
            let method = format!("eth_getRawTransactionByBlock{way}AndIndex");
            assert_eq!(server.ok(&method, json!([block, receipt["transactionIndex"]])).await, raw);
            assert_eq!(server.ok(&method, json!([block, "0x9"])).await, json!("0x"), "as geth");
        }
    }
    assert_eq!(server.ok("eth_getRawTransactionByBlockNumberAndIndex", json!(["0xffff", "0x0"])).await, json!("0x"));
    let delegated = server.ok("eth_getCode", json!([wallet(5).address(), "latest"])).await;
    assert_eq!(delegated, "0xef01000505050505050505050505050505050505050505");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_penniless_account_deploys_and_calls_without_a_fee_flag() {
    let server = Server::start(Kit::new(1)).await;
    // Fillers of alloy, as in cast and forge: nonce, chain id, gas estimate, EIP-1559 fees from eth_feeHistory.
    let wallet = EthereumWallet::from(wallet(7));
    let alloy = ProviderBuilder::new().wallet(wallet).connect_http(server.url().parse().unwrap());
    let deploy = TransactionRequest::default().into_create().input(init_code(&store()).into());
    let pending = alloy.send_transaction(deploy).await.unwrap();
    let hash = *pending.tx_hash();
    let tx = server.node.view().transaction(hash).unwrap().unwrap().transaction;
    server.mine(&[tx.into_inner()]);
    let receipt = alloy.get_transaction_receipt(hash).await.unwrap().unwrap();
    assert!(receipt.status());
    let call = TransactionRequest::default().to(receipt.contract_address.unwrap()).input(vec![1u8; 32].into());
    let _sent = alloy.send_transaction(call).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_use_the_words_clients_match() {
    let server = Server::start(Kit::new(1)).await;
    let to = Address::repeat_byte(9);
    server.mine(&[transfer(&key(0), 0, to, 1)]);
    let known = transfer(&key(0), 1, to, 1);
    server.ok("eth_sendRawTransaction", raw(&known)).await;
    let mut blob = known.encoded_2718();
    blob[0] = 3;
    let cases = [
        (raw(&known), -32000, "already known"),
        (raw(&transfer(&key(0), 0, to, 1)), -32000, "nonce too low"),
        (raw(&transfer(&key(0), 1, to, 2)), -32000, "replacement transaction underpriced"),
        (raw(&transfer(&key(6), 0, to, 2)), -32000, "insufficient funds for gas * price + value"),
        (
            raw(&signed(TxLegacy { chain_id: Some(1), nonce: 2, gas_limit: 50_000, ..Default::default() }, &wallet(0))),
            -32000,
            "invalid chain id for signer",
        ),
        (
            raw(&signed(
                TxLegacy { chain_id: Some(CHAIN_ID), nonce: 2, gas_limit: 20_000, ..Default::default() },
                &wallet(0),
            )),
            -32000,
            "intrinsic gas too low",
        ),
        (json!([Bytes::from(blob)]), -32000, "transaction type not supported"),
        (json!(["0x1234"]), -32000, "transaction type not supported"),
        (json!(["0xf8"]), -32000, "malformed transaction"),
        (json!(["hello"]), -32602, "invalid argument 0"),
        (json!([]), -32602, "missing value for required argument 0"),
    ];
    for (params, code, words) in cases {
        let error = server.call("eth_sendRawTransaction", params.clone()).await.unwrap_err();
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().unwrap().starts_with(words), "{words}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_minus_32010_with_everything_needed_to_act_on_it() {
    let contract = Address::repeat_byte(0xee);
    // basic and call, no create.
    let kit = Kit::with(1, |spec| {
        spec["params"]["transactionPermissionContract"] = json!(contract);
        spec["accounts"][contract.to_string()] = json!({ "balance": "0", "code": Bytes::from(permissions(3)) });
    });
    let server = Server::start(kit).await;
    server.mine(&[]);
    let create = transaction(&key(0), 0, TxKind::Create, 0, init_code(&logger()));
    let error = server.call("eth_sendRawTransaction", raw(&create)).await.unwrap_err();
    assert_eq!(error["code"], -32010);
    assert!(error["message"].as_str().unwrap().starts_with("Transaction is not permitted."), "{error}");
    assert_eq!(
        error["data"],
        json!({
            "reason": "CREATE_DENIED", "needed": "create", "have": ["basic", "call"], "contract": contract, "block": 1,
        })
    );
    server.ok("eth_sendRawTransaction", raw(&transfer(&key(0), 0, Address::repeat_byte(9), 1))).await;

    let create = json!({ "from": key(0).address_of(), "data": "0x00" });
    assert_eq!(server.ok("perm_check", json!([create])).await, false);
    let explained = server.ok("perm_explain", json!([create])).await;
    assert_eq!((&explained["permitted"], &explained["needed"]), (&json!(false), &json!("create")));
    assert_eq!(explained["contract"], json!(contract));
    let call = json!({ "from": key(0).address_of(), "to": contract });
    assert_eq!(server.ok("perm_check", json!([call])).await, true);
    let rights = server.ok("perm_getPermissions", json!([key(0).address_of()])).await;
    assert_eq!(rights["rights"], json!(["basic", "call"]));
    let metrics = reqwest::get(format!("http://{}/metrics", server.handle.metrics.unwrap())).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains(r#"aurum_permission_denied_total{reason="CREATE_DENIED"} 1"#), "{metrics}");
}

trait AddressOf {
    fn address_of(&self) -> Address;
}

impl AddressOf for aurum_aura::KeySigner {
    fn address_of(&self) -> Address {
        aurum_aura::Signer::address(self)
    }
}

/// Holds key 0; blocks are the test's own.
pub struct Dev;

impl DevApi for Dev {
    fn accounts(&self) -> Vec<Address> {
        vec![wallet(0).address()]
    }

    fn sign(&self, account: Address, hash: alloy::primitives::B256) -> Result<Signature, DevError> {
        if account != wallet(0).address() {
            return Err(DevError::UnknownAccount);
        }
        Ok(wallet(0).sign_hash_sync(&hash).expect("a key signs"))
    }

    fn advance_time(&self, seconds: u64) -> u64 {
        seconds
    }

    fn set_next_time(&self, seconds: u64) -> Result<(), DevError> {
        Err(DevError::Past { seconds, head: 9 })
    }

    fn mine(&self, _blocks: u64, _apart: Option<u64>, _given_up: &Cancel) -> Result<(), DevError> {
        Err(DevError::Mining("the test mines".to_owned()))
    }

    fn mining(&self) -> Mining {
        Mining { automine: false, interval: None }
    }

    fn set_mining(&self, _mining: Mining) {}

    fn edit(&self, _edit: Edit) -> Result<(), DevError> {
        Err(DevError::OtherAuthority)
    }

    fn impersonate(&self, _account: Address) -> Result<(), DevError> {
        Err(DevError::OtherAuthority)
    }

    fn stop_impersonating(&self, _account: Address) {}

    fn impersonates(&self, _account: Address) -> Option<Development> {
        None
    }

    fn snapshot(&self) -> Result<u64, DevError> {
        Err(DevError::OtherAuthority)
    }

    fn revert(&self, _snapshot: u64) -> Result<bool, DevError> {
        Err(DevError::OtherAuthority)
    }

    fn reset(&self) -> Result<(), DevError> {
        Err(DevError::OtherAuthority)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_chain_signs_for_its_accounts() {
    let dev = |services| Services { dev: Some(Arc::new(Dev)), ..services };
    let server = Server::with(Kit::new(1), config(), dev).await;
    let account = wallet(0).address();
    assert_eq!(server.ok("eth_accounts", json!([])).await, json!([account]));
    let request = json!([{ "from": account, "to": Address::repeat_byte(9), "value": "0x5" }]);
    let hash = server.ok("eth_sendTransaction", request).await;
    let pooled = server.ok("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&pooled["from"], &pooled["gas"]), (&json!(account), &json!("0x5208")));
    let stranger = json!([{ "from": Address::repeat_byte(1), "to": account }]);
    assert_eq!(server.call("eth_sendTransaction", stranger).await.unwrap_err()["message"], "unknown account");
    let signature = server.ok("personal_sign", json!(["0x68656c6c6f", account])).await;
    let signature: Bytes = serde_json::from_value(signature).unwrap();
    let signature = Signature::try_from(signature.as_ref()).unwrap();
    assert_eq!(signature.recover_address_from_msg("hello").unwrap(), account);
    let mine = server.call("evm_mine", json!([])).await.unwrap_err();
    assert_eq!(mine["message"], "no block was mined: the test mines");
    for seconds in [json!(60), json!("0x3c")] {
        assert_eq!(server.ok("evm_increaseTime", json!([seconds])).await, 60);
        let past = server.call("evm_setNextBlockTimestamp", json!([seconds])).await.unwrap_err();
        assert_eq!(past["message"], "Timestamp 60 is lower than or equal to previous block's timestamp 9");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_used_outside_a_development_chain() {
    let server = Server::start(Kit::new(1)).await;
    for method in ["eth_sendTransaction", "eth_sign", "personal_sign", "evm_mine"] {
        assert_eq!(server.call(method, json!([])).await.unwrap_err()["code"], -32601, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_takes_a_transaction_out_and_sees_it_once() {
    let server = Server::start(Kit::new(1)).await;
    let sent = transfer(&key(0), 0, Address::repeat_byte(9), 1);
    let hash = server.ok("eth_sendRawTransaction", raw(&sent)).await;
    let removed = server.ok("parity_removeTransaction", json!([hash])).await;
    assert_eq!((&removed["hash"], &removed["blockHash"]), (&hash, &json!(null)));
    assert!(server.ok("parity_removeTransaction", json!([hash])).await.is_null());
    assert_eq!(server.ok("eth_getTransactionByHash", json!([hash])).await, json!(null));
    assert_eq!(server.ok("perm_whyTransaction", json!([hash])).await["status"], "dropped");
    // Whoever comes through a proxy does not administer.
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "parity_removeTransaction", "params": [hash] }).to_string();
    let request = reqwest::Client::new().post(server.url()).header("content-type", "application/json");
    let refused =
        request.header("x-forwarded-for", "192.0.2.1").body(body).send().await.unwrap().bytes().await.unwrap();
    let refused: serde_json::Value = serde_json::from_slice(&refused).unwrap();
    assert_eq!(refused["error"]["data"]["reason"], "ADMIN_NOT_LOCAL", "{refused}");
}
