//! kill -9 at any moment, and a disk that fills up: what was announced is still there, and no step is sealed twice.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use alloy::eips::BlockId;
use poa_node::{Config, author::LastSealed, cli::Args, dev::DevConfig};
use tokio_util::sync::CancellationToken;

fn spawn(folder: &Path, log: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_poa-node"))
        .args(["dev", "--block-time", "0.02", "--no-jsonrpc", "--no-ws", "-d"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(File::create(log).unwrap())
        .spawn()
        .unwrap()
}

/// The same where no file may grow beyond so many blocks of 512 (some shells: 1024) bytes: a disk that is full, without one.
fn run_on_full_disk(folder: &Path, blocks: u32) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_poa-node")])
        .args(["dev", "--block-time", "0.02", "--no-jsonrpc", "--no-ws", "-d"])
        .arg(folder)
        .output()
        .unwrap()
}

/// Steps and hashes of the blocks the log says were sealed, with the highest number.
fn sealed(log: &str) -> (HashMap<u64, String>, u64) {
    let mut by_step = HashMap::new();
    let mut highest = 0;
    for line in log.lines().filter(|line| line.contains("sealed block")) {
        let field = |name: &str| {
            let rest = line.split_once(&format!("{name}=")).unwrap().1;
            rest.split_whitespace().next().unwrap().to_owned()
        };
        // The last line may be cut off by the kill.
        if line.contains("took_ms=") {
            let before = by_step.insert(field("step").parse().unwrap(), field("hash"));
            assert_eq!(before, None, "two blocks for one step");
            highest = highest.max(field("number").parse().unwrap());
        }
    }
    (by_step, highest)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_killed_keeps_its_blocks_and_never_seals_a_step_twice() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("node");
    let mut steps = HashMap::new();
    let mut announced = 0;
    for round in 0..4_u64 {
        let log = folder.path().join(format!("log-{round}"));
        let mut node = spawn(&base, &log);
        thread::sleep(Duration::from_millis(900 + 137 * round));
        node.kill().unwrap();
        node.wait().unwrap();
        let (by_step, highest) = sealed(&fs::read_to_string(&log).unwrap());
        announced = announced.max(highest);
        for (step, hash) in by_step {
            assert_eq!(steps.insert(step, hash), None, "step {step} was sealed in two lives");
        }
    }
    assert!(announced > 4, "the node sealed {announced} blocks");

    check_blocks(&base, &steps, announced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_whose_disk_is_full_stops_and_says_so_and_keeps_its_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("node");
    let (mut steps, mut announced) = (HashMap::new(), 0);
    for blocks in [240, 480] {
        let output = run_on_full_disk(&base, blocks);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && log.contains("disk: "), "with {blocks} blocks it said: {log}");
        let (by_step, highest) = sealed(&log);
        announced = announced.max(highest);
        for (step, hash) in by_step {
            assert_eq!(steps.insert(step, hash), None, "step {step} was sealed in two lives");
        }
    }
    assert!(announced > 4, "the node sealed {announced} blocks");
    check_blocks(&base, &steps, announced).await;
}

/// The node of `folder`, with room and alive, has all blocks that were announced, and used every step once.
async fn check_blocks(folder: &Path, steps: &HashMap<u64, String>, announced: u64) {
    let args = <Args as clap::Parser>::parse_from(["poa-node", "--no-jsonrpc", "--no-ws"]);
    let config = Config::dev(&args.options, folder, DevConfig { chain_id: 1337, block_time: None }).unwrap();
    let used = LastSealed::open(&config.last_sealed).unwrap().step().unwrap();
    let node = poa_node::run(config, CancellationToken::new()).await.unwrap();
    let head = node.chain.head().latest.number;
    assert!(head >= announced, "block {announced} was announced, the head is {head}");
    let mut last = None;
    for number in 1..=head {
        let (hash, header) = node.chain.view().header(BlockId::number(number)).unwrap().unwrap();
        let step = header.step().unwrap();
        assert!(last < Some(step) && step <= used);
        if let Some(announced) = steps.get(&step.0) {
            assert_eq!(*announced, hash.to_string());
        }
        last = Some(step);
    }
    node.stop().await;
}
