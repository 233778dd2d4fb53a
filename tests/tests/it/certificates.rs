//! Finality certificates over real processes: `finalized` follows the head, a certificate is verified offline, and a killed
//! authority keeps to what it voted.

use std::{path::PathBuf, process::Command, time::Duration};

use alloy::{eips::BlockNumberOrTag, providers::Provider as _};
use anyhow::{Context, Result, ensure};
use aurum_tests::{
    consortium::ChainOptions,
    home::Home,
    node::Node,
    ports::{Ports, check_free, shift},
    process::binary,
    story::Story,
    wait,
};
use serde_json::{Value, json};

/// Most for anything a few steps bring.
const LIMIT: Duration = Duration::from_secs(90);
/// Blocks that the certified one may be below the head: its child has to be voted for, and votes have to travel.
const BEHIND: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certified_blocks_follow_the_head_and_are_proven_offline() -> Result<()> {
    let story = Story::begin("certificates", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::CERTIFICATES);
    check_free(&ports.all(4))?;
    let chain = ChainOptions { step_duration: 1, ..ChainOptions::default() };
    let mut home = Home::prepare(story.folder(), &chain, ports)?;
    home.start().await?;
    home.healthy(LIMIT).await?;
    let head = home.observer.provider()?.get_block_number().await?;
    for node in home.nodes() {
        node.finalizes(head + 2, LIMIT).await?;
        follows(node).await?;
    }
    story.say("four authorities certify block after block, and an observer without a key sees it");

    let certificate: Value = certificate(&home.observer, head).await?;
    ensure!(certificate["block"]["number"].as_u64().is_some_and(|number| number >= head), "{certificate}");
    let file = story.folder().join("certificate.json");
    std::fs::write(&file, certificate.to_string())?;
    let (verdict, success) = verify(&home, &file.display().to_string())?;
    ensure!(success && verdict["valid"] == true && verdict["block"]["number"] == head, "{verdict}");
    ensure!(verdict["signers"].as_array().is_some_and(|signers| signers.len() >= 3), "{verdict}");
    let mut forged = certificate.clone();
    forged["certificates"][0]["target"]["hash"] = json!(format!("0x{}", "11".repeat(32)));
    let (verdict, success) = verify(&home, &forged.to_string())?;
    ensure!(!success && verdict["valid"] == false, "{verdict}");
    story.say("the certificate of a block is verified from the chain spec alone, and a forged one is not");

    let mut highest = 0;
    for _ in 0..3 {
        let victim = &mut home.authorities[0];
        victim.kill()?;
        let before = last_vote(&home, 0)?;
        ensure!(before.0 >= highest, "the record went back from {highest} to {}", before.0);
        let victim = &mut home.authorities[0];
        victim.start()?;
        victim.ready().await?;
        let what = "the killed authority votes again, above what it had voted";
        let voted = wait::until(what, LIMIT, || async {
            let now = last_vote(&home, 0)?;
            ensure!(now.0 >= before.0 && (now.0 > before.0 || now.1 == before.1), "{before:?} became {now:?}");
            Ok((now.0 > before.0).then_some(now))
        });
        highest = voted.await?.0;
    }
    for node in home.nodes() {
        let status: Value = node.provider()?.raw_request("finality_status".into(), ()).await?;
        ensure!(status["equivocations"].as_array().is_some_and(Vec::is_empty), "{}: {status}", node.name());
        ensure!(status["stopped"].is_null(), "{}: {status}", node.name());
    }
    story.say("an authority killed three times never voted twice for a height");

    home.authorities[3].kill()?;
    let head = home.observer.provider()?.get_block_number().await?;
    home.observer.finalizes(head + 4, LIMIT).await?;
    story.say("three of four are a quorum");
    home.authorities[2].kill()?;
    let stuck = finalized(&home.observer).await?;
    let head = home.observer.provider()?.get_block_number().await?;
    home.observer.reaches(head + 6, LIMIT).await?;
    let still = finalized(&home.observer).await?;
    ensure!(still <= stuck + BEHIND, "two of four made {still} final, after {stuck}");
    home.start().await?;
    home.observer.finalizes(head + 6, LIMIT).await?;
    for node in home.nodes() {
        node.finalizes(head + 6, LIMIT).await?;
    }
    home.agree_at(head + 6).await?;
    story.say("two are not, and when the others are back everything between becomes final");
    home.stop()?;
    story.end()
}

async fn finalized(node: &Node) -> Result<u64> {
    let block = node.provider()?.get_block_by_number(BlockNumberOrTag::Finalized).await?;
    Ok(block.context("genesis is final")?.header.number)
}

/// The certified block is close below the head at some moment.
async fn follows(node: &Node) -> Result<()> {
    let what = format!("{} certifies within {BEHIND} blocks of the head", node.name());
    wait::until(&what, LIMIT, || async {
        let head = node.provider()?.get_block_number().await?;
        Ok((finalized(node).await? + BEHIND >= head).then_some(()))
    })
    .await
}

async fn certificate(node: &Node, height: u64) -> Result<Value> {
    wait::until("a certificate is served", LIMIT, || async {
        let found: Value = node.provider()?.raw_request("finality_getCertificate".into(), (height,)).await?;
        Ok((!found.is_null()).then_some(found))
    })
    .await
}

/// What `poa-node verify-certificate` says, and whether its exit code is 0.
fn verify(home: &Home, certificate: &str) -> Result<(Value, bool)> {
    let output = Command::new(binary("poa-node")?)
        .arg("verify-certificate")
        .arg("--chain")
        .arg(home.consortium.spec())
        .args(["--certificate", certificate])
        .output()?;
    let json = serde_json::from_slice(&output.stdout);
    let json = json.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((json, output.status.success()))
}

/// Height and hash of the last target in an authority's record.
fn last_vote(home: &Home, authority: usize) -> Result<(u64, String)> {
    let folder = home.data_of(authority);
    let record = find(&folder, &format!("last_vote_{:x}.json", home.consortium.authorities[authority].address))
        .with_context(|| format!("no record of votes in {}", folder.display()))?;
    let record: Value = serde_json::from_str(&std::fs::read_to_string(record)?)?;
    let target = &record["last"]["target"];
    Ok((target["number"].as_u64().context("a height")?, target["hash"].as_str().context("a hash")?.to_owned()))
}

/// The file of that name below a folder.
fn find(folder: &std::path::Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|found| found == name) {
            return Some(path);
        }
    }
    None
}
