//! Authorities on hosts of their own ([`crate::netns`]), each the only program on its machine, as in production.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256},
    providers::Provider as _,
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    consortium::{ChainOptions, Company, Consortium, name},
    home::authority_args,
    netns::{Host, Network},
    node::Node,
    wait,
};

/// Ports every node has on its host, for peers and for JSON-RPC.
const P2P: u16 = 30_303;
const HTTP: u16 = 8_545;

/// A block as nodes tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Who sealed it.
    pub author: Address,
}

/// Authorities, their hosts and the switch between them.
#[derive(Debug)]
pub struct Hosts {
    /// Keys and shared files.
    pub consortium: Consortium,
    /// One node an authority, in the consortium's order.
    pub nodes: Vec<Node>,
    /// The switch. There may be more hosts than authorities. After the nodes: they end before their hosts.
    pub network: Network,
    folder: PathBuf,
}

impl Hosts {
    /// Keys, spec and nodes of `options.authorities` companies below `folder`, and `spare` hosts without a node. Nothing
    /// runs yet.
    ///
    /// # Errors
    /// When keygen or the kernel refuses.
    pub fn prepare(folder: &Path, options: &ChainOptions, spare: usize) -> Result<Self> {
        let network = Network::new(usize::from(options.authorities) + spare)?;
        let company = |(index, host): (u16, &Host)| Company {
            folder: folder.join("consortium").join(name(index)),
            endpoint: format!("{}:{P2P}", host.address),
        };
        let companies: Vec<_> = (0..options.authorities).zip(network.hosts()).map(company).collect();
        let consortium = Consortium::agree(&companies, folder.join("consortium/shared"), options)?;
        let mut hosts = Self { consortium, nodes: Vec::new(), network, folder: folder.to_path_buf() };
        for index in 0..companies.len() {
            let node = hosts.node(&format!("authority-{}", index + 1), index, index)?;
            hosts.nodes.push(node);
        }
        Ok(hosts)
    }

    /// A node with the key of `authority` on `host`. Not started.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn node(&self, name: &str, authority: usize, host: usize) -> Result<Node> {
        let mut args = authority_args(&self.consortium, &self.consortium.authorities[authority], &self.data(name));
        for (name, value) in [
            ("--port", P2P.to_string()),
            ("--interface", "all".to_owned()),
            ("--jsonrpc-port", HTTP.to_string()),
            ("--jsonrpc-interface", "all".to_owned()),
            ("--jsonrpc-hosts", "all".to_owned()),
        ] {
            args.extend([name.to_owned(), value]);
        }
        Node::on(&self.network.hosts()[host], name, args, HTTP, &self.folder.join("logs"))
    }

    /// Where a node of that name keeps its data.
    pub fn data(&self, name: &str) -> PathBuf {
        self.folder.join("data").join(name)
    }

    /// Deletes everything a stopped node has written.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn wipe(&self, name: &str) -> Result<()> {
        let data = self.data(name);
        fs::remove_dir_all(&data).with_context(|| format!("cannot delete {}", data.display()))
    }

    /// Starts every node that does not run, waits until each answers, and until every one sees all others.
    ///
    /// # Errors
    /// With the end of the log of the node that fails.
    pub async fn start(&mut self, limit: Duration) -> Result<()> {
        for node in self.nodes.iter_mut().filter(|node| !node.is_started()) {
            node.start()?;
        }
        for node in &mut self.nodes {
            node.ready().await?;
        }
        let others = self.nodes.len() as u64 - 1;
        for node in &self.nodes {
            let what = format!("{} sees {others} peers", node.name());
            wait::until(&what, limit, || async { Ok((node.peer_count().await? >= others).then_some(())) }).await?;
        }
        Ok(())
    }

    /// Waits until all running nodes have made final what is the highest head now, and checks that it is one block.
    ///
    /// # Errors
    /// After `limit`, or when two nodes disagree.
    pub async fn agree(&self, limit: Duration) -> Result<Told> {
        let mut highest = 0;
        let running: Vec<_> = self.nodes.iter().filter(|node| node.is_started()).collect();
        for node in &running {
            highest = highest.max(latest(node).await?.number);
        }
        for node in &running {
            node.finalizes(highest, limit).await?;
        }
        let mut first = None;
        for node in &running {
            let block =
                block(node, highest).await?.with_context(|| format!("{} has no block {highest}", node.name()))?;
            let expected = *first.get_or_insert(block);
            ensure!(block == expected, "{} calls {block:?} final, another {expected:?}", node.name());
        }
        first.context("nodes run")
    }

    /// Checks that no node has seen an authority seal two blocks in one step, and that none says so in its log of all its
    /// lives: others do not look at a block that would revert what is final.
    ///
    /// # Errors
    /// When one has.
    pub async fn nobody_sealed_twice(&self) -> Result<()> {
        for node in self.nodes.iter().filter(|node| node.is_started()) {
            let twice = equivocations(node).await?;
            ensure!(twice.is_empty(), "{} saw a step sealed twice: {twice:?}", node.name());
            let mut sealed = BTreeMap::new();
            for (step, hash) in sealed_blocks(node)? {
                let before = sealed.insert(step.clone(), hash.clone());
                ensure!(before.is_none(), "{} sealed {before:?} and {hash} in step {step}", node.name());
            }
        }
        Ok(())
    }

    /// Asks all to stop and waits.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.stop())
    }
}

/// The block behind a number or tag.
///
/// # Errors
/// When the node does not answer.
pub async fn block(node: &Node, which: impl Into<BlockNumberOrTag>) -> Result<Option<Told>> {
    let block = node.provider()?.get_block_by_number(which.into()).await?;
    Ok(block.map(|block| {
        let header = block.header;
        Told { number: header.number, hash: header.hash, author: header.beneficiary }
    }))
}

/// Its head.
///
/// # Errors
/// When the node does not answer.
pub async fn latest(node: &Node) -> Result<Told> {
    block(node, BlockNumberOrTag::Latest).await?.context("every chain has a head")
}

/// The newest block it calls final.
///
/// # Errors
/// When the node does not answer.
pub async fn finalized(node: &Node) -> Result<Told> {
    block(node, BlockNumberOrTag::Finalized).await?.context("genesis is final, if nothing else is")
}

/// `aura_status` of a node.
///
/// # Errors
/// When it does not answer.
pub async fn status(node: &Node) -> Result<Value> {
    Ok(node.provider()?.raw_request("aura_status".into(), ()).await?)
}

/// Step and hash of each block that a node says it has sealed, in all its lives.
fn sealed_blocks(node: &Node) -> Result<Vec<(String, String)>> {
    let log = fs::read_to_string(node.log())?;
    let field =
        |line: &str, name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
    // A line that a kill has cut off is none.
    let lines = log.lines().filter(|line| line.contains("sealed block"));
    Ok(lines.filter_map(|line| Some((field(line, "step=")?, field(line, "hash=")?))).collect())
}

/// Steps that one authority sealed twice, as the node has seen them.
///
/// # Errors
/// When it does not answer.
pub async fn equivocations(node: &Node) -> Result<Vec<Value>> {
    Ok(status(node).await?["equivocations"].as_array().context("aura_status tells equivocations")?.clone())
}
