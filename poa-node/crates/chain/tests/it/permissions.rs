//! Who may send what: at the pool, in building, and above all at import.

use crate::kit::{Kit, key, transaction, transfer};
use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, TxKind},
    sol_types::SolCall,
};
use aurum_aura::Signer;
use aurum_chain::{Gate, Identity, ImportError, Imported, Invalid, SubmitError};
use aurum_contracts::{
    Permissions,
    genesis::{PERMISSIONS, PermissionsGenesis, permissions},
    rights,
};
use aurum_evm::{DenialReason, Right};
use aurum_pool::{PoolError, Refusal};
use serde_json::json;

/// Keys 0 and 1 may do everything; key 5 may not create.
pub(crate) fn kit(decides_from: u64) -> Kit {
    Kit::with(2, |spec| {
        let accounts = permissions(&PermissionsGenesis {
            admins: &[key(0).address()],
            threshold: 1,
            default_rights: rights::READ,
            entries: &[
                (key(0).address(), rights::ALL),
                (key(1).address(), rights::ALL),
                (key(5).address(), rights::READ | rights::BASIC | rights::CALL),
            ],
        });
        for (address, account) in accounts.expect("a valid genesis") {
            spec["accounts"][address.to_string()] =
                json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
        }
        spec["params"]["transactionPermissionContract"] = json!(PERMISSIONS);
        spec["params"]["transactionPermissionContractTransition"] = json!(decides_from);
    })
}

pub(crate) fn grant(nonce: u64, account: Address, rights: u32) -> aurum_types::Transaction {
    let set = Permissions::setRightsCall { accounts: vec![account], rights: vec![rights] }.abi_encode();
    let propose = Permissions::proposeCall { target: PERMISSIONS, data: set.into() }.abi_encode();
    transaction(&key(0), nonce, TxKind::Call(PERMISSIONS), 0, propose.into())
}

fn creation(nonce: u64) -> aurum_types::Transaction {
    // Deploys one byte of code, STOP.
    transaction(&key(5), nonce, TxKind::Create, 0, Bytes::from_static(&[0x60, 0x01, 0x60, 0x00, 0xf3]))
}

#[test]
fn a_block_whose_only_fault_is_a_permission_is_refused_for_it_and_the_same_block_is_good_once_it_is_granted() {
    let honest = kit(0);
    // Its genesis is the same; it only believes that the contract decides later, so it builds what others refuse.
    let careless = kit(1_000_000);
    let (node, author) = (honest.node(), careless.node());
    assert_eq!(node.genesis_hash(), author.genesis_hash());

    let first = careless.mine(&author, &[]);
    honest.clock.set(aurum_aura::Clock::now(&*careless.clock));
    node.import(first).unwrap();
    let step = careless.next_step(&author, &careless.validators);
    let (forbidden, _) = careless.build(&author, step, &[creation(0)]);
    honest.clock.set(aurum_aura::Clock::now(&*careless.clock));
    match node.import(forbidden.clone()) {
        Err(ImportError::Invalid(Invalid::NotPermitted { index: 0, denial })) => {
            assert_eq!((denial.reason, denial.needed), (DenialReason::NotGranted, Right::Create));
            assert_eq!((denial.contract, denial.block), (PERMISSIONS, 1));
            assert!(denial.to_string().starts_with("Transaction is not permitted."));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(node.head().latest.number, 1);
    author.import(forbidden).expect("nothing else is wrong with it");

    // The right granted in the block before, the same transaction is in a good block.
    let author = careless.node();
    for txs in [vec![], vec![grant(0, key(5).address(), rights::ALL)], vec![creation(0)]] {
        let block = careless.mine(&author, &txs);
        honest.clock.set(aurum_aura::Clock::now(&*careless.clock));
        node.import(block).expect("good");
    }
    assert_eq!(node.head().latest, author.head().latest);
    let receipt = node.view().receipt(*creation(0).tx_hash()).unwrap().expect("created");
    assert!(receipt.receipt.succeeded());
    let created = receipt.contract_address.unwrap();
    assert_eq!(node.view().state(BlockId::latest()).unwrap().unwrap().code(created).unwrap().len(), 1);
}

#[test]
fn a_right_granted_in_a_block_counts_from_the_next_one_on() {
    let careless = kit(1_000_000);
    let honest = kit(0);
    let (node, author) = (honest.node(), careless.node());
    let step = careless.next_step(&author, &careless.validators);
    let (block, _) = careless.build(&author, step, &[grant(0, key(5).address(), rights::ALL), creation(0)]);
    honest.clock.set(aurum_aura::Clock::now(&*careless.clock));
    let error = node.import(block).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(Invalid::NotPermitted { index: 1, .. })), "{error}");
}

#[test]
fn the_pool_refuses_with_reason_and_contract_and_takes_it_after_the_grant() {
    let kit = kit(0);
    let node = kit.node();
    let gate = Gate::new(node.clone());
    let submit = gate.grant_submit(&Identity::Anonymous).unwrap();
    match gate.submit(&submit, creation(0)) {
        Err(SubmitError::Pool(PoolError::Refused(Refusal::NotPermitted(denied)))) => {
            assert_eq!((denied.needed, denied.contract, denied.block), (rights::CREATE, PERMISSIONS, 0));
            assert_eq!(denied.reason, "CREATE_DENIED");
            assert!(denied.to_string().starts_with("Transaction is not permitted."));
        }
        other => panic!("{other:?}"),
    }
    gate.submit(&submit, transfer(&key(5), 0, Address::repeat_byte(7), 0)).expect("basic is granted, fees are free");
    kit.mine(&node, &[grant(0, key(5).address(), rights::ALL)]);
    gate.submit(&submit, creation(1)).expect("granted");
    assert_eq!(node.view().rights(BlockId::latest(), key(5).address()).unwrap(), rights::ALL);
    assert_eq!(node.view().rights(BlockId::number(0), key(5).address()).unwrap() & rights::CREATE, 0);
}

#[test]
fn only_a_local_caller_gets_an_admin_grant() {
    let kit = kit(0);
    let gate = Gate::new(kit.node().clone());
    assert!(gate.grant_admin(&Identity::Local).is_ok());
    for identity in [Identity::Anonymous, Identity::Address(key(0).address())] {
        let denied = gate.grant_admin(&identity).unwrap_err();
        assert_eq!((denied.needed, denied.reason), ("admin", "ADMIN_NOT_LOCAL"));
        assert!(gate.grant_read(&identity).is_ok());
    }
}

#[test]
fn a_penniless_account_sends_on_a_gas_free_chain_and_pays_nothing() {
    let kit = Kit::new(1);
    let node = kit.node();
    let block = kit.mine(&node, &[transfer(&key(6), 0, Address::repeat_byte(7), 0)]);
    assert_eq!(block.header().base_fee_per_gas, Some(0));
    let view = node.view();
    let state = view.state(BlockId::latest()).unwrap().unwrap();
    assert_eq!(state.account(key(6).address()).unwrap().nonce, 1);
    assert!(state.account(kit.validators[0]).unwrap().balance >= state.account(key(6).address()).unwrap().balance);
    assert_eq!(view.gas_price().unwrap(), 0);
    assert_eq!(view.next_base_fee(), Some(0));
    assert!(matches!(node.import(block), Ok(Imported::Known)));
}

#[test]
fn a_right_to_read_counts_from_the_block_that_gives_or_takes_it() {
    let kit = kit(0);
    let node = kit.node();
    let gate = Gate::new(node.clone());
    let (reader, stranger) = (Identity::Address(key(5).address()), Identity::Address(Address::repeat_byte(7)));
    assert!(gate.grant_read(&reader).is_ok() && gate.grant_submit(&reader).is_ok());
    // The default of this chain is to read.
    assert!(gate.grant_read(&stranger).is_ok() && gate.grant_read(&Identity::Public).is_ok());

    kit.mine(&node, &[grant(0, key(5).address(), rights::BASIC)]);
    let denied = gate.grant_read(&reader).unwrap_err();
    assert_eq!((denied.reason, denied.needed), ("READ_DENIED", "read"));
    assert_eq!((denied.contract, denied.block), (Some(PERMISSIONS), Some(1)));
    assert!(gate.grant_submit(&reader).is_ok(), "who may send may hand in");
    assert!(gate.grant_read(&stranger).is_ok());

    kit.mine(&node, &[grant(1, key(5).address(), 0), grant(2, Address::ZERO, 0)]);
    assert_eq!(gate.grant_submit(&reader).unwrap_err().reason, "NO_RIGHTS");
    assert_eq!(gate.grant_read(&Identity::Public).unwrap_err().reason, "READ_DENIED");
    assert!(gate.grant_submit(&Identity::Public).is_ok());

    kit.mine(&node, &[grant(3, key(5).address(), rights::READ)]);
    assert!(gate.grant_read(&reader).is_ok() && gate.grant_submit(&reader).is_ok());
}

#[test]
fn who_proved_nothing_gets_no_grant_where_a_login_is_demanded() {
    let gate = Gate::new(kit(0).node().clone());
    let denied = gate.grant_read(&Identity::Stranger).unwrap_err();
    assert_eq!((denied.needed, denied.reason), ("read", "LOGIN_REQUIRED"));
    assert_eq!(gate.grant_submit(&Identity::Stranger).unwrap_err().reason, "LOGIN_REQUIRED");
    assert_eq!(gate.grant_admin(&Identity::Stranger).unwrap_err().reason, "ADMIN_NOT_LOCAL");
}

#[test]
fn without_a_permission_contract_every_account_reads() {
    let gate = Gate::new(Kit::new(1).node().clone());
    for identity in [Identity::Public, Identity::Address(key(7).address())] {
        assert!(gate.grant_read(&identity).is_ok() && gate.grant_submit(&identity).is_ok());
    }
}
