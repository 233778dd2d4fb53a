//! What load, on which endpoints.

use std::path::PathBuf;

use alloy::primitives::Address;
use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What each transaction does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One wei to an account without code.
    Native,
    /// `LoadToken.transfer` of one unit. Few `recipients` make them hot.
    #[default]
    Erc20,
    /// `LoadToken.work`: hashes, two slots, an event; every sixteenth reverts.
    Mixed,
    /// A contract of 64 bytes and one slot.
    Create,
}

impl Kind {
    /// Its word on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Erc20 => "erc20",
            Self::Mixed => "mixed",
            Self::Create => "create",
        }
    }

    /// Gas limit of one transaction.
    pub(super) const fn gas(self) -> u64 {
        match self {
            Self::Native => 21_000,
            Self::Erc20 => 80_000,
            Self::Mixed => 150_000,
            Self::Create => 150_000,
        }
    }

    /// Whether `LoadToken` is called.
    pub(super) const fn needs_token(self) -> bool {
        matches!(self, Self::Erc20 | Self::Mixed)
    }
}

/// Form of the transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Envelope {
    /// EIP-155, which every node takes.
    #[default]
    Legacy,
    /// EIP-1559.
    #[value(name = "1559")]
    Eip1559,
}

/// One run. The defaults are those of the program `load`.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadOptions {
    /// HTTP endpoints, comma separated: connections are spread over them, blocks are read from the first
    #[arg(long, value_delimiter = ',', required = true, value_name = "URL,..")]
    pub rpc: Vec<String>,
    /// Copied into the report
    #[arg(long, default_value = "", hide_default_value = true)]
    pub label: String,
    /// What each transaction does
    #[arg(long, value_enum, default_value_t)]
    pub kind: Kind,
    /// Transactions; without --retry, offers
    #[arg(long, default_value_t = Self::default().n)]
    pub n: usize,
    /// Offers a second, open loop; 0 is as fast as the node answers
    #[arg(long, default_value_t = 0.0)]
    pub rate: f64,
    /// Transactions in one JSON-RPC batch; 1 is no batch
    #[arg(long, default_value_t = Self::default().batch)]
    pub batch: usize,
    /// Keep-alive connections; a sender stays on one, so that its nonces arrive in order
    #[arg(long, default_value_t = Self::default().connections)]
    pub connections: usize,
    /// Senders
    #[arg(long, default_value_t = Self::default().accounts)]
    pub accounts: usize,
    /// Distinct recipients; few are hot, many make the state large
    #[arg(long, default_value_t = Self::default().recipients)]
    pub recipients: u64,
    /// Wait as told when the node is at a limit, and offer again until all is accepted
    #[arg(long)]
    pub retry: bool,
    /// Form of the transactions
    #[arg(long, value_enum, default_value_t)]
    pub tx: Envelope,
    /// Wei for a unit of gas [default: twice eth_gasPrice]
    #[arg(long, value_name = "WEI")]
    pub gas_price: Option<u128>,
    /// File with the key that pays, 64 hex digits [default: the first development key]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// A LoadToken that is there already [default: deploys one]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
    /// The nodes' processes, for CPU and memory
    #[arg(long, value_delimiter = ',', value_name = "PID,..")]
    pub pid: Vec<u32>,
    /// The nodes' data folders, for bytes on disk
    #[arg(long, value_delimiter = ',', value_name = "DIR,..")]
    pub dir: Vec<PathBuf>,
    /// How often a new block is looked for, milliseconds: the resolution of the latency
    #[arg(long, default_value_t = Self::default().poll_ms)]
    pub poll_ms: u64,
    /// Seconds without one of our transactions in a block after which the rest is given up
    #[arg(long, default_value_t = Self::default().timeout)]
    pub timeout: u64,
    /// Most seconds to wait for finality after the last inclusion
    #[arg(long, default_value_t = Self::default().wait_final)]
    pub wait_final: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            rpc: Vec::new(),
            label: String::new(),
            kind: Kind::default(),
            n: 20_000,
            rate: 0.0,
            batch: 1,
            connections: 8,
            accounts: 200,
            recipients: 10_000,
            retry: false,
            tx: Envelope::default(),
            gas_price: None,
            key_file: None,
            token: None,
            pid: Vec::new(),
            dir: Vec::new(),
            poll_ms: 20,
            timeout: 30,
            wait_final: 30,
        }
    }
}

impl LoadOptions {
    /// Where blocks are read.
    pub(super) fn first_endpoint(&self) -> &str {
        self.rpc.first().map_or("", String::as_str)
    }

    /// Microseconds from one request of a connection to its next; 0 in the closed loop.
    pub(super) fn gap(&self) -> f64 {
        if self.rate > 0.0 { self.batch as f64 * self.connections as f64 * 1e6 / self.rate } else { 0.0 }
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(!self.rpc.is_empty(), "no endpoint to load");
        for (name, value) in [
            ("--n", self.n),
            ("--batch", self.batch),
            ("--connections", self.connections),
            ("--accounts", self.accounts),
            ("--recipients", usize::try_from(self.recipients).unwrap_or(usize::MAX)),
        ] {
            ensure!(value > 0, "{name} must be at least 1");
        }
        ensure!(u32::try_from(self.n).is_ok(), "--n must be below 2^32");
        ensure!(self.rate.is_finite() && self.rate >= 0.0, "--rate must be a rate");
        Ok(())
    }
}
