//! The chain's own contracts, as a new chain has them in genesis, under the calls the protocol makes.

use std::sync::Arc;

use crate::common::*;
use alloy::{
    primitives::{Address, Bytes, TxKind, U256},
    sol_types::{SolCall, SolEvent},
};
use aurum_contracts::{
    Permissions, ValidatorSet,
    genesis::{self, PERMISSIONS, PermissionsGenesis, VALIDATOR_SET},
    rights,
};
use aurum_evm::{BlockEnv, DenialReason, Evm, EvmError, InvalidExecution, Right, SYSTEM_ADDRESS};
use aurum_types::{ChainSpec, MemoryState, spec::AccountSpec};

/// A gas-free chain of two authorities, of which both must approve.
fn chain() -> Chain {
    let authorities = [key(1).address, key(2).address];
    let mut spec: ChainSpec = free_spec();
    let mut accounts = genesis::validator_set(&authorities, PERMISSIONS).unwrap();
    let permissions = PermissionsGenesis {
        admins: &authorities,
        threshold: 2,
        default_rights: rights::READ,
        entries: &[(key(3).address, rights::READ | rights::BASIC)],
    };
    accounts.extend(genesis::permissions(&permissions).unwrap());
    for (address, account) in accounts {
        let storage = account.storage.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect();
        let account = AccountSpec {
            balance: Some(U256::ZERO),
            nonce: Some(1),
            code: Some(account.code),
            storage: Some(storage),
            ..AccountSpec::default()
        };
        spec.accounts.insert(address, account);
    }
    spec.params.transaction_permission_contract = Some(PERMISSIONS);
    let state = MemoryState::from_changes(&Evm::new(Arc::new(spec.clone())).genesis().unwrap());
    Chain::new(spec, state)
}

fn rights_of(chain: &Chain, account: Address) -> u32 {
    chain.evm.rights(chain.reader(), &chain.parent, account).unwrap()
}

#[test]
fn the_permission_contract_grants_by_its_list() {
    let mut chain = chain();
    assert_eq!(rights_of(&chain, key(1).address), rights::ADMIN);
    assert_eq!(rights_of(&chain, key(3).address), rights::READ | rights::BASIC);
    assert_eq!(rights_of(&chain, key(9).address), rights::READ);
    chain.advance(&[key(3).legacy(0, call(key(9).address), 0, 21_000, 0, Bytes::new())]);

    let creation_of = |sender: Key, nonce| sender.legacy(nonce, TxKind::Create, 0, 200_000, 0, creation(&asm("STOP")));
    let error = chain.execute(&[creation_of(key(3), 1)], None).unwrap_err();
    let EvmError::Invalid(InvalidExecution::NotPermitted { denial, .. }) = error else { panic!("{error}") };
    let have = rights::BASIC | rights::READ;
    assert_eq!((denial.reason, denial.needed, denial.have), (DenialReason::NotGranted, Right::Create, have));
    assert_eq!(denial.contract, PERMISSIONS);
}

#[test]
fn finalize_change_of_the_genesis_contract_runs_at_block_one() {
    let mut chain = chain();
    let set = chain.evm.validators(chain.reader(), &chain.parent, VALIDATOR_SET).unwrap();
    assert_eq!(set.as_slice(), [key(1).address, key(2).address]);
    chain.advance_with(&[], Some(VALIDATOR_SET));
    assert!(chain.exists(SYSTEM_ADDRESS));
    let set = chain.evm.validators(chain.reader(), &chain.parent, VALIDATOR_SET).unwrap();
    assert_eq!(set.as_slice(), [key(1).address, key(2).address]);
}

/// Both authorities agree on a call by the council. Returns the receipts of the block that carried it out.
fn decide(chain: &mut Chain, nonces: &mut [u64; 2], target: Address, data: Vec<u8>) -> Vec<aurum_types::Receipt> {
    let propose = Permissions::proposeCall { target, data: data.into() }.abi_encode();
    let outcome = chain.advance(&[key(1).legacy(nonces[0], call(PERMISSIONS), 0, 2_000_000, 0, propose.into())]);
    assert!(outcome.receipts[0].succeeded(), "proposing");
    let log = outcome.receipts[0].logs.iter().find_map(|log| Permissions::Proposed::decode_log(log).ok()).unwrap();
    let approve = Permissions::approveCall { id: log.proposal }.abi_encode();
    let outcome = chain.advance(&[key(2).legacy(nonces[1], call(PERMISSIONS), 0, 2_000_000, 0, approve.into())]);
    assert!(outcome.receipts[0].succeeded(), "approving");
    nonces[0] += 1;
    nonces[1] += 1;
    outcome.receipts
}

#[test]
fn the_council_grants_creation_and_adds_a_validator() {
    let mut chain = chain();
    let mut nonces = [0, 0];
    chain.advance_with(&[], Some(VALIDATOR_SET));
    let grant = Permissions::setRightsCall { accounts: vec![key(3).address], rights: vec![rights::ALL] };
    decide(&mut chain, &mut nonces, PERMISSIONS, grant.abi_encode());
    assert_eq!(rights_of(&chain, key(3).address), rights::ALL);
    let creating = key(3).legacy(0, TxKind::Create, 0, 200_000, 0, creation(&asm("STOP")));
    assert!(chain.advance(&[creating]).receipts[0].succeeded());

    let add = ValidatorSet::addValidatorCall { validator: key(4).address };
    let parent = chain.next_env();
    let receipts = decide(&mut chain, &mut nonces, VALIDATOR_SET, add.abi_encode());
    let change = receipts[0].logs.iter().find(|log| log.address == VALIDATOR_SET).unwrap();
    let change = ValidatorSet::InitiateChange::decode_log(change).unwrap();
    assert_eq!(change.newSet, [key(1).address, key(2).address, key(4).address]);
    assert_ne!(change.parentHash, parent.parent_hash, "the block that carried it out is a later one");
    assert_eq!(chain.parent.parent_hash, change.parentHash);
    let now = |chain: &Chain| chain.evm.validators(chain.reader(), &chain.parent, VALIDATOR_SET).unwrap();
    chain.advance_with(&[], Some(VALIDATOR_SET));
    assert_eq!(now(&chain).as_slice(), [key(1).address, key(2).address, key(4).address]);
}

#[test]
fn only_the_system_finalizes() {
    let chain = chain();
    let data = ValidatorSet::finalizeChangeCall {}.abi_encode();
    let request = aurum_evm::CallRequest {
        from: key(1).address,
        to: TxKind::Call(VALIDATOR_SET),
        data: data.into(),
        ..Default::default()
    };
    let env = BlockEnv { number: 1, ..chain.parent.clone() };
    assert!(!chain.evm.call(chain.reader(), &env, &request).unwrap().is_success());
}
