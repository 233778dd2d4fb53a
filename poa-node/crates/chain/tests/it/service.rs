//! Transactions that offer nothing for their gas on a chain with fees: who may send them to the pool, and what the chain
//! itself demands.

use alloy::primitives::{Address, Bytes, TxKind, hex};
use aurum_aura::Signer;
use aurum_chain::{Chain, ChainConfig, ImportError, Invalid};
use aurum_evm::{InvalidExecution, TxInvalid};
use aurum_pool::{Origin, PoolConfig, PoolError, Refusal};
use aurum_types::Transaction;
use serde_json::json;

use crate::kit::{Kit, Node, key, recovered, transaction, transfer};

/// Registrar and certifier in one: names itself for everything, certifies whom a slot of his name says; 64 bytes of input
/// set a slot.
const REGISTRAR: Address = Address::repeat_byte(0x44);

/// A chain with fees on which key 5 is certified; the certificate is demanded of everybody from block `demanded_from` on.
fn kit(demanded_from: Option<u64>) -> Kit {
    let code = hex!(
        "3660401460 2c57 600035 60e01c 63cc1d4c02 14 601f57 30 600052 60206000f3"
        "5b 600435 54 600052 60206000f3 5b 602035 600035 55 00"
    );
    Kit::with(1, |spec| {
        let slot = key(5).address().into_word();
        spec["accounts"][REGISTRAR.to_string()] =
            json!({ "nonce": "0x1", "code": Bytes::copy_from_slice(&code), "storage": { slot.to_string(): "0x1" } });
        spec["params"]["gasFree"] = json!(false);
        spec["params"]["registrar"] = json!(REGISTRAR);
        spec["genesis"]["baseFeePerGas"] = json!("0x3b9aca00");
        if let Some(block) = demanded_from {
            spec["params"]["validateServiceTransactionsTransition"] = json!(block);
        }
    })
}

fn zero_price(from: usize, nonce: u64) -> Transaction {
    transfer(&key(from), nonce, Address::repeat_byte(7), 0)
}

fn add(node: &Chain, tx: &Transaction, origin: Origin) -> Result<(), String> {
    match node.pool().add(recovered(tx), origin) {
        Ok(_) => Ok(()),
        Err(PoolError::Refused(refusal @ (Refusal::Underpriced | Refusal::Other(_)))) => Err(refusal.to_string()),
        Err(other) => panic!("{other}"),
    }
}

fn certify(nonce: u64, who: Address, yes: bool) -> Transaction {
    let mut data = who.into_word().to_vec();
    data.extend_from_slice(&[0; 31]);
    data.push(u8::from(yes));
    transaction(&key(0), nonce, TxKind::Call(REGISTRAR), 0, data.into())
}

#[test]
fn the_pool_takes_zero_price_from_its_own_clients_and_of_certified_senders() {
    let kit = kit(None);
    let node = kit.node();
    assert_eq!(add(&node, &zero_price(6, 0), Origin::Network), Err("transaction underpriced".to_owned()));
    add(&node, &zero_price(6, 0), Origin::Local).expect("a client of ours");
    add(&node, &zero_price(5, 0), Origin::Network).expect("certified");
    assert_eq!(node.pool().best().count(), 2, "the base fee keeps neither back");
    let pooled: Vec<_> = node.pool().best().map(|tx| tx.transaction().inner().clone()).collect();
    let block = kit.mine(&node, &pooled);
    assert_eq!(block.header().gas_used, 42_000);
    assert!(block.header().base_fee_per_gas.unwrap() > 0);
}

#[test]
fn certificates_are_asked_for_anew_after_each_block() {
    let kit = kit(None);
    let node = kit.node();
    assert!(add(&node, &zero_price(6, 0), Origin::Network).is_err());
    add(&node, &zero_price(5, 0), Origin::Network).unwrap();
    kit.mine(&node, &[certify(0, key(6).address(), true), certify(1, key(5).address(), false)]);
    add(&node, &zero_price(6, 0), Origin::Network).expect("certified in the last block");
    assert!(add(&node, &zero_price(5, 1), Origin::Network).is_err(), "no longer");
}

#[test]
fn refusing_service_transactions_leaves_only_the_nodes_own_clients() {
    let kit = kit(None);
    let dir = tempfile::tempdir().unwrap();
    let config = kit.config(dir.path());
    let pool = PoolConfig { refuse_service_transactions: true, ..config.pool };
    let node = Chain::open(ChainConfig { pool, ..config }).unwrap();
    assert!(add(&node, &zero_price(5, 0), Origin::Network).is_err());
    add(&node, &zero_price(5, 0), Origin::Local).unwrap();
}

#[test]
fn where_the_chain_demands_certificates_its_pool_does_of_everybody() {
    let kit = kit(Some(0));
    let node = kit.node();
    let refused = add(&node, &zero_price(6, 0), Origin::Local).unwrap_err();
    assert_eq!(refused, "zero gas price transaction of an uncertified sender");
    add(&node, &zero_price(5, 0), Origin::Local).unwrap();
}

#[test]
fn a_block_with_an_uncertified_zero_price_is_invalid_from_its_transition_on() {
    let honest = kit(Some(2));
    let careless = kit(None);
    let (node, author): (Node, Node) = (honest.node(), careless.node());
    let now = || honest.clock.set(aurum_aura::Clock::now(&*careless.clock));
    let first = careless.mine(&author, &[zero_price(6, 0)]);
    now();
    node.import(first).expect("block 1: not demanded yet");
    let second = careless.mine(&author, &[zero_price(5, 0), zero_price(6, 1)]);
    now();
    match node.import(second) {
        Err(ImportError::Invalid(Invalid::Execution(InvalidExecution::Transaction { index: 1, source }))) => {
            assert_eq!(source, TxInvalid::Uncertified);
        }
        other => panic!("{other:?}"),
    }
}
