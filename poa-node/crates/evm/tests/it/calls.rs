//! `eth_call` and `eth_estimateGas`.

use crate::common::*;
use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, map::B256HashMap},
    rpc::types::{
        BlockOverrides,
        state::{AccountOverride, StateOverride},
    },
};
use aurum_evm::{CallOutcome, CallRequest, Cancel, EvmError, InvalidExecution, TxInvalid};

const CONTRACT: Address = Address::repeat_byte(0x99);

fn fixed_price(code: &Bytes) -> Chain {
    let mut spec = spec();
    spec.params.fixed_base_fee = Some(1_000_000);
    let mut chain = Chain::new(spec, World::new().contract(CONTRACT, code, &[(1, 5)]).build());
    chain.advance(&[]);
    chain
}

fn to(to: Address) -> CallRequest {
    CallRequest { to: TxKind::Call(to), ..CallRequest::default() }
}

fn output(chain: &Chain, request: &CallRequest) -> Bytes {
    match chain.evm.call(chain.reader(), &chain.parent, request).unwrap() {
        CallOutcome::Success { output, .. } => output,
        other => panic!("the call failed: {other:?}"),
    }
}

/// Returns the word `source` leaves on the stack.
fn returning(source: &str) -> Bytes {
    asm(&format!("{source} 0x00 MSTORE 0x20 0x00 RETURN"))
}

fn word(bytes: &Bytes) -> U256 {
    U256::from_be_slice(bytes)
}

#[test]
fn a_call_needs_neither_fee_nor_nonce_nor_balance() {
    let chain = fixed_price(&returning("CALLVALUE BASEFEE ADD"));
    let poor = key(1).address;
    let request = CallRequest { from: poor, value: U256::from(7), nonce: Some(99), ..to(CONTRACT) };
    assert_eq!(word(&output(&chain, &request)), U256::from(1_000_007));
    let contract = CallRequest { from: CONTRACT, ..to(CONTRACT) };
    assert_eq!(word(&output(&chain, &contract)), U256::from(1_000_000), "a contract may be the sender");
}

#[test]
fn a_call_sees_the_asked_block() {
    let chain = fixed_price(&returning("NUMBER TIMESTAMP ADD COINBASE ADD"));
    let expected = U256::from(1 + 1002) + U256::from_be_slice(AUTHOR.as_slice());
    assert_eq!(word(&output(&chain, &to(CONTRACT))), expected);
}

#[test]
fn revert_data_is_kept_and_halts_are_named() {
    let chain = fixed_price(&asm("0x2a 0x00 MSTORE 0x20 0x00 REVERT"));
    match chain.evm.call(chain.reader(), &chain.parent, &to(CONTRACT)).unwrap() {
        CallOutcome::Revert { output, gas_used } => {
            assert_eq!(word(&output), U256::from(0x2a));
            assert!(gas_used < 22_000);
        }
        other => panic!("expected a revert, got {other:?}"),
    }
    let chain = fixed_price(&asm("loop: @loop JUMP"));
    let request = CallRequest { gas: Some(100_000), ..to(CONTRACT) };
    match chain.evm.call(chain.reader(), &chain.parent, &request).unwrap() {
        CallOutcome::Halt { out_of_gas, gas_used, .. } => assert_eq!((out_of_gas, gas_used), (true, 100_000)),
        other => panic!("expected a halt, got {other:?}"),
    }
    let request = CallRequest { gas: Some(20_000), ..to(CONTRACT) };
    let error = chain.evm.call(chain.reader(), &chain.parent, &request).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::Call(TxInvalid::IntrinsicGas { want: 21_000, .. }))));
}

#[test]
fn gas_is_capped() {
    let chain = fixed_price(&returning("GAS"));
    let gas = |gas, gas_cap| word(&output(&chain, &CallRequest { gas, gas_cap, ..to(CONTRACT) })).to::<u64>();
    assert!(gas(None, None) > GAS_LIMIT - 22_000);
    assert!(gas(Some(u64::MAX), None) <= GAS_LIMIT);
    assert!(gas(None, Some(100_000)) <= 79_000);
    assert!(gas(Some(50_000), Some(100_000)) <= 29_000);
    assert!(gas(None, Some(10 * GAS_LIMIT)) > 9 * GAS_LIMIT, "the cap may be above the block's limit");
}

#[test]
fn creation_tells_its_address_and_code() {
    let chain = fixed_price(&asm("STOP"));
    let sender = key(1).address;
    let request = CallRequest { from: sender, data: creation(&asm("NUMBER")), ..CallRequest::default() };
    match chain.evm.call(chain.reader(), &chain.parent, &request).unwrap() {
        CallOutcome::Success { output, created, .. } => {
            assert_eq!((output, created), (asm("NUMBER"), Some(sender.create(0))));
        }
        other => panic!("the creation failed: {other:?}"),
    }
    match chain.evm.call(chain.reader(), &chain.parent, &CallRequest { nonce: Some(9), ..request }).unwrap() {
        CallOutcome::Success { created, .. } => assert_eq!(created, Some(sender.create(9))),
        other => panic!("the creation failed: {other:?}"),
    }
}

#[test]
fn accounts_can_be_overridden() {
    let chain = fixed_price(&returning("0x01 SLOAD 0x02 SLOAD ADD SELFBALANCE ADD"));
    let word_of = |n: u64| B256::from(U256::from(n));
    let slots = || B256HashMap::from_iter([(word_of(2), word_of(100))]);
    let call = |account: AccountOverride| {
        let overrides = StateOverride::from_iter([(CONTRACT, account)]);
        let request = CallRequest { state_overrides: Some(overrides), ..to(CONTRACT) };
        chain.evm.call(chain.reader(), &chain.parent, &request)
    };
    let value = |account| match call(account).unwrap() {
        CallOutcome::Success { output, .. } => word(&output).to::<u64>(),
        other => panic!("the call failed: {other:?}"),
    };
    assert_eq!(value(AccountOverride::default()), 5);
    assert_eq!(value(AccountOverride { balance: Some(U256::from(1000)), ..Default::default() }), 1005);
    assert_eq!(value(AccountOverride { state_diff: Some(slots()), ..Default::default() }), 105);
    assert_eq!(value(AccountOverride { state: Some(slots()), ..Default::default() }), 100);
    assert_eq!(value(AccountOverride { code: Some(returning("0x77")), ..Default::default() }), 0x77);
    let both = AccountOverride { state: Some(slots()), state_diff: Some(slots()), ..Default::default() };
    assert!(matches!(call(both), Err(EvmError::Invalid(InvalidExecution::Call(_)))));
}

#[test]
fn the_block_can_be_overridden() {
    let chain = fixed_price(&returning("NUMBER TIMESTAMP ADD PREVRANDAO ADD"));
    let overrides = BlockOverrides {
        number: Some(U256::from(5)),
        time: Some(50),
        random: Some(B256::from(U256::from(500))),
        ..Default::default()
    };
    let request = CallRequest { block_overrides: Some(overrides), ..to(CONTRACT) };
    assert_eq!(word(&output(&chain, &request)), U256::from(555));
}

fn estimate(chain: &Chain, request: &CallRequest) -> Result<u64, CallOutcome> {
    chain.evm.estimate_gas(chain.reader(), &chain.parent, request).unwrap()
}

#[test]
fn a_plain_transfer_is_21000() {
    let chain = fixed_price(&asm("STOP"));
    let request = CallRequest { from: key(1).address, value: U256::from(1), ..to(AUTHOR) };
    assert_eq!(estimate(&chain, &request).unwrap(), 21_000);
}

#[test]
fn an_estimate_succeeds_and_is_close() {
    // A loop with refunds, a nested call that gets 63/64, and a contract that looks at its gas.
    let cases = [
        "0x40 loop: DUP1 DUP1 SSTORE 0x01 SWAP1 SUB DUP1 @loop JUMPI",
        "0x00 0x01 SSTORE 0x01 0x07 SSTORE 0x00 0x07 SSTORE",
        "0x00 0x00 0x00 0x00 0x00 0x04 GAS CALL @ok JUMPI INVALID ok: STOP",
        "0x030d40 GAS GT @ok JUMPI 0x00 0x00 REVERT ok: STOP",
    ];
    for source in cases {
        let chain = fixed_price(&asm(source));
        let estimated = estimate(&chain, &to(CONTRACT)).unwrap();
        let run = |gas| {
            let request = CallRequest { gas: Some(gas), ..to(CONTRACT) };
            let outcome = chain.evm.call(chain.reader(), &chain.parent, &request);
            outcome.is_ok_and(|outcome| outcome.is_success())
        };
        assert!(run(estimated), "{source}: {estimated} is too little");
        assert!(!run(estimated - estimated / 50), "{source}: {estimated} is more than 2 % too much");
    }
}

#[test]
fn halts_have_geths_words() {
    let cases: [(&'static [u8], &str); 5] = [
        (&[0xfe], "invalid opcode: INVALID"),
        (&[0x0c], "invalid opcode"),
        (&[0x60, 0x03, 0x56], "invalid jump destination"),
        (&[0x01], "stack underflow"),
        (&[0x5b, 0x60, 0x00, 0x56], "out of gas"),
    ];
    for (code, words) in cases {
        let chain = fixed_price(&Bytes::from_static(code));
        let request = CallRequest { gas: Some(100_000), ..to(CONTRACT) };
        match chain.evm.call(chain.reader(), &chain.parent, &request).unwrap() {
            CallOutcome::Halt { reason, .. } => assert_eq!(reason, words, "{code:?}"),
            other => panic!("{code:?}: {other:?}"),
        }
    }
}

#[test]
fn what_always_fails_has_no_estimate() {
    let chain = fixed_price(&asm("0x2a 0x00 MSTORE 0x20 0x00 REVERT"));
    match estimate(&chain, &to(CONTRACT)).unwrap_err() {
        CallOutcome::Revert { output, .. } => assert_eq!(word(&output), U256::from(0x2a)),
        other => panic!("expected a revert, got {other:?}"),
    }
    let chain = fixed_price(&asm("loop: @loop JUMP"));
    assert!(matches!(
        estimate(&chain, &CallRequest { gas_cap: Some(1_000_000), ..to(CONTRACT) }),
        Err(CallOutcome::Halt { out_of_gas: true, .. })
    ));
}

#[test]
fn a_cancelled_call_ends_whatever_gas_it_has() {
    // A loop, and calls of itself without any.
    let programs = [asm("JUMPDEST 0x00 JUMP"), asm(&"0x00 0x00 0x00 0x00 0x00 ADDRESS GAS CALL POP ".repeat(100))];
    for code in programs {
        let chain = fixed_price(&code);
        let cancel = Cancel::default();
        let request = CallRequest { gas_cap: Some(u64::MAX / 4), cancel: Some(cancel.clone()), ..to(CONTRACT) };
        let ended = std::thread::scope(|scope| {
            // Never ends by itself.
            let call = scope.spawn(|| chain.evm.call(chain.reader(), &chain.parent, &request));
            cancel.cancel();
            call.join().unwrap()
        });
        assert!(matches!(ended, Err(EvmError::Invalid(InvalidExecution::Call(TxInvalid::Cancelled)))), "{ended:?}");
    }
}
