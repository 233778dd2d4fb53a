//! A process that is killed at any moment leaves a database that opens as if it had stopped between two blocks.
//!
//! The tests start this very binary again, with a variable that makes [`child_imports_until_killed`] do something.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{self, Link, child, crash_copy, genesis, grow, open, open_with, options, persist};
use alloy::primitives::B256;
use aurum_storage::{Database, StateTree, StorageError, Writer};
use rand::Rng;

const DIRECTORY: &str = "AURUM_STORAGE_CRASH_DIRECTORY";
/// Chains that are begun, and how often each one's process is killed; in both tests.
const CHAINS: usize = 5;
const ROUNDS: usize = 21;

fn start_child(directory: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["crash::child_imports_until_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts itself")
}

/// The chain's end and its past, computed again from the stored blocks: their seeds are in the extra data.
fn replay(database: &Database, writer: &mut Writer, tree: &StateTree) -> Vec<Link> {
    let mut links = HashMap::from([(genesis().hash, genesis())]);
    let mut best = genesis();
    let tip = database.persisted().expect("genesis is there");
    for number in 1..=tip.number {
        let hash = database.canonical_hash(number).expect("disk").expect("index is whole");
        let header = database.header(hash).expect("disk").expect("header of a canonical block");
        let parent = &links[&header.parent_hash];
        let mut model = parent.model.clone();
        model.apply(&support::random_changes(seed_of(&header), &parent.model));
        assert_eq!(support::rebuilt_root(&model), header.state_root);
        let score = parent.score.plus(header.difficulty);
        best = Link { hash, score, header, model };
        links.insert(hash, best.clone());
    }
    assert_eq!(best.hash, tip.hash);
    assert_eq!(writer.recompute_root().expect("disk"), best.header.state_root, "flat state is the tip's");
    writer.check_trie().expect("the tables hold one whole trie");
    let mut chain = vec![best.clone()];
    for stored in database.unpersisted().expect("disk") {
        let header = database.header(stored.hash).expect("disk").expect("listed");
        let parent = links[&header.parent_hash].clone();
        let (block, nodes, link) = child(tree, &parent, seed_of(&header));
        assert_eq!(link.hash, stored.hash, "replaying gives the block that was stored");
        assert_eq!(link.score, stored.score);
        tree.insert(block, nodes).expect("parents come first");
        links.insert(link.hash, link.clone());
        if link.score > best.score {
            best = link;
        }
    }
    while best.header.number > tip.number {
        chain.push(best.clone());
        best = links[&best.header.parent_hash].clone();
    }
    chain[1..].reverse();
    chain
}

fn seed_of(header: &aurum_types::Header) -> u64 {
    u64::from_be_bytes(header.extra_data.as_ref().try_into().expect("eight bytes"))
}

/// Says what the killed process begins to do.
fn stage(name: &str) {
    // In one write, so that a kill does not cut it.
    println!("\nstage {name}");
}

/// Not a test of its own: what the killed process does.
#[test]
fn child_imports_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let mut rng = rand::rng();
    stage("open");
    let (database, mut writer, tree) = open_with(&directory, options(rng.random()));
    let mut chain = replay(&database, &mut writer, &tree);
    let grow = |writer: &mut Writer, parent: &Link, seed| {
        let (block, nodes, link) = child(&tree, parent, seed);
        stage("put");
        writer.appender().put_block(block.sealed(), link.score).expect("disk");
        println!("\ndurable {}", link.hash);
        stage("insert");
        tree.insert(block, nodes).expect("parent is held");
        link
    };
    loop {
        match rng.random_range(0..12) {
            // A short fork.
            0 if chain.len() > 1 => {
                let parent = chain[chain.len() - 2].clone();
                grow(&mut writer, &parent, rng.random());
            }
            1..=2 => {
                let to = rng.random_range(0..chain.len());
                stage("advance");
                if rng.random() {
                    persist(&mut writer, &tree, &chain[to].clone());
                } else {
                    writer.advance_keeping_forks(&tree.path(chain[to].hash), b"engine").expect("continues");
                }
                chain.drain(..to);
            }
            3 => {
                let tip = database.persisted().expect("genesis is there");
                let to = tip.number.saturating_sub(rng.random_range(0..6));
                stage("unwind");
                let unwound = if rng.random() { writer.unwind(to) } else { writer.unwind_to(to, b"engine") };
                unwound.expect("can go back");
                chain = replay(&database, &mut writer, &tree);
            }
            4 => {
                stage("checkpoint");
                writer.checkpoint().expect("disk");
            }
            _ => {
                let link = grow(&mut writer, &chain[chain.len() - 1].clone(), rng.random());
                chain.push(link);
            }
        }
    }
}

/// Kills the child a moment after it begins a stage; returns the blocks it reported durable.
fn kill_in(stage: &str, directory: &Path, rng: &mut impl Rng) -> Vec<B256> {
    let mut child = start_child(directory);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (mut durable, mut skipped) = (Vec::new(), rng.random_range(0..6));
    let mut note = |line: &str| {
        // A line cut off by the kill is no promise.
        durable.extend(line.strip_prefix("durable ").and_then(|hash| hash.parse::<B256>().ok()));
    };
    for line in lines.by_ref().map_while(Result::ok) {
        note(&line);
        if line.strip_prefix("stage ") == Some(stage) {
            // There is one opening only.
            if skipped == 0 || stage == "open" {
                break;
            }
            skipped -= 1;
        }
    }
    let moment = Duration::from_micros(rng.random_range(0..if stage == "open" { 60_000 } else { 1_500 }));
    let begun = std::time::Instant::now();
    while begun.elapsed() < moment {
        std::hint::spin_loop();
    }
    assert!(child.try_wait().expect("ours").is_none(), "the child ended by itself in stage {stage}");
    child.kill().expect("SIGKILL");
    child.wait().expect("ours");
    lines.map_while(Result::ok).for_each(|line| note(&line));
    durable
}

#[test]
fn killed_while_it_stores_and_persists_it_opens_consistently_and_has_every_durable_block() {
    kill_in_stages(&["put", "insert", "advance"]);
}

#[test]
fn killed_while_it_opens_checkpoints_or_unwinds_it_opens_consistently_and_has_every_durable_block() {
    kill_in_stages(&["open", "checkpoint", "unwind"]);
}

fn kill_in_stages(stages: &[&str]) {
    let mut rng = rand::rng();
    let mut reported = 0;
    for _ in 0..CHAINS {
        let directory = tempfile::tempdir().expect("a directory");
        drop(open(directory.path()));
        let mut durable: Vec<B256> = Vec::new();
        for round in 0..ROUNDS {
            durable.extend(kill_in(stages[round % stages.len()], directory.path(), &mut rng));
            let (database, mut writer, tree) = open_with(directory.path(), options(rng.random()));
            replay(&database, &mut writer, &tree);
            for hash in &durable {
                assert!(database.block(*hash).expect("disk").is_some(), "block {hash} was reported durable");
            }
        }
        reported += durable.len();
    }
    assert!(reported > CHAINS * ROUNDS, "only {reported} blocks in all");
}

#[test]
fn a_second_opener_is_told_that_the_directory_is_in_use() {
    let directory = tempfile::tempdir().expect("a directory");
    let held = open(directory.path());
    let expected = StorageError::InUse { path: directory.path().to_owned() };
    assert_eq!(Database::open(directory.path()).unwrap_err(), expected, "within this process");
    let output = start_child(directory.path()).wait_with_output().expect("ends by itself");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("InUse"), "another process said: {said}");
    drop(held);
    drop(open(directory.path()));
}

/// The newest log of the database.
fn newest_log(directory: &Path) -> PathBuf {
    let logs = std::fs::read_dir(directory).expect("readable").map(|entry| entry.expect("readable").path());
    let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.max().expect("a log")
}

#[test]
fn a_log_that_was_torn_anywhere_opens_at_an_earlier_moment() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut rng = rand::rng();
    let (_database, mut writer, tree) = open_with(directory.path(), options(3));
    let mut link = genesis();
    for seed in 0..40 {
        link = grow(&mut writer, &tree, &link, seed);
        if seed % 3 == 0 {
            persist(&mut writer, &tree, &link);
        }
    }
    let mut lowest = link.header.number;
    for round in 0..30 {
        let copy = tempfile::tempdir().expect("a directory");
        crash_copy(directory.path(), copy.path());
        let log = newest_log(copy.path());
        let mut bytes = std::fs::read(&log).expect("readable");
        let place = rng.random_range(bytes.len() / 4..bytes.len());
        // The write did not get further, or its sectors came in another order. Random bytes are no torn write, and
        // RocksDB 11's log reader (`log::Reader::ReadPhysicalRecord`) loops for ever on some of them.
        match round % 2 {
            0 => bytes.truncate(place),
            _ => bytes[place..].fill(0),
        }
        std::fs::write(&log, bytes).expect("writable");
        let (database, mut writer) = Database::open(copy.path()).expect("opens");
        let tree = database.state_tree();
        if database.persisted().is_some() {
            let chain = replay(&database, &mut writer, &tree);
            lowest = lowest.min(chain[chain.len() - 1].header.number);
        }
    }
    assert!(lowest < link.header.number, "no round lost anything");
}

#[test]
fn a_table_file_that_was_garbled_is_an_error_and_never_another_state() {
    let directory = tempfile::tempdir().expect("a directory");
    let (database, mut writer, tree) = open_with(directory.path(), options(4));
    let mut link = genesis();
    for seed in 0..20 {
        link = grow(&mut writer, &tree, &link, seed);
    }
    persist(&mut writer, &tree, &link);
    drop((database, writer, tree));
    let mut noticed = 0;
    let files = std::fs::read_dir(directory.path()).expect("readable").map(|entry| entry.expect("readable"));
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst")) {
        let copy = tempfile::tempdir().expect("a directory");
        crash_copy(directory.path(), copy.path());
        let path = copy.path().join(file.file_name());
        let mut bytes = std::fs::read(&path).expect("readable");
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x55;
        std::fs::write(&path, bytes).expect("writable");
        let read = || -> Result<(), StorageError> {
            let (database, writer) = Database::open(copy.path())?;
            assert_eq!(database.persisted().map(|tip| tip.hash), Some(link.hash));
            assert_eq!(writer.recompute_root()?, link.header.state_root);
            writer.check_trie()?;
            for number in 0..=link.header.number {
                let hash = database.canonical_hash(number)?.expect("index is whole");
                let executed = database.executed(hash)?.expect("persisted");
                assert_eq!(executed.block.header.hash_slow(), hash);
            }
            Ok(())
        };
        noticed += usize::from(read().is_err());
    }
    assert!(noticed > 0, "no file was needed");
}

/// Starts the child where no file may grow beyond so many blocks of 512 (some shells: 1024) bytes: a disk that is full,
/// without one.
fn start_child_on_full_disk(directory: &Path, blocks: u32) -> Child {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().expect("this test"))
        .args(["crash::child_imports_until_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell")
}

#[test]
fn a_full_disk_is_said_and_a_restart_with_room_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    for blocks in [120, 200, 90, 300] {
        let output = start_child_on_full_disk(directory.path(), blocks).wait_with_output().expect("ends by itself");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("Disk {"), "with {blocks} blocks it said: {said}");
        let durable = said.lines().filter_map(|line| line.strip_prefix("durable ")?.parse::<B256>().ok());
        let (database, mut writer, tree) = open(directory.path());
        let chain = replay(&database, &mut writer, &tree);
        durable.for_each(|hash| assert!(database.block(hash).expect("disk").is_some(), "{hash} was reported durable"));
        grow(&mut writer, &tree, &chain[chain.len() - 1], u64::from(blocks));
    }
}
