//! Our own permission contract is read from its storage; the answer is always that of the call.

use std::collections::BTreeMap;

use crate::common::*;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use aurum_contracts::{
    genesis::{self, PERMISSIONS, PERMISSIONS_IMPLEMENTATION, PermissionsGenesis},
    rights,
};
use aurum_evm::{Denial, DenialReason, PermissionRequest};
use aurum_types::{Account, AccountChange, ChainSpec, MemoryState, StateChanges};
use proptest::prelude::*;

type Slots = BTreeMap<U256, U256>;

/// A chain with the contract, its storage changed; with `called`, its code is one byte longer, which changes nothing but
/// that it is not recognised.
fn chain(mut spec: ChainSpec, slots: &Slots, called: bool) -> Chain {
    let mut changes = StateChanges::default();
    let admin = key(1).address;
    let genesis = PermissionsGenesis {
        admins: &[admin],
        threshold: 1,
        default_rights: rights::READ,
        entries: &[(key(2).address, rights::BASIC)],
    };
    for (address, account) in genesis::permissions(&genesis).unwrap() {
        let mut code = account.code.to_vec();
        let mut storage: Slots = account.storage.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect();
        if address == PERMISSIONS {
            storage.extend(slots);
        }
        if called && address == PERMISSIONS_IMPLEMENTATION {
            code.push(0);
        }
        let code = Bytes::from(code);
        let account = Account { nonce: 1, code_hash: keccak256(&code), ..Account::default() };
        changes.code.insert(account.code_hash, code);
        let change = AccountChange {
            account: Some(account),
            storage: storage.into_iter().collect(),
            ..AccountChange::default()
        };
        changes.accounts.insert(address, change);
    }
    spec.params.transaction_permission_contract = Some(PERMISSIONS);
    Chain::new(spec, MemoryState::from_changes(&changes))
}

fn mapping(account: Address, slot: u64) -> U256 {
    keccak256([account.into_word(), B256::from(U256::from(slot))].concat()).into()
}

fn ask(chain: &Chain, parent: u8, request: &PermissionRequest) -> Result<(), Denial> {
    chain.evm.check_permission(chain.reader(), &chain.parent, B256::repeat_byte(parent), request).unwrap()
}

/// Requests that need each of the rights, and one with much input.
fn requests(sender: Address) -> Vec<PermissionRequest> {
    let request = |to, data: Bytes| PermissionRequest {
        sender,
        to,
        value: U256::from(7),
        max_fee_per_gas: 3,
        max_priority_fee_per_gas: 2,
        gas_limit: 100_000,
        data,
        delegates: false,
    };
    vec![
        request(TxKind::Call(Address::repeat_byte(0x31)), Bytes::new()),
        request(TxKind::Call(PERMISSIONS), vec![1; 300].into()),
        request(TxKind::Create, vec![0; 100_000].into()),
        request(TxKind::Create, vec![1; 64 << 10].into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn storage_and_call_give_one_answer(
        words in prop::collection::vec(prop_oneof![
            Just(U256::ZERO), any::<u8>().prop_map(U256::from), any::<u64>().prop_map(U256::from),
            any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        ], 4),
        present in prop::collection::vec(any::<bool>(), 4),
        who in 0..4u8,
    ) {
        let sender = key(who + 1).address;
        let places = [mapping(sender, 1), U256::from(4), mapping(sender, 6), mapping(sender, 7)];
        let slots: Slots = places.into_iter().zip(words).zip(present).filter(|(_, present)| *present).map(|(slot, _)| slot).collect();
        let (read, called) = (chain(free_spec(), &slots, false), chain(free_spec(), &slots, true));
        for request in requests(sender) {
            // With a new parent nothing is remembered; then twice more: by what is known of the contract, and of the sender.
            for parent in [1, 1, 2] {
                prop_assert_eq!(ask(&read, parent, &request), ask(&called, parent, &request), "{:?}", request.to);
            }
        }
        // And blocks are judged alike.
        let transfer = key(who + 1).legacy(0, call(Address::repeat_byte(0x31)), 0, 21_000, 0, Bytes::new());
        let judged = |chain: &Chain| chain.execute(std::slice::from_ref(&transfer), None).map(|_| ()).map_err(|error| error.to_string());
        prop_assert_eq!(judged(&read), judged(&called));
    }
}

#[test]
fn where_the_rules_do_not_run_the_code_nobody_is_permitted() {
    let mut spec = free_spec();
    // PUSH0 is in all of it.
    spec.params.eip_timestamps.remove(&3855);
    for called in [false, true] {
        let chain = chain(spec.clone(), &Slots::new(), called);
        let denial = ask(&chain, 1, &requests(key(2).address)[0]).unwrap_err();
        assert_eq!(denial.reason, DenialReason::NoAnswer);
    }
}

#[test]
fn rules_with_no_newer_opcode_than_push0_run_the_code() {
    let mut spec = free_spec();
    spec.params.eip_timestamps.retain(|eip, _| !matches!(eip, 1153 | 5656));
    for called in [false, true] {
        let chain = chain(spec.clone(), &Slots::new(), called);
        assert_eq!(ask(&chain, 1, &requests(key(2).address)[0]), Ok(()));
        assert_eq!(ask(&chain, 1, &requests(key(2).address)[1]).unwrap_err().reason, DenialReason::NotGranted);
        assert_eq!(ask(&chain, 1, &requests(key(1).address)[1]), Ok(()), "an admin calls");
    }
}

#[test]
fn a_proxy_that_points_elsewhere_is_called() {
    let slot = U256::from_be_bytes(alloy::primitives::hex!(
        "360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    ));
    for target in [U256::ZERO, U256::from(4), U256::from_be_slice(key(2).address.as_slice())] {
        let chain = chain(free_spec(), &Slots::from([(slot, target)]), false);
        assert_eq!(
            ask(&chain, 1, &requests(key(2).address)[0]).unwrap_err().reason,
            DenialReason::NoAnswer,
            "{target}"
        );
    }
    // Bits above the address count for nothing, as in the proxy.
    let dirty = U256::from_be_slice(PERMISSIONS_IMPLEMENTATION.as_slice()) | (U256::from(1) << 200);
    for called in [false, true] {
        let chain = chain(free_spec(), &Slots::from([(slot, dirty)]), called);
        assert_eq!(ask(&chain, 1, &requests(key(2).address)[0]), Ok(()));
    }
}
