//! The commands of the README work as they stand there.
//!
//! A fenced block whose first line is ` ```sh ci ` is executed by `bash -euo pipefail` in an empty folder of its own story
//! with the programs on the `PATH`; all blocks share the folder, in their order. While blocks marked ` ```sh ci-up ` run,
//! a system as of `make up` runs on the standard ports.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aurum_tests::{
    process::{Process, binaries, binary},
    story::Story,
    tools,
};

/// Most until `devnet up` has printed its list.
const LIMIT: Duration = Duration::from_secs(120);

/// One block of commands.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Line of the README on which it begins.
    line: usize,
    /// Whether it wants the system of `make up`.
    needs_system: bool,
    commands: String,
}

/// The blocks marked for execution.
fn blocks(readme: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = readme.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(marks) = line.trim_start().strip_prefix("```") else { continue };
        let commands: String = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim() != "```")
            .flat_map(|line| [line, "\n"])
            .collect();
        let marks: Vec<&str> = marks.split_whitespace().collect();
        if marks.first() != Some(&"sh") {
            continue;
        }
        let needs_system = marks.contains(&"ci-up");
        if needs_system || marks.contains(&"ci") {
            found.push(Block { line: index + 1, needs_system, commands });
        }
    }
    found
}

#[test]
fn finds_marked_blocks_and_no_others() {
    let readme = "text\n```sh\nno\n```\n```sh ci\none\n two\n```\n```toml ci\nno\n```\n  ```sh ci-up\nthree\n  ```\n";
    let expected = [
        Block { line: 5, needs_system: false, commands: "one\n two\n".into() },
        Block { line: 12, needs_system: true, commands: "three\n".into() },
    ];
    assert_eq!(blocks(readme), expected);
}

#[test]
fn commands_of_the_readme_work() -> Result<()> {
    let path = tools::repository().join("README.md");
    let readme = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let blocks = blocks(&readme);
    if blocks.is_empty() {
        println!("SKIPPED: README.md marks no commands for CI");
        return Ok(());
    }
    let story = Story::begin("readme", env!("CARGO_TARGET_TMPDIR"))?;
    let folder = story.folder().join("work");
    fs::create_dir_all(&folder)?;
    let mut system = None;
    for block in &blocks {
        if block.needs_system && system.is_none() {
            system = Some(up(&story)?);
        }
        story.say(&format!("README.md:{}", block.line));
        execute(block, &folder)?;
    }
    if let Some(mut system) = system {
        system.stop()?;
    }
    story.end()
}

fn execute(block: &Block, folder: &Path) -> Result<()> {
    let foundry = tools::node_binary("cast")?;
    let foundry = foundry.parent().context("cast lies in a folder")?.to_owned();
    let mut path = vec![binaries()?, foundry];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &block.commands])
        .env("PATH", std::env::join_paths(path)?)
        .current_dir(folder)
        .output()?;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success(),
        "README.md:{} ended with {}\n{}\n{said}\n{complained}",
        block.line,
        output.status,
        block.commands
    );
    Ok(())
}

fn up(story: &Story) -> Result<Process> {
    let log = story.folder().join("logs/devnet.log");
    let folder = story.folder().join("system").display().to_string();
    let mut devnet = Process::start("devnet", &binary("devnet")?, ["--dir", &folder, "up"], &[], &log)?.with_children();
    let deadline = Instant::now() + LIMIT;
    while !fs::read_to_string(&log)?.contains("Try\n") {
        devnet.expect_running()?;
        ensure!(Instant::now() < deadline, "no list after {} s:\n{}", LIMIT.as_secs(), devnet.tail());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    Ok(devnet)
}
