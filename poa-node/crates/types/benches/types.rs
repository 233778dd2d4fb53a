//! What a transaction costs before anything is executed. `cargo bench -p aurum-types`.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

use std::hint::black_box;

use alloy::{
    consensus::{SignableTransaction, TxLegacy},
    eips::eip2718::Encodable2718,
    primitives::{Address, Signature, TxKind, U256, keccak256},
};
use aurum_types::{Transaction, decode_transaction, recover_sender, transactions_root};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use secp256k1::{Message, SECP256K1, SecretKey};

/// Transactions of one measure: a small block.
const COUNT: u64 = 512;

/// Signed ERC-20 transfers.
fn transfers() -> Vec<Transaction> {
    let secret = SecretKey::from_byte_array(keccak256("bench").0).expect("a hash is a key");
    let sign = |nonce: u64| {
        let mut input = vec![0; 68];
        input[..4].copy_from_slice(&[0xa9, 0x05, 0x9c, 0xbb]);
        input[16..36].copy_from_slice(Address::from_word(keccak256(nonce.to_be_bytes())).as_slice());
        input[67] = 1;
        let tx = TxLegacy {
            chain_id: Some(2026),
            nonce,
            gas_price: 0,
            gas_limit: 80_000,
            to: TxKind::Call(Address::repeat_byte(0x70)),
            value: U256::ZERO,
            input: input.into(),
        };
        let message = Message::from_digest(tx.signature_hash().0);
        let (id, bytes) = SECP256K1.sign_ecdsa_recoverable(message, &secret).serialize_compact();
        tx.into_signed(Signature::from_bytes_and_parity(&bytes, i32::from(id) & 1 == 1)).into()
    };
    (0..COUNT).map(sign).collect()
}

fn transactions(c: &mut Criterion) {
    let transfers = transfers();
    let encoded: Vec<Vec<u8>> = transfers.iter().map(Encodable2718::encoded_2718).collect();
    let mut group = c.benchmark_group("transaction");
    group.throughput(Throughput::Elements(COUNT)).sample_size(20);
    group.bench_function("decode and hash", |b| {
        b.iter(|| encoded.iter().for_each(|raw| drop(black_box(decode_transaction(raw).map(|tx| *tx.tx_hash())))));
    });
    group.bench_function("recover the sender, one thread", |b| {
        b.iter(|| transfers.iter().for_each(|tx| drop(black_box(recover_sender(tx)))));
    });
    group.bench_function("recover the sender, all threads", |b| {
        b.iter(|| transfers.par_iter().for_each(|tx| drop(black_box(recover_sender(tx)))));
    });
    group.bench_function("transactions root", |b| b.iter(|| black_box(transactions_root(&transfers))));
    group.finish();
}

criterion_group!(benches, transactions);
criterion_main!(benches);
