//! The bridge of a test: a token on the public chain, contracts on both, one relayer an authority.

use std::{
    fs,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    primitives::{Address, U256},
    providers::{DynProvider, Provider},
};
use anyhow::{Context, Result};
use aurum_contracts::{BridgedToken, ForeignBridge, HomeBridge, RlcLikeToken};
use serde_json::{Value, json};

use crate::{
    consortium::Authority,
    foreign::{DEV_ACCOUNTS, dev_signer, send_coins, wallet_provider},
    home::Home,
    ports::Ports,
    process::{binary, run},
    program::Program,
    wait,
};

/// How long a transaction of a test may wait for its block.
pub const RECEIPT: Duration = Duration::from_secs(60);

/// What of a bridge a test chooses.
#[derive(Clone, Debug)]
pub struct BridgeOptions {
    /// Attestations a transfer needs.
    pub threshold: usize,
    /// How the relayers know a foreign block is final: `"tag"`, or `{ confirmations = 3 }`.
    pub foreign_finality: String,
    /// Seconds after which another relayer acts for the one on duty.
    pub takeover_delay: u64,
    /// Environment of the relayers, for fault injection.
    pub relayer_environment: Vec<(String, String)>,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self { threshold: 3, foreign_finality: "\"tag\"".into(), takeover_delay: 10, relayer_environment: Vec::new() }
    }
}

/// One relayer: a [`Program`] with an API.
#[derive(Debug)]
pub struct Relayer {
    program: Program,
    folder: PathBuf,
    port: u16,
}

impl Relayer {
    /// The relayer of the configuration `relayer.toml` in `folder`, whose API is on `port`.
    ///
    /// # Errors
    /// When the program was not built.
    fn new(name: &str, folder: PathBuf, port: u16, logs: &Path) -> Result<Self> {
        let args = vec!["--config".to_owned(), folder.join("relayer.toml").display().to_string()];
        Ok(Self { program: Program::new(name, binary("bridge-relayer")?, args, logs), folder, port })
    }

    /// URL of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its folder, with configuration and journal.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until its API answers healthy.
    ///
    /// # Errors
    /// When it ends, or after `limit`.
    pub async fn ready(&mut self, limit: Duration) -> Result<()> {
        let url = format!("{}/health", self.url());
        let client = reqwest::Client::new();
        let healthy = || async { Ok(client.get(&url).send().await?.error_for_status().map(drop)?) };
        self.program.ready(limit, healthy).await
    }
}

impl Deref for Relayer {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Relayer {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// The wired bridge.
#[derive(Debug)]
pub struct Bridge {
    /// The file everybody reads.
    pub addresses_file: PathBuf,
    /// Bridge on the public chain.
    pub foreign_bridge: Address,
    /// Bridge on the home chain.
    pub home_bridge: Address,
    /// The token on the public chain.
    pub foreign_token: Address,
    /// Its form on the home chain.
    pub home_token: Address,
    /// One relayer an authority.
    pub relayers: Vec<Relayer>,
}

/// The account that deploys: random keys in a keystore of `folder`, coins from the richest development account.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Its address on both chains.
    pub address: Address,
    /// Keystore file.
    pub keystore: PathBuf,
    /// File with the password.
    pub password_file: PathBuf,
}

impl Operator {
    /// Makes the account with `keygen account new`, or finds the one made before.
    ///
    /// # Errors
    /// What keygen says.
    pub fn create(folder: &Path) -> Result<Self> {
        let folder = folder.join("operator");
        if !folder.exists() {
            let out = folder.display().to_string();
            run(&binary("keygen")?, ["account", "new", "--out", &out], &[], None)?;
        }
        let keystore = fs::read_dir(&folder)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("UTC--")))
            .context("keygen account new wrote no keystore")?;
        let json: Value = serde_json::from_str(&fs::read_to_string(&keystore)?)?;
        let address = json["address"].as_str().context("the keystore has no address")?.parse()?;
        Ok(Self { address, keystore, password_file: folder.join("password") })
    }
}

/// Deploys the demonstration's token (nine decimals, all of it to the deployer) and notes its address in `note`, or
/// reads the note.
///
/// # Errors
/// When the chain refuses.
pub async fn rlc_like_token(foreign_url: &str, note: &Path) -> Result<Address> {
    if let Ok(text) = fs::read_to_string(note) {
        return Ok(text.trim().parse()?);
    }
    let token = deploy_rlc_like(foreign_url).await?;
    fs::write(note, token.to_string())?;
    Ok(token)
}

/// Smallest units of one RLC: nine decimals.
pub const RLC: u64 = 1_000_000_000;

/// Deploys the demonstration's token: nine decimals, all of it to the first development account.
///
/// # Errors
/// When the chain refuses.
pub async fn deploy_rlc_like(foreign_url: &str) -> Result<Address> {
    let provider = wallet_provider(foreign_url, dev_signer(0)?)?;
    let supply = U256::from(87_000_000) * U256::from(RLC);
    let token = RlcLikeToken::deploy(&provider, DEV_ACCOUNTS[0], supply).await?;
    Ok(*token.address())
}

impl Bridge {
    /// Deploys and wires both sides with `bridge-relayer deploy`, or finds what was deployed before, and writes every
    /// relayer's configuration. The relayers do not run yet.
    ///
    /// # Errors
    /// What the program says.
    pub async fn deploy(
        folder: &Path,
        home: &Home,
        foreign_url: &str,
        foreign_token: Address,
        operator: &Operator,
        options: &BridgeOptions,
        ports: Ports,
    ) -> Result<Self> {
        let folder = folder.join("bridge");
        let authorities = &home.consortium.authorities;
        let (home_url, foreign) = (home.observer.url(), (foreign_url, foreign_token));
        let addresses_file = wire(&folder, authorities, &home_url, foreign, operator, options).await?;
        let mut bridge = Self::read(&addresses_file)?;
        for (index, authority) in (0_u16..).zip(authorities) {
            let own = folder.join(format!("relayer-{}", index + 1));
            fs::create_dir_all(&own)?;
            let port = ports.relayer(index);
            let files = RelayerFiles {
                addresses: &addresses_file,
                authority,
                journal: Path::new("journal"),
                listen: format!("127.0.0.1:{port}"),
            };
            fs::write(
                own.join("relayer.toml"),
                files.config(&home.authorities[usize::from(index)].url(), foreign_url, options)?,
            )?;
            let logs = folder.with_file_name("logs");
            bridge.relayers.push(Relayer::new(&format!("relayer-{}", index + 1), own, port, &logs)?);
        }
        Ok(bridge)
    }

    /// The bridge of an addresses file, without relayers of ours.
    ///
    /// # Errors
    /// When the file is not one.
    pub fn read(addresses_file: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(addresses_file).with_context(|| format!("cannot read {}", addresses_file.display()))?;
        let wired: Value = serde_json::from_str(&text)?;
        let address = |pointer: &str| -> Result<Address> {
            let text = wired.pointer(pointer).and_then(Value::as_str);
            Ok(text.with_context(|| format!("{pointer} is missing in the addresses file"))?.parse()?)
        };
        Ok(Self {
            foreign_bridge: address("/foreign/bridge")?,
            home_bridge: address("/home/bridge")?,
            foreign_token: address("/tokens/0/foreign")?,
            home_token: address("/tokens/0/home")?,
            addresses_file: addresses_file.to_path_buf(),
            relayers: Vec::new(),
        })
    }

    /// Starts every relayer that does not run and waits until each is healthy.
    ///
    /// # Errors
    /// With the end of the log of the one that fails.
    pub async fn start(&mut self) -> Result<()> {
        for relayer in &mut self.relayers {
            if !relayer.is_started() {
                relayer.start()?;
            }
        }
        for relayer in &mut self.relayers {
            relayer.ready(Duration::from_secs(60)).await?;
        }
        Ok(())
    }

    /// Approves and deposits `amount` on the public chain for `recipient`; `from` signs. Returns the nonce.
    ///
    /// # Errors
    /// When a transaction is refused or fails.
    pub async fn deposit(&self, from: &DynProvider, amount: U256, recipient: Address) -> Result<u64> {
        let token = BridgedToken::new(self.foreign_token, from);
        let approved =
            token.approve(self.foreign_bridge, amount).send().await?.with_timeout(Some(RECEIPT)).get_receipt().await?;
        anyhow::ensure!(approved.status(), "approve failed");
        let bridge = ForeignBridge::new(self.foreign_bridge, from);
        let receipt = bridge
            .deposit(self.foreign_token, amount, recipient)
            .send()
            .await?
            .with_timeout(Some(RECEIPT))
            .get_receipt()
            .await?;
        anyhow::ensure!(receipt.status(), "deposit failed");
        let event = receipt.decoded_log::<ForeignBridge::Deposited>().context("the deposit left no event")?;
        Ok(event.nonce.to())
    }

    /// Sends `amount` back in one step on the home chain; `from` signs.
    ///
    /// # Errors
    /// When the transaction is refused or fails.
    pub async fn withdraw(&self, from: &DynProvider, amount: U256, recipient: Address) -> Result<()> {
        let token = BridgedToken::new(self.home_token, from);
        let data = recipient.to_vec().into();
        let receipt = token
            .transferAndCall(self.home_bridge, amount, data)
            .send()
            .await?
            .with_timeout(Some(RECEIPT))
            .get_receipt()
            .await?;
        anyhow::ensure!(receipt.status(), "withdrawal failed");
        Ok(())
    }

    /// Waits until `holder` has `amount` of the token on the home chain.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn home_balance_becomes(
        &self,
        home: &DynProvider,
        holder: Address,
        amount: U256,
        limit: Duration,
    ) -> Result<()> {
        balance_becomes(home, self.home_token, holder, amount, limit).await
    }

    /// Waits until `holder` has `amount` of the token on the public chain.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn foreign_balance_becomes(
        &self,
        foreign: &DynProvider,
        holder: Address,
        amount: U256,
        limit: Duration,
    ) -> Result<()> {
        balance_becomes(foreign, self.foreign_token, holder, amount, limit).await
    }

    /// Tokens locked on the public chain, and minted on the home chain.
    ///
    /// # Errors
    /// When a chain does not answer.
    pub async fn totals(&self, foreign: &DynProvider, home: &DynProvider) -> Result<(U256, U256)> {
        let locked = ForeignBridge::new(self.foreign_bridge, foreign).locked(self.foreign_token).call().await?;
        let minted = HomeBridge::new(self.home_bridge, home).minted(self.home_token).call().await?;
        Ok((locked, minted))
    }

    /// Asks all relayers to stop.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.relayers.iter_mut().try_for_each(|relayer| relayer.stop())
    }
}

async fn balance_becomes(
    chain: &DynProvider,
    token: Address,
    holder: Address,
    amount: U256,
    limit: Duration,
) -> Result<()> {
    let token = BridgedToken::new(token, chain);
    let what = format!("{holder} has {amount} of {}", token.address());
    wait::until(&what, limit, || async { Ok((token.balanceOf(holder).call().await? == amount).then_some(())) }).await
}

/// Deploys and wires both sides below `folder` with `bridge-relayer deploy`, or finds what was deployed before; `foreign`
/// is the public chain's URL and the token on it. Returns the addresses file.
///
/// # Errors
/// What the program says.
pub async fn wire(
    folder: &Path,
    authorities: &[Authority],
    home_url: &str,
    (foreign_url, token): (&str, Address),
    operator: &Operator,
    options: &BridgeOptions,
) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let addresses_file = folder.join("addresses.json");
    if !addresses_file.exists() {
        let rich = wallet_provider(foreign_url, dev_signer(0)?)?;
        let ether = U256::from(10).pow(U256::from(18));
        if rich.get_balance(operator.address).await? < ether * U256::from(10) {
            send_coins(&rich, operator.address, ether * U256::from(100)).await?;
        }
        let config = folder.join("deploy.toml");
        fs::write(&config, deploy_config(authorities, home_url, (foreign_url, token), operator, options))?;
        let (config, addresses) = (config.display().to_string(), addresses_file.display().to_string());
        let program = binary("bridge-relayer")?;
        let arguments = vec!["deploy".to_owned(), "--config".into(), config, "--addresses".into(), addresses];
        tokio::task::spawn_blocking(move || run(&program, arguments, &[], None)).await??;
    }
    Ok(addresses_file)
}

fn deploy_config(
    authorities: &[Authority],
    home_url: &str,
    (foreign_url, token): (&str, Address),
    operator: &Operator,
    options: &BridgeOptions,
) -> String {
    let validators: Vec<String> = authorities.iter().map(|authority| format!("\"{}\"", authority.address)).collect();
    let key = format!(
        "keystore = {}\npassword_file = {}",
        json!(operator.keystore.display().to_string()),
        json!(operator.password_file.display().to_string())
    );
    let limits = "min = \"0.001\"\nmax = \"100000\"\ndaily = \"1000000\"";
    format!(
        "validators = [{}]\nthreshold = {}\nfund = \"1000000000000000000\"\n\n[home]\nrpc = \"{home_url}\"\n{key}\n\
         permissions = \"0xA000000000000000000000000000000000000002\"\n\n[foreign]\nrpc = \"{foreign_url}\"\n{key}\n\
         finality = {}\n\n[[token]]\nforeign = \"{token}\"\n[token.deposit]\n{limits}\n[token.withdraw]\n\
         {limits}\n",
        validators.join(", "),
        options.threshold,
        options.foreign_finality,
    )
}

/// What a relayer finds where.
#[derive(Debug)]
pub struct RelayerFiles<'a> {
    /// The file everybody reads.
    pub addresses: &'a Path,
    /// Whose key it uses.
    pub authority: &'a Authority,
    /// Folder of its journal, from that of its configuration.
    pub journal: &'a Path,
    /// Where its API listens.
    pub listen: String,
}

impl RelayerFiles<'_> {
    /// The text of its `relayer.toml`.
    ///
    /// # Errors
    /// When the company has no keystore.
    pub fn config(&self, home_url: &str, foreign_url: &str, options: &BridgeOptions) -> Result<String> {
        let path = |path: &Path| json!(path.display().to_string()).to_string();
        Ok(format!(
            "addresses = {}\nkeystore = {}\npassword_file = {}\njournal = {}\nlisten = \"{}\"\ntakeover_delay = {}\n\n\
             [home]\nrpc = \"{home_url}\"\nfinality = \"tag\"\n\n[foreign]\nrpc = \"{foreign_url}\"\nfinality = {}\n",
            path(self.addresses),
            path(&self.authority.keystore()?),
            path(&self.authority.password_file()),
            path(self.journal),
            self.listen,
            options.takeover_delay,
            options.foreign_finality,
        ))
    }
}
