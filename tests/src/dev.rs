//! A development chain of our own, as somebody who writes contracts starts it.

use std::path::Path;

use anyhow::Result;

use crate::{
    foreign::DEV_KEYS,
    node::Node,
    ports::{Port, Ports, check_free},
};

/// A running `poa-node dev`: a block for each transaction, funded accounts.
#[derive(Debug)]
pub struct DevChain {
    /// The node.
    pub node: Node,
    http: u16,
}

impl DevChain {
    /// Starts one in memory on the home chain's ports and waits until it answers.
    ///
    /// # Errors
    /// When a port is taken or the node does not start.
    pub async fn start(folder: &Path, ports: Ports) -> Result<Self> {
        Self::start_beside(folder, "dev", ports.observer_http(), &[]).await
    }

    /// Starts one beside another: with a name and a port of its own (its WebSocket's is one higher), and further arguments.
    ///
    /// # Errors
    /// When a port is taken or the node does not start.
    pub async fn start_beside(folder: &Path, name: &str, http: u16, further: &[&str]) -> Result<Self> {
        let wanted = [("JSON-RPC", http), ("WebSocket", http + 1)];
        check_free(&wanted.map(|(purpose, number)| Port { purpose: purpose.to_owned(), number }))?;
        let (http_port, ws_port) = (http.to_string(), (http + 1).to_string());
        let args =
            ["dev", "--jsonrpc-port", &http_port, "--ws-port", &ws_port].into_iter().chain(further.iter().copied());
        let mut node = Node::new(name, args.map(str::to_owned).collect(), http, &folder.join("logs"))?;
        node.start()?;
        node.ready().await?;
        Ok(Self { node, http })
    }

    /// URL of its HTTP JSON-RPC.
    pub fn url(&self) -> String {
        self.node.url()
    }

    /// URL of its WebSocket JSON-RPC.
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.http + 1)
    }

    /// Key of a funded account, in hex with `0x`.
    pub fn key(&self, index: usize) -> String {
        format!("0x{}", DEV_KEYS[index])
    }
}
