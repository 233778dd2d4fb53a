//! What a block costs to execute, its senders known and its state in memory. `cargo bench -p aurum-evm`.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::hint::black_box;

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    sol_types::SolCall,
};
use aurum_contracts::LoadToken;
use aurum_types::{Recovered, RecoveredBlock, Transaction};
use common::{Chain, World, block, call, free_spec, key};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SENDERS: u8 = 100;
const TOKEN: Address = Address::repeat_byte(0x70);

fn recipient(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// `count` transactions of all senders in turn.
fn transactions(
    count: u64,
    mut make: impl FnMut(u64, u8, u64) -> Recovered<Transaction>,
) -> Vec<Recovered<Transaction>> {
    let senders = u64::from(SENDERS);
    (0..count).map(|index| make(index, (index % senders) as u8, index / senders)).collect()
}

fn chain() -> Chain {
    let world = (0..SENDERS).fold(World::new(), |world, n| world.account(key(n).address, u64::MAX));
    let mut chain = Chain::new(free_spec(), world.contract(TOKEN, &LoadToken::DEPLOYED_BYTECODE, &[]).build());
    let to = (0..SENDERS).map(|n| key(n).address).collect();
    let mint = LoadToken::mintManyCall { to, value: U256::from(1_000_000) }.abi_encode();
    let outcome = chain.advance(&[key(0).legacy(0, call(TOKEN), 0, 20_000_000, 0, mint.into())]);
    assert!(outcome.receipts.iter().all(|receipt| receipt.succeeded()), "the senders have tokens");
    chain
}

fn blocks(c: &mut Criterion) {
    let chain = chain();
    let nonce = |sender: u8, nonce: u64| if sender == 0 { nonce + 1 } else { nonce };
    let native = transactions(1_000, |index, n, at| {
        key(n).legacy(nonce(n, at), call(recipient(index)), 1, 21_000, 0, Bytes::new())
    });
    let erc20 = transactions(500, |index, n, at| {
        let input = LoadToken::transferCall { to: recipient(index), value: U256::from(1) }.abi_encode();
        key(n).legacy(nonce(n, at), call(TOKEN), 0, 60_000, 0, input.into())
    });
    let mut group = c.benchmark_group("block");
    group.sample_size(20);
    for (name, txs) in [("native transfers", native), ("ERC-20 transfers", erc20)] {
        let env = chain.next_env();
        let block: RecoveredBlock = block(&env, &txs);
        let outcome = chain.evm.execute(chain.reader(), &chain.parent, &block, None).expect("the block is valid");
        assert_eq!(outcome.receipts.len(), txs.len());
        let reader = chain.reader();
        group.throughput(Throughput::Elements(txs.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| black_box(chain.evm.execute(reader.clone(), &chain.parent, &block, None).map(drop)));
        });
    }
    group.finish();
}

criterion_group!(benches, blocks);
criterion_main!(benches);
