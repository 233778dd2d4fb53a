//! The pages over two fake nodes and a fake relayer.

use crate::support::{
    ACCOUNT, FOREIGN_BRIDGE, FOREIGN_TOKEN, HOME_BRIDGE, HOME_TOKEN, OUTSIDER, System, VALIDATORS, deposit_log, rlc,
};
use alloy::{
    primitives::{Address, B256, U256, address},
    sol_types::{SolCall, SolError},
};
use aurum_contracts::{BridgedToken, ForeignBridge, HomeBridge, Transfer};
use serde_json::json;

const TX: B256 = B256::repeat_byte(0x77);
const RECIPIENT: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");

fn quote(from: &str, amount: &str) -> String {
    format!("/api/v1/quote?from={from}&amount={amount}&account={ACCOUNT}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_forbids_foreign_content_and_has_none_inline() {
    let system = System::start().await;
    let paths =
        ["/", "/?from=home", "/status", "/blocks", "/block/3", "/address/0x70997970C51812dc3A010C7d01b50e0d17dc79C8"];
    for path in paths {
        let response = system.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(response.headers().get("set-cookie").is_none());
        let html = response.text().await.unwrap();
        assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains(" onclick="), "{path}");
        assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=\"/static/").count());
        assert!(!html.contains("https://"), "{path} loads nothing from elsewhere");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_tokens_and_what_people_type_are_escaped() {
    let system = System::with_symbol("<b>RLC</b>").await;
    let evil = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        "/status".to_owned(),
        format!("/?amount={evil}&recipient={evil}"),
        format!("/block/{evil}"),
        format!("/nowhere/{evil}"),
        format!("/search?q={evil}"),
    ] {
        let html = system.get(&path).await.text().await.unwrap();
        assert!(!html.contains("<b>RLC") && !html.contains("<script>"), "{path}: {html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_refused_with_a_reason_before_the_wallet_is_asked() {
    let system = System::start().await;
    let check = async |from: &str, amount: &str, expected: &str| {
        crate::support::caches_expire().await;
        let quote = system.json(&quote(from, amount)).await;
        let problem = quote["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(expected) && !problem.is_empty(), "{amount}: {quote}");
        assert_eq!(quote["units"], json!(null));
    };
    check("foreign", "", "enter an amount").await;
    check("foreign", "1e3", "digits").await;
    check("foreign", "1.0000000001", "9 decimals").await;
    check("foreign", "0.0001", "the smallest amount is 0.001 RLC").await;
    check("foreign", "100001", "the largest amount is 100,000 RLC").await;
    check("foreign", "1000.000000001", "you have 1,000 RLC on Public").await;
    system.foreign.edit(|state| state.balance = rlc(1_000_000));
    system.foreign.edit(|state| state.info.depositLeft = rlc(500));
    check("foreign", "501", "only 500 RLC is left of the daily limit of Public").await;
    system.home.edit(|state| state.info.limits.executionMax = rlc(400));
    check("foreign", "401", "Home pays out at most 400 RLC at once").await;
    system.foreign.edit(|state| state.paused = true);
    check("foreign", "1", "paused").await;
    system.home.edit(|state| state.rights = Some(17));
    check("home", "1", "right \"call\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_amount_is_told_in_units_with_what_arrives_and_the_largest_possible() {
    let system = System::start().await;
    let answer = system.json(&quote("foreign", "1.5")).await;
    assert_eq!(answer["problem"], json!(null), "{answer}");
    assert_eq!(answer["units"], "1500000000");
    assert_eq!(answer["fields"]["receives"], "1.5 RLC");
    assert_eq!(answer["needsApproval"], true);
    assert_eq!(answer["max"], "1000", "the balance is the tightest limit");
    system.foreign.edit(|state| state.allowance = rlc(2));
    assert_eq!(system.json(&quote("foreign", "1.5")).await["needsApproval"], false);
    assert_eq!(system.json(&quote("home", "1.5")).await["needsApproval"], false, "one step on home");
    system.home.edit(|state| state.info.executionLeft = rlc(1));
    crate::support::caches_expire().await;
    let answer = system.json(&quote("foreign", "1.5")).await;
    assert!(answer["warning"].as_str().unwrap().contains("will wait there until it fits"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_that_would_lose_the_tokens_are_refused() {
    let system = System::start().await;
    let check = async |recipient: &str, expected: &str| {
        let answer = system.json(&format!("{}&recipient={recipient}", quote("foreign", "1"))).await;
        assert!(answer["problem"].as_str().is_some_and(|problem| problem.contains(expected)), "{recipient}: {answer}");
        assert_eq!(answer["at"], "recipient");
    };
    check("0x0000000000000000000000000000000000000000", "zero address").await;
    check(&HOME_BRIDGE.to_string(), "a bridge").await;
    check(&FOREIGN_TOKEN.to_string(), "a token").await;
    check("me", "not an address").await;
    check("0x70997970C51812dc3A010C7d01b50e0d17dc79c8", "capitals").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calldata_is_prepared_for_both_directions() {
    let system = System::start().await;
    let ask = |what: &str, from: &str| {
        format!("/api/v1/prepare/{what}?from={from}&amount=2.5&account={ACCOUNT}&recipient={RECIPIENT}")
    };
    let amount = U256::from(2_500_000_000_u64);
    let data =
        |answer: &serde_json::Value| answer["data"].as_str().unwrap().parse::<alloy::primitives::Bytes>().unwrap();

    let approve = system.json(&ask("approve", "foreign")).await;
    assert_eq!(approve["to"].as_str().unwrap().parse::<Address>().unwrap(), FOREIGN_TOKEN);
    let call = BridgedToken::approveCall::abi_decode(&data(&approve)).unwrap();
    assert_eq!((call.spender, call.value), (FOREIGN_BRIDGE, amount));

    let deposit = system.json(&ask("deposit", "foreign")).await;
    assert_eq!(deposit["chainId"], "0x539");
    assert_eq!(deposit["value"], "0x0");
    let call = ForeignBridge::depositCall::abi_decode(&data(&deposit)).unwrap();
    assert_eq!((call.token, call.amount, call.recipient), (FOREIGN_TOKEN, amount, RECIPIENT));

    let withdraw = system.json(&ask("deposit", "home")).await;
    assert_eq!(withdraw["chainId"], "0x7ea");
    assert_eq!(withdraw["to"].as_str().unwrap().parse::<Address>().unwrap(), HOME_TOKEN);
    let call = BridgedToken::transferAndCallCall::abi_decode(&data(&withdraw)).unwrap();
    assert_eq!((call.to, call.value, call.data.as_ref()), (HOME_BRIDGE, amount, RECIPIENT.as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_contract_would_refuse_is_told_in_words() {
    let system = System::start().await;
    let refusal = ForeignBridge::DepositOverDailyLimit { amount: rlc(3), left: rlc(2) };
    system.foreign.edit(|state| state.refuse.push((ForeignBridge::depositCall::SELECTOR, refusal.abi_encode())));
    let response = system.get(&format!("/api/v1/prepare/deposit?from=foreign&amount=3&account={ACCOUNT}")).await;
    assert_eq!(response.status(), 409);
    let answer: serde_json::Value = response.json().await.unwrap();
    assert_eq!(answer["error"], "only 2 RLC is left of the daily limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowance_that_must_pass_through_zero_does() {
    let system = System::start().await;
    system.foreign.edit(|state| state.approve_through_zero = true);
    let answer = system.json(&format!("/api/v1/prepare/approve?from=foreign&amount=3&account={ACCOUNT}")).await;
    assert_eq!(answer["reset"], true, "{answer}");
    let data: alloy::primitives::Bytes = answer["data"].as_str().unwrap().parse().unwrap();
    assert_eq!(BridgedToken::approveCall::abi_decode(&data).unwrap().value, U256::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_followed_from_sent_to_arrived() {
    let system = System::start().await;
    let path = format!("/api/v1/transfer/foreign/{TX}");
    let states = async || {
        crate::support::caches_expire().await;
        let progress = system.json(&path).await;
        let steps = progress["transfers"][0]["steps"].as_array().cloned().unwrap_or_default();
        let states: Vec<_> = steps.iter().map(|step| step["state"].as_str().unwrap().to_owned()).collect();
        (progress["transaction"]["state"].as_str().unwrap().to_owned(), states.join(" "), progress["done"] == true)
    };
    let is = |state: &str, steps: &str, done| (state.to_owned(), steps.to_owned(), done);
    assert_eq!(states().await, is("unknown", "", false));
    system.foreign.edit(|state| state.pending.push(TX));
    assert_eq!(states().await, is("pending", "", false));

    let log = deposit_log("foreign", 0, rlc(5));
    system.foreign.edit(|state| state.mine(TX, 10, true, &[log]));
    assert_eq!(states().await, is("mined", "done active waiting waiting", false));
    system.foreign.edit(|state| state.finalized = 10);
    assert_eq!(states().await, is("mined", "done done active waiting", false));

    system.home.edit(|state| state.signers = VALIDATORS[..2].to_vec());
    assert_eq!(states().await, is("mined", "done done done active", false));
    system.home.edit(|state| state.paused = true);
    assert_eq!(states().await, is("mined", "done done done blocked", false));
    let html = system.get(&format!("/transfer/foreign/{TX}")).await.text().await.unwrap();
    assert!(html.contains("The bridge on Home is paused"), "{html}");
    assert!(!html.contains("Execute now"));

    system.home.edit(|state| state.paused = false);
    crate::support::caches_expire().await;
    let html = system.get(&format!("/transfer/foreign/{TX}")).await.text().await.unwrap();
    assert!(html.contains("Execute now") && html.contains("Attested 2 of 2") && html.contains("5 RLC"), "{html}");

    let execution = B256::repeat_byte(0x99);
    system.home.edit(|state| state.executed = Some(execution));
    assert_eq!(states().await, is("mined", "done done done done", true));
    let html = system.get(&format!("/transfer/foreign/{TX}")).await.text().await.unwrap();
    assert!(
        html.contains(&format!("/tx/{execution}")) && html.contains(&format!("/foreign/tx/{TX}")),
        "links both: {html}"
    );
    assert!(html.contains("data-done=\"true\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_transfers_of_one_transaction_are_all_shown() {
    let system = System::start().await;
    let logs: Vec<_> = (0..3).map(|nonce| deposit_log("foreign", nonce, rlc(nonce + 1))).collect();
    system.foreign.edit(|state| state.mine(TX, 10, true, &logs));
    let html = system.get(&format!("/transfer/foreign/{TX}")).await.text().await.unwrap();
    assert!(html.contains("made 3 transfers"), "{html}");
    assert_eq!(html.matches("class=\"card transfer\"").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_deposit_and_one_of_something_else_say_so() {
    let system = System::start().await;
    let refusal = ForeignBridge::EnforcedPause {}.abi_encode();
    system.foreign.edit(|state| {
        state.mine(TX, 10, false, &[]);
        state.refuse.push((ForeignBridge::depositCall::SELECTOR, refusal));
    });
    let html = system.get(&format!("/transfer/foreign/{TX}")).await.text().await.unwrap();
    assert!(html.contains("The deposit failed") && html.contains("The bridge is paused."), "{html}");
    let other = B256::repeat_byte(0x78);
    system.foreign.edit(|state| state.mine(other, 10, true, &[]));
    let html = system.get(&format!("/transfer/foreign/{other}")).await.text().await.unwrap();
    assert!(html.contains("No transfer here"), "{html}");
    assert_eq!(system.get("/transfer/moon/0x12").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_by_hand_carries_the_signatures_the_destination_knows() {
    let system = System::start().await;
    let log = deposit_log("home", 4, rlc(5));
    let id = log["topics"][1].as_str().unwrap().to_owned();
    system.home.edit(|state| {
        state.mine(TX, 3, true, &[log]);
        state.signers = vec![OUTSIDER, VALIDATORS[0], VALIDATORS[2]];
    });
    let answer = system.json(&format!("/api/v1/prepare/execute?side=home&tx={TX}&id={id}")).await;
    let data: alloy::primitives::Bytes = answer["data"].as_str().unwrap().parse().unwrap();
    let call = ForeignBridge::executeCall::abi_decode(&data).unwrap();
    let transfer = Transfer::from(call.transfer);
    assert_eq!(transfer.id(1337, FOREIGN_BRIDGE).to_string(), id);
    assert_eq!((transfer.nonce, transfer.validatorEpoch), (U256::from(4), 7));
    assert_eq!(call.signatures.len(), 2, "one of them is no validator of the destination");
    assert_eq!(answer["chainId"], "0x539");

    let stranger = B256::repeat_byte(1);
    assert_eq!(system.get(&format!("/api/v1/prepare/execute?side=home&tx={TX}&id={stranger}")).await.status(), 404);
    system.foreign.edit(|state| state.executed = Some(B256::repeat_byte(9)));
    let response = system.get(&format!("/api/v1/prepare/execute?side=home&tx={TX}&id={id}")).await;
    assert_eq!(response.status(), 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_payout_on_home_is_retried_without_signatures() {
    let system = System::start().await;
    let log = deposit_log("foreign", 0, rlc(5));
    let id = log["topics"][1].as_str().unwrap().to_owned();
    system.foreign.edit(|state| state.mine(TX, 3, true, &[log]));
    system.home.edit(|state| state.signers = VALIDATORS[..2].to_vec());
    let answer = system.json(&format!("/api/v1/prepare/execute?side=foreign&tx={TX}&id={id}&account={ACCOUNT}")).await;
    let data: alloy::primitives::Bytes = answer["data"].as_str().unwrap().parse().unwrap();
    assert_eq!(HomeBridge::executeCall::abi_decode(&data).unwrap().transfer.amount, rlc(5));
    assert_eq!(answer["to"].as_str().unwrap().parse::<Address>().unwrap(), HOME_BRIDGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_away_is_named_and_the_rest_goes_on() {
    let system = System::start().await;
    let log = deposit_log("foreign", 0, rlc(5));
    system.foreign.edit(|state| state.mine(TX, 3, true, &[log]));
    system.home.edit(|state| state.away = true);
    assert_eq!(system.get("/health").await.status(), 200);
    let ready = system.get("/ready").await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("the node of Home does not answer"));
    for (path, words) in [
        ("/status".to_owned(), ["The node of Home does not answer.", "Newest block"]),
        ("/".to_owned(), ["The node of Home does not answer.", "100,000 RLC"]),
        (format!("/transfer/foreign/{TX}"), ["The node of Home does not answer.", "Deposit mined"]),
    ] {
        let response = system.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        let html = response.text().await.unwrap();
        for word in words {
            assert!(html.contains(word), "{path} lacks {word}: {html}");
        }
    }
    assert_eq!(system.get("/blocks").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_chain_is_refused() {
    let system = System::start().await;
    system.foreign.edit(|state| state.chain_id = 5);
    let answer = system.json(&quote("foreign", "1")).await;
    assert!(answer["faults"][0].as_str().unwrap().contains("serves chain 5, the bridge is on chain 1337"), "{answer}");
    assert!(answer["problem"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_and_relayers_are_shown() {
    let system = System::start().await;
    let status = system.json("/api/v1/status").await;
    assert_eq!(status["relayers"][0]["reachable"], true, "{status}");
    assert_eq!(status["relayers"][0]["deposits"], 3);
    assert_eq!(status["relayers"][1]["reachable"], false);
    let html = system.get("/status").await.text().await.unwrap();
    assert!(html.contains("Covered, some on its way"), "{html}");
    assert!(html.contains(&format!("value=\"{}\"", rlc(10))), "{html}");
    system.home.edit(|state| state.info.outstanding = rlc(13));
    crate::support::caches_expire().await;
    let html = system.get("/status").await.text().await.unwrap();
    assert!(html.contains("Not covered"), "minted without being locked: {html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explorer_shows_blocks_transactions_and_rights() {
    let system = System::start().await;
    let log = deposit_log("home", 2, rlc(5));
    system.home.edit(|state| {
        state.mine(TX, 3, true, &[log]);
        state.rights = Some(19);
    });
    let page = async |path: String| system.get(&path).await.text().await.unwrap();
    let html = page(format!("/tx/{TX}")).await;
    assert!(
        html.contains("success") && html.contains("Deposited") && html.contains(&format!("/transfer/home/{TX}")),
        "{html}"
    );
    let html = page(format!("/address/{ACCOUNT}")).await;
    assert!(html.contains(">read<") && html.contains(">call<") && !html.contains(">create<"), "{html}");
    let html = page(format!("/address/{HOME_BRIDGE}")).await;
    assert!(html.contains("the bridge"), "{html}");
    let missing = B256::repeat_byte(0x55);
    let response = system.get(&format!("/tx/{missing}")).await;
    assert_eq!(response.status(), 404);
    assert!(response.text().await.unwrap().contains("lacks the right"));

    let goes = async |q: String| {
        let response = system.get(&format!("/search?q={q}")).await;
        response.headers().get("location").map(|to| to.to_str().unwrap().to_owned())
    };
    assert_eq!(goes("12".into()).await.as_deref(), Some("/block/12"));
    assert_eq!(goes(TX.to_string()).await, Some(format!("/tx/{TX}")));
    assert_eq!(goes(ACCOUNT.to_string()).await, Some(format!("/address/{ACCOUNT}")));
    assert_eq!(goes("nonsense".into()).await, None);
}
