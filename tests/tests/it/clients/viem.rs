//! viem 2, as applications use it, and its test client, as tests of contracts use that.

use anyhow::Result;

use crate::clients::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viem_deploys_reads_writes_watches_proves_and_delegates() -> Result<()> {
    let Some(dev) = begin("clients-viem", &["node", "viem"]).await? else { return Ok(()) };
    dev.script("viem.mjs", [dev.chain.url(), dev.chain.ws(), dev.chain.key(1)]).await?;
    dev.end()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viem_s_test_client_edits_impersonates_goes_back_and_moves_time() -> Result<()> {
    let Some(dev) = begin("clients-viem-test", &["node", "viem"]).await? else { return Ok(()) };
    dev.script("test_client.mjs", [dev.chain.url()]).await?;
    dev.end()
}
