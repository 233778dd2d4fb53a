//! What the pool does with a transaction whose sender is known. `cargo bench -p aurum-pool`.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::{hint::black_box, thread};

use aurum_pool::{Origin, Pool, PoolConfig};
use aurum_types::{Recovered, Transaction};
use common::{FakeChain, legacy, sender};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const SENDERS: u8 = 200;
const EACH: u64 = 50;
const BATCH: usize = 50;

fn config() -> PoolConfig {
    PoolConfig { gas_free: true, base_fee: Some(0), ..PoolConfig::default() }
}

/// In the order of a load: every sender's next in turn.
fn transactions() -> Vec<Recovered<Transaction>> {
    (0..EACH).flat_map(|nonce| (1..=SENDERS).map(move |id| legacy(sender(id), nonce, 0, 0))).collect()
}

fn open() -> Pool {
    Pool::open(config(), FakeChain::rich()).expect("a pool in memory opens")
}

fn fill(pool: &Pool, transactions: Vec<Recovered<Transaction>>) {
    for tx in transactions {
        pool.add(tx, Origin::Local).expect("there is room");
    }
}

/// Batches as a client sends them, on each of the threads those of its own senders.
fn fill_in_batches(pool: &Pool, of_threads: Vec<Vec<Vec<Recovered<Transaction>>>>) {
    thread::scope(|scope| {
        for batches in of_threads {
            scope.spawn(move || {
                for batch in batches {
                    assert!(pool.add_many(batch, Origin::Local).iter().all(Result::is_ok), "there is room");
                }
            });
        }
    });
}

/// `all` for so many threads, in batches.
fn split(all: &[Recovered<Transaction>], threads: usize) -> Vec<Vec<Vec<Recovered<Transaction>>>> {
    let of_thread = |thread: usize| {
        let its: Vec<_> = all.iter().filter(|tx| usize::from(tx.signer()[19]) % threads == thread).cloned().collect();
        its.chunks(BATCH).map(<[_]>::to_vec).collect()
    };
    (0..threads).map(of_thread).collect()
}

fn pool(c: &mut Criterion) {
    let all = transactions();
    let mut group = c.benchmark_group("pool");
    group.throughput(Throughput::Elements(all.len() as u64)).sample_size(20);
    group.bench_function("add", |b| {
        b.iter_batched(|| (open(), all.clone()), |(pool, all)| fill(&pool, all), BatchSize::LargeInput);
    });
    for threads in [1, 2, 4, 8] {
        let name = format!("add, batches of {BATCH}, threads {threads}");
        group.bench_function(name, |b| {
            let set_up = || (open(), split(&all, threads));
            b.iter_batched(set_up, |(pool, split)| fill_in_batches(&pool, split), BatchSize::LargeInput);
        });
    }
    let full = open();
    fill(&full, all);
    group.bench_function("best, all of them", |b| b.iter(|| black_box(full.best().count())));
    group.finish();
}

criterion_group!(benches, pool);
criterion_main!(benches);
