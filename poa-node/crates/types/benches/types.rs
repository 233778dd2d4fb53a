//! What hashing, signatures, decoding, roots and blooms cost, nothing executed. `cargo bench -p aurum-types`.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

use std::hint::black_box;

use alloy::{
    consensus::{SignableTransaction, TxLegacy},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256, keccak256},
};
use alloy_trie::HashBuilder;
use aurum_types::{
    Receipt, ReceiptOutcome, Transaction, decode_transaction, logs_bloom, receipts_root, recover_sender,
    transactions_root,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

/// Transactions of one measure: a small block.
const COUNT: u64 = 512;

const TOKEN: Address = Address::repeat_byte(0x70);

fn secret() -> SecretKey {
    SecretKey::from_byte_array(keccak256("bench").0).expect("a hash is a key")
}

fn recipient(nonce: u64) -> Address {
    Address::from_word(keccak256(nonce.to_be_bytes()))
}

/// Input of an ERC-20 transfer of one unit.
fn transfer(to: Address) -> Bytes {
    let mut input = vec![0; 68];
    input[..4].copy_from_slice(&[0xa9, 0x05, 0x9c, 0xbb]);
    input[16..36].copy_from_slice(to.as_slice());
    input[67] = 1;
    input.into()
}

/// Signed transactions: to the token with the input of a transfer, or of one wei without input.
fn signed(is_erc20: bool) -> Vec<Transaction> {
    let secret = secret();
    let sign = |nonce: u64| {
        let (to, value, input) = match is_erc20 {
            true => (TOKEN, U256::ZERO, transfer(recipient(nonce))),
            false => (recipient(nonce), U256::from(1), Bytes::new()),
        };
        let tx = TxLegacy {
            chain_id: Some(2026),
            nonce,
            gas_price: 0,
            gas_limit: 80_000,
            to: TxKind::Call(to),
            value,
            input,
        };
        let message = Message::from_digest(tx.signature_hash().0);
        let (id, bytes) = SECP256K1.sign_ecdsa_recoverable(message, &secret).serialize_compact();
        tx.into_signed(Signature::from_bytes_and_parity(&bytes, i32::from(id) & 1 == 1)).into()
    };
    (0..COUNT).map(sign).collect()
}

/// Receipts as ERC-20 transfers leave them.
fn receipts() -> Vec<Receipt> {
    let receipt = |nonce: u64| {
        let topics = vec![
            keccak256("Transfer(address,address,uint256)"),
            recipient(nonce % 200).into_word(),
            recipient(nonce).into_word(),
        ];
        let log = Log::new_unchecked(TOKEN, topics, B256::with_last_byte(1).to_vec().into());
        Receipt {
            tx_type: alloy::consensus::TxType::Legacy,
            outcome: ReceiptOutcome::Status(true),
            cumulative_gas_used: 51_000 * (nonce + 1),
            logs: vec![log],
        }
    };
    (0..COUNT).map(receipt).collect()
}

fn transactions(c: &mut Criterion) {
    let transfers = signed(true);
    let mut group = c.benchmark_group("transaction");
    group.throughput(Throughput::Elements(COUNT)).sample_size(20);
    for (name, transactions) in [("native", &signed(false)), ("ERC-20", &transfers)] {
        let encoded: Vec<Vec<u8>> = transactions.iter().map(Encodable2718::encoded_2718).collect();
        group.bench_function(format!("decode and hash, {name}"), |b| {
            b.iter(|| encoded.iter().for_each(|raw| drop(black_box(decode_transaction(raw).map(|tx| *tx.tx_hash())))));
        });
    }
    group.bench_function("recover the sender, one thread", |b| {
        b.iter(|| transfers.iter().for_each(|tx| drop(black_box(recover_sender(tx)))));
    });
    group.bench_function("recover the sender, all threads", |b| {
        b.iter(|| transfers.par_iter().for_each(|tx| drop(black_box(recover_sender(tx)))));
    });
    group.finish();
}

/// What recovery is beside: an author's signature, and a check where the signer's key is known.
fn signatures(c: &mut Criterion) {
    let (secret, message) = (secret(), Message::from_digest(keccak256("message").0));
    let (key, signature) = (PublicKey::from_secret_key(SECP256K1, &secret), SECP256K1.sign_ecdsa(message, &secret));
    let mut group = c.benchmark_group("signature");
    group.bench_function("sign", |b| {
        b.iter(|| black_box(SECP256K1.sign_ecdsa_recoverable(black_box(message), &secret)));
    });
    group.bench_function("verify, key known", |b| {
        b.iter(|| SECP256K1.verify_ecdsa(black_box(message), &signature, &key).expect("it is the key's"));
    });
    group.finish();
}

fn keccak(c: &mut Criterion) {
    let mut group = c.benchmark_group("keccak256");
    for bytes in [32, 110, 136, 200, 300, 532, 1024] {
        let input = vec![0xa5; bytes];
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &input, |b, input| {
            b.iter(|| black_box(keccak256(black_box(input))));
        });
    }
    group.finish();
}

/// What a header says of a block's transactions, for each of them.
fn roots(c: &mut Criterion) {
    let (transfers, receipts) = (signed(true), receipts());
    let mut group = c.benchmark_group("header");
    group.throughput(Throughput::Elements(COUNT)).sample_size(20);
    group.bench_function("transactions root", |b| b.iter(|| black_box(transactions_root(&transfers))));
    group.bench_function("receipts root", |b| b.iter(|| black_box(receipts_root(&receipts))));
    group.bench_function("bloom", |b| {
        b.iter(|| black_box(logs_bloom(receipts.iter().flat_map(|receipt| &receipt.logs))));
    });
    group.finish();
}

/// What a node without an incremental trie would pay for each block: a million accounts' leaves, from first to last.
fn rebuild(c: &mut Criterion) {
    const LEAVES: u64 = 1_000_000;
    let mut keys: Vec<B256> = (0..LEAVES).map(|n| keccak256(n.to_be_bytes())).collect();
    keys.sort_unstable();
    let account =
        alloy_rlp::encode(alloy_trie::TrieAccount { balance: U256::from(1_000_000_007), ..Default::default() });
    let mut group = c.benchmark_group("trie");
    group.throughput(Throughput::Elements(LEAVES)).sample_size(10);
    group.bench_function("rebuild of 1,000,000 accounts (alloy-trie)", |b| {
        b.iter(|| {
            let mut builder = HashBuilder::default();
            keys.iter().for_each(|key| builder.add_leaf(alloy_trie::Nibbles::unpack(key), &account));
            black_box(builder.root())
        });
    });
    group.finish();
}

criterion_group!(benches, keccak, transactions, signatures, roots, rebuild);
criterion_main!(benches);
