//! A block on one thread and on several, and the schedule its transactions would have on more. `cargo bench -p aurum-evm
//! --bench parallel`; with `-- --test`, each block once. The table it prints first is
//! docs/decisions/0012-parallel-execution.md's.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::{hint::black_box, num::NonZeroUsize, sync::Arc, time::Instant};

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    sol_types::SolCall,
};
use aurum_contracts::LoadToken;
use aurum_evm::{BlockEnv, Evm, Parallel, Profile};
use aurum_types::{Recovered, RecoveredBlock, StateReader, Transaction};
use common::{Chain, World, asm, block, call, free_spec, key};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SENDERS: u8 = 200;
const TOKEN: Address = Address::repeat_byte(0x70);
const HEAVY: Address = Address::repeat_byte(0x71);
const CHAINED: Address = Address::repeat_byte(0x72);
/// Rounds of the heavy contracts' loop: about 200 µs.
const ROUNDS: u64 = 600;

/// Hashes a word as often as its input says, and keeps what comes of it in the slot of `from`: the caller's, or one for all.
fn heavy(from: &str) -> Bytes {
    asm(&format!(
        "{from} SLOAD 0x00 MSTORE 0x00 CALLDATALOAD \
         loop: 0x20 0x00 KECCAK256 0x00 MSTORE 0x01 SWAP1 SUB DUP1 @loop JUMPI 0x00 MLOAD {from} SSTORE STOP"
    ))
}

fn recipient(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// A block, and what to run it on.
struct Load {
    name: &'static str,
    evm: Evm,
    parent: Arc<dyn StateReader>,
    parent_env: BlockEnv,
    block: RecoveredBlock,
}

impl Load {
    fn run(&self, threads: Option<usize>) {
        let threads = threads.and_then(NonZeroUsize::new);
        let always = |threads| Parallel { threads, least_gas: 0, least_mean_gas: 0 };
        let evm = self.evm.clone().in_parallel(threads.map(always));
        black_box(evm.execute(Arc::clone(&self.parent), &self.parent_env, &self.block, None).map(drop)).expect("valid");
    }
}

fn transactions(
    count: u64,
    mut make: impl FnMut(u64, u8, u64) -> Recovered<Transaction>,
) -> Vec<Recovered<Transaction>> {
    let senders = u64::from(SENDERS);
    (0..count)
        .map(|index| {
            let sender = (index % senders) as u8;
            make(index, sender, index / senders + u64::from(sender == 0))
        })
        .collect()
}

fn loads() -> Vec<Load> {
    let world = (0..SENDERS).fold(World::new(), |world, n| world.account(key(n).address, u64::MAX));
    let world = world
        .contract(TOKEN, &LoadToken::DEPLOYED_BYTECODE, &[])
        .contract(HEAVY, &heavy("CALLER"), &[])
        .contract(CHAINED, &heavy("0x00"), &[]);
    let mut chain = Chain::new(free_spec(), world.build());
    let to = (0..SENDERS).map(|n| key(n).address).collect();
    let mint = LoadToken::mintManyCall { to, value: U256::from(1_000_000) }.abi_encode();
    let outcome = chain.advance(&[key(0).legacy(0, call(TOKEN), 0, 30_000_000, 0, mint.into())]);
    assert!(outcome.receipts.iter().all(aurum_types::Receipt::succeeded), "the senders have tokens");

    let token = |to: Address| Bytes::from(LoadToken::transferCall { to, value: U256::from(1) }.abi_encode());
    let rounds = Bytes::from(U256::from(ROUNDS).to_be_bytes::<32>());
    let native =
        transactions(1_000, |index, n, at| key(n).legacy(at, call(recipient(index)), 1, 21_000, 0, Bytes::new()));
    let spread =
        transactions(1_000, |index, n, at| key(n).legacy(at, call(TOKEN), 0, 60_000, 0, token(recipient(index))));
    let hot =
        transactions(1_000, |index, n, at| key(n).legacy(at, call(TOKEN), 0, 60_000, 0, token(recipient(index % 4))));
    let heavy = transactions(64, |_, n, at| key(n).legacy(at, call(HEAVY), 0, 300_000, 0, rounds.clone()));
    let chained = transactions(64, |_, n, at| key(n).legacy(at, call(CHAINED), 0, 300_000, 0, rounds.clone()));
    let loads = [
        ("native transfers", native),
        ("ERC-20, recipients spread", spread),
        ("ERC-20, 4 hot recipients", hot),
        ("heavy contract, independent", heavy),
        ("heavy contract, each on the one before", chained),
    ];
    loads
        .into_iter()
        .map(|(name, txs)| {
            let env = BlockEnv { gas_limit: 1_000_000_000, ..chain.next_env() };
            let block = block(&env, &txs);
            let parent = chain.reader();
            let outcome = chain.evm.execute(Arc::clone(&parent), &chain.parent, &block, None).expect("valid");
            assert!(outcome.receipts.iter().all(aurum_types::Receipt::succeeded), "{name}");
            Load { name, evm: chain.evm.clone(), parent, parent_env: chain.parent.clone(), block }
        })
        .collect()
}

/// Serial time over the times on one thread and on two: of each the least, of runs that alternate.
fn gains(load: &Load) -> [f64; 2] {
    let ways = [None, Some(1), Some(2)];
    let mut least = [f64::INFINITY; 3];
    for _ in 0..40 {
        for (least, threads) in least.iter_mut().zip(ways) {
            let begun = Instant::now();
            load.run(threads);
            *least = least.min(begun.elapsed().as_secs_f64());
        }
    }
    [least[0] / least[1], least[0] / least[2]]
}

fn table(loads: &[Load]) {
    println!(
        "| block | transaction, µs: run, guess, take | 1 thread | 2 threads | 2 | 4 | 8 | 16 threads, simulated |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for load in loads {
        let profile = Profile::measure(&load.evm, &load.parent, &load.parent_env, &load.block, 9).expect("valid");
        let [run, guess, take] = profile.means().map(|mean| mean.as_secs_f64() * 1e6);
        let [one, two] = gains(load);
        let simulated: Vec<String> = [2, 4, 8, 16]
            .map(|threads| {
                let schedule = profile.schedule(threads);
                let gain = profile.serial().as_secs_f64() / schedule.time.as_secs_f64();
                format!("{gain:.2}")
            })
            .to_vec();
        println!(
            "| {} | {run:.1}, {guess:.1}, {take:.1} | {one:.2} | {two:.2} | {} |",
            load.name,
            simulated.join(" | ")
        );
    }
}

fn blocks(c: &mut Criterion) {
    let loads = loads();
    if !std::env::args().any(|argument| argument == "--test") {
        table(&loads);
    }
    let mut group = c.benchmark_group("parallel");
    group.sample_size(20);
    for load in &loads {
        group.throughput(Throughput::Elements(load.block.senders().len() as u64));
        for threads in [None, Some(1), Some(2)] {
            let how = threads.map_or("serial".to_owned(), |threads| threads.to_string());
            group.bench_function(BenchmarkId::new(load.name, how), |b| b.iter(|| load.run(threads)));
        }
    }
    group.finish();
}

criterion_group!(benches, blocks);
criterion_main!(benches);
