//! kill -9 at chosen points of every stage, again and again in one folder: each time the chain recovers by itself, nothing
//! that was announced is lost, and state and root are those of a replay that nobody disturbed.
//!
//! The children ([`child`]) compare what they open; the parent compares what they had announced, and reads a copy of the
//! database as the kill left it. What is left to chance follows from a seed, which a failure names and
//! `AURUM_KILL_SEED` sets.

#![allow(unreachable_pub, reason = "a module of the tests")]

mod child;
mod rewound;
mod script;
mod snapshot;
mod trigger;

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use alloy::primitives::B256;
use aurum_storage::Database;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use self::{
    script::{Script, digest, forks, stalled, stand, straight},
    trigger::{Point, Side},
};
use crate::{
    kit::{Kit, Node, import_all},
    restart::crash_copy,
};

const SIGKILL: i32 = 9;
/// A file would have grown beyond its limit.
const SIGXFSZ: i32 = 25;
/// Kills between two looks into a copy of the database.
const LOOK: usize = 8;

const IMPORT: [&str; 10] =
    ["verify", "recover", "execute", "commit", "store", "adopt", "announce", "persist", "prune", "checkpoint"];

#[test]
fn killed_while_blocks_come_one_by_one_and_branches_win_and_lose() {
    let kit = Kit::new(4);
    let mut killer = Killer::new(&kit, "Alone", forks(&kit, 132, 6), 132);
    killer.kill_in(&IMPORT, 60);
    killer.tear(10);
}

#[test]
fn killed_while_blocks_come_in_batches() {
    let kit = Kit::new(4);
    let mut killer = Killer::new(&kit, "Batches", forks(&kit, 132, 6), 132);
    killer.kill_in(&IMPORT, 44);
    killer.tear(10);
}

#[test]
fn killed_while_it_seals() {
    let kit = Kit::new(4);
    // What was built is not executed again.
    let stages: Vec<_> = IMPORT.into_iter().filter(|stage| *stage != "execute").collect();
    Killer::new(&kit, "Author", straight(&kit, 180), 132).kill_in(&stages, 30);
}

#[test]
fn killed_while_a_branch_replaces_blocks_that_were_persisted() {
    let kit = Kit::new(4);
    let mut killer = Killer::new(&kit, "Alone", stalled(&kit, 150), 6 + 150 + 145);
    killer.kill_in(&["unwind", "adopt", "store", "persist"], 16);
}

#[test]
fn a_branch_that_had_won_when_the_process_died_is_head_after_opening() {
    let kit = Kit::new(4);
    // Its last block is stored; the blocks of the other branch that were persisted are not taken off yet.
    let mut killer = Killer::new(&kit, "Alone", stalled(&kit, 150), 6 + 150 + 145);
    let point = Point { stage: "unwind", side: Side::Before, skipped: 0, opening: false };
    assert!(killer.live(Some(point), None));
    let chain = kit.open(&killer.node());
    let stored = killer.script.stored(&chain);
    assert_eq!(stand(&chain), killer.script.clean[stored]);
    assert_eq!(chain.head().latest.hash, killer.script.blocks[stored - 1].hash());
}

/// A seed that nobody chose, or the one that is asked for.
fn seed() -> u64 {
    let seed = env::var("AURUM_KILL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("AURUM_KILL_SEED={seed}");
    seed
}

/// Starts a child of this test binary; what became of it. `limit`: no file may grow beyond so many blocks of 512 (some
/// shells: 1024) bytes; the write that would is cut there, and the next one is the process's end.
fn run_child(test: &str, variables: &[(&str, String)], limit: Option<u32>) -> Life {
    let this = env::current_exe().unwrap();
    let mut command = match limit {
        Some(blocks) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -c 0; ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(this);
            shell
        }
        None => Command::new(this),
    };
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).stdin(Stdio::null());
    let output = command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap();
    Life::of(&output, &format!("{test} {variables:?}"))
}

/// What a child said and how it ended.
struct Life {
    said: String,
    killed: bool,
    /// Blocks that were there when it opened the chain; `None` if it did not come so far.
    opened: Option<usize>,
    /// The last head, and the last final block, that it announced.
    announced: Option<[(u64, B256); 2]>,
}

impl Life {
    /// # Panics
    /// If the child neither was killed nor ended well.
    fn of(output: &Output, how: &str) -> Self {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let killed = matches!(output.status.signal(), Some(SIGKILL | SIGXFSZ));
        let ended = output.status.success() && said.contains("\nended\n");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(killed || ended, "{how}: {:?}\n{said}\n{stderr}", output.status);
        let announced = |line: &str| {
            let words: Vec<_> = line.strip_prefix("announced ")?.split(' ').collect();
            let block = |at: usize| Some((words.get(at)?.parse().ok()?, words.get(at + 1)?.parse().ok()?));
            Some([block(0)?, block(2)?])
        };
        let opened = said.lines().find_map(|line| line.strip_prefix("opened ")?.parse().ok());
        let announced = said.lines().filter_map(announced).next_back();
        Self { killed, opened, announced, said }
    }
}

/// Kills nodes that take one script of blocks.
struct Killer<'a> {
    kit: &'a Kit,
    way: &'static str,
    script: Script,
    /// A node that nobody kills, at the end of the script.
    clean: Node,
    /// A folder with a node that has the script's beginning.
    template: TempDir,
    folder: TempDir,
    dice: StdRng,
    /// Of the lives in the present folder.
    promised: Option<[(u64, B256); 2]>,
}

impl<'a> Killer<'a> {
    fn new(kit: &'a Kit, way: &'static str, blocks: Vec<aurum_types::SealedBlock>, beginning: usize) -> Self {
        let dice = StdRng::seed_from_u64(seed());
        let (script, clean) = Script::of(kit, blocks);
        let mut begun = kit.node();
        import_all(&begun, &script.blocks[..beginning]);
        begun.close();
        let template = TempDir::new().unwrap();
        fs::create_dir(template.path().join("node")).unwrap();
        crash_copy(begun.dir.path(), &template.path().join("node"));
        script.write(&template.path().join("script"));
        let folder = TempDir::new().unwrap();
        crash_copy(template.path(), folder.path());
        Self { kit, way, script, clean, template, folder, dice, promised: None }
    }

    fn node(&self) -> PathBuf {
        self.folder.path().join("node")
    }

    /// Kills `count` times, before and behind each of the stages in turn, and lets the last node go on to the end.
    fn kill_in(&mut self, stages: &[&'static str], count: usize) {
        let mut killed = BTreeMap::new();
        for round in 0.. {
            if killed.values().sum::<usize>() >= count {
                break;
            }
            assert!(round < 4 * count, "so far: {killed:?}");
            let side = Side::of(round / stages.len());
            let (stage, opening) = (stages[round % stages.len()], self.dice.random_ratio(1, 3));
            let skipped = match stage {
                "unwind" => 0,
                "persist" | "prune" | "checkpoint" => self.dice.random_range(0..3),
                _ => self.dice.random_range(0..6),
            };
            // Nobody is told of a stored block.
            let point = match stage {
                "announce" => Point { stage, side: Side::Before, skipped, opening: false },
                _ => Point { stage, side, skipped, opening },
            };
            if self.live(Some(point), None) {
                *killed.entry((stage, point.side)).or_default() += 1;
                if killed.values().sum::<usize>().is_multiple_of(LOOK) {
                    look(&self.node(), &point.to_string());
                }
            }
        }
        for stage in stages {
            assert!(killed.keys().any(|(at, _)| at == stage), "nobody died in {stage}: {killed:?}");
        }
        while self.live(None, None) {}
    }

    /// Kills `count` times by cutting a write.
    fn tear(&mut self, count: usize) {
        let mut killed = 0;
        for round in 0.. {
            if killed >= count {
                break;
            }
            assert!(round < 10 * count, "killed {killed} times");
            let blocks = self.dice.random_range(40..260);
            if self.live(None, Some(blocks)) {
                killed += 1;
                look(&self.node(), &format!("cut at {blocks} blocks"));
            }
        }
        while self.live(None, None) {}
    }

    /// One life of a node; whether it was killed. At the end of the script a new node takes its place.
    fn live(&mut self, point: Option<Point>, limit: Option<u32>) -> bool {
        let is_for_it = |seed: u64| point.is_none_or(|point| point.stage != "prune") || child::prunes(seed);
        let seed = (&mut self.dice).random_iter().find(|seed| is_for_it(*seed)).unwrap();
        let how = format!("{} at {point:?}, files of {limit:?} blocks, seed {seed}", self.way);
        let mut variables = vec![
            (child::FOLDER, self.folder.path().to_str().unwrap().to_owned()),
            (child::WAY, self.way.to_owned()),
            (child::SEED, seed.to_string()),
        ];
        variables.extend(point.map(|point| (child::POINT, point.to_string())));
        let life = run_child("killed::child::child_imports_until_it_is_killed", &variables, limit);
        if let (Some(opened), Some([head, finalized])) = (life.opened, self.promised) {
            assert!(self.script.place(head.1) <= Some(opened), "{how}: {head:?} was announced before");
            assert!(self.script.contains(opened, finalized), "{how}: {finalized:?} was final before");
        }
        self.promised = life.announced.or(self.promised);
        if !life.killed {
            self.compare(&how);
            self.folder = TempDir::new().unwrap();
            crash_copy(self.template.path(), self.folder.path());
            self.promised = None;
        }
        life.killed
    }

    /// The node that came to the end of the script is, block for block, like the one that was never killed.
    fn compare(&self, how: &str) {
        look(&self.node(), how);
        let chain = self.kit.open(&self.node());
        assert_eq!(stand(&chain), stand(&self.clean), "{how}");
        for number in 0..=chain.head().latest.number {
            let hash = chain.canonical_hash(number).unwrap();
            assert_eq!(hash, self.clean.canonical_hash(number).unwrap(), "{how}: block {number}");
            if let Some(digest) = digest(&chain, number) {
                assert_eq!(Some(digest), script::digest(&self.clean, number), "{how}: state after block {number}");
            }
            let block = self.script.place(hash.unwrap()).map(|place| &self.script.blocks[place - 1]);
            for tx in block.iter().flat_map(|block| &block.block().transactions) {
                let receipt = |chain: &aurum_chain::Chain| {
                    chain.view().receipt(*tx.tx_hash()).unwrap().map(|found| format!("{found:?}"))
                };
                assert!(receipt(&chain).is_some(), "{how}: {}", tx.tx_hash());
                assert_eq!(receipt(&chain), receipt(&self.clean), "{how}: {}", tx.tx_hash());
            }
        }
    }
}

/// The database of a node's folder, as it was left, opens at a block whose root flat state has, and the trie, which is
/// whole.
fn look(folder: &Path, how: &str) {
    let copy = TempDir::new().unwrap();
    crash_copy(folder, copy.path());
    let (database, writer) = Database::open(&copy.path().join("db")).unwrap();
    let tip = database.persisted().unwrap();
    let header = database.header(tip.hash).unwrap().unwrap();
    assert_eq!(writer.recompute_root().unwrap(), header.state_root, "{how}: flat state at {tip:?}");
    writer.check_trie().unwrap_or_else(|error| panic!("{how}: trie at {tip:?}: {error}"));
}
