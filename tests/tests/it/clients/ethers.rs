//! ethers 6 behind an EIP-1193 provider, and subscriptions of every kind over WebSocket.

use anyhow::Result;

use crate::clients::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ethers_works_behind_a_wallet_and_is_told_over_websocket() -> Result<()> {
    let Some(dev) = begin("clients-ethers", &["node", "viem"]).await? else { return Ok(()) };
    dev.script("ethers_dev.mjs", [dev.chain.url(), dev.chain.ws()]).await?;
    dev.end()
}
