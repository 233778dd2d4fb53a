//! A development node of somebody else: anvil, with mainnet's notion of finality.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use alloy::{
    network::EthereumWallet,
    primitives::{Address, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    signers::local::PrivateKeySigner,
};

/// The first key of the mnemonic every development chain funds.
const DEV_KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// A running anvil; ends when dropped.
pub struct Anvil {
    process: Child,
    pub port: u16,
}

/// Where anvil is, if its package is installed.
pub fn installed() -> Option<PathBuf> {
    let packages = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
        .join("../tests/node_modules/@foundry-rs");
    std::fs::read_dir(packages)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("bin/anvil")))
        .find(|path| path.exists())
}

impl Anvil {
    /// Two blocks a second, of which `finalized` lags two.
    pub fn start(chain_id: u64) -> Self {
        let program = installed().expect("checked by the caller");
        let chain_id = chain_id.to_string();
        let arguments = ["--port", "0", "--block-time", "0.5", "--slots-in-an-epoch", "1", "--chain-id", &chain_id];
        let mut process =
            Command::new(program).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("anvil");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = loop {
            let line = lines.next().expect("anvil ended").expect("text");
            if let Some(address) = line.strip_prefix("Listening on 127.0.0.1:") {
                break address.trim().parse().expect("a port");
            }
        };
        // It goes on writing, and would stop if nobody read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client with coins.
    pub fn rich(&self) -> DynProvider {
        let signer: PrivateKeySigner = DEV_KEY.parse().expect("a key");
        let url = self.url().parse().expect("a URL");
        ProviderBuilder::new().wallet(EthereumWallet::from(signer)).connect_http(url).erased()
    }

    pub fn rich_address() -> Address {
        DEV_KEY.parse::<PrivateKeySigner>().expect("a key").address()
    }

    pub async fn give_coins(&self, account: Address) {
        let wei = U256::from(10).pow(U256::from(20));
        self.rich().raw_request::<_, ()>("anvil_setBalance".into(), (account, wei)).await.expect("anvil");
    }

    /// A client that is `account` without its key.
    pub async fn impersonate(&self, account: Address) -> DynProvider {
        let url = self.url().parse().expect("a URL");
        let provider = ProviderBuilder::new().connect_http(url).erased();
        provider.raw_request::<_, ()>("anvil_impersonateAccount".into(), (account,)).await.expect("anvil");
        provider
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
