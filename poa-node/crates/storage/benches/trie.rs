//! What the state root of a block costs among a million accounts held in memory. `cargo bench -p aurum-storage --bench trie`
//! prints one line a measure; the median of several blocks.

mod common;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use aurum_storage::{Database, StateTree, Writer, genesis_root};
use aurum_types::{AccountChange, Header, Score, StateChanges};
use common::{account, address, block_of, header, scattered};

const ACCOUNTS: u64 = 1_000_000;
/// Accounts changed by one of the blocks that bring the whole trie into memory.
const WARM_UP: u64 = 50_000;
/// Blocks measured for each size.
const BLOCKS: u64 = 9;

/// These accounts with a new balance.
fn updates(number: u64, accounts: impl Iterator<Item = u64>) -> StateChanges {
    let mut changes = StateChanges::default();
    for n in accounts {
        let change = AccountChange { account: account(number), ..AccountChange::default() };
        changes.accounts.insert(address(n), change);
    }
    changes
}

/// A chain of blocks that carry nothing but changes.
struct Chain {
    tree: StateTree,
    writer: Writer,
    head: Header,
}

impl Chain {
    /// Adds a block that changes these accounts; how long its root took.
    fn grow(&mut self, accounts: impl Iterator<Item = u64>) -> Duration {
        let changes = updates(self.head.number + 1, accounts);
        let start = Instant::now();
        let made = black_box(self.tree.commit(self.head.hash_slow(), &changes).expect("parent is held"));
        let spent = start.elapsed();
        self.head = header(Some(&self.head), made.root);
        let block = block_of(self.head.clone(), changes);
        let hash = block.hash();
        self.writer.appender().put_block(block.sealed(), Score::default()).expect("disk");
        self.tree.insert(Arc::new(block), made.nodes).expect("parent is held");
        self.writer.advance(&self.tree.path(hash), b"").expect("continues");
        spent
    }
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
    let head = header(None, genesis_root(&genesis).expect("no disk"));
    println!("trie::genesis_root/accounts={ACCOUNTS}: {:?}", start.elapsed());
    writer.init_genesis(&head, &genesis, b"").expect("fits");
    drop(genesis);

    let mut chain = Chain { tree, writer, head };
    for from in (0..ACCOUNTS).step_by(WARM_UP as usize) {
        chain.grow(from..from + WARM_UP);
    }

    for count in [40_000, 10_000, 1_000] {
        let random = |block: u64, n: u64| scattered(count << 48 | block << 32 | n, ACCOUNTS);
        let mut spent: Vec<_> = (0..BLOCKS).map(|block| chain.grow((0..count).map(|n| random(block, n)))).collect();
        spent.sort_unstable();
        let median = spent[spent.len() / 2];
        println!("trie::commit/updates={count}: {median:?} a block, {:?} an update", each(median, count));
    }
    drop(chain);
    std::fs::remove_dir_all(&directory).expect("ours to remove");
}

fn each(whole: Duration, count: u64) -> Duration {
    Duration::from_secs_f64(whole.as_secs_f64() / count as f64)
}
