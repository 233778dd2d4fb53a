//! What tracers say, worked out by hand from the instructions.

use std::time::{Duration, Instant};

use crate::common::*;
use alloy::primitives::{Address, Bytes, U256, map::HashSet};
use alloy_rpc_types_trace::{
    geth::{GethDebugTracingOptions, GethTrace},
    parity::{Action, Delta, TraceType},
};
use aurum_evm::{CallRequest, Cancel, Evm, ParityCall, Replay, RewardKind, TraceError, TraceLimits, Which};
use aurum_types::{Recovered, Transaction};
use serde_json::{Value, json};

const OUTER: Address = Address::repeat_byte(0x99);
const INNER: Address = Address::repeat_byte(0x98);
const BOTHERED: Address = Address::repeat_byte(0x97);

fn limits() -> TraceLimits {
    TraceLimits { deadline: Instant::now() + Duration::from_secs(60), cancel: Cancel::default(), bytes: 64 << 20 }
}

/// Stores 7 in slot 1, calls [`INNER`] with a selector, then [`BOTHERED`], which reverts.
fn world() -> World {
    let outer = asm(&format!(
        "0x07 0x01 SSTORE 0xdeadbeef 0xe0 SHL 0x00 MSTORE \
         0x00 0x00 0x24 0x00 0x05 0x{} 0x0186a0 CALL POP 0x00 0x00 0x00 0x00 0x00 0x{} 0x0186a0 CALL POP STOP",
        alloy::hex::encode(INNER),
        alloy::hex::encode(BOTHERED)
    ));
    // A log of one topic, its data the input's first word.
    let inner = asm("0x00 CALLDATALOAD 0x00 MSTORE 0x2a 0x20 0x00 LOG1 STOP");
    World::new()
        .account(key(1).address, 1_000_000)
        .contract(OUTER, &outer, &[(1, 3)])
        .contract(INNER, &inner, &[])
        .contract(BOTHERED, &asm("0x00 0x00 REVERT"), &[])
}

/// A chain whose block 1 has two transactions to [`OUTER`], worth 9 and 11 wei.
struct Block {
    chain: Chain,
    state: std::sync::Arc<dyn aurum_types::StateReader>,
    parent: aurum_evm::BlockEnv,
    env: aurum_evm::BlockEnv,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
    receipts: Vec<aurum_types::Receipt>,
}

impl Block {
    fn new(spec: aurum_types::ChainSpec, txs: &[Recovered<Transaction>]) -> Self {
        let mut chain = Chain::new(spec, world().build());
        let (state, parent, env) = (chain.reader(), chain.parent.clone(), chain.next_env());
        let receipts = chain.advance(txs).receipts;
        let (transactions, senders) = txs.iter().map(|tx| (tx.inner().clone(), tx.signer())).unzip();
        Self { chain, state, parent, env, transactions, senders, receipts }
    }

    fn two() -> Self {
        Self::new(
            free_spec(),
            &[
                key(1).legacy(0, call(OUTER), 9, 400_000, 0, Bytes::new()),
                key(1).legacy(1, call(OUTER), 11, 400_000, 0, Bytes::new()),
            ],
        )
    }

    fn evm(&self) -> &Evm {
        &self.chain.evm
    }

    fn replay(&self) -> Replay<'_> {
        Replay {
            parent: self.state.clone(),
            parent_env: self.parent.clone(),
            env: self.env.clone(),
            begin: None,
            transactions: &self.transactions,
            senders: &self.senders,
            receipts: &self.receipts,
        }
    }

    fn geth(&self, which: Which, options: Value) -> Vec<Value> {
        let options: GethDebugTracingOptions = serde_json::from_value(options).unwrap();
        let traces = self.evm().trace_geth(&self.replay(), which, &options, &limits()).unwrap();
        traces.iter().map(|trace| serde_json::to_value(trace).unwrap()).collect()
    }
}

#[test]
fn the_call_tracer_shows_frames_logs_and_failures() {
    let block = Block::two();
    let traces = block.geth(Which::All, json!({ "tracer": "callTracer", "tracerConfig": { "withLog": true } }));
    assert_eq!(traces.len(), 2);
    let root = &traces[1];
    assert_eq!((&root["from"], &root["to"]), (&json!(key(1).address), &json!(OUTER)));
    assert_eq!((&root["type"], &root["value"], &root["gas"]), (&json!("CALL"), &json!("0xb"), &json!("0x61a80")));
    let used = block.receipts[1].cumulative_gas_used - block.receipts[0].cumulative_gas_used;
    assert_eq!(root["gasUsed"], format!("{used:#x}"));
    let calls = root["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["to"], json!(INNER));
    assert_eq!(calls[0]["value"], "0x5");
    let mut input = vec![0xde, 0xad, 0xbe, 0xef];
    input.resize(0x24, 0);
    assert_eq!(calls[0]["input"], json!(Bytes::from(input)));
    let topics = &calls[0]["logs"][0]["topics"];
    assert_eq!(*topics, json!([alloy::primitives::B256::with_last_byte(0x2a)]));
    assert_eq!((&calls[1]["to"], &calls[1]["error"]), (&json!(BOTHERED), &json!("execution reverted")));

    let top = block.geth(Which::One(1), json!({ "tracer": "callTracer", "tracerConfig": { "onlyTopCall": true } }));
    assert_eq!(top.len(), 1);
    assert!(top[0].get("calls").is_none() && top[0]["value"] == "0xb");
}

#[test]
fn the_prestate_tracer_shows_the_state_before_that_transaction_and_its_changes() {
    let block = Block::two();
    let before = &block.geth(Which::One(1), json!({ "tracer": "prestateTracer" }))[0];
    let sender = serde_json::to_value(key(1).address).unwrap();
    let of = |state: &Value, who: &Value| state[who.as_str().unwrap().to_lowercase()].clone();
    assert_eq!(of(before, &sender)["balance"], format!("{:#x}", 1_000_000 - 9));
    assert_eq!(of(before, &sender)["nonce"], 1);
    let slot = alloy::primitives::B256::with_last_byte(1).to_string();
    assert_eq!(of(before, &json!(OUTER))["storage"][&slot], json!(alloy::primitives::B256::with_last_byte(7)));

    let diff =
        &block.geth(Which::One(0), json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } }))[0];
    assert_eq!(of(&diff["pre"], &json!(OUTER))["storage"][&slot], json!(alloy::primitives::B256::with_last_byte(3)));
    assert_eq!(of(&diff["post"], &json!(OUTER))["storage"][&slot], json!(alloy::primitives::B256::with_last_byte(7)));
    assert_eq!(of(&diff["post"], &json!(OUTER))["balance"], "0x4");
    assert_eq!(of(&diff["post"], &json!(INNER))["balance"], "0x5");
}

#[test]
fn the_4byte_tracer_counts_selectors_with_the_size_of_their_arguments() {
    let block = Block::two();
    assert_eq!(block.geth(Which::One(0), json!({ "tracer": "4byteTracer" })), [json!({ "0xdeadbeef-32": 1 })]);
}

#[test]
fn the_default_tracer_logs_every_instruction_and_obeys_its_switches() {
    let block = Block::two();
    let full = &block.geth(Which::One(0), json!({}))[0];
    let used = block.receipts[0].cumulative_gas_used;
    assert_eq!((&full["gas"], &full["failed"]), (&json!(used), &json!(false)));
    let logs = full["structLogs"].as_array().unwrap();
    let names: Vec<_> = logs.iter().take(3).map(|log| log["op"].as_str().unwrap()).collect();
    assert_eq!(names, ["PUSH1", "PUSH1", "SSTORE"]);
    assert_eq!(logs[2]["stack"], json!(["0x7", "0x1"]));
    assert_eq!(logs[2]["depth"], 1);
    assert!(logs.iter().any(|log| log["depth"] == 2 && log["op"] == "LOG1"));
    assert!(logs[2].get("memory").is_none());

    let few = &block.geth(Which::One(0), json!({ "disableStack": true, "disableStorage": true, "limit": 3 }))[0];
    let logs = few["structLogs"].as_array().unwrap();
    assert_eq!(logs.len(), 3);
    assert!(logs[2].get("stack").is_none() && logs[2].get("storage").is_none());
}

#[test]
fn paritys_traces_have_addresses_results_and_state_differences() {
    let block = Block::two();
    let types = HashSet::from_iter([TraceType::Trace, TraceType::StateDiff, TraceType::VmTrace]);
    let traces = block.evm().trace_parity(&block.replay(), Which::One(0), &types, &limits()).unwrap();
    let [results] = traces.transactions.as_slice() else { panic!("one was asked for") };
    let addresses: Vec<_> = results.trace.iter().map(|trace| trace.trace_address.clone()).collect();
    assert_eq!(addresses, [vec![], vec![0], vec![1]]);
    assert_eq!(results.trace[0].subtraces, 2);
    assert_eq!(results.trace[2].error.as_deref(), Some("Reverted"));
    let Action::Call(root) = &results.trace[0].action else { panic!("a call") };
    // 400,000 less what a transaction without data costs.
    assert_eq!((root.gas, root.value), (379_000, U256::from(9)));
    let diff = results.state_diff.as_ref().unwrap();
    assert!(matches!(&diff.0[&OUTER].balance, Delta::Added(_) | Delta::Changed(_)), "{:?}", diff.0[&OUTER]);
    assert_eq!(results.vm_trace.as_ref().unwrap().ops[2].op.as_deref(), Some("SSTORE"));
}

#[test]
fn a_block_whose_rewards_the_spec_states_shows_the_authors() {
    let mut spec = free_spec();
    spec.engine.block_reward.insert(0, U256::from(5));
    let block = Block::new(spec, &[key(1).legacy(0, call(INNER), 1, 100_000, 0, Bytes::new())]);
    let types = HashSet::from_iter([TraceType::Trace]);
    let traces = block.evm().trace_parity(&block.replay(), Which::All, &types, &limits()).unwrap();
    let [reward] = traces.rewards.as_slice() else { panic!("one reward: {:?}", traces.rewards) };
    assert_eq!((reward.receiver, reward.amount, reward.kind), (AUTHOR, U256::from(5), RewardKind::Block));
}

#[test]
fn each_call_of_many_sees_what_the_ones_before_it_did() {
    let block = Block::two();
    let types = HashSet::from_iter([TraceType::StateDiff]);
    let request = |value: u64| CallRequest {
        from: key(1).address,
        to: call(INNER),
        value: U256::from(value),
        ..CallRequest::default()
    };
    let calls = [2, 3].map(|value| ParityCall { request: request(value), types: types.clone() });
    let env = &block.chain.parent;
    let traces = block.evm().trace_parity_calls(&block.chain.reader(), env, &calls, &limits()).unwrap();
    let Delta::Changed(change) = traces[1].state_diff.as_ref().unwrap().0[&INNER].balance.clone() else {
        panic!("the balance changes")
    };
    // Two transactions have given it 5 each, the first call 2.
    assert_eq!((change.from, change.to), (U256::from(12), U256::from(15)));
}

#[test]
fn an_access_list_names_what_a_call_touches_besides_its_own_ends() {
    let block = Block::two();
    let request = CallRequest { from: key(1).address, to: call(OUTER), ..CallRequest::default() };
    let env = &block.chain.parent;
    let (list, outcome) = block.evm().access_list(&block.chain.reader(), env, &request, &limits()).unwrap();
    assert!(outcome.is_success());
    let slot = alloy::primitives::B256::with_last_byte(1);
    let mut found: Vec<_> = list.0.iter().map(|item| (item.address, item.storage_keys.clone())).collect();
    found.sort();
    assert_eq!(found, [(BOTHERED, vec![]), (INNER, vec![]), (OUTER, vec![slot])]);
}

#[test]
fn a_trace_ends_at_its_deadline_at_its_size_and_when_nobody_wants_it() {
    let mut chain = Chain::new(free_spec(), World::new().contract(OUTER, &asm("JUMPDEST 0x00 JUMP"), &[]).build());
    chain.advance(&[]);
    let trace = |gas, limits: TraceLimits| {
        let request = CallRequest { to: call(OUTER), gas: Some(gas), ..CallRequest::default() };
        let options = GethDebugTracingOptions::default();
        chain.evm.trace_call_geth(chain.reader(), &chain.parent, &request, &options, &limits)
    };
    let late = TraceLimits { deadline: Instant::now(), bytes: usize::MAX, ..limits() };
    assert!(matches!(trace(20_000_000, late), Err(TraceError::Timeout)));
    assert!(matches!(trace(20_000_000, TraceLimits { bytes: 1 << 20, ..limits() }), Err(TraceError::TooLarge)));
    let left = limits();
    left.cancel.cancel();
    assert!(matches!(trace(u64::MAX / 4, left), Err(TraceError::Cancelled)));
    let Ok(GethTrace::Default(frame)) = trace(60_000, limits()) else { panic!("enough room and time") };
    assert!(frame.failed, "an endless loop runs out of gas");
}

#[test]
fn what_is_copied_of_memory_has_its_size() {
    // 64 KiB, which each instruction after the first shows.
    let code = asm("loop: 0x01 0xffff MSTORE8 @loop JUMP");
    let mut chain = Chain::new(free_spec(), World::new().contract(OUTER, &code, &[]).build());
    chain.advance(&[]);
    let options: GethDebugTracingOptions = serde_json::from_value(json!({ "enableMemory": true })).unwrap();
    let request = CallRequest { to: call(OUTER), gas: Some(50_000), ..CallRequest::default() };
    let trace = |bytes| {
        let limits = TraceLimits { bytes, ..limits() };
        chain.evm.trace_call_geth(chain.reader(), &chain.parent, &request, &options, &limits)
    };
    assert!(matches!(trace(1 << 20), Err(TraceError::TooLarge)));
    assert!(trace(1 << 30).is_ok());
}

#[test]
fn calls_of_one_request_share_its_room() {
    let block = Block::two();
    let types = HashSet::from_iter([TraceType::Trace]);
    let request = CallRequest { from: key(1).address, to: call(AUTHOR), ..CallRequest::default() };
    let trace = |count: usize| {
        let calls = vec![ParityCall { request: request.clone(), types: types.clone() }; count];
        // A frame takes half a KiB.
        let limits = TraceLimits { bytes: 1200, ..limits() };
        block.evm().trace_parity_calls(&block.chain.reader(), &block.chain.parent, &calls, &limits)
    };
    assert_eq!(trace(2).unwrap().len(), 2);
    assert!(matches!(trace(3), Err(TraceError::TooLarge)));
}

#[test]
fn unknown_tracers_are_refused_by_name() {
    let block = Block::two();
    let options: GethDebugTracingOptions = serde_json::from_value(json!({ "tracer": "{step(){}}" })).unwrap();
    let error = block.evm().trace_geth(&block.replay(), Which::All, &options, &limits()).unwrap_err();
    assert!(matches!(error, TraceError::Tracer(_)), "{error:?}");
}
