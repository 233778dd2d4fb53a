//! Chains as files: made once, exported, imported again and again.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alloy::{primitives::hex, providers::Provider};
use anyhow::{Context, Result, ensure};
use aurum_types::{Block, ChainSpec, recover_sender};
use rayon::prelude::*;
use serde_json::Value;

use super::{
    folders::{DATABASE, copy, database_of, node_args, settle},
    network::{Network, Shape, offer},
};
use crate::{
    load,
    process::{binary, run},
};

/// A chain of one authority: blocks that make token holders, then blocks with transfers among them.
#[derive(Debug)]
pub(super) struct ChainFile {
    pub(super) transfers: u64,
    /// Number of the last block.
    pub(super) last: u64,
    spec: PathBuf,
    suffix: PathBuf,
    /// A data folder that holds the chain before the transfers.
    filled: PathBuf,
}

impl ChainFile {
    /// Makes it with a running authority in `folder` and exports it. The network is stopped; its folder holds all of it.
    pub(super) async fn make(folder: &Path, holders: u64, transfers: usize) -> Result<(Self, Network)> {
        let mut network = Network::aurum(&folder.join("network"), Shape::SINGLE).await?;
        let mut options = network.load("chain", transfers)?;
        let filling = options.clone();
        let token = tokio::task::spawn_blocking(move || load::fill(&filling, holders)).await??;
        let provider = network.first().provider()?;
        let filled_at = provider.get_block_number().await?;
        network.stop()?;
        let data = network.folders().first().context("an authority has a folder")?.clone();
        settle(network.spec(), &data)?;
        let filled = folder.join("filled");
        copy(&database_of(&data)?, &filled.join(DATABASE))?;
        network.start().await?;
        options.token = Some(token);
        options.recipients = holders;
        let report = offer(options).await?;
        ensure!(report.included == transfers as u64, "{} of {transfers} transfers are on the chain", report.included);
        let last = provider.get_block_number().await?;
        network.stop()?;
        let chain = Self {
            transfers: report.included,
            last,
            spec: network.spec().to_path_buf(),
            suffix: folder.join("suffix.hex"),
            filled,
        };
        chain.export(&data, filled_at + 1, last)?;
        Ok((chain, network))
    }

    /// Writes the blocks with the transfers, as lines of hex. The first of them may be in [`Self::filled`] already.
    fn export(&self, data: &Path, from: u64, to: u64) -> Result<()> {
        let mut args = ["export", "blocks"].map(str::to_owned).to_vec();
        args.push(self.suffix.display().to_string());
        args.extend([
            "--from".into(),
            from.to_string(),
            "--to".into(),
            to.to_string(),
            "--format".into(),
            "hex".into(),
        ]);
        args.extend(node_args(&self.spec, data));
        run(&binary("poa-node")?, args, &[], None).map(drop)
    }

    fn import_file(&self, file: &Path, data: &Path) -> Result<u64> {
        let mut args = vec!["import".to_owned(), file.display().to_string()];
        args.extend(node_args(&self.spec, data));
        let answer: Value = serde_json::from_str(run(&binary("poa-node")?, args, &[], None)?.trim())?;
        answer["imported"].as_u64().with_context(|| format!("import says {answer}"))
    }

    /// Imports the transfers into a copy of the filled folder at `data`: the time, start of the program and end included.
    pub(super) fn import_transfers(&self, data: &Path) -> Result<Duration> {
        copy(&self.filled, data)?;
        let started = Instant::now();
        let imported = self.import_file(&self.suffix, data)?;
        let spent = started.elapsed();
        ensure!(imported > 0, "nothing was imported");
        Ok(spent)
    }

    /// Recovers every sender of the same transactions on every processor and does nothing else: the time.
    pub(super) fn recover_transfers(&self) -> Result<Duration> {
        let (spec, _) = ChainSpec::parse(&fs::read_to_string(&self.spec)?)?;
        let format = spec.header_format();
        let mut transactions = Vec::new();
        for line in BufReader::new(File::open(&self.suffix)?).lines() {
            transactions.extend(Block::decode(&hex::decode(line?)?, &format)?.transactions);
        }
        ensure!(transactions.len() as u64 >= self.transfers, "the file holds {} transactions", transactions.len());
        let started = Instant::now();
        let recovered = transactions.par_iter().filter(|tx| recover_sender(tx).is_ok()).count();
        let spent = started.elapsed();
        ensure!(recovered == transactions.len(), "a transaction of the chain has no sender");
        Ok(spent)
    }

    /// The folder that [`Self::import_transfers`] begins with.
    pub(super) fn filled(&self) -> &Path {
        &self.filled
    }

    /// Bytes of the chain's transfers as they stand in blocks.
    pub(super) fn bytes(&self) -> Result<u64> {
        // A line of hex is two digits a byte.
        Ok(fs::metadata(&self.suffix)?.len() / 2)
    }
}
