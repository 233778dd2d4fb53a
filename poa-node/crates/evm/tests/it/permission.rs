//! The permission contract: every interface version, what it decides from when, and what a denial says.

use std::{fs, path::PathBuf, sync::Arc};

use crate::common::*;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use aurum_evm::{BlockEnv, Denial, DenialReason, Evm, EvmError, InvalidExecution, PermissionRequest, PushError, Right};
use aurum_types::{ChainSpec, MemoryState, spec::ParseOptions};
use secp256k1::{SECP256K1, SecretKey};

const CONTRACT: Address = Address::repeat_byte(0x99);

/// Version 4: mask of an account = the slot named after it; cacheable = slot 1. 64 bytes of calldata set a slot.
fn permissions() -> Bytes {
    asm("CALLDATASIZE 0x40 EQ @set JUMPI \
         0x00 CALLDATALOAD 0xe0 SHR DUP1 0xa0a8e460 EQ @version JUMPI \
         0x04 CALLDATALOAD SLOAD 0x00 MSTORE 0x01 SLOAD 0x20 MSTORE 0x40 0x00 RETURN \
         version: 0x04 0x00 MSTORE 0x20 0x00 RETURN \
         set: 0x20 CALLDATALOAD 0x00 CALLDATALOAD SSTORE STOP")
}

/// A gas-free chain with that contract, and these rights.
fn chain(rights: &[(Address, u32)]) -> Chain {
    let mut spec = free_spec();
    spec.params.transaction_permission_contract = Some(CONTRACT);
    let mut changes = World::new().contract(CONTRACT, &permissions(), &[(1, 1)]).into_changes();
    let storage = &mut changes.accounts.get_mut(&CONTRACT).unwrap().storage;
    for (account, rights) in rights {
        storage.insert(U256::from_be_slice(account.as_slice()), U256::from(*rights));
    }
    Chain::new(spec, MemoryState::from_changes(&changes))
}

fn grant(account: Address, rights: u32) -> Bytes {
    let mut data = account.into_word().to_vec();
    data.extend_from_slice(&U256::from(rights).to_be_bytes::<32>());
    data.into()
}

#[test]
fn each_kind_of_transaction_needs_its_right() {
    let (sender, authority) = (key(1), key(2));
    let person = Address::repeat_byte(0x31);
    let cases = [
        (sender.legacy(0, call(person), 0, 50_000, 0, Bytes::new()), Right::Basic),
        (sender.legacy(0, call(CONTRACT), 0, 100_000, 0, grant(person, 1)), Right::Call),
        (sender.legacy(0, TxKind::Create, 0, 100_000, 0, creation(&asm("STOP"))), Right::Create),
        (sender.eip7702(0, person, authority, 0, CONTRACT), Right::Create),
        (sender.legacy(0, call(Address::with_last_byte(4)), 0, 50_000, 0, Bytes::new()), Right::Basic),
    ];
    for (tx, needed) in cases {
        let granted = chain(&[(sender.address, needed.bit())]);
        granted.execute(std::slice::from_ref(&tx), None).unwrap();
        let others = 7 & !needed.bit();
        let denied = chain(&[(sender.address, others)]);
        let error = denied.execute(std::slice::from_ref(&tx), None).unwrap_err();
        let expected = Denial { reason: DenialReason::NotGranted, needed, have: others, contract: CONTRACT, block: 0 };
        match error {
            EvmError::Invalid(InvalidExecution::NotPermitted { index: 0, denial }) => assert_eq!(denial, expected),
            other => panic!("expected a denial, got {other}"),
        }
        assert!(expected.to_string().starts_with("Transaction is not permitted."));
        let mut builder = denied.evm.builder(denied.reader(), &denied.parent, denied.next_env(), None).unwrap();
        assert!(matches!(builder.push(&tx), Err(PushError::NotPermitted(denial)) if denial == expected));
        assert!(builder.finish().unwrap().changes.is_empty());
    }
}

#[test]
fn a_right_granted_in_a_block_holds_from_the_next_one() {
    let (admin, sender) = (key(1), key(2));
    let mut chain = chain(&[(admin.address, 2)]);
    let granting = admin.legacy(0, call(CONTRACT), 0, 100_000, 0, grant(sender.address, 4));
    let creating = sender.legacy(0, TxKind::Create, 0, 100_000, 0, creation(&asm("STOP")));
    let error = chain.execute(&[granting.clone(), creating.clone()], None).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::NotPermitted { index: 1, .. })), "{error}");
    chain.advance(&[granting]);
    chain.advance(std::slice::from_ref(&creating));
    assert_eq!(chain.code(sender.address.create(0)), asm("STOP"));

    // And a right taken away holds to the end of that block.
    let taking = admin.legacy(1, call(CONTRACT), 0, 100_000, 0, grant(sender.address, 0));
    let again = sender.legacy(1, TxKind::Create, 0, 100_000, 0, creation(&asm("STOP")));
    chain.advance(&[taking, again]);
    let later = sender.legacy(2, TxKind::Create, 0, 100_000, 0, creation(&asm("STOP")));
    let error = chain.execute(&[later], None).unwrap_err();
    let EvmError::Invalid(InvalidExecution::NotPermitted { denial, .. }) = error else { panic!("{error}") };
    assert_eq!((denial.block, denial.have), (3, 0));
}

#[test]
fn before_its_block_the_contract_decides_nothing() {
    let sender = key(1);
    let mut chain = chain(&[]);
    let mut spec = (**chain.evm.spec()).clone();
    spec.params.transaction_permission_contract_transition = 2;
    chain.evm = Evm::new(Arc::new(spec));
    chain.advance(&[sender.legacy(0, call(AUTHOR), 0, 21_000, 0, Bytes::new())]);
    assert!(chain.execute(&[sender.legacy(1, call(AUTHOR), 0, 21_000, 0, Bytes::new())], None).is_err());
}

#[test]
fn answers_for_the_sender_are_remembered_per_parent() {
    let sender = key(1);
    let chain = chain(&[(sender.address, 1)]);
    let request = |to| PermissionRequest::of(sender.address, sender.legacy(0, to, 0, 21_000, 0, Bytes::new()).inner());
    let ask = |state: &MemoryState, hash, to| {
        chain.evm.check_permission(Arc::new(state.clone()), &chain.parent, hash, &request(to)).unwrap()
    };
    let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
    assert_eq!(ask(&chain.state, one, call(AUTHOR)), Ok(()));
    let nothing = MemoryState::new();
    assert_eq!(ask(&nothing, one, call(AUTHOR)), Ok(()), "known for this parent");
    let denial = ask(&nothing, two, call(AUTHOR)).unwrap_err();
    assert_eq!((denial.reason, denial.code()), (DenialReason::NoAnswer, "CONTRACT_FAILED"));
    let denial = ask(&chain.state, one, TxKind::Create).unwrap_err();
    assert_eq!((denial.needed, denial.have, denial.code()), (Right::Create, 1, "CREATE_DENIED"));
}

#[test]
fn an_answer_for_one_transaction_is_not_remembered() {
    let sender = key(1);
    // Version 4, not cacheable, allows everything unless value is 7.
    let code = asm("0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x44 CALLDATALOAD 0x07 EQ ISZERO 0x01 MUL 0x00 MSTORE 0x00 0x20 MSTORE 0x40 0x00 RETURN \
         version: 0x04 0x00 MSTORE 0x20 0x00 RETURN");
    let mut spec = free_spec();
    spec.params.transaction_permission_contract = Some(CONTRACT);
    let chain = Chain::new(spec, World::new().account(sender.address, 100).contract(CONTRACT, &code, &[]).build());
    let six = sender.legacy(0, call(AUTHOR), 6, 21_000, 0, Bytes::new());
    let seven = sender.legacy(1, call(AUTHOR), 7, 21_000, 0, Bytes::new());
    let error = chain.execute(&[six, seven], None).unwrap_err();
    assert!(matches!(error, EvmError::Invalid(InvalidExecution::NotPermitted { index: 1, .. })), "{error}");
}

#[test]
fn an_unknown_version_denies_everything() {
    let sender = key(1);
    let mut spec = free_spec();
    spec.params.transaction_permission_contract = Some(CONTRACT);
    let code = asm("0x09 0x00 MSTORE 0x20 0x00 RETURN");
    let chain = Chain::new(spec, World::new().contract(CONTRACT, &code, &[]).build());
    let error = chain.execute(&[sender.legacy(0, call(AUTHOR), 0, 21_000, 0, Bytes::new())], None).unwrap_err();
    let EvmError::Invalid(InvalidExecution::NotPermitted { denial, .. }) = error else { panic!("{error}") };
    assert_eq!(denial.reason, DenialReason::UnknownVersion(9));
}

#[test]
fn rights_without_a_contract_are_all_and_with_one_are_its_answer() {
    let sender = key(1);
    let free = Chain::new(free_spec(), MemoryState::new());
    assert_eq!(free.evm.rights(free.reader(), &free.parent, sender.address).unwrap(), u32::MAX);
    let chain = chain(&[(sender.address, 5)]);
    assert_eq!(chain.evm.rights(chain.reader(), &chain.parent, sender.address).unwrap(), 5);
}

/// OpenEthereum's own tests of the three older interfaces (crates/concensus/miner … tx_filter.rs): keys are secrets 1..7,
/// contracts come from their spec files.
struct Old {
    evm: Evm,
    state: MemoryState,
    parent: BlockEnv,
}

fn old_key(n: u8) -> Address {
    let mut secret = [0; 32];
    secret[31] = n;
    let secret = SecretKey::from_byte_array(secret).unwrap();
    aurum_types::crypto::address_of(&secret.public_key(SECP256K1))
}

impl Old {
    fn load(file: &str) -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
            .join("../../../../shared/vectors/aura/specs")
            .join(file);
        let Ok(text) = fs::read_to_string(&path) else {
            println!("SKIPPED: no {}", path.display());
            return None;
        };
        let options = ParseOptions { any_engine: true, ..ParseOptions::default() };
        let spec = Arc::new(ChainSpec::parse_with(&text, options).unwrap().0);
        let evm = Evm::new(spec.clone());
        let state = MemoryState::from_changes(&evm.genesis().unwrap());
        let parent =
            BlockEnv { gas_limit: spec.genesis.gas_limit, timestamp: spec.genesis.timestamp, ..BlockEnv::default() };
        Some(Self { evm, state, parent })
    }

    fn allows(&self, from: u8, to: TxKind, value: u64, price: u128, data: &[u8]) -> bool {
        let request = PermissionRequest {
            sender: old_key(from),
            to,
            value: U256::from(value),
            max_fee_per_gas: price,
            max_priority_fee_per_gas: price,
            gas_limit: 21_000,
            data: Bytes::copy_from_slice(data),
            delegates: false,
        };
        // Each question with a parent of its own: nothing is remembered between them.
        let hash = B256::random();
        self.evm.check_permission(Arc::new(self.state.clone()), &self.parent, hash, &request).unwrap().is_ok()
    }
}

const OLD_CONTRACT: Address = Address::with_last_byte(5);

#[test]
fn first_interface_as_in_openethereum() {
    let Some(old) = Old::load("test_deprecated_contract_genesis.json") else { return };
    let person = call(old_key(7));
    let table = [(1, [true, true, true]), (2, [true, true, false]), (3, [true, false, false]), (4, [false; 3])];
    for (from, expected) in table {
        let got = [
            old.allows(from, person, 0, 0, &[]),
            old.allows(from, call(OLD_CONTRACT), 0, 0, &[]),
            old.allows(from, TxKind::Create, 0, 0, &[]),
        ];
        assert_eq!(got, expected, "key {from}: basic, call, create");
    }
}

#[test]
fn second_interface_as_in_openethereum() {
    let Some(old) = Old::load("test_contract_ver_2_genesis.json") else { return };
    let person = call(old_key(7));
    let table = [(1, [true, true, true]), (2, [true, true, false]), (3, [true, false, false]), (4, [false; 3])];
    for (from, expected) in table {
        let got = [
            old.allows(from, person, 0, 0, &[]),
            old.allows(from, call(OLD_CONTRACT), 0, 0, &[]),
            old.allows(from, TxKind::Create, 0, 0, &[]),
        ];
        assert_eq!(got, expected, "key {from}: basic, call, create");
    }
    assert!(old.allows(5, person, 0, 0, &[]));
    assert!(!old.allows(5, person, 1, 0, &[]), "key 5 may not move value");
    assert!(old.allows(6, person, 1, 0, &[]), "key 6 may, to key 7");
    assert!(old.allows(7, call(old_key(6)), 0, 0, &[]));
    assert!(!old.allows(7, call(old_key(6)), 1, 0, &[]), "key 7 may not, to key 6");
}

#[test]
fn third_interface_as_in_openethereum() {
    let Some(old) = Old::load("test_contract_ver_3_genesis.json") else { return };
    let to = call(OLD_CONTRACT);
    assert!(!old.allows(1, to, 0, 0, &[0; 4]), "no price and four bytes of data");
    assert!(old.allows(1, to, 0, 1, &[0; 4]));
    assert!(old.allows(1, to, 0, 0, &[0; 3]));
    assert!(old.allows(1, to, 0, 1, &[]));
}

/// A registrar that names itself for everything, and is the certifier too: it certifies what its slots say.
fn certifier() -> Bytes {
    asm("0x00 CALLDATALOAD 0xe0 SHR 0xcc1d4c02 EQ @certified JUMPI \
         ADDRESS 0x00 MSTORE 0x20 0x00 RETURN \
         certified: 0x04 CALLDATALOAD SLOAD 0x00 MSTORE 0x20 0x00 RETURN")
}

#[test]
fn from_its_block_only_certified_senders_may_offer_nothing() {
    let (certified, other) = (key(1), key(2));
    let mut spec = spec();
    spec.params.registrar = Some(CONTRACT);
    spec.params.validate_service_transactions_transition = Some(2);
    let mut changes =
        World::new().account(other.address, ether(1)).contract(CONTRACT, &certifier(), &[]).into_changes();
    let slot = U256::from_be_slice(certified.address.as_slice());
    changes.accounts.get_mut(&CONTRACT).unwrap().storage.insert(slot, U256::ONE);
    let mut chain = Chain::new(spec, MemoryState::from_changes(&changes));
    chain.base_fee = Some(10);
    let free = |sender: Key, nonce| sender.legacy(nonce, call(AUTHOR), 0, 21_000, 0, Bytes::new());
    chain.advance(&[free(certified, 0), free(other, 0)]);
    let error = chain.execute(&[free(certified, 1), free(other, 1)], None).unwrap_err();
    let uncertified = aurum_evm::TxInvalid::Uncertified;
    assert!(
        matches!(&error, EvmError::Invalid(InvalidExecution::Transaction { index: 1, source }) if *source == uncertified),
        "{error}"
    );
    chain.advance(&[free(certified, 1), other.legacy(1, call(AUTHOR), 0, 21_000, 10, Bytes::new())]);
    chain.evm = {
        let mut spec = (**chain.evm.spec()).clone();
        spec.params.registrar = None;
        Evm::new(Arc::new(spec))
    };
    assert!(chain.execute(&[free(certified, 2)], None).is_err(), "no registrar, nobody certified");
}
