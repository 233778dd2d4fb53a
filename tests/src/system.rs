//! The whole system: home chain, public chain, bridge and pages.

use std::{fs, path::Path, time::Duration};

use alloy::primitives::Address;
use anyhow::Result;
use serde_json::json;

use crate::{
    bridge::{Bridge, BridgeOptions, Operator, Relayer, rlc_like_token},
    consortium::ChainOptions,
    foreign::{self, DEV_ACCOUNTS},
    home::Home,
    node::Node,
    ports::Ports,
    process::{Process, binary},
};

/// Limit for each wait of a start.
const LIMIT: Duration = Duration::from_secs(120);

/// The chain of the demonstration: `operator` may deploy, and the development accounts have different rights.
pub fn demonstration(operator: Address) -> ChainOptions {
    ChainOptions {
        grants: vec![
            format!("{operator}=read,basic,call,create"),
            format!("{}=read,basic,call,create", DEV_ACCOUNTS[1]),
            format!("{}=read,basic,call", DEV_ACCOUNTS[2]),
            format!("{}=read", DEV_ACCOUNTS[3]),
        ],
        extra: vec!["--dev".into()],
        ..ChainOptions::default()
    }
}

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
        let options = demonstration(operator.address);
        let mut home = Home::prepare(folder, &options, ports)?;
        progress("chains: four authorities and an observer; a stand-in for the public chain");
        let mut foreign = foreign::stand_in(folder, ports)?;
        foreign.start()?;
        home.start().await?;
        foreign.ready().await?;
        progress("peers: waiting until every node sees all others and every authority has sealed");
        home.healthy(LIMIT).await?;
        progress("bridge: token, contracts on both chains, four relayers");
        let token = rlc_like_token(&foreign.url(), &folder.join("token")).await?;
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
    let config = UiFiles {
        listen: format!("127.0.0.1:{}", ports.ui()),
        addresses: &bridge.addresses_file,
        relayers: bridge.relayers.iter().map(Relayer::url).collect(),
    }
    .config(&home.observer.url(), &foreign.url(), ports);
    let path = folder.join("ui.toml");
    fs::write(&path, config)?;
    let path = path.display().to_string();
    Process::start("bridge-ui", &binary("bridge-ui")?, ["--config", &path], &[], &folder.join("logs/bridge-ui.log"))
}

/// What the pages find where.
#[derive(Debug)]
pub struct UiFiles<'a> {
    /// Where they listen.
    pub listen: String,
    /// The file everybody reads.
    pub addresses: &'a Path,
    /// URLs of the relayers.
    pub relayers: Vec<String>,
}

impl UiFiles<'_> {
    /// The text of `ui.toml`: the server asks the chains by these URLs, wallets by the `ports` of this machine.
    pub fn config(&self, home_url: &str, foreign_url: &str, ports: Ports) -> String {
        format!(
            "listen = \"{}\"\naddresses = {}\nrelayers = {}\n\n[home]\nrpc = \"{home_url}\"\n\
             public_rpc = \"http://127.0.0.1:{}\"\nname = \"Aurum Home\"\ncurrency = \"AUR\"\n\n\
             [foreign]\nrpc = \"{foreign_url}\"\npublic_rpc = \"http://127.0.0.1:{}\"\nname = \"Public chain\"\n\
             currency = \"ETH\"\n",
            self.listen,
            json!(self.addresses.display().to_string()),
            json!(self.relayers),
            ports.observer_http(),
            ports.foreign_http(),
        )
    }
}
