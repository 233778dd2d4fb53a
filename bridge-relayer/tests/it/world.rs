//! Two chains, a bridge deployed by the program, and relayers as processes of the program.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider},
    rpc::types::TransactionRequest,
};
use aurum_contracts::Addresses;
use aurum_contracts::{BridgeValidators, BridgedToken, ForeignBridge, HomeBridge, RlcLikeToken};
use keygen::Secret;
use serde_json::Value;

use crate::anvil::{self, Anvil};

/// Longest wait for anything; a busy machine is slow.
pub const LIMIT: Duration = Duration::from_secs(90);

pub struct World {
    pub home: Anvil,
    pub foreign: Anvil,
    pub folder: tempfile::TempDir,
    pub addresses: Addresses,
    pub token: Address,
    pub relayers: Vec<Relayer>,
}

/// A relayer's files, and its process while it runs.
pub struct Relayer {
    pub address: Address,
    pub folder: PathBuf,
    pub port: u16,
    process: Option<Child>,
}

/// What a test chooses.
pub struct Options {
    pub validators: usize,
    pub threshold: usize,
    pub takeover_delay: u64,
    /// Between the relayers and the foreign chain.
    pub foreign_url: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { validators: 1, threshold: 1, takeover_delay: 5, foreign_url: None }
    }
}

/// One account, made by keygen: its address and folder.
fn account(folder: &Path) -> (Address, PathBuf) {
    let secret = Secret::generate().unwrap();
    let keystore = keygen::create_account(folder, &secret, None).unwrap();
    (secret.address(), keystore)
}

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bridge-relayer"));
    command.env_remove(bridge_relayer::CRASH_AT);
    command
}

impl World {
    /// `None`, having said so, where anvil is not installed.
    pub async fn start(options: Options) -> Option<Self> {
        if anvil::installed().is_none() {
            println!("SKIPPED: anvil is not installed in tests/node_modules");
            return None;
        }
        let (home, foreign) = (Anvil::start(2026), Anvil::start(1337));
        let folder = tempfile::tempdir().unwrap();
        let (operator, keystore) = account(&folder.path().join("operator"));
        home.give_coins(operator).await;
        foreign.give_coins(operator).await;
        let token = *RlcLikeToken::deploy(foreign.rich(), Anvil::rich_address(), U256::from(1_000_000_000_000_u64))
            .await
            .unwrap()
            .address();

        let mut relayers = Vec::new();
        for index in 0..options.validators {
            let own = folder.path().join(format!("relayer-{index}"));
            let (address, keystore) = account(&own);
            home.give_coins(address).await;
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            fs::write(own.join("relayer.toml"), relayer_toml(&keystore, &home, &foreign, &options, port)).unwrap();
            relayers.push(Relayer { address, folder: own, port, process: None });
        }
        fs::write(
            folder.path().join("deploy.toml"),
            deploy_toml(&keystore, &home, &foreign, token, &relayers, &options),
        )
        .unwrap();
        let output = deploy(folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let addresses = Addresses::read(&folder.path().join("addresses.json")).unwrap();
        Some(Self { home, foreign, folder, addresses, token, relayers })
    }

    pub fn home_bridge(&self) -> HomeBridge::HomeBridgeInstance<DynProvider> {
        HomeBridge::new(self.addresses.home.bridge, self.home.rich())
    }

    pub fn foreign_bridge(&self) -> ForeignBridge::ForeignBridgeInstance<DynProvider> {
        ForeignBridge::new(self.addresses.foreign.bridge, self.foreign.rich())
    }

    pub fn home_token(&self) -> BridgedToken::BridgedTokenInstance<DynProvider> {
        BridgedToken::new(self.addresses.tokens[0].home, self.home.rich())
    }

    pub fn foreign_token(&self) -> BridgedToken::BridgedTokenInstance<DynProvider> {
        BridgedToken::new(self.token, self.foreign.rich())
    }

    /// The owner of everything, without its key.
    pub async fn owner(&self, chain: &Anvil) -> DynProvider {
        let owner = self.home_bridge().owner().call().await.unwrap();
        chain.impersonate(owner).await
    }

    pub async fn owner_address(&self) -> Address {
        self.home_bridge().owner().call().await.unwrap()
    }

    pub async fn deposit(&self, amount: u64, recipient: Address) -> B256 {
        let token = self.foreign_token();
        let allowance = token.approve(self.addresses.foreign.bridge, U256::MAX);
        allowance.send().await.unwrap().get_receipt().await.unwrap();
        let bridge = self.foreign_bridge();
        let sent = bridge.deposit(self.token, U256::from(amount), recipient).send().await.unwrap();
        let receipt = sent.get_receipt().await.unwrap();
        assert!(receipt.status());
        receipt.transaction_hash
    }

    pub async fn withdraw(&self, amount: u64, recipient: Address) -> B256 {
        let token = self.home_token();
        let data = Bytes::from(recipient.to_vec());
        let sent = token.transferAndCall(self.addresses.home.bridge, U256::from(amount), data).send().await.unwrap();
        let receipt = sent.get_receipt().await.unwrap();
        assert!(receipt.status());
        receipt.transaction_hash
    }

    pub async fn home_balance(&self, account: Address) -> U256 {
        self.home_token().balanceOf(account).call().await.unwrap()
    }

    pub async fn foreign_balance(&self, account: Address) -> U256 {
        self.foreign_token().balanceOf(account).call().await.unwrap()
    }

    pub async fn home_balance_becomes(&self, account: Address, amount: u64) {
        self.until(&format!("{account} has {amount} on home"), async || {
            self.home_balance(account).await == U256::from(amount)
        })
        .await;
    }

    pub async fn foreign_balance_becomes(&self, account: Address, amount: u64) {
        self.until(&format!("{account} has {amount} on foreign"), async || {
            self.foreign_balance(account).await == U256::from(amount)
        })
        .await;
    }

    /// Waits for something; tells the relayers' logs when it does not come.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds().await {
            if Instant::now() > deadline {
                for relayer in &self.relayers {
                    println!("--- {}\n{}", relayer.folder.display(), relayer.log());
                }
                panic!("not within {LIMIT:?}: {what}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What is locked equals what is minted, once nothing is on its way.
    pub async fn totals_agree(&self) {
        let locked = self.foreign_bridge().locked(self.token).call().await.unwrap();
        let minted = self.home_bridge().minted(self.addresses.tokens[0].home).call().await.unwrap();
        assert_eq!(locked, minted, "locked and minted");
    }

    /// How many transactions an account sent on the foreign chain.
    pub async fn foreign_transactions(&self, account: Address) -> u64 {
        self.foreign.rich().get_transaction_count(account).await.unwrap()
    }

    pub async fn pause(&self, chain: &Anvil, bridge: Address, paused: bool) {
        let owner = self.owner_address().await;
        let contract = ForeignBridge::new(bridge, self.owner(chain).await);
        let sent = if paused {
            contract.pause().from(owner).send().await
        } else {
            contract.unpause().from(owner).send().await
        };
        assert!(sent.unwrap().get_receipt().await.unwrap().status());
    }

    /// Replaces the set of validators on one chain, which begins an epoch there.
    pub async fn set_validators(&self, chain: &Anvil, set: Address, validators: Vec<Address>, threshold: usize) {
        let owner = self.owner_address().await;
        let contract = BridgeValidators::new(set, self.owner(chain).await);
        let call = contract.setValidators(validators, U256::from(threshold)).from(owner);
        assert!(call.send().await.unwrap().get_receipt().await.unwrap().status());
    }

    /// Runs `calls` from one new contract in one transaction of the foreign chain.
    pub async fn batch(&self, calls: &[(Address, Bytes)]) -> B256 {
        let request = TransactionRequest::default().input(batcher(calls).into());
        let request = TransactionRequest { to: Some(alloy::primitives::TxKind::Create), ..request };
        let receipt = self.foreign.rich().send_transaction(request).await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status(), "the batch failed");
        receipt.transaction_hash
    }
}

/// Creation code that makes `calls` one after another and fails if one does.
fn batcher(calls: &[(Address, Bytes)]) -> Bytes {
    const EACH: usize = 14 + 36 + 6;
    let fail = u16::try_from(EACH * calls.len() + 1).unwrap();
    let mut tail_at = usize::from(fail) + 6;
    let mut code = Vec::new();
    for (target, data) in calls {
        let (length, offset) = (u32::try_from(data.len()).unwrap(), u32::try_from(tail_at).unwrap());
        // codecopy(0, offset, length)
        code.push(0x63);
        code.extend(length.to_be_bytes());
        code.push(0x63);
        code.extend(offset.to_be_bytes());
        code.extend([0x60, 0, 0x39, 0x5b]);
        // call(gas, target, 0, 0, length, 0, 0)
        code.extend([0x60, 0, 0x60, 0, 0x63]);
        code.extend(length.to_be_bytes());
        code.extend([0x60, 0, 0x60, 0, 0x73]);
        code.extend(target.as_slice());
        code.extend([0x5a, 0xf1]);
        // if it failed, jump to the revert
        code.extend([0x15, 0x61]);
        code.extend(fail.to_be_bytes());
        code.extend([0x57, 0x5b]);
        tail_at += data.len();
    }
    code.push(0x00);
    code.extend([0x5b, 0x60, 0, 0x60, 0, 0xfd]);
    assert_eq!(code.len(), usize::from(fail) + 6);
    for (_, data) in calls {
        code.extend_from_slice(data);
    }
    code.into()
}

impl Relayer {
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    pub fn start_with(&mut self, environment: &[(&str, &str)]) {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = program()
            .arg("--config")
            .arg(self.folder.join("relayer.toml"))
            .envs(environment.iter().copied())
            .env("RUST_LOG", "info,bridge_relayer=debug")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    /// As a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().unwrap();
        }
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn lose_journal(&self) {
        fs::remove_dir_all(self.folder.join("journal")).unwrap();
    }

    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.port)).await.ok()?;
        let code = answer.status().as_u16();
        Some((code, answer.json().await.unwrap_or(Value::Null)))
    }

    pub async fn text(&self, path: &str) -> String {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.port)).await.unwrap();
        answer.text().await.unwrap()
    }

    pub async fn is_ready(&self) -> bool {
        matches!(self.get("/ready").await, Some((200, _)))
    }
}

impl Drop for Relayer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn deploy(folder: &Path) -> Output {
    program().arg("deploy").arg("--config").arg(folder.join("deploy.toml")).output().unwrap()
}

fn deploy_toml(
    keystore: &Path,
    home: &Anvil,
    foreign: &Anvil,
    token: Address,
    relayers: &[Relayer],
    options: &Options,
) -> String {
    let validators: Vec<String> = relayers.iter().map(|relayer| format!("\"{}\"", relayer.address)).collect();
    let keystore = keystore.display();
    format!(
        "validators = [{}]\nthreshold = {}\nfund = \"0xde0b6b3a7640000\"\n\
         [home]\nrpc = \"{}\"\nkeystore = \"{keystore}\"\npassword_file = \"operator/password\"\n\
         [foreign]\nrpc = \"{}\"\nkeystore = \"{keystore}\"\npassword_file = \"operator/password\"\nfinality = \"tag\"\n\
         [[token]]\nforeign = \"{token}\"\n\
         [token.deposit]\nmin = \"0.000000001\"\nmax = \"1000\"\ndaily = \"1000\"\n\
         [token.withdraw]\nmin = \"0.000000001\"\nmax = \"1000\"\ndaily = \"1000\"\n",
        validators.join(", "),
        options.threshold,
        home.url(),
        foreign.url(),
    )
}

fn relayer_toml(keystore: &Path, home: &Anvil, foreign: &Anvil, options: &Options, port: u16) -> String {
    format!(
        "addresses = \"../addresses.json\"\nkeystore = \"{}\"\npassword_file = \"password\"\njournal = \"journal\"\n\
         listen = \"127.0.0.1:{port}\"\ntakeover_delay = {}\n\
         [home]\nrpc = \"{}\"\nfinality = \"tag\"\npoll = 0.2\nreplace_after = 3\n\
         [foreign]\nrpc = \"{}\"\nfinality = \"tag\"\npoll = 0.2\n",
        keystore.display(),
        options.takeover_delay,
        home.url(),
        options.foreign_url.clone().unwrap_or_else(|| foreign.url()),
    )
}
