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

use crate::support::{self, Link, child, genesis, grow, open, persist};
use alloy::primitives::B256;
use aurum_storage::{Database, StateTree, StorageError, Writer};
use rand::Rng;

const DIRECTORY: &str = "AURUM_STORAGE_CRASH_DIRECTORY";
const ROUNDS: usize = 14;

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

/// Not a test of its own: what the killed process does.
#[test]
fn child_imports_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let (database, mut writer, tree) = open(&directory);
    let mut chain = replay(&database, &mut writer, &tree);
    let mut rng = rand::rng();
    loop {
        match rng.random_range(0..10) {
            // A short fork.
            0 if chain.len() > 1 => {
                let parent = chain[chain.len() - 2].clone();
                let link = grow(&mut writer, &tree, &parent, rng.random());
                println!("\ndurable {}", link.hash);
            }
            1..=2 => {
                let to = rng.random_range(0..chain.len());
                if rng.random() {
                    persist(&mut writer, &tree, &chain[to].clone());
                } else {
                    writer.advance_keeping_forks(&tree.path(chain[to].hash), b"engine").expect("continues");
                }
                chain.drain(..to);
            }
            3 if rng.random_bool(0.3) => {
                let tip = database.persisted().expect("genesis is there");
                let to = tip.number.saturating_sub(rng.random_range(0..4));
                let unwound = if rng.random() { writer.unwind(to) } else { writer.unwind_to(to, b"engine") };
                unwound.expect("can go back");
                chain = replay(&database, &mut writer, &tree);
            }
            _ => {
                let link = grow(&mut writer, &tree, &chain[chain.len() - 1].clone(), rng.random());
                println!("\ndurable {}", link.hash);
                chain.push(link);
            }
        }
    }
}

#[test]
fn killed_at_any_moment_it_opens_consistently_and_has_every_durable_block() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    let mut durable: Vec<B256> = Vec::new();
    let mut rng = rand::rng();
    for round in 0..ROUNDS {
        let mut child = start_child(directory.path());
        let output = child.stdout.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // A line cut off by the kill is no promise.
            lines.filter_map(|line| line.strip_prefix("durable ")?.parse::<B256>().ok()).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_millis(rng.random_range(1..400)));
        assert!(child.try_wait().expect("ours").is_none(), "the child ended by itself in round {round}");
        child.kill().expect("SIGKILL");
        child.wait().expect("ours");
        durable.extend(reader.join().expect("reads to the end"));

        let (database, mut writer, tree) = open(directory.path());
        replay(&database, &mut writer, &tree);
        for hash in &durable {
            assert!(database.block(*hash).expect("disk").is_some(), "block {hash} was reported durable");
        }
    }
    assert!(durable.len() > ROUNDS, "only {} blocks in {ROUNDS} rounds", durable.len());
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
