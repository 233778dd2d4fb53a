//! The whole system: home chain, public chain, bridge and pages.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use serde_json::json;

use crate::{
    bridge::{Bridge, BridgeOptions, Operator, deploy_rlc_like},
    consortium::ChainOptions,
    foreign::{self, DEV_ACCOUNTS},
    home::Home,
    node::Node,
    ports::Ports,
    process::{Process, binary},
};

/// Limit for each wait of a start.
const LIMIT: Duration = Duration::from_secs(120);

/// Everything `make up` runs.
#[derive(Debug)]
pub struct System {
    /// The consortium's chain.
    pub home: Home,
    /// The stand-in for the public chain.
    pub foreign: Node,
    /// Contracts and relayers.
    pub bridge: Bridge,
    /// The web pages.
    pub ui: Process,
    /// Where it listens.
    pub ports: Ports,
}

impl System {
    /// Starts everything below `folder`, resuming what is there; `progress` hears each step.
    ///
    /// # Errors
    /// The first step that fails, with the log of the program at fault.
    pub async fn start(folder: &Path, ports: Ports, progress: impl Fn(&str)) -> Result<Self> {
        progress("keys: each company makes its own, then the shared files");
        let operator = Operator::create(folder)?;
        let options = ChainOptions {
            grants: vec![
                format!("{}=read,basic,call,create", operator.address),
                format!("{}=read,basic,call,create", DEV_ACCOUNTS[1]),
                format!("{}=read,basic,call", DEV_ACCOUNTS[2]),
                format!("{}=read", DEV_ACCOUNTS[3]),
            ],
            extra: vec!["--dev".into()],
            ..ChainOptions::default()
        };
        let mut home = Home::prepare(folder, &options, ports)?;
        progress("chains: four authorities and an observer; a stand-in for the public chain");
        let mut foreign = foreign::stand_in(folder, ports)?;
        foreign.start()?;
        home.start().await?;
        foreign.ready().await?;
        progress("peers: waiting until every node sees all others and every authority has sealed");
        home.healthy(LIMIT).await?;
        progress("bridge: token, contracts on both chains, four relayers");
        let token_file = folder.join("token");
        let token = match fs::read_to_string(&token_file) {
            Ok(text) => text.trim().parse()?,
            Err(_) => {
                let token = deploy_rlc_like(&foreign.url()).await?;
                fs::write(&token_file, token.to_string())?;
                token
            }
        };
        let bridge_options = BridgeOptions::default();
        let mut bridge =
            Bridge::deploy(folder, &home, &foreign.url(), token, &operator, &bridge_options, ports).await?;
        bridge.start().await?;
        progress("pages");
        let ui = start_ui(folder, &home, &foreign, &bridge, ports)?;
        let system = Self { home, foreign, bridge, ui, ports };
        system.pages_answer().await?;
        Ok(system)
    }

    async fn pages_answer(&self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/health", self.ports.ui());
        let client = reqwest::Client::new();
        crate::wait::until("the pages answer", LIMIT, || async {
            Ok(client.get(&url).send().await?.status().is_success().then_some(()))
        })
        .await
    }

    /// The first program that is no longer running, with the end of its log.
    ///
    /// # Errors
    /// When one has ended.
    pub fn expect_running(&mut self) -> Result<()> {
        for node in self.home.nodes_mut() {
            node.process_mut()?.expect_running()?;
        }
        self.foreign.process_mut()?.expect_running()?;
        for relayer in &mut self.bridge.relayers {
            relayer.process_mut()?.expect_running()?;
        }
        self.ui.expect_running()
    }

    /// Asks everything to stop, users of a chain before the chain.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.ui.stop()?;
        self.bridge.stop()?;
        self.home.stop()?;
        self.foreign.stop()
    }
}

/// Starts the pages over a running system.
///
/// # Errors
/// When the program was not built.
pub fn start_ui(folder: &Path, home: &Home, foreign: &Node, bridge: &Bridge, ports: Ports) -> Result<Process> {
    let relayers: Vec<String> = bridge.relayers.iter().map(|relayer| format!("\"{}\"", relayer.url())).collect();
    let config = format!(
        "listen = \"127.0.0.1:{}\"\naddresses = {}\nrelayers = [{}]\n\n[home]\nrpc = \"{}\"\nname = \"Aurum Home\"\n\
         currency = \"AUR\"\n\n[foreign]\nrpc = \"{}\"\nname = \"Public chain\"\ncurrency = \"ETH\"\n",
        ports.ui(),
        json!(bridge.addresses_file.display().to_string()),
        relayers.join(", "),
        home.observer.url(),
        foreign.url(),
    );
    let path = folder.join("ui.toml");
    fs::write(&path, config)?;
    let path = path.display().to_string();
    Process::start("bridge-ui", &binary("bridge-ui")?, ["--config", &path], &[], &folder.join("logs/bridge-ui.log"))
}
