//! What one changed key costs in states of different sizes: `cargo bench -p aurum-storage --bench states`.
//!
//! Prints a line for each measure. Sizes are those of `AURUM_BENCH_KEYS` (`10000,1000000` where it is not set; ten million
//! take some minutes and 8 GB of disk below the folder for temporary files). *Wall* is of the thread that waits, *CPU* is of
//! the whole process, RocksDB's own threads included, per changed key.

mod common;

use std::{
    env, fs,
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256, keccak256};
use aurum_storage::{Database, StateTree, Writer, genesis_root};
use aurum_types::{AccountChange, Header, StateChanges};
use common::{account, address, block_of, header, scattered};
use tikv_jemallocator::Jemalloc;

/// As in the node.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Keys made by one block while a state is filled.
const FILL: u64 = 50_000;
/// Keys changed by one block, spread over all.
const CHANGED: u64 = 2_000;
/// Blocks measured in a database that has been written to all the time.
const WARM_BLOCKS: u64 = 100;
/// Blocks measured after the database was opened.
const COLD_BLOCKS: u64 = 5;

/// The contract whose slots are changed.
const TOKEN: Address = Address::repeat_byte(0x70);

/// What there are many of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Slots of one account.
    Slots,
    /// Accounts.
    Accounts,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Slots => "slots",
            Self::Accounts => "accounts",
        }
    }

    /// Sets the keys with these numbers to `value`, which is above zero.
    fn changes(self, keys: impl Iterator<Item = u64>, value: u64) -> StateChanges {
        let mut changes = StateChanges::default();
        match self {
            Self::Slots => {
                let mut token = AccountChange { account: account(value), ..AccountChange::default() };
                token.storage.extend(keys.map(|key| (slot(key), U256::from(value))));
                changes.accounts.insert(TOKEN, token);
            }
            Self::Accounts => changes.accounts.extend(
                keys.map(|key| (address(key), AccountChange { account: account(value), ..AccountChange::default() })),
            ),
        }
        changes
    }
}

fn slot(key: u64) -> U256 {
    keccak256(key.to_be_bytes()).into()
}

/// Time spent, by what it was spent on.
#[derive(Debug, Default)]
struct Spent {
    read: Duration,
    commit: Duration,
    persist: Duration,
}

impl Spent {
    fn report(&self, what: &str, keys: u64, cpu: Duration) {
        let each = |spent: Duration| spent.as_secs_f64() * 1e6 / keys as f64;
        println!(
            "states::{what}: read {:.2} µs, commit {:.2} µs, persist {:.2} µs a changed key; CPU {:.1} µs",
            each(self.read),
            each(self.commit),
            each(self.persist),
            each(cpu)
        );
    }
}

/// A chain of blocks that carry nothing but changes.
struct Chain {
    writer: Writer,
    tree: StateTree,
    head: Header,
}

impl Chain {
    fn open(directory: &Path) -> Self {
        let (database, mut writer) = Database::open(directory).expect("opens");
        let genesis = Kind::Slots.changes(0..1, 1);
        let head = header(None, genesis_root(&genesis).expect("no disk"));
        writer.init_genesis(&head, &genesis, b"").expect("fits");
        let tip = database.persisted().expect("there is a genesis");
        let head = database.header(tip.hash).expect("disk").expect("stored");
        Self { tree: database.state_tree(), writer, head }
    }

    /// Reads what a block changes, as executing it does, then commits and persists it.
    fn grow(&mut self, changes: StateChanges, spent: &mut Spent) {
        let parent = self.head.hash_slow();
        let state = self.tree.state_at(parent).expect("disk").expect("held");
        let start = Instant::now();
        for (address, change) in &changes.accounts {
            black_box(state.account(*address).expect("disk"));
            for slot in change.storage.keys() {
                black_box(state.storage(*address, *slot).expect("disk"));
            }
        }
        spent.read += start.elapsed();

        let start = Instant::now();
        let committed = self.tree.commit(parent, &changes).expect("parent is held");
        spent.commit += start.elapsed();

        self.head = header(Some(&self.head), committed.root);
        let block = block_of(self.head.clone(), changes);
        let hash = block.hash();

        let start = Instant::now();
        self.writer.appender().put_block(block.sealed(), Default::default()).expect("disk");
        self.tree.insert(Arc::new(block), committed.nodes).expect("parent is held");
        self.writer.advance(&self.tree.path(hash), b"").expect("continues");
        spent.persist += start.elapsed();
    }

    /// Blocks that change keys among the first `keys`, far from each other.
    fn change(&mut self, kind: Kind, keys: u64, blocks: u64) -> Spent {
        let mut spent = Spent::default();
        for _ in 0..blocks {
            let number = self.head.number + 1;
            let random = |n: u64| scattered(number << 32 | n, keys);
            self.grow(kind.changes((0..CHANGED).map(random), number), &mut spent);
        }
        spent
    }
}

/// Processor time of this process.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // utime and stime in hundredths of a second, which every Linux has.
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// Runs `work`; what it made, and the processor time it took.
fn measured<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = cpu();
    let made = work();
    (made, cpu().saturating_sub(before))
}

fn folder_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).expect("readable").filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn run(kind: Kind, keys: u64, directory: &Path) {
    let name = format!("{}={keys}", kind.name());
    let mut chain = Chain::open(directory);

    let start = Instant::now();
    let (spent, used) = measured(|| {
        let mut spent = Spent::default();
        for from in (0..keys).step_by(FILL as usize) {
            chain.grow(kind.changes(from..keys.min(from + FILL), 1), &mut spent);
        }
        spent
    });
    spent.report(&format!("fill/{name}"), keys, used);
    println!("states::fill/{name}: {:?}, {} MiB on disk", start.elapsed(), folder_bytes(directory) >> 20);

    let (spent, used) = measured(|| chain.change(kind, keys, WARM_BLOCKS));
    spent.report(&format!("warm/{name}"), WARM_BLOCKS * CHANGED, used);

    drop(chain);
    let mut chain = Chain::open(directory);
    let (spent, used) = measured(|| chain.change(kind, keys, COLD_BLOCKS));
    spent.report(&format!("cold/{name}"), COLD_BLOCKS * CHANGED, used);
}

fn main() {
    let sizes = env::var("AURUM_BENCH_KEYS").unwrap_or_else(|_| "10000,1000000".to_owned());
    let sizes: Vec<u64> = sizes.split(',').map(|size| size.trim().parse().expect("a number of keys")).collect();
    let directory = env::temp_dir().join(format!("aurum-states-bench-{}", std::process::id()));
    for kind in [Kind::Slots, Kind::Accounts] {
        for keys in &sizes {
            run(kind, *keys, &directory);
            fs::remove_dir_all(&directory).expect("ours to remove");
        }
    }
}
