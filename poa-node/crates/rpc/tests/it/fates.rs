//! What `perm_whyTransaction` says of every fate a transaction can have.

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex},
    sol_types::{Panic, Revert, SolError},
};
use aurum_aura::Signer;
use aurum_contracts::{BridgedToken, HomeBridge, TimelockController};
use aurum_pool::Origin;
use aurum_types::Transaction;
use serde_json::{Value, json};

use crate::{
    access::raw,
    common::{
        Server, endless, fading,
        kit::{CHAIN_ID, Kit, key, recovered, transaction, transfer},
        reverter_with,
    },
};

const NINE: Address = Address::repeat_byte(9);

async fn send(server: &Server, tx: &Transaction) {
    assert_eq!(server.ok("eth_sendRawTransaction", raw(tx)).await, json!(tx.tx_hash()));
}

async fn why(server: &Server, tx: &Transaction) -> Value {
    server.ok("perm_whyTransaction", json!([tx.tx_hash()])).await
}

/// Fails the test unless that is its status and these words are in the explanation; gives the rest of the answer.
#[track_caller]
fn check(why: &Value, status: &str, words: &str) {
    assert_eq!(why["status"], status, "{why}");
    assert!(why["explanation"].as_str().unwrap().contains(words), "{why}");
}

/// One that offers `fee` wei for a gas, all of it to the author.
fn offering(by: usize, nonce: u64, fee: u128) -> Transaction {
    signed(by, TxEip1559 { to: TxKind::Call(NINE), gas_limit: 21_000, ..offer(nonce, fee) })
}

fn offer(nonce: u64, fee: u128) -> TxEip1559 {
    TxEip1559 { chain_id: CHAIN_ID, nonce, max_fee_per_gas: fee, max_priority_fee_per_gas: fee, ..TxEip1559::default() }
}

fn signed(by: usize, tx: TxEip1559) -> Transaction {
    let signature = key(by).sign(tx.signature_hash()).unwrap();
    let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
    tx.into_signed(Signature::from_scalars_and_parity(r, s, signature[64] == 1)).into()
}

/// A chain whose gas has a price: a gwei, to begin with.
async fn priced() -> Server {
    let kit = Kit::with(1, |spec| {
        spec["params"]["gasFree"] = json!(false);
        spec["genesis"]["baseFeePerGas"] = json!("0x3b9aca00");
    });
    Server::start(kit).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_the_fee_says_what_it_offers_and_what_is_asked() {
    let server = priced().await;
    // The first block asks less than genesis, which was empty.
    let waits = offering(1, 0, 900_000_000);
    send(&server, &waits).await;
    check(&why(&server, &waits).await, "pending", "waits for the next block");
    // More than half of the block's gas is used: the next asks more.
    let burns =
        |nonce| signed(0, TxEip1559 { gas_limit: 10_000_000, input: endless().into(), ..offer(nonce, 2_000_000_000) });
    server.mine(&[burns(0), burns(1)]);
    let asked = server.ok("eth_feeHistory", json!(["0x1", "latest", []])).await["baseFeePerGas"][1].clone();
    let asked: U256 = serde_json::from_value(asked).unwrap();
    assert!(asked > U256::from(900_000_000), "{asked}");
    let words = format!("It offers 900000000 wei for a gas, and the next block asks {asked}.");
    check(&why(&server, &waits).await, "queued", &words);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_replaced_says_by_which() {
    let server = priced().await;
    let (first, dearer) = (offering(1, 0, 1_000_000_000), offering(1, 0, 1_100_000_000));
    send(&server, &first).await;
    send(&server, &dearer).await;
    let replaced = why(&server, &first).await;
    check(&replaced, "replaced", "with the same nonce and a higher fee");
    assert_eq!((&replaced["replacedBy"], &replaced["leftAt"]), (&json!(dearer.tx_hash()), &json!(0)));
    check(&why(&server, &dearer).await, "pending", "waits for the next block");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_a_right_is_dropped_when_nobody_gives_it() {
    let contract = Address::repeat_byte(0xee);
    let kit = Kit::with(1, |spec| {
        spec["params"]["transactionPermissionContract"] = json!(contract);
        let code = Bytes::from(fading(3, 0, 3));
        spec["accounts"][contract.to_string()] = json!({ "balance": "0", "code": code });
    });
    let server = Server::start(kit).await;
    let tx = transfer(&key(1), 0, NINE, 1);
    send(&server, &tx).await;
    check(&why(&server, &tx).await, "pending", "waits for the next block");
    for _ in 0..6 {
        server.mine(&[]);
    }
    let waits = why(&server, &tx).await;
    check(&waits, "queued", "Transaction is not permitted.");
    assert_eq!((&waits["from"], &waits["nonce"]), (&json!(key(1).address()), &json!(0)));
    // A pool asks again about what nobody takes.
    let mut height = 6;
    while why(&server, &tx).await["status"] == "queued" {
        server.mine(&[]);
        height += 1;
        assert!(height < 100, "it waits for ever");
    }
    let dropped = why(&server, &tx).await;
    check(&dropped, "dropped", "ceased to admit it: Transaction is not permitted.");
    assert_eq!(dropped["leftAt"], height);
    check(&dropped, "dropped", &format!("Block {height} was the latest then."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_says_what_it_refused_and_what_made_room() {
    let mut kit = Kit::new(1);
    kit.pool.max_transactions = 1;
    let server = Server::start(kit).await;
    let (gapped, ours, refused) =
        (transfer(&key(1), 5, NINE, 1), transfer(&key(0), 0, NINE, 1), transfer(&key(1), 0, NINE, 1));
    server.node.pool().add(recovered(&gapped), Origin::Network).unwrap();
    check(&why(&server, &gapped).await, "queued", "waits for nonce 0");
    send(&server, &ours).await;
    check(&why(&server, &gapped).await, "dropped", "made room");
    let error = server.call("eth_sendRawTransaction", raw(&refused)).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["reason"]), (&json!(-32005), &json!("POOL_FULL")));
    check(&why(&server, &refused).await, "refused", "txpool is full: 1 transactions wait");
    // Its story begins anew.
    server.mine(&[ours]);
    send(&server, &refused).await;
    check(&why(&server, &refused).await, "pending", "waits for the next block");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_left_the_pool_says_why_and_when() {
    let server = Server::start(Kit::new(1)).await;
    let (waits, mined) = (transfer(&key(1), 0, NINE, 1), transfer(&key(1), 0, NINE, 2));
    send(&server, &waits).await;
    server.mine(&[]);
    server.mine(std::slice::from_ref(&mined));
    let dropped = why(&server, &waits).await;
    check(&dropped, "dropped", "A block holds another transaction of its sender with its nonce.");
    assert_eq!(dropped["leftAt"], 2);
    let in_block = why(&server, &mined).await;
    check(&in_block, "mined", "It is in block 2 and succeeded.");
    assert_eq!((&in_block["blockNumber"], in_block.get("leftAt")), (&json!(2), None));

    let taken_out = transfer(&key(1), 1, NINE, 1);
    send(&server, &taken_out).await;
    server.ok("parity_removeTransaction", json!([taken_out.tx_hash()])).await;
    check(&why(&server, &taken_out).await, "dropped", "It was taken out of the pool: dropped on request");

    let again = server.call("eth_sendRawTransaction", raw(&waits)).await.unwrap_err();
    assert_eq!(again["code"], -32000);
    check(&why(&server, &waits).await, "refused", "nonce too low: next nonce 1, tx nonce 0");
}

/// Revert data, and what is said of them.
fn reasons() -> Vec<(Vec<u8>, String)> {
    let who = key(3).address();
    let number = U256::from;
    let panics = [
        (0x00, "generic panic"),
        (0x01, "assert(false)"),
        (0x11, "arithmetic underflow or overflow"),
        (0x12, "division or modulo by zero"),
        (0x21, "enum overflow"),
        (0x22, "invalid encoded storage byte array accessed"),
        (0x31, "out-of-bounds array access; popping on an empty array"),
        (0x32, "out-of-bounds access of an array or bytesN"),
        (0x41, "out of memory"),
        (0x51, "uninitialized function"),
        (0x77, "unknown panic code: 0x77"),
    ];
    let panics = panics.map(|(code, text)| (Panic { code: number(code) }.abi_encode(), format!(": {text}")));
    let named = [
        (Revert::from("not the owner").abi_encode(), ": not the owner".to_owned()),
        (Vec::new(), String::new()),
        (
            BridgedToken::ERC20InsufficientBalance { sender: who, balance: number(3), needed: number(5) }.abi_encode(),
            format!(" with ERC20InsufficientBalance(sender: {who}, balance: 3, needed: 5)"),
        ),
        (
            BridgedToken::OwnableUnauthorizedAccount { account: who }.abi_encode(),
            format!(" with OwnableUnauthorizedAccount(account: {who})"),
        ),
        (
            TimelockController::AccessControlUnauthorizedAccount { account: who, neededRole: B256::repeat_byte(7) }
                .abi_encode(),
            format!(" with AccessControlUnauthorizedAccount(account: {who}, neededRole: {})", B256::repeat_byte(7)),
        ),
        (
            HomeBridge::DepositOutOfRange { amount: number(9), min: number(1), max: number(8) }.abi_encode(),
            " with DepositOutOfRange(amount: 9, min: 1, max: 8)".to_owned(),
        ),
        ([hex!("deadbeef").as_slice(), &[0; 64]].concat(), " with the custom error 0xdeadbeef, 2 words".to_owned()),
    ];
    named.into_iter().chain(panics).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_reverted_says_the_reason_as_far_as_it_can_be_known() {
    let server = Server::start(Kit::new(1)).await;
    let reasons = reasons();
    let mut nonce = 0;
    let mut contracts = Vec::new();
    for (data, _) in &reasons {
        contracts.push(server.deploy(nonce, &reverter_with(data)));
        nonce += 1;
    }
    let call = |(index, contract): (usize, &Address)| {
        transaction(&key(0), nonce + index as u64, TxKind::Call(*contract), 0, Bytes::new())
    };
    let calls: Vec<_> = contracts.iter().enumerate().map(call).collect();
    let block = server.mine(&calls).number();
    for ((data, said), (contract, tx)) in reasons.iter().zip(contracts.iter().zip(&calls)) {
        let failed = why(&server, tx).await;
        assert_eq!(failed["status"], "reverted", "{failed}");
        assert_eq!(
            failed["explanation"],
            format!("It is in block {block} and failed there: execution reverted{said}."),
        );
        let expected = (!data.is_empty()).then(|| json!(Bytes::copy_from_slice(data)));
        assert_eq!(failed.get("revertData"), expected.as_ref(), "{failed}");
        assert_eq!((&failed["failedIn"], &failed["blockNumber"]), (&json!(contract), &json!(block)));
        // A call's error stays geth's: custom errors are the business of whoever has the ABI.
        let refused = server.call("eth_call", json!([{ "to": contract }])).await.unwrap_err();
        let message =
            if said.starts_with(':') { format!("execution reverted{said}") } else { "execution reverted".to_owned() };
        assert_eq!(refused, json!({ "code": 3, "message": message, "data": Bytes::copy_from_slice(data) }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ran_out_of_gas_says_where() {
    let server = Server::start(Kit::new(1)).await;
    let contract = server.deploy(0, &endless());
    let tx = transaction(&key(0), 1, TxKind::Call(contract), 0, Bytes::new());
    server.mine(std::slice::from_ref(&tx));
    let failed = why(&server, &tx).await;
    check(&failed, "reverted", "It is in block 2 and failed there: out of gas.");
    assert_eq!((&failed["failedIn"], failed.get("revertData")), (&json!(contract), None));
}
