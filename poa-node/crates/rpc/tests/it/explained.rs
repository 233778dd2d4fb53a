//! What became of a transaction, what it touches, and what an explorer asks.

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind},
};
use aurum_aura::Signer;
use aurum_types::Transaction;
use serde_json::{Value, json};

use crate::common::{
    Server, Threshold, council,
    kit::{Kit, key, transaction, transfer},
    logger, reverter, store,
};

async fn send(server: &Server, tx: &Transaction) -> Value {
    server.ok("eth_sendRawTransaction", json!([Bytes::from(tx.encoded_2718())])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_transaction_waits_succeeded_failed_or_is_unknown() {
    let server = Server::start(Kit::new(1)).await;
    let why = async |hash: Value| server.ok("perm_whyTransaction", json!([hash])).await;
    assert_eq!(why(json!(B256::ZERO)).await["status"], "unknown");

    let gapped = transfer(&key(1), 1, Address::repeat_byte(9), 1);
    let hash = send(&server, &gapped).await;
    let waiting = why(hash).await;
    assert_eq!(
        (&waiting["status"], &waiting["nonce"], &waiting["nextNonce"]),
        (&json!("queued"), &json!(1), &json!(0))
    );
    assert!(waiting["explanation"].as_str().unwrap().contains("waits for nonce 0"), "{waiting}");
    let first = transfer(&key(1), 0, Address::repeat_byte(9), 1);
    let hash = send(&server, &first).await;
    assert_eq!(why(hash.clone()).await["status"], "pending");
    assert_eq!(why(json!(gapped.tx_hash())).await["status"], "pending");

    let reverter = server.deploy(0, &reverter("not the owner"));
    let failing = transaction(&key(0), 1, TxKind::Call(reverter), 0, Bytes::new());
    server.mine(&[failing.clone(), first]);
    let mined = why(hash).await;
    assert_eq!((&mined["status"], &mined["blockNumber"]), (&json!("mined"), &json!(2)));
    let failed = why(json!(failing.tx_hash())).await;
    assert_eq!((&failed["status"], &failed["failedIn"]), (&json!("reverted"), &json!(reverter)));
    assert!(failed["explanation"].as_str().unwrap().contains("execution reverted: not the owner"), "{failed}");
    assert!(failed["revertData"].as_str().unwrap().starts_with("0x08c379a0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_list_names_slots_and_says_why_a_message_fails() {
    let server = Server::start(Kit::new(1)).await;
    let store = server.deploy(0, &store());
    let reverter = server.deploy(1, &reverter("no"));
    let call = json!({ "from": key(0).address(), "to": store, "input": B256::repeat_byte(6) });
    let list = server.ok("eth_createAccessList", json!([call])).await;
    assert_eq!(list["accessList"], json!([{ "address": store, "storageKeys": [B256::ZERO] }]));
    assert!(list.get("error").is_none());
    let mut with_list = call.clone();
    with_list["accessList"] = list["accessList"].clone();
    // Exactly what the list says it costs.
    with_list["gas"] = list["gasUsed"].clone();
    server.ok("eth_call", json!([with_list])).await;
    let failing = server.ok("eth_createAccessList", json!([{ "to": reverter }])).await;
    assert_eq!((&failing["accessList"], &failing["error"]), (&json!([]), &json!("execution reverted: no")));
}

#[tokio::test(flavor = "multi_thread")]
async fn otterscan_sees_blocks_pages_and_insides() {
    let kit = Kit::with(1, |spec| spec["engine"]["authorityRound"]["params"]["blockReward"] = json!("0x5"));
    let server = Server::start(kit).await;
    assert_eq!(server.ok("ots_getApiLevel", json!([])).await, 8);
    let logger = server.deploy(0, &logger());
    let failing = server.deploy(1, &reverter("no"));
    let call = transaction(&key(0), 2, TxKind::Call(logger), 0, B256::repeat_byte(1).into());
    let bad = transaction(&key(0), 3, TxKind::Call(failing), 0, Bytes::new());
    server.mine(&[call.clone(), bad.clone()]);

    assert_eq!(server.ok("ots_hasCode", json!([logger, "latest"])).await, true);
    assert_eq!(server.ok("ots_hasCode", json!([logger, "0x0"])).await, false);
    let details = server.ok("ots_getBlockDetails", json!(["0x3"])).await;
    assert_eq!(details["issuance"], json!({ "blockReward": "0x5", "uncleReward": "0x0", "issuance": "0x5" }));
    assert_eq!((&details["block"]["transactionCount"], &details["totalFees"]), (&json!(2), &json!("0x0")));
    let hash = details["block"]["hash"].clone();
    assert_eq!(server.ok("ots_getBlockDetailsByHash", json!([hash])).await, details);

    // Its first question, with the numbers it asks for, and that of some versions; then what it asks of block 3 in numbers.
    for (asked, usual) in [(json!(0), "0x0"), (json!("latest"), "latest")] {
        let header = server.ok("erigon_getHeaderByNumber", json!([asked])).await;
        assert_eq!(header, server.ok("eth_getHeaderByNumber", json!([usual])).await);
        assert!(header["hash"].is_string(), "{header}");
    }
    assert_eq!(server.ok("ots_getBlockDetails", json!([3])).await, details);
    let page = server.ok("ots_getBlockTransactions", json!([3, 0, 25])).await;
    assert_eq!(page, server.ok("ots_getBlockTransactions", json!(["0x3", 0, 25])).await);
    assert_eq!(page["fullblock"]["transactions"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.ok("ots_hasCode", json!([logger, 3])).await, true);
    assert_eq!(server.ok("ots_hasCode", json!([logger, 0])).await, false);

    // The last page comes first.
    let page = server.ok("ots_getBlockTransactions", json!(["0x3", 0, 1])).await;
    assert_eq!(page["fullblock"]["transactions"][0]["hash"], json!(bad.tx_hash()));
    let page = server.ok("ots_getBlockTransactions", json!(["0x3", 1, 1])).await;
    assert_eq!(page["fullblock"]["transactions"][0]["input"], "0x01010101");
    assert_eq!(page["receipts"][0]["logs"], Value::Null);

    let trace = server.ok("ots_traceTransaction", json!([call.tx_hash()])).await;
    assert_eq!((&trace[0]["type"], &trace[0]["depth"], &trace[0]["to"]), (&json!("CALL"), &json!(0), &json!(logger)));
    assert_eq!(server.ok("ots_getInternalOperations", json!([call.tx_hash()])).await, json!([]));
    assert_eq!(server.ok("ots_getTransactionError", json!([call.tx_hash()])).await, "0x");
    let error = server.ok("ots_getTransactionError", json!([bad.tx_hash()])).await;
    assert!(error.as_str().unwrap().starts_with("0x08c379a0"));

    let sender = key(0).address();
    let found = server.ok("ots_getTransactionBySenderAndNonce", json!([sender, 2])).await;
    assert_eq!(found, json!(call.tx_hash()));
    assert_eq!(server.ok("ots_getTransactionBySenderAndNonce", json!([sender, 9])).await, Value::Null);
    let creator = server.ok("ots_getContractCreator", json!([failing])).await;
    assert_eq!(creator["creator"], json!(sender));
    let creation = server.ok("eth_getTransactionReceipt", json!([creator["hash"]])).await;
    assert_eq!((&creation["blockNumber"], &creation["contractAddress"]), (&json!("0x2"), &json!(failing)));

    let newest = server.ok("ots_searchTransactionsBefore", json!([sender, 0, 2])).await;
    assert_eq!((&newest["firstPage"], &newest["lastPage"]), (&json!(true), &json!(false)));
    assert_eq!(newest["txs"][0]["hash"], json!(bad.tx_hash()));
    let oldest = server.ok("ots_searchTransactionsAfter", json!([sender, 0, 1])).await;
    assert_eq!((&oldest["lastPage"], &oldest["txs"][0]["blockNumber"]), (&json!(true), &json!("0x1")));
    let of_logger = server.ok("ots_searchTransactionsBefore", json!([logger, 0, 10])).await;
    let hashes: Vec<_> = of_logger["txs"].as_array().unwrap().iter().map(|tx| &tx["blockNumber"]).collect();
    assert_eq!(hashes, ["0x3", "0x1"]);
    assert_eq!(of_logger["lastPage"], true);
}

/// A chain whose permission contract lets everybody call and send, and says that these can change that.
fn kit_with_council(admins: &[Address], threshold: Threshold) -> (Kit, Address) {
    let contract = Address::repeat_byte(0xee);
    let kit = Kit::with(1, |spec| {
        spec["params"]["transactionPermissionContract"] = json!(contract);
        let code = Bytes::from(council(3, admins, threshold));
        spec["accounts"][contract.to_string()] = json!({ "balance": "0", "code": code });
    });
    (kit, contract)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_who_can_grant_the_right_where_the_contract_tells() {
    let admins = [Address::repeat_byte(1), Address::repeat_byte(2)];
    let (kit, contract) = kit_with_council(&admins, Threshold::Of(2));
    let server = Server::start(kit).await;
    server.mine(&[]);
    let create = json!({ "from": key(0).address(), "data": "0x00" });
    let explained = server.ok("perm_explain", json!([create])).await;
    let grantors = json!({ "contract": contract, "admins": admins, "threshold": 2 });
    assert_eq!(explained["grantors"], grantors);
    assert!(explained["message"].as_str().unwrap().contains("2 of its administrators"), "{explained}");
    let call = json!({ "from": key(0).address(), "to": contract });
    assert!(server.ok("perm_explain", json!([call])).await.get("grantors").is_none());

    let create = transaction(&key(0), 0, TxKind::Create, 0, Bytes::new());
    let raw = Bytes::from(create.encoded_2718());
    let refused = server.call("eth_sendRawTransaction", json!([raw])).await.unwrap_err();
    assert_eq!((&refused["code"], &refused["data"]["grantors"]), (&json!(-32010), &grantors), "{refused}");
    let why = server.ok("perm_whyTransaction", json!([create.tx_hash()])).await;
    assert_eq!((&why["status"], &why["grantors"]), (&json!("refused"), &grantors), "{why}");
    // What was refused for another reason, no right of anybody changes.
    let poor = transfer(&key(6), 0, Address::ZERO, 2);
    let raw = Bytes::from(poor.encoded_2718());
    let refused = server.call("eth_sendRawTransaction", json!([raw])).await.unwrap_err();
    assert_eq!((&refused["code"], refused.get("data")), (&json!(-32000), None), "{refused}");
    let why = server.ok("perm_whyTransaction", json!([poor.tx_hash()])).await;
    assert_eq!((&why["status"], why.get("grantors")), (&json!("refused"), None), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_those_who_can_grant_at_the_head() {
    let (kit, _) = kit_with_council(&[Address::repeat_byte(1)], Threshold::Height);
    let server = Server::start(kit).await;
    for height in 1..4 {
        server.mine(&[]);
        // The second answer is of what is kept.
        for value in 0..2 {
            let create = transaction(&key(0), 0, TxKind::Create, value, Bytes::new());
            let raw = Bytes::from(create.encoded_2718());
            let refused = server.call("eth_sendRawTransaction", json!([raw])).await.unwrap_err();
            assert_eq!(refused["data"]["grantors"]["threshold"], json!(height), "{refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_leaves_out_more_administrators_than_a_council_has() {
    for (count, told) in [(50, true), (51, false)] {
        let (kit, _) = kit_with_council(&vec![Address::repeat_byte(1); count], Threshold::Of(1));
        let server = Server::start(kit).await;
        server.mine(&[]);
        let raw = Bytes::from(transaction(&key(0), 0, TxKind::Create, 0, Bytes::new()).encoded_2718());
        let refused = server.call("eth_sendRawTransaction", json!([raw])).await.unwrap_err();
        assert_eq!(refused["data"].get("grantors").is_some(), told, "{refused}");
    }
}
