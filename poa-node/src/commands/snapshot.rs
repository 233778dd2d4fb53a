//! `poa-node snapshot …`: the state at a final block as a file, and a node's folder out of one.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use aurum_chain::state_snapshot::{SnapshotSummary, SnapshotTrust, create_snapshot, restore_snapshot, verify_snapshot};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Answer, Folder,
    chain::Genesis,
    export::into_file,
    json::{bytes, uint64},
    offline,
};
use crate::config::{ChainFolder, Options};

/// What to do with a snapshot.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Write the state at the newest final block to a file
    Create(Box<WithFolder>),
    /// Check a file: every checksum, block, code and leaf, and the state root against its block's header
    Verify(Box<WithFolder>),
    /// Make a node's folder from a file; the folder must not hold this chain yet
    Restore(Box<WithFolder>),
}

/// Which file, which folder.
#[derive(Debug, clap::Args)]
pub struct WithFolder {
    /// Snapshot file
    pub file: PathBuf,
    /// Where the chain is, or is to be.
    #[command(flatten)]
    pub folder: Folder,
}

impl SnapshotCommand {
    /// Runs it.
    ///
    /// # Errors
    /// When a node is using the folder, the file cannot be read or written, or a snapshot is refused.
    pub fn run(self, before: Options, config: Option<PathBuf>) -> anyhow::Result<Answer> {
        let (run, args): (fn(&Path, &ChainFolder) -> anyhow::Result<SnapshotSummary>, _) = match self {
            Self::Create(args) => (create, args),
            Self::Verify(args) => (verify, args),
            Self::Restore(args) => (restore, args),
        };
        let WithFolder { file, folder } = *args;
        let folder = ChainFolder::resolve(&folder.options(before, config)?)?;
        Ok(Answer::yes(describe(&file, &run(&file, &folder)?)))
    }
}

fn verify(file: &Path, folder: &ChainFolder) -> anyhow::Result<SnapshotSummary> {
    let genesis = Genesis::of(&folder.spec)?;
    let validators = genesis.validators(&folder.spec.engine.validators)?;
    Ok(verify_snapshot(&folder.spec, &genesis.header, validators.as_ref(), open(file)?)?)
}

fn create(file: &Path, folder: &ChainFolder) -> anyhow::Result<SnapshotSummary> {
    anyhow::ensure!(offline::has_database(&folder.database), "no chain in {}", folder.database.display());
    into_file(file, |out| Ok(create_snapshot(offline::config(folder), out)?))
}

fn restore(file: &Path, folder: &ChainFolder) -> anyhow::Result<SnapshotSummary> {
    let input = open(file)?;
    let genesis = Genesis::of(&folder.spec)?;
    let validators = genesis.validators(&folder.spec.engine.validators)?;
    std::fs::create_dir_all(&folder.folder)
        .with_context(|| format!("cannot make the folder {}", folder.folder.display()))?;
    let draft = folder.restoring();
    Ok(restore_snapshot(
        &folder.spec,
        &genesis.header,
        validators.as_ref(),
        (input, SnapshotTrust::Operator),
        &folder.database,
        &draft,
    )?)
}

fn open(file: &Path) -> anyhow::Result<impl Read> {
    let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(BufReader::with_capacity(1 << 20, input))
}

fn describe(file: &Path, summary: &SnapshotSummary) -> Value {
    json!({
        "file": file.display().to_string(),
        "genesisHash": bytes(summary.genesis),
        "number": uint64(summary.number),
        "hash": bytes(summary.hash),
        "stateRoot": bytes(summary.state_root),
        "blocks": uint64(summary.blocks),
        "accounts": uint64(summary.accounts),
        "slots": uint64(summary.slots),
        "codes": uint64(summary.codes),
        "bytes": uint64(summary.bytes),
        "certificate": if summary.certificate.is_empty() { Value::Null } else { bytes(&summary.certificate) },
    })
}
