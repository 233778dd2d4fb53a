//! Networks to measure: our authorities as real processes, and anvil.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::Address;
use anyhow::{Context, Result};
use serde_json::Value;

use super::folders::empty;
use crate::{
    consortium::ChainOptions,
    foreign::DEV_ACCOUNTS,
    home::Home,
    load::{self, LoadOptions, Report},
    node::Node,
    ports::{Ports, check_free, shift},
    tools, wait,
};

/// Most for peers to meet and the first blocks.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// So large that it never binds.
const GAS_LIMIT: &str = "10000000000";

/// Room for every transfer of a closed loop, as for the peers.
const POOL: [&str; 4] = ["--tx-queue-size", "400000", "--tx-queue-per-sender", "100000"];

/// Transactions in one request of a closed loop.
const BATCH: usize = 50;

/// A running network.
#[derive(Debug)]
pub(super) struct Network {
    nodes: Vec<Node>,
    folders: Vec<PathBuf>,
    spec: PathBuf,
    authorities: Vec<Address>,
    /// A node without a key, prepared and not started, and its folder.
    observer: Option<(Node, PathBuf)>,
}

/// What a network of ours differs in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) authorities: u16,
    pub(super) step_s: u64,
    /// Whether the spec names a permission contract, as keygen's do.
    pub(super) permissions: bool,
    /// Whether the pool is raised to hold a whole closed loop.
    pub(super) large_pool: bool,
}

impl Shape {
    pub(super) const SINGLE: Self = Self { authorities: 1, step_s: 1, permissions: true, large_pool: true };
    pub(super) const FOUR: Self = Self { authorities: 4, ..Self::SINGLE };
}

impl Network {
    /// Authorities in the empty folder `folder`, started; every one sees all others and there are blocks.
    pub(super) async fn aurum(folder: &Path, shape: Shape) -> Result<Self> {
        empty(folder)?;
        let mut network = Self::prepare(folder, shape)?;
        network.start().await?;
        Ok(network)
    }

    /// Authorities below `folder`, not started. Keys and spec that are there already stay.
    pub(super) fn prepare(folder: &Path, shape: Shape) -> Result<Self> {
        let ports = Ports::shifted(shift::BENCH);
        check_free(&ports.all(shape.authorities))?;
        let fund = format!("{}=1000000ether", DEV_ACCOUNTS[0]);
        let extra = ["--gas-limit", GAS_LIMIT, "--default-rights", "all", "--dev", "--fund", &fund];
        let options = ChainOptions {
            authorities: shape.authorities,
            step_duration: shape.step_s,
            extra: extra.map(str::to_owned).into(),
            ..ChainOptions::default()
        };
        let home = Home::prepare(folder, &options, ports)?;
        let spec = home.consortium.spec();
        if !shape.permissions {
            remove_permissions(&spec)?;
        }
        let folders = (0..home.authorities.len()).map(|index| home.data_of(index)).collect();
        let observer = Some((home.observer, folder.join("home/observer")));
        let authorities = home.consortium.authorities.iter().map(|authority| authority.address).collect();
        let mut network = Self { nodes: home.authorities, folders, spec, authorities, observer };
        for node in &mut network.nodes {
            let args = node.args_mut();
            args.extend(["-l", "warn"].map(str::to_owned));
            if shape.large_pool {
                args.extend(POOL.map(str::to_owned));
            }
        }
        Ok(network)
    }

    /// Only the first `count` authorities run from now on; no node knows of the others but by its peers' file.
    pub(super) fn keep_first(&mut self, count: usize) {
        self.nodes.truncate(count);
        self.folders.truncate(count);
    }

    /// anvil with our step and gas limit; its `finalized` lags as little as it can.
    pub(super) async fn anvil(folder: &Path) -> Result<Self> {
        let port = Ports::shifted(shift::BENCH).foreign_http();
        empty(folder)?;
        let args = [
            ("--port", port.to_string()),
            ("--block-time", "1".to_owned()),
            ("--gas-limit", GAS_LIMIT.to_owned()),
            ("--base-fee", "0".to_owned()),
            ("--slots-in-an-epoch", "1".to_owned()),
        ];
        let args = args.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).chain(["--quiet".to_owned()]);
        let node = Node::of_program("anvil", tools::node_binary("anvil")?, args.collect(), port, &folder.join("logs"));
        let mut network = Self {
            nodes: vec![node],
            folders: Vec::new(),
            spec: PathBuf::new(),
            authorities: Vec::new(),
            observer: None,
        };
        network.start().await?;
        Ok(network)
    }

    /// Starts whatever does not run and waits until the network makes blocks.
    pub(super) async fn start(&mut self) -> Result<()> {
        let others = self.nodes.len() as u64 - 1;
        for node in self.nodes.iter_mut().filter(|node| !node.is_started()) {
            node.start()?;
        }
        for node in &mut self.nodes {
            node.ready().await?;
        }
        for node in &self.nodes {
            if others > 0 {
                let what = format!("{} sees {others} peers", node.name());
                wait::until(&what, LIMIT, || async { Ok((node.peer_count().await? >= others).then_some(())) }).await?;
            }
            node.reaches(1, LIMIT).await?;
        }
        Ok(())
    }

    /// A closed loop of `n` ERC-20 transfers over all endpoints; change what differs.
    pub(super) fn load(&mut self, label: &str, n: usize) -> Result<LoadOptions> {
        Ok(LoadOptions {
            rpc: self.nodes.iter().map(Node::url).collect(),
            label: label.to_owned(),
            n,
            batch: BATCH,
            retry: true,
            pid: self.pids()?,
            dir: self.folders.clone(),
            ..LoadOptions::default()
        })
    }

    pub(super) fn pids(&mut self) -> Result<Vec<u32>> {
        self.nodes.iter_mut().map(|node| Ok(node.process_mut()?.pid())).collect()
    }

    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    pub(super) fn spec(&self) -> &Path {
        &self.spec
    }

    /// Accounts of all authorities, running or not.
    pub(super) fn authorities(&self) -> &[Address] {
        &self.authorities
    }

    pub(super) fn first(&self) -> &Node {
        &self.nodes[0]
    }

    /// A node without a key that knows nothing, not started. There is one of them at a time.
    pub(super) fn fresh(&mut self) -> Result<&mut Node> {
        let (node, folder) = self.observer.as_mut().context("this network has no observer")?;
        node.stop()?;
        empty(folder)?;
        Ok(node)
    }

    /// Asks all to stop and waits; their folders stay.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.nodes.iter_mut().chain(self.observer.iter_mut().map(|(node, _)| node)).try_for_each(|node| node.stop())
    }
}

/// Offers a load without holding up the runtime.
pub(super) async fn offer(options: LoadOptions) -> Result<Report> {
    tokio::task::spawn_blocking(move || load::run(&options)).await.context("the load panicked")?
}

/// Rewrites a spec file.
pub(super) fn edit_spec(spec: &Path, edit: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
    let mut json: Value = serde_json::from_str(&fs::read_to_string(spec)?)?;
    edit(&mut json)?;
    fs::write(spec, serde_json::to_string_pretty(&json)?)?;
    Ok(())
}

/// Takes the permission contract out of a spec file: its account stays, nobody asks it.
fn remove_permissions(spec: &Path) -> Result<()> {
    edit_spec(spec, |json| {
        let params = json["params"].as_object_mut().context("a spec has params")?;
        params.retain(|name, _| !name.starts_with("transactionPermissionContract"));
        Ok(())
    })
}
