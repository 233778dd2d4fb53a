//! A `poa-node` process that can be stopped, killed and started again with the same arguments.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    providers::{DynProvider, Provider, ProviderBuilder},
};
use anyhow::{Context, Result};

use crate::{netns::Host, process::binary, program::Program, wait};

/// How long a node may take to answer after its start.
pub const START_LIMIT: Duration = Duration::from_secs(60);

/// A node of either chain: a [`Program`] that serves JSON-RPC.
#[derive(Debug)]
pub struct Node {
    program: Program,
    address: String,
    http_port: u16,
}

impl Node {
    /// A node of our own with these arguments; it serves JSON-RPC on `http_port`. Not started yet.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn new(name: &str, args: Vec<String>, http_port: u16, logs: &Path) -> Result<Self> {
        Ok(Self::of_program(name, binary("poa-node")?, args, http_port, logs))
    }

    /// A node of any program: anvil, where a test needs another's chain.
    pub fn of_program(name: &str, program: PathBuf, args: Vec<String>, http_port: u16, logs: &Path) -> Self {
        Self { program: Program::new(name, program, args, logs), address: "127.0.0.1".to_owned(), http_port }
    }

    /// A node of our own on a host of its own.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn on(host: &Host, name: &str, args: Vec<String>, http_port: u16, logs: &Path) -> Result<Self> {
        let args = host.inside(&binary("poa-node")?).into_iter().chain(args).collect();
        let program = Program::new(name, PathBuf::from("ip"), args, logs);
        Ok(Self { program, address: host.management.clone(), http_port })
    }

    /// URL of its HTTP JSON-RPC.
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.address, self.http_port)
    }

    /// A client of it.
    ///
    /// # Errors
    /// Never in practice: the URL is ours.
    pub fn provider(&self) -> Result<DynProvider> {
        provider(&self.url())
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it ends, or does not answer in time.
    pub async fn ready(&mut self) -> Result<()> {
        let provider = self.provider()?;
        self.program.ready(START_LIMIT, || async { Ok(provider.get_block_number().await.map(drop)?) }).await
    }

    /// Waits until its head is at `number` or above.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn reaches(&self, number: u64, limit: Duration) -> Result<()> {
        let provider = self.provider()?;
        let what = format!("{} reaches block {number}", self.name());
        wait::until(&what, limit, || async { Ok((provider.get_block_number().await? >= number).then_some(())) }).await
    }

    /// Waits until it calls `number` or a later block final.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn finalizes(&self, number: u64, limit: Duration) -> Result<()> {
        let provider = self.provider()?;
        let what = format!("{} finalizes block {number}", self.name());
        wait::until(&what, limit, || async {
            let block = provider.get_block_by_number(BlockNumberOrTag::Finalized).await?;
            Ok(block.filter(|block| block.header.number >= number).map(|_| ()))
        })
        .await
    }

    /// How many peers it sees.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn peer_count(&self) -> Result<u64> {
        let count: alloy::primitives::U64 = self.provider()?.raw_request("net_peerCount".into(), ()).await?;
        Ok(count.to())
    }
}

impl Deref for Node {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// A client of any node.
///
/// # Errors
/// When `url` is none.
pub fn provider(url: &str) -> Result<DynProvider> {
    Ok(ProviderBuilder::default().connect_http(url.parse().context("not a URL")?).erased())
}
