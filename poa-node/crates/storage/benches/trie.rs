//! What the state root of a block costs among a million accounts held in memory. `cargo bench -p aurum-storage --bench trie`
//! prints one line a measure; the median of several blocks.

mod common;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use aurum_storage::{Database, genesis_root};
use aurum_types::{AccountChange, StateChanges};
use common::{account, address, block_of, header, scattered};

const ACCOUNTS: u64 = 1_000_000;
/// Blocks measured for each size, after as many that brought the tries' nodes into memory.
const BLOCKS: u64 = 9;

/// So many accounts, far from each other, with a new balance.
fn updates(number: u64, count: u64) -> StateChanges {
    let mut changes = StateChanges::default();
    for n in 0..count {
        let change = AccountChange { account: account(number), ..AccountChange::default() };
        changes.accounts.insert(address(scattered(number << 32 | n, ACCOUNTS)), change);
    }
    changes
}

fn main() {
    let directory = std::env::temp_dir().join(format!("aurum-trie-bench-{}", std::process::id()));
    let (database, mut writer) = Database::open(&directory).expect("opens");
    let tree = database.state_tree();
    let mut genesis = StateChanges::default();
    for n in 0..ACCOUNTS {
        genesis.accounts.insert(address(n), AccountChange { account: account(n), ..AccountChange::default() });
    }
    let start = Instant::now();
    let mut parent = header(None, genesis_root(&genesis).expect("no disk"));
    println!("trie::genesis_root/accounts={ACCOUNTS}: {:?}", start.elapsed());
    writer.init_genesis(&parent, &genesis, b"").expect("fits");
    drop(genesis);

    for count in [40_000, 10_000, 1_000] {
        let mut spent = Vec::new();
        for _ in 0..2 * BLOCKS {
            let changes = updates(parent.number + 1, count);
            let start = Instant::now();
            let made = black_box(tree.commit(parent.hash_slow(), &changes).expect("parent is held"));
            spent.push(start.elapsed());
            parent = header(Some(&parent), made.root);
            let block = block_of(parent.clone(), changes);
            let hash = block.hash();
            tree.insert(Arc::new(block), made.nodes).expect("parent is held");
            writer.advance(&tree.path(hash), b"").expect("continues");
        }
        let warm = &mut spent[BLOCKS as usize..];
        warm.sort_unstable();
        let median = warm[warm.len() / 2];
        println!("trie::commit/updates={count}: {median:?} a block, {:?} an update", each(median, count));
    }
    std::fs::remove_dir_all(&directory).expect("ours to remove");
}

fn each(whole: Duration, count: u64) -> Duration {
    Duration::from_secs_f64(whole.as_secs_f64() / count as f64)
}
