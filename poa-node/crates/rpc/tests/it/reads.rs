//! What strict clients decode: alloy's provider reads every kind of answer.

use crate::common::{
    Server, TOPIC,
    kit::{Kit, key, transaction, transfer},
    logger, reverter, store,
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::TransactionResponse,
    primitives::{Address, B256, TxKind, U256, keccak256},
    providers::{Provider, ProviderBuilder},
    rpc::types::{Filter, TransactionRequest},
};
use aurum_aura::Signer;
use serde_json::json;

fn provider(server: &Server) -> impl Provider {
    ProviderBuilder::new().disable_recommended_fillers().connect_http(server.url().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_transactions_and_receipts_decode_strictly() {
    let server = Server::start(Kit::new(1)).await;
    let logger = server.deploy(0, &logger());
    let call = transaction(&key(0), 1, TxKind::Call(logger), 0, Default::default());
    let pay = transfer(&key(1), 0, Address::repeat_byte(9), 7);
    let block = server.mine(&[call.clone(), pay.clone()]);
    let alloy = provider(&server);

    assert_eq!(alloy.get_chain_id().await.unwrap(), 2026);
    assert_eq!(alloy.get_block_number().await.unwrap(), 2);
    let full = alloy.get_block_by_number(BlockNumberOrTag::Latest).full().await.unwrap().unwrap();
    assert_eq!((full.header.hash, full.header.number), (block.hash(), 2));
    assert_eq!(full.header.base_fee_per_gas, Some(0));
    assert_eq!(full.header.total_difficulty.map(|total| total > full.header.difficulty), Some(true));
    let transactions = full.transactions.as_transactions().unwrap();
    assert_eq!(transactions[0].tx_hash(), *call.tx_hash());
    assert_eq!(transactions[1].from(), key(1).address());
    let light = alloy.get_block_by_hash(block.hash()).await.unwrap().unwrap();
    assert_eq!(light.transactions.as_hashes().unwrap(), [*call.tx_hash(), *pay.tx_hash()]);
    assert!(alloy.get_block_by_number(99.into()).await.unwrap().is_none());

    let receipt = alloy.get_transaction_receipt(*pay.tx_hash()).await.unwrap().unwrap();
    assert!(receipt.status() && receipt.gas_used == 21_000 && receipt.effective_gas_price == 0);
    assert_eq!((receipt.block_hash, receipt.transaction_index), (Some(block.hash()), Some(1)));
    let receipts = alloy.get_block_receipts(BlockId::latest()).await.unwrap().unwrap();
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[0].logs()[0].topics(), [TOPIC]);
    let created = alloy.get_block_receipts(BlockId::number(1)).await.unwrap().unwrap();
    assert_eq!(created[0].contract_address, Some(logger));
    assert!(alloy.get_transaction_receipt(B256::ZERO).await.unwrap().is_none());

    let found = alloy.get_transaction_by_hash(*call.tx_hash()).await.unwrap().unwrap();
    assert_eq!(
        (found.block_number, found.transaction_index, found.inner.signer()),
        (Some(2), Some(0), key(0).address())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_has_geths_fields_and_paritys() {
    let server = Server::start(Kit::new(1)).await;
    let sealed = server.mine(&[transfer(&key(0), 0, Address::repeat_byte(9), 7)]);
    let block = server.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    let mut fields: Vec<_> = block.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = [
        "author",
        "baseFeePerGas",
        "difficulty",
        "extraData",
        "gasLimit",
        "gasUsed",
        "hash",
        "logsBloom",
        "miner",
        "mixHash",
        "nonce",
        "number",
        "parentHash",
        "receiptsRoot",
        "sealFields",
        "sha3Uncles",
        "signature",
        "size",
        "stateRoot",
        "step",
        "timestamp",
        "totalDifficulty",
        "transactions",
        "transactionsRoot",
        "uncles",
    ];
    assert_eq!(fields, expected);
    assert_eq!(block["author"], block["miner"]);
    assert_eq!(block["nonce"], "0x0000000000000000");
    assert_eq!(block["mixHash"], json!(B256::ZERO));
    assert_eq!(block["step"], sealed.header().step().unwrap().to_string());
    assert_eq!(block["signature"].as_str().unwrap().len(), 130);
    assert_eq!(block["sealFields"].as_array().unwrap().len(), 2);
    assert!(block.get("withdrawals").is_none());

    let tx = server.ok("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x0"])).await;
    assert_eq!(tx["type"], "0x2");
    assert_eq!(tx["gasPrice"], "0x0");
    for field in
        ["yParity", "v", "r", "s", "accessList", "chainId", "from", "blockHash", "blockNumber", "hash", "input"]
    {
        assert!(!tx[field].is_null(), "{field} in {tx}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_transaction_has_no_place() {
    let server = Server::start(Kit::new(1)).await;
    let tx = transfer(&key(0), 0, Address::repeat_byte(9), 7);
    let raw = alloy::eips::eip2718::Encodable2718::encoded_2718(&tx);
    let hash = server.ok("eth_sendRawTransaction", json!([alloy::primitives::Bytes::from(raw)])).await;
    assert_eq!(hash, json!(tx.tx_hash()));
    let waiting = server.ok("eth_getTransactionByHash", json!([hash])).await;
    for field in ["blockHash", "blockNumber", "transactionIndex"] {
        assert_eq!(waiting.get(field), Some(&json!(null)), "{field}");
    }
    assert_eq!(server.ok("eth_getTransactionReceipt", json!([hash])).await, json!(null));
    let sender = key(0).address();
    assert_eq!(server.ok("eth_getTransactionCount", json!([sender, "latest"])).await, "0x0");
    assert_eq!(server.ok("eth_getTransactionCount", json!([sender, "pending"])).await, "0x1");
    assert_eq!(server.ok("parity_nextNonce", json!([sender])).await, "0x1");
    assert_eq!(server.ok("txpool_status", json!([])).await, json!({ "pending": "0x1", "queued": "0x0" }));
    let content = server.ok("txpool_content", json!([])).await;
    assert_eq!(content["pending"][sender.to_checksum(None)]["0"]["hash"], hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_read_at_every_kind_of_block_id() {
    let server = Server::start(Kit::new(1)).await;
    let to = Address::repeat_byte(9);
    let first = server.mine(&[transfer(&key(0), 0, to, 5)]);
    server.mine(&[transfer(&key(0), 1, to, 6)]);
    let cases = [
        (json!("latest"), "0xb"),
        (json!("pending"), "0xb"),
        (json!("safe"), "0xb"),
        (json!("finalized"), "0xb"),
        (json!("earliest"), "0x0"),
        (json!("0x1"), "0x5"),
        (json!(first.hash()), "0x5"),
        (json!({ "blockNumber": "0x1" }), "0x5"),
        (json!({ "blockHash": first.hash(), "requireCanonical": true }), "0x5"),
        (json!(null), "0xb"),
    ];
    for (id, balance) in cases {
        assert_eq!(server.ok("eth_getBalance", json!([to, id])).await, balance, "{id}");
    }
    assert_eq!(server.ok("eth_getBalance", json!([to])).await, "0xb");
    let unknown = server.call("eth_getBalance", json!([to, "0x63"])).await.unwrap_err();
    assert_eq!((&unknown["code"], &unknown["message"]), (&json!(-32000), &json!("header not found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_storage_and_proofs_agree_with_the_header() {
    let server = Server::start(Kit::new(1)).await;
    let runtime = store();
    let contract = server.deploy(0, &runtime);
    let input = B256::repeat_byte(5);
    server.mine(&[transaction(&key(0), 1, TxKind::Call(contract), 0, input.into())]);
    let alloy = provider(&server);
    assert_eq!(alloy.get_code_at(contract).await.unwrap(), runtime);
    assert_eq!(alloy.get_storage_at(contract, U256::ZERO).await.unwrap(), U256::from_be_bytes(input.0));
    let padded = server.ok("eth_getStorageAt", json!([contract, B256::ZERO, "latest"])).await;
    assert_eq!(padded, json!(input));
    let proof = alloy.get_proof(contract, vec![B256::ZERO]).await.unwrap();
    assert_eq!(proof.code_hash, keccak256(&runtime));
    assert_eq!(proof.storage_proof[0].value, U256::from_be_bytes(input.0));
    let header = alloy.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap().header;
    assert_eq!(keccak256(&proof.account_proof[0]), header.state_root);
    assert_eq!(keccak256(&proof.storage_proof[0].proof[0]), proof.storage_hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_say_why_they_fail() {
    let server = Server::start(Kit::new(1)).await;
    let reverter = server.deploy(0, &reverter("not the owner"));
    let alloy = provider(&server);
    let request = TransactionRequest::default().to(reverter);
    for error in [
        server.call("eth_call", json!([{ "to": reverter }, "latest"])).await.unwrap_err(),
        server.call("eth_estimateGas", json!([{ "to": reverter }])).await.unwrap_err(),
    ] {
        assert_eq!(error["code"], 3);
        assert_eq!(error["message"], "execution reverted: not the owner");
        assert!(error["data"].as_str().unwrap().starts_with("0x08c379a0"));
    }
    let error = alloy.call(request).await.unwrap_err();
    assert_eq!(error.as_error_resp().unwrap().as_revert_data().unwrap()[..4], [0x08, 0xc3, 0x79, 0xa0]);
    let wrong_chain = server.call("eth_call", json!([{ "to": reverter, "chainId": "0x1" }])).await.unwrap_err();
    assert_eq!(wrong_chain["code"], -32602);
    let both = json!([{ "to": reverter, "gasPrice": "0x1", "maxFeePerGas": "0x1" }]);
    assert_eq!(server.call("eth_call", both).await.unwrap_err()["code"], -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_take_state_overrides() {
    let server = Server::start(Kit::new(1)).await;
    let ghost = Address::repeat_byte(0x42);
    // Returns its own balance.
    let overrides = json!({ ghost.to_string(): { "balance": "0x7", "code": "0x4760005260206000f3" } });
    let answer = server.ok("eth_call", json!([{ "to": ghost }, "latest", overrides])).await;
    assert_eq!(answer, json!(B256::with_last_byte(7)));
    assert_eq!(server.ok("eth_call", json!([{ "to": ghost }, "latest"])).await, "0x");
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_of_a_gas_free_chain_are_zero_everywhere() {
    let server = Server::start(Kit::new(1)).await;
    server.mine(&[transfer(&key(0), 0, Address::repeat_byte(9), 7)]);
    assert_eq!(server.ok("eth_gasPrice", json!([])).await, "0x0");
    assert_eq!(server.ok("eth_maxPriorityFeePerGas", json!([])).await, "0x0");
    for count in [json!("0x2"), json!(2)] {
        let history = server.ok("eth_feeHistory", json!([count, "latest", [20.0]])).await;
        assert_eq!(history["baseFeePerGas"], json!(["0x0", "0x0", "0x0"]));
        assert_eq!(history["reward"], json!([["0x0"], ["0x0"]]));
        assert_eq!(history["oldestBlock"], "0x0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_found_by_address_topic_and_range() {
    let server = Server::start(Kit::new(1)).await;
    let logger = server.deploy(0, &logger());
    let call = transaction(&key(0), 1, TxKind::Call(logger), 0, Default::default());
    let block = server.mine(&[transfer(&key(1), 0, Address::ZERO, 1), call.clone()]);
    server.mine(&[]);
    let alloy = provider(&server);
    let all = Filter::new().from_block(0).address(logger).event_signature(TOPIC);
    let logs = alloy.get_logs(&all).await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].block_hash, logs[0].log_index), (Some(block.hash()), Some(0)));
    assert_eq!((logs[0].transaction_hash, logs[0].transaction_index), (Some(*call.tx_hash()), Some(1)));
    assert_eq!(alloy.get_logs(&Filter::new().at_block_hash(block.hash())).await.unwrap(), logs);
    assert!(alloy.get_logs(&all.clone().event_signature(B256::ZERO)).await.unwrap().is_empty());
    assert!(alloy.get_logs(&Filter::new().from_block(3)).await.unwrap().is_empty());
    let reversed = server.call("eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x1" }])).await.unwrap_err();
    assert_eq!(reversed["code"], -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_and_the_node_introduce_themselves() {
    let server = Server::start(Kit::new(3)).await;
    server.mine(&[]);
    assert_eq!(server.ok("aura_getValidators", json!([])).await, json!(server.kit.validators));
    let status = server.ok("aura_status", json!([])).await;
    assert_eq!(status["head"]["number"], 1);
    assert_eq!(status["step"], server.ok("aura_getStep", json!([])).await);
    assert_eq!(server.ok("aura_getPendingChange", json!([])).await, json!(null));
    let steps = status["steps"].as_array().unwrap();
    assert_eq!((&steps.last().unwrap()["step"], &status["sealing"]), (&status["step"], &json!(null)));
    assert_eq!(server.ok("aura_getSteps", json!([1])).await, json!([steps.last().unwrap()]));
    let why = server.ok("aura_whyNoBlock", json!([])).await;
    assert_eq!(why["validators"].as_array().unwrap().len(), 3);
    assert!(!why["explanation"].as_array().unwrap().is_empty());
    assert!(server.ok("web3_clientVersion", json!([])).await.as_str().unwrap().starts_with("Aurum/v"));
    assert_eq!(server.ok("web3_sha3", json!(["0x"])).await, json!(keccak256([])));
    assert_eq!(server.ok("net_version", json!([])).await, "2026");
    assert_eq!(server.ok("net_peerCount", json!([])).await, "0x0");
    assert_eq!(server.ok("eth_syncing", json!([])).await, false);
    assert_eq!(server.ok("eth_accounts", json!([])).await, json!([]));
    assert_eq!(server.ok("rpc_modules", json!([])).await["eth"], "1.0");
    assert_eq!(server.ok("parity_chain", json!([])).await, "kit");
    assert_eq!(server.ok("parity_netPeers", json!([])).await["connected"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_are_the_consensus_bytes() {
    let server = Server::start(Kit::new(1)).await;
    let block = server.mine(&[transfer(&key(0), 0, Address::repeat_byte(9), 7)]);
    let header: alloy::primitives::Bytes =
        serde_json::from_value(server.ok("debug_getRawHeader", json!(["latest"])).await).unwrap();
    assert_eq!(keccak256(header), block.hash());
    let raw = server.ok("debug_getRawBlock", json!([block.hash()])).await;
    assert_eq!(raw, json!(block.block().encode()));
}
