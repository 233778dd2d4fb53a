//! A home chain of several processes: its authorities and an observer.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{eips::BlockNumberOrTag, providers::Provider};
use anyhow::{Result, ensure};

use crate::{
    consortium::{Authority, ChainOptions, Consortium},
    node::Node,
    ports::Ports,
    wait,
};

/// A running home chain.
#[derive(Debug)]
pub struct Home {
    /// Keys and shared files.
    pub consortium: Consortium,
    /// One node an authority, in the consortium's order.
    pub authorities: Vec<Node>,
    /// The node that serves everybody else; it holds no key.
    pub observer: Node,
    folder: PathBuf,
}

impl Home {
    /// Keys, spec and nodes below `folder`. Nothing runs yet.
    ///
    /// # Errors
    /// When keygen refuses.
    pub fn prepare(folder: &Path, options: &ChainOptions, ports: Ports) -> Result<Self> {
        let consortium = Consortium::create(&folder.join("consortium"), options, ports)?;
        let logs = folder.join("logs");
        let mut authorities = Vec::new();
        for (index, authority) in (0..options.authorities).zip(&consortium.authorities) {
            let mut args = authority_args(&consortium, authority, &folder.join("home").join(&authority.name));
            args.extend(port_args(ports.p2p(index), ports.authority_http(index), ports.metrics(index + 1)));
            let name = format!("authority-{}", index + 1);
            authorities.push(Node::new(&name, args, ports.authority_http(index), &logs)?);
        }
        let observer = Self::observer_node(
            "observer",
            folder,
            &consortium,
            ObserverPorts {
                p2p: ports.p2p(options.authorities),
                http: ports.observer_http(),
                metrics: ports.metrics(0),
            },
        )?;
        Ok(Self { consortium, authorities, observer, folder: folder.to_path_buf() })
    }

    /// A further node without a key, for one who joins late.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn joiner(&self, name: &str, ports: ObserverPorts) -> Result<Node> {
        Self::observer_node(name, &self.folder, &self.consortium, ports)
    }

    fn observer_node(name: &str, folder: &Path, consortium: &Consortium, ports: ObserverPorts) -> Result<Node> {
        let mut args = common_args(&consortium.spec(), &folder.join("home").join(name));
        args.extend(["--reserved-peers".to_owned(), consortium.reserved_peers().display().to_string()]);
        args.extend(["--jsonrpc-cors".to_owned(), "all".to_owned()]);
        args.extend(port_args(ports.p2p, ports.http, ports.metrics));
        Node::new(name, args, ports.http, &folder.join("logs"))
    }

    /// Where an authority's node keeps its data.
    pub fn data_of(&self, authority: usize) -> PathBuf {
        self.folder.join("home").join(&self.consortium.authorities[authority].name)
    }

    /// Starts every node that does not run and waits until each answers.
    ///
    /// # Errors
    /// With the end of the log of the node that fails.
    pub async fn start(&mut self) -> Result<()> {
        for node in self.nodes_mut() {
            if !node.is_started() {
                node.start()?;
            }
        }
        for node in self.nodes_mut() {
            node.ready().await?;
        }
        Ok(())
    }

    /// Waits until every node sees all others and a block by each authority is in the chain.
    ///
    /// # Errors
    /// After `limit`, naming the node or the authority.
    pub async fn healthy(&self, limit: Duration) -> Result<()> {
        let others = self.authorities.len() as u64;
        for node in self.nodes() {
            let what = format!("{} sees {others} peers", node.name());
            wait::until(&what, limit, || async { Ok((node.peer_count().await? >= others).then_some(())) }).await?;
        }
        let provider = self.observer.provider()?;
        let start = provider.get_block_number().await?;
        for authority in &self.consortium.authorities {
            let what = format!("{} seals a block", authority.name);
            wait::until(&what, limit, || async {
                let head = provider.get_block_number().await?;
                for number in start.saturating_sub(2 * others)..=head {
                    let block = provider.get_block_by_number(BlockNumberOrTag::Number(number)).await?;
                    if block.is_some_and(|block| block.header.beneficiary == authority.address && number > 0) {
                        return Ok(Some(()));
                    }
                }
                Ok(None)
            })
            .await?;
        }
        Ok(())
    }

    /// Checks that all running nodes have the same block at `number`.
    ///
    /// # Errors
    /// When one has another, or none.
    pub async fn agree_at(&self, number: u64) -> Result<()> {
        let mut first = None;
        for node in self.nodes().filter(|node| node.is_started()) {
            let block = node.provider()?.get_block_by_number(BlockNumberOrTag::Number(number)).await?;
            let Some(block) = block else { anyhow::bail!("{} has no block {number}", node.name()) };
            let seen = (block.header.hash, block.header.state_root);
            let expected = *first.get_or_insert(seen);
            ensure!(seen == expected, "{} disagrees at block {number}: {seen:?}, not {expected:?}", node.name());
        }
        Ok(())
    }

    /// Authorities' nodes, then the observer.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.authorities.iter().chain(std::iter::once(&self.observer))
    }

    /// Authorities' nodes, then the observer.
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.authorities.iter_mut().chain(std::iter::once(&mut self.observer))
    }

    /// Asks all to stop and waits.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        for node in self.nodes_mut() {
            node.stop()?;
        }
        Ok(())
    }
}

/// Ports of a node without a key.
#[derive(Clone, Copy, Debug)]
pub struct ObserverPorts {
    /// Peer-to-peer.
    pub p2p: u16,
    /// HTTP JSON-RPC; WebSocket is one higher.
    pub http: u16,
    /// Prometheus.
    pub metrics: u16,
}

/// What an authority's node is started with wherever it runs, with its data in `data`: everything but ports and interfaces.
pub(crate) fn authority_args(consortium: &Consortium, authority: &Authority, data: &Path) -> Vec<String> {
    let mut args = common_args(&consortium.spec(), data);
    for (name, path) in [
        ("--config", consortium.shared.join(&authority.name).join("authority.toml")),
        ("--keys-path", authority.folder.join("keys")),
        ("--password", authority.password_file()),
        ("--node-key", authority.folder.join("node.key")),
        ("--reserved-peers", consortium.reserved_peers()),
    ] {
        args.extend([name.to_owned(), path.display().to_string()]);
    }
    args
}

fn common_args(spec: &Path, data: &Path) -> Vec<String> {
    vec!["--chain".into(), spec.display().to_string(), "-d".into(), data.display().to_string()]
}

fn port_args(p2p: u16, http: u16, metrics: u16) -> Vec<String> {
    let mut args = Vec::new();
    for (name, port) in
        [("--port", p2p), ("--jsonrpc-port", http), ("--ws-port", http + 1), ("--metrics-port", metrics)]
    {
        args.extend([name.to_owned(), port.to_string()]);
    }
    args.extend(["--metrics".to_owned(), "--interface".to_owned(), "local".to_owned()]);
    args
}
