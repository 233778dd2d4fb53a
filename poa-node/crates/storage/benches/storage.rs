//! What a block costs here, from root to disk. `cargo bench -p aurum-storage`; prints one line a measure.

mod common;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256, keccak256};
use aurum_storage::{Database, StateTree, Writer, genesis_root};
use aurum_types::{AccountChange, Header, Score, StateChanges};
use common::{account, address, block_of, header, scattered};

const ACCOUNTS: u64 = 20_000;
const BLOCKS: u64 = 24;

/// `writes` random accounts with a new balance, and as many slots of one token.
fn block_changes(number: u64, writes: u64) -> StateChanges {
    let mut changes = StateChanges::default();
    let mut token = AccountChange { account: account(1), ..AccountChange::default() };
    for n in 0..writes {
        let place = scattered(number << 32 | n, ACCOUNTS);
        let change = AccountChange { account: account(number), ..AccountChange::default() };
        changes.accounts.insert(address(place), change);
        token.storage.insert(keccak256(address(place)).into(), U256::from(number));
    }
    changes.accounts.insert(Address::repeat_byte(0x70), token);
    changes
}

fn report(what: &str, writes: u64, spent: Duration) {
    let block = spent / u32::try_from(BLOCKS).expect("small");
    println!("storage::{what}/writes={}: {block:?} a block, {:?} a write", 2 * writes, block / (2 * writes as u32));
}

fn run(writer: &mut Writer, tree: &StateTree, mut parent: Header, writes: u64) -> Header {
    let [mut commit, mut put, mut insert, mut advance, mut read] = [Duration::ZERO; 5];
    for _ in 0..BLOCKS {
        let changes = block_changes(parent.number + 1, writes);
        let parent_hash = parent.hash_slow();

        let start = Instant::now();
        let committed = tree.commit(parent_hash, &changes).expect("parent is held");
        commit += start.elapsed();

        parent = header(Some(&parent), committed.root);
        let block = block_of(parent.clone(), changes);

        let start = Instant::now();
        writer.appender().put_block(block.sealed(), Score::default()).expect("disk");
        put += start.elapsed();

        let start = Instant::now();
        let hash = block.hash();
        tree.insert(Arc::new(block), committed.nodes).expect("parent is held");
        insert += start.elapsed();

        let start = Instant::now();
        let state = tree.state_at(hash).expect("disk").expect("held");
        for n in 0..2 * writes {
            black_box(state.account(address(n * 7919 % ACCOUNTS)).expect("disk"));
        }
        read += start.elapsed();

        if parent.number.is_multiple_of(4) {
            let start = Instant::now();
            writer.advance(&tree.path(hash), b"").expect("continues");
            advance += start.elapsed();
        }
    }
    report("commit", writes, commit);
    report("insert", writes, insert);
    report("put_block", writes, put);
    report("advance", writes, advance);
    report("read", writes, read);
    parent
}

fn main() {
    let directory = std::env::temp_dir().join(format!("aurum-storage-bench-{}", std::process::id()));
    let (database, mut writer) = Database::open(&directory).expect("opens");
    let tree = database.state_tree();
    let mut genesis = StateChanges::default();
    for n in 0..ACCOUNTS {
        genesis.accounts.insert(address(n), AccountChange { account: account(n), ..AccountChange::default() });
    }
    let start = Instant::now();
    let mut parent = header(None, genesis_root(&genesis).expect("no disk"));
    println!("storage::genesis_root/accounts={ACCOUNTS}: {:?}", start.elapsed());
    writer.init_genesis(&parent, &genesis, b"").expect("fits");
    drop(genesis);
    for writes in [100, 1_000, 10_000] {
        parent = run(&mut writer, &tree, parent, writes);
        let start = Instant::now();
        writer.checkpoint().expect("disk");
        println!("storage::checkpoint/writes={}: {:?}", 2 * writes, start.elapsed());
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        status
            .lines()
            .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
            .for_each(|l| println!("{l}"));
    }
    std::fs::remove_dir_all(&directory).expect("ours to remove");
}
