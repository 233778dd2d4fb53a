//! The public chain of a test: our own development chain, or anvil with mainnet's notion of finality.

use std::path::Path;

use alloy::{
    network::EthereumWallet,
    primitives::{Address, U256, address},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, ensure};

use crate::{bridge::RECEIPT, node::Node, ports::Ports, tools};

/// Keys 0 to 3 of the mnemonic `test test test test test test test test test test test junk`, which every development
/// chain funds. Everybody knows them.
pub const DEV_KEYS: [&str; 4] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

/// The accounts of [`DEV_KEYS`].
pub const DEV_ACCOUNTS: [Address; 4] = [
    address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    address!("90F79bf6EB2c4f870365E785982E1f101E93b906"),
];

/// Signer of one of the [`DEV_KEYS`].
///
/// # Errors
/// When there is no such key.
pub fn dev_signer(index: usize) -> Result<PrivateKeySigner> {
    Ok(DEV_KEYS.get(index).context("no such development key")?.parse()?)
}

/// A client that signs with `signer` and fills nonce, gas and chain id.
///
/// # Errors
/// When `url` is none.
pub fn wallet_provider(url: &str, signer: PrivateKeySigner) -> Result<DynProvider> {
    let wallet = EthereumWallet::from(signer);
    Ok(ProviderBuilder::new().wallet(wallet).connect_http(url.parse().context("not a URL")?).erased())
}

/// Our own development chain with one-second blocks, on `folder`.
///
/// # Errors
/// When the program was not built.
pub fn stand_in(folder: &Path, ports: Ports) -> Result<Node> {
    let http = ports.foreign_http();
    let args = [
        ("-d", folder.join("public").display().to_string()),
        ("--block-time", "1".to_owned()),
        ("--jsonrpc-port", http.to_string()),
        ("--ws-port", (http + 1).to_string()),
        ("--jsonrpc-cors", "all".to_owned()),
    ];
    let args = std::iter::once("dev".to_owned())
        .chain(args.into_iter().flat_map(|(name, value)| [name.to_owned(), value]))
        .collect();
    Node::new("public-chain", args, http, &folder.join("logs"))
}

/// anvil as mainnet: one-second blocks of which `finalized` lags two.
///
/// # Errors
/// When its package is not installed.
pub fn anvil(folder: &Path, ports: Ports) -> Result<Node> {
    let http = ports.foreign_http();
    let state = folder.join("anvil-state.json").display().to_string();
    let args = [
        ("--port", http.to_string()),
        ("--block-time", "1".to_owned()),
        ("--slots-in-an-epoch", "1".to_owned()),
        ("--chain-id", "31337".to_owned()),
        ("--state", state),
    ];
    let args = args.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
    Ok(Node::of_program("anvil", tools::node_binary("anvil")?, args, http, &folder.join("logs")))
}

/// Sends `wei` from a rich account and waits for the receipt.
///
/// # Errors
/// When the transaction is refused or fails.
pub async fn send_coins(from: &DynProvider, to: Address, wei: U256) -> Result<()> {
    let request = TransactionRequest::default().to(to).value(wei);
    let receipt = from.send_transaction(request).await?.with_timeout(Some(RECEIPT)).get_receipt().await?;
    ensure!(receipt.status(), "sending {wei} wei to {to} failed");
    Ok(())
}
