//! A chain that answers from a map, and transactions to feed it.
#![allow(dead_code, unreachable_pub, reason = "the benchmarks use a part of it")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxLegacy},
    primitives::{Address, Signature, TxKind, U256},
};
use aurum_pool::{Admission, Denied, Origin, Refusal};
use aurum_types::{Account, Recovered, Transaction, recover_sender};
use secp256k1::{Message, SECP256K1, SecretKey};

/// Accounts at the head; those in `refused` have no rights.
#[derive(Debug, Default)]
pub struct FakeChain {
    pub accounts: Mutex<HashMap<Address, Account>>,
    pub refused: Mutex<Vec<Address>>,
}

impl FakeChain {
    pub fn rich() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub fn set(&self, address: Address, nonce: u64, balance: u64) {
        let account = Account { nonce, balance: U256::from(balance), ..Account::default() };
        self.accounts.lock().expect("unpoisoned").insert(address, account);
    }

    pub fn refuse(&self, address: Address) {
        self.refused.lock().expect("unpoisoned").push(address);
    }
}

impl Admission for FakeChain {
    fn account(&self, address: Address) -> Result<Account, Refusal> {
        let known = self.accounts.lock().expect("unpoisoned").get(&address).copied();
        Ok(known.unwrap_or(Account { balance: U256::from(u64::MAX), ..Account::default() }))
    }

    fn admits(&self, tx: &Recovered<Transaction>, _: Origin) -> Result<(), Refusal> {
        if self.refused.lock().expect("unpoisoned").contains(&tx.signer()) {
            return Err(Refusal::NotPermitted(Box::new(Denied {
                explanation: "the account has no right to send".to_owned(),
                reason: "BASIC_DENIED".to_owned(),
                needed: 1,
                have: 0,
                contract: Address::ZERO,
                block: 7,
            })));
        }
        Ok(())
    }
}

pub fn sender(id: u8) -> Address {
    Address::repeat_byte(id)
}

/// An unsigned-for transaction whose sender is claimed; `salt` makes the hash differ.
pub fn legacy(from: Address, nonce: u64, gas_price: u128, salt: u64) -> Recovered<Transaction> {
    let tx = TxLegacy {
        chain_id: Some(1),
        nonce,
        gas_price,
        gas_limit: 21_000,
        to: TxKind::Call(from),
        value: U256::from(salt),
        ..TxLegacy::default()
    };
    Recovered::new_unchecked(tx.into_signed(Signature::test_signature()).into(), from)
}

/// The same with EIP-1559 fees.
pub fn dynamic(from: Address, nonce: u64, max_fee: u128, tip: u128) -> Recovered<Transaction> {
    let tx = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(from),
        ..TxEip1559::default()
    };
    Recovered::new_unchecked(tx.into_signed(Signature::test_signature()).into(), from)
}

/// A really signed one, as the journal needs.
pub fn signed(key: u8, nonce: u64) -> Recovered<Transaction> {
    let tx = TxLegacy {
        chain_id: Some(1),
        nonce,
        gas_price: 1,
        gas_limit: 21_000,
        to: TxKind::Call(Address::ZERO),
        ..TxLegacy::default()
    };
    let secret = SecretKey::from_byte_array([key; 32]).expect("a small number is a key");
    let message = Message::from_digest(tx.signature_hash().0);
    let (id, bytes) = SECP256K1.sign_ecdsa_recoverable(message, &secret).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(id) == 1);
    let tx: Transaction = tx.into_signed(signature).into();
    let from = recover_sender(&tx).expect("just signed");
    Recovered::new_unchecked(tx, from)
}
