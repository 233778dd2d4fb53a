//! A `poa-node` process that can be stopped, killed and started again with the same arguments.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    providers::{DynProvider, Provider, ProviderBuilder},
};
use anyhow::{Context, Result};

use crate::{
    process::{Process, binary},
    wait,
};

/// How long a node may take to answer after its start.
pub const START_LIMIT: Duration = Duration::from_secs(60);

/// A node of either chain.
#[derive(Debug)]
pub struct Node {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    http_port: u16,
    process: Option<Process>,
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
        let log = logs.join(format!("{name}.log"));
        Self { name: name.to_owned(), program, args, log, http_port, process: None }
    }

    /// Its name, also of its log file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments, to change them between two starts.
    pub const fn args_mut(&mut self) -> &mut Vec<String> {
        &mut self.args
    }

    /// URL of its HTTP JSON-RPC.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// A client of it.
    ///
    /// # Errors
    /// Never in practice: the URL is ours.
    pub fn provider(&self) -> Result<DynProvider> {
        provider(&self.url())
    }

    /// Starts it; does not wait.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.process = Some(Process::start(&self.name, &self.program, &self.args, &[], &self.log)?);
        Ok(())
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it ends, or does not answer in time.
    pub async fn ready(&mut self) -> Result<()> {
        let provider = self.provider()?;
        let deadline = tokio::time::Instant::now() + START_LIMIT;
        loop {
            self.process_mut()?.expect_running()?;
            match provider.get_block_number().await {
                Ok(_) => return Ok(()),
                Err(error) if tokio::time::Instant::now() > deadline => {
                    let tail = self.process_mut()?.tail();
                    return Err(anyhow::Error::new(error).context(format!("{} does not answer:\n{tail}", self.name)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The running process.
    ///
    /// # Errors
    /// When it was not started or was stopped.
    pub fn process_mut(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("{} is not running", self.name))
    }

    /// Whether it was started and not stopped.
    pub const fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it was not running.
    pub fn kill(&mut self) -> Result<()> {
        self.process_mut()?.kill()?;
        self.process = None;
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.stop()?;
        }
        Ok(())
    }

    /// Waits until its head is at `number` or above.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn reaches(&self, number: u64, limit: Duration) -> Result<()> {
        let provider = self.provider()?;
        let what = format!("{} reaches block {number}", self.name);
        wait::until(&what, limit, || async { Ok((provider.get_block_number().await? >= number).then_some(())) }).await
    }

    /// Waits until it calls `number` or a later block final.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn finalizes(&self, number: u64, limit: Duration) -> Result<()> {
        let provider = self.provider()?;
        let what = format!("{} finalizes block {number}", self.name);
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

/// A client of any node.
///
/// # Errors
/// When `url` is none.
pub fn provider(url: &str) -> Result<DynProvider> {
    Ok(ProviderBuilder::default().connect_http(url.parse().context("not a URL")?).erased())
}
