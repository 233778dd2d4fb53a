//! Four authorities, each in a network namespace of its own: partitions that nobody is told of, restarts, wrong clocks, one key
//! in two places.

use std::{fs, path::PathBuf, time::Duration};

use alloy::primitives::Address;
use anyhow::{Context, Result, ensure};
use aurum_tests::{
    consortium::{ChainOptions, name},
    hosts::{Hosts, Told, block, equivocations, finalized, latest},
    netns,
    node::Node,
    story::Story,
    wait,
};

/// Most for anything a few steps bring, or for peers to find each other again: a connection that a cut cable left half open
/// is given up after 20 s.
const LIMIT: Duration = Duration::from_secs(90);

fn available() -> bool {
    let available = netns::available();
    if !available {
        println!("{}", netns::SKIPPED);
    }
    available
}

async fn begin(name: &str, step_duration: u64, spare: usize) -> Result<(Story, Hosts)> {
    let story = Story::begin(name, env!("CARGO_TARGET_TMPDIR"))?;
    let options = ChainOptions { step_duration, ..ChainOptions::default() };
    let mut hosts = Hosts::prepare(story.folder(), &options, spare)?;
    hosts.start(LIMIT).await?;
    hosts.nodes[0].finalizes(2, LIMIT).await?;
    story.say("four authorities on four hosts make blocks final");
    Ok((story, hosts))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_network_finalizes_only_with_a_quorum_and_heals() -> Result<()> {
    if !available() {
        return Ok(());
    }
    let (story, mut hosts) = begin("partition", 1, 0).await?;
    two_and_two(&hosts).await?;
    story.say("two and two went on, each on its branch, made nothing final, and agreed again");
    three_and_one(&hosts).await?;
    story.say("three went on without the fourth, which made nothing final and followed them afterwards");
    hosts.nobody_sealed_twice().await?;
    hosts.stop()?;
    story.end()
}

async fn two_and_two(hosts: &Hosts) -> Result<()> {
    let before = finalized(&hosts.nodes[0]).await?;
    hosts.network.split(&[2, 3])?;
    // What was sealed before the split may still become final by it.
    let fork = latest(&hosts.nodes[0]).await?.number.max(latest(&hosts.nodes[2]).await?.number) + 1;
    for node in &hosts.nodes {
        node.reaches(fork + 2, LIMIT).await?;
    }
    let mut stalled = Vec::new();
    for node in &hosts.nodes {
        stalled.push(finalized(node).await?);
    }
    for node in &hosts.nodes {
        node.reaches(fork + 5, LIMIT).await?;
    }
    for (node, stalled) in hosts.nodes.iter().zip(&stalled) {
        ensure!(finalized(node).await? == *stalled, "{} made a block final with two of four", node.name());
        ensure!(stalled.number <= fork, "{} made block {} final alone", node.name(), stalled.number);
    }
    let branches = (block(&hosts.nodes[0], fork + 1).await?, block(&hosts.nodes[2], fork + 1).await?);
    ensure!(branches.0.is_some() && branches.0 != branches.1, "the halves went on together: {branches:?}");

    hosts.network.heal()?;
    hosts.agree(LIMIT).await?;
    keeps(&hosts.nodes, before).await
}

async fn three_and_one(hosts: &Hosts) -> Result<()> {
    let (majority, lost) = (&hosts.nodes[0], &hosts.nodes[3]);
    let before = finalized(lost).await?;
    hosts.network.split(&[3])?;
    let fork = latest(majority).await?.number.max(latest(lost).await?.number) + 1;
    majority.finalizes(fork + 4, LIMIT).await?;
    lost.reaches(fork + 1, LIMIT).await?;
    let alone = finalized(lost).await?;
    ensure!(alone.number <= fork, "one of four made block {} final alone", alone.number);
    let promised = finalized(majority).await?;

    hosts.network.heal()?;
    lost.finalizes(promised.number, LIMIT).await?;
    hosts.agree(LIMIT).await?;
    keeps(&hosts.nodes, before).await?;
    keeps(&hosts.nodes, promised).await
}

/// Checks that a block that was final to somebody is canonical to all.
async fn keeps(nodes: &[Node], promised: Told) -> Result<()> {
    for node in nodes {
        let kept = block(node, promised.number).await?;
        ensure!(kept == Some(promised), "{} has {kept:?}, {promised:?} was final", node.name());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_killed_and_wiped_nodes_come_back() -> Result<()> {
    if !available() {
        return Ok(());
    }
    // Long enough for a node to be started again in the step in which it was killed.
    let (story, mut hosts) = begin("outage", 2, 0).await?;

    for index in 0..hosts.nodes.len() {
        let promised = finalized(&hosts.nodes[index]).await?;
        hosts.nodes[index].stop()?;
        let others = &hosts.nodes[(index + 1) % 4];
        others.finalizes(promised.number + 3, LIMIT).await?;
        hosts.nodes[index].start()?;
        hosts.nodes[index].ready().await?;
        keeps(&hosts.nodes[index..=index], promised).await?;
    }
    hosts.start(LIMIT).await?;
    hosts.agree(LIMIT).await?;
    story.say("restarted one after the other, the chain went on");

    let mut promised = Vec::new();
    for node in &hosts.nodes {
        promised.push(finalized(node).await?);
    }
    hosts.nodes.iter_mut().try_for_each(|node| node.kill())?;
    hosts.start(LIMIT).await?;
    for promised in promised {
        keeps(&hosts.nodes, promised).await?;
    }
    hosts.agree(LIMIT).await?;
    hosts.nobody_sealed_twice().await?;
    story.say("killed all at once, they lost nothing that was final and sealed no step twice");

    comes_back_empty(&mut hosts).await?;
    story.say("one whose disk was wiped in its own step came back, sealed no step twice, and seals again");
    hosts.stop()?;
    story.end()
}

/// The authority of the last node, and its address.
fn last(hosts: &Hosts) -> Address {
    hosts.consortium.authorities[3].address
}

/// Waits until the chain has a block by `author` above `number`.
async fn seals_above(node: &Node, author: Address, number: u64) -> Result<Told> {
    let what = format!("{author} seals a block above {number}");
    wait::until(&what, LIMIT, || async {
        for number in number + 1..=latest(node).await?.number {
            if let Some(block) = block(node, number).await?.filter(|block| block.author == author) {
                return Ok(Some(block));
            }
        }
        Ok(None)
    })
    .await
}

async fn comes_back_empty(hosts: &mut Hosts) -> Result<()> {
    let author = last(hosts);
    let head = latest(&hosts.nodes[0]).await?.number;
    // Its own step has hardly begun when its block is here.
    let sealed = seals_above(&hosts.nodes[0], author, head).await?;
    let name = hosts.nodes[3].name().to_owned();
    hosts.nodes[3].kill()?;
    hosts.wipe(&name)?;
    hosts.start(LIMIT).await?;
    hosts.nodes[3].finalizes(sealed.number, LIMIT).await?;
    keeps(&hosts.nodes, sealed).await?;
    let head = latest(&hosts.nodes[0]).await?.number;
    seals_above(&hosts.nodes[0], author, head).await?;
    hosts.agree(LIMIT).await?;
    hosts.nobody_sealed_twice().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_clock_and_a_key_in_two_places_stop_nobody_else() -> Result<()> {
    if !available() {
        return Ok(());
    }
    // Ten seconds are three steps and more: early blocks, that may be offered again, and not bad ones.
    let (story, mut hosts) = begin("clocks", 3, 1).await?;
    for (offset, what) in [("+10s", "ahead"), ("-10s", "behind")] {
        runs_with_a_clock(&mut hosts, offset, what).await?;
        story.say(&format!("at {offset} the fourth said so and the others went on; with its clock right, so did it"));
    }
    one_key_twice(&mut hosts, &story).await?;
    hosts.stop()?;
    story.end()
}

/// The library that shows a program another time (Debian: faketime).
fn libfaketime() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists());
    found.context("libfaketime is not installed: run tests/setup test")
}

/// Waits until a node says `words`, in any of its lives.
async fn says(node: &Node, words: &str) -> Result<()> {
    wait::until(&format!("{} says that {words}", node.name()), LIMIT, || async {
        Ok(fs::read_to_string(node.log())?.contains(words).then_some(()))
    })
    .await
}

async fn runs_with_a_clock(hosts: &mut Hosts, offset: &str, what: &str) -> Result<()> {
    hosts.nodes[3].stop()?;
    let library = libfaketime()?.display().to_string();
    // Only the time of day is wrong: timers run as they should.
    hosts.nodes[3].start_with(&[
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME", offset),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ])?;
    hosts.start(LIMIT).await?;
    let head = latest(&hosts.nodes[0]).await?.number;
    hosts.nodes[0].finalizes(head + 3, LIMIT).await?;
    // Behind by its clock, but on the same chain.
    hosts.nodes[3].finalizes(head + 1, LIMIT).await?;
    let own = finalized(&hosts.nodes[3]).await?;
    hosts.nodes[0].finalizes(own.number, LIMIT).await?;
    keeps(&hosts.nodes[..3], own).await?;
    says(&hosts.nodes[3], &format!("our clock is {what}")).await?;

    hosts.nodes[3].stop()?;
    hosts.start(LIMIT).await?;
    let head = latest(&hosts.nodes[0]).await?.number;
    seals_above(&hosts.nodes[0], last(hosts), head).await?;
    hosts.agree(LIMIT).await?;
    hosts.nobody_sealed_twice().await
}

async fn one_key_twice(hosts: &mut Hosts, story: &Story) -> Result<()> {
    let author = last(hosts);
    let mut twin = hosts.node("twin", 3, 4)?;
    // Another identity for peers, and blocks that differ from those of the first.
    let node_key = story.folder().join("twin.key");
    fs::write(&node_key, format!("{:064x}\n", 0x7417))?;
    let args = twin.args_mut();
    let flag = args.iter().position(|argument| argument == "--node-key").context("nodes are told their key")?;
    args[flag + 1] = node_key.display().to_string();
    args.extend(["--extra-data".to_owned(), name(4)]);
    twin.start()?;
    twin.ready().await?;
    let evidence = wait::until("the others see the key seal twice in a step", LIMIT, || async {
        let twice = equivocations(&hosts.nodes[0]).await?;
        Ok(twice.into_iter().find(|one| one["author"] == author.to_string().to_lowercase()))
    })
    .await?;
    for node in [&hosts.nodes[3], &twin] {
        says(node, "another node seals with our key").await?;
    }
    let silent = latest(&hosts.nodes[0]).await?.number + 1;
    hosts.nodes[0].finalizes(silent + 4, LIMIT).await?;
    for number in silent..=silent + 4 {
        let sealed = block(&hosts.nodes[0], number).await?.context("a final block")?;
        ensure!(sealed.author != author, "the key sealed {sealed:?} after both nodes had noticed");
    }
    twin.stop()?;
    hosts.agree(LIMIT).await?;
    story.say("two nodes with one key both said so and stopped sealing; the others went on");

    hosts.nodes[3].stop()?;
    hosts.nodes[3].args_mut().push("--resume-sealing".to_owned());
    hosts.start(LIMIT).await?;
    let head = latest(&hosts.nodes[0]).await?.number;
    seals_above(&hosts.nodes[0], author, head).await?;
    hosts.agree(LIMIT).await?;
    story.say("told that the other is gone, the first seals again");

    hosts.nodes[0].kill()?;
    hosts.start(LIMIT).await?;
    let kept = equivocations(&hosts.nodes[0]).await?;
    ensure!(kept.contains(&evidence), "killed, {} forgot {evidence}: {kept:?}", hosts.nodes[0].name());
    hosts.agree(LIMIT).await?;
    story.say("one that was killed still has the evidence");
    Ok(())
}
