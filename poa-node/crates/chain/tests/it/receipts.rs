//! Receipts in each of their forms (aura.md §4.2), from the author who makes them to a peer who checks them.

use alloy::primitives::{Address, Bytes, TxKind};
use aurum_chain::{ImportError, Invalid};
use aurum_types::{BlockError, Receipt, ReceiptOutcome, Transaction, receipts_root};
use serde_json::{Value, json};

use crate::kit::{Kit, key, standing, transaction, transfer};

/// A transfer, and a creation that fails.
fn transactions() -> Vec<Transaction> {
    let failing = Bytes::from_static(&[0xfe]);
    vec![transfer(&key(0), 0, Address::repeat_byte(9), 7), transaction(&key(0), 1, TxKind::Create, 0, failing)]
}

/// What the receipts of a block say that one node built, another imported, and both made their head.
fn outcomes(change: impl FnOnce(&mut Value)) -> Vec<ReceiptOutcome> {
    let kit = Kit::with(1, change);
    let (author, peer) = (kit.node(), kit.node());
    let (block, built) = kit.build(&author, kit.next_step(&author, &kit.validators), &transactions());
    let outcomes = built.outcome().receipts.iter().map(|receipt| receipt.outcome).collect();
    author.import_built(block.clone(), built).unwrap();
    peer.import(block).unwrap();
    assert_eq!(standing(&author), standing(&peer));
    assert_eq!(author.head().latest.number, 1);
    outcomes
}

#[test]
fn state_roots_of_receipts_are_built_and_checked() {
    let roots = outcomes(|spec| spec["params"]["eip658Transition"] = Value::Null);
    let [ReceiptOutcome::StateRoot(first), ReceiptOutcome::StateRoot(second)] = roots[..] else { panic!("{roots:?}") };
    assert_ne!(first, second);
}

#[test]
fn bare_receipts_and_those_with_a_status_are_too() {
    let bare = outcomes(|spec| {
        spec["params"]["eip658Transition"] = json!("0x7fffffffffffff");
        spec["params"]["eip98Transition"] = json!(0);
    });
    assert_eq!(bare, [ReceiptOutcome::Unknown; 2]);
    assert_eq!(outcomes(|_| ()), [ReceiptOutcome::Status(true), ReceiptOutcome::Status(false)]);
}

#[test]
fn before_their_validation_receipts_may_be_stated_bare() {
    for (validated_from, accepted) in [(2, true), (1, false)] {
        let kit = Kit::with(1, |spec| spec["params"]["validateReceiptsTransition"] = json!(validated_from));
        let (author, peer) = (kit.node(), kit.node());
        let step = kit.next_step(&author, &kit.validators);
        let (_, built) = kit.build(&author, step, &transactions());
        let mut bare: Vec<Receipt> = built.outcome().receipts.clone();
        bare.iter_mut().for_each(|receipt| receipt.outcome = ReceiptOutcome::Unknown);
        let (block, _) =
            kit.build_with(&author, step, &transactions(), |header| header.receipts_root = receipts_root(&bare));
        match peer.import(block) {
            Ok(_) => assert!(accepted),
            Err(ImportError::Invalid(Invalid::Block(BlockError::ReceiptsRoot { .. }))) => assert!(!accepted),
            other => panic!("{other:?}"),
        }
    }
}
