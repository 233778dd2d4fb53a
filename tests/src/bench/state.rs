//! What the size of the state costs: the same closed loop over few token holders and over many.
//!
//! A chain is filled once for each size, by its first authority alone. Each turn goes on from a copy of it: with that authority,
//! or with four, to whom the spec of the copy gives the seals a few blocks later. So all turns of a size have the same state.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use alloy::{primitives::Address, providers::Provider};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    Bench, Experiment,
    experiments::{counts, figures},
    folders::{DATABASE, copy, database_of, empty, settle},
    network::{LIMIT, Network, Shape, edit_spec, offer},
};
use crate::{
    load::{self, LoadOptions},
    node::Node,
    wait,
};

/// Authorities of the turns.
const AUTHORITIES: [usize; 2] = [1, 4];
/// Blocks of the first authority after the filled chain before four seal. The validators of the first of them are stored with
/// the chain.
const HANDOVER: u64 = 3;

/// A chain whose token has so many holders.
struct Filled {
    holders: u64,
    token: Address,
    /// Number of its last block.
    last: u64,
    /// Keys, spec, and the folders of the nodes that run.
    network: PathBuf,
    /// The database of the filled chain.
    database: PathBuf,
}

impl Filled {
    async fn make(folder: &Path, holders: u64) -> Result<Self> {
        let network_folder = folder.join("network");
        let mut network = Network::prepare(&network_folder, Shape::FOUR)?;
        seal_by(&network, json!({ "list": [network.authorities()[0]] }))?;
        network.keep_first(1);
        network.start().await?;
        let options = network.load("state", 1)?;
        let token = tokio::task::spawn_blocking(move || load::fill(&options, holders)).await??;
        let last = network.first().provider()?.get_block_number().await?;
        network.stop()?;
        settle(network.spec(), &network.folders()[0])?;
        let database = folder.join("filled");
        fs::rename(database_of(&network.folders()[0])?, &database)?;
        Ok(Self { holders, token, last, network: network_folder, database })
    }

    /// A network of the first `count` authorities that goes on from a copy of the chain, started; each of them has sealed.
    async fn resumed(&self, count: usize) -> Result<Network> {
        let mut network = Network::prepare(&self.network, Shape::FOUR)?;
        let (first, all) = (network.authorities()[0], network.authorities());
        let handover = self.last + HANDOVER;
        seal_by(
            &network,
            json!({ "multi": { "0": { "list": [first] }, handover.to_string(): { "list": &all[..count] } } }),
        )?;
        network.keep_first(count);
        for folder in network.folders() {
            empty(folder)?;
            copy(&self.database, &folder.join(DATABASE))?;
        }
        network.start().await?;
        wait::until(&format!("each of {count} authorities seals"), LIMIT, || async {
            let sealed = sealers(network.first(), handover).await?;
            Ok((sealed.len() == count).then_some(()))
        })
        .await?;
        Ok(network)
    }
}

/// Who sealed the blocks from `first` on.
async fn sealers(node: &Node, first: u64) -> Result<HashSet<Address>> {
    let provider = node.provider()?;
    let mut sealers = HashSet::new();
    for number in first..=provider.get_block_number().await? {
        let block = provider.get_block_by_number(number.into()).await?.context("a block below the head")?;
        sealers.insert(block.header.beneficiary);
    }
    Ok(sealers)
}

/// Says in the network's spec who seals.
fn seal_by(network: &Network, validators: Value) -> Result<()> {
    edit_spec(network.spec(), |spec| {
        let params = spec.pointer_mut("/engine/authorityRound/params").context("a spec of AuRa")?;
        params["validators"] = validators;
        Ok(())
    })
}

pub(super) async fn state(bench: &mut Bench) -> Result<()> {
    let n = bench.sizes.transfers;
    let mut chains = Vec::new();
    for holders in bench.sizes.holders.clone() {
        chains.push(Filled::make(&bench.folder.join(format!("state-{holders}")), holders).await?);
    }
    for round in 1..=bench.sizes.repeat {
        for count in AUTHORITIES {
            for chain in &chains {
                let mut network = chain.resumed(count).await?;
                let load = network.load("state", n)?;
                let load = LoadOptions { token: Some(chain.token), recipients: chain.holders, ..load };
                let report = offer(load).await?;
                network.stop()?;
                counts(&report)?;
                let mut figures = figures(&report);
                figures.extend([("authorities", count as f64), ("holders", chain.holders as f64)]);
                let case = format!("{count} sealing, {} holders", chain.holders);
                bench.log.push(Experiment::State, ("aurum", &case, round), &figures, Some(report))?;
            }
        }
    }
    for holders in &bench.sizes.holders {
        fs::remove_dir_all(bench.folder.join(format!("state-{holders}")))?;
    }
    Ok(())
}
