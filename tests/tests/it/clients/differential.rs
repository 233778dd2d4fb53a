//! The same history on Anvil and on a development chain of ours, and the same questions to both: every difference is in
//! `tests/clients/differences.json` with its reason.

use alloy::providers::Provider as _;
use anyhow::Result;
use aurum_tests::{
    node::Node,
    ports::{Port, Ports, check_free, shift},
    tools,
};

use crate::clients::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_development_chain_answers_as_anvil_but_for_known_reasons() -> Result<()> {
    let Some(dev) = begin("clients-differential", &["node", "anvil", "viem"]).await? else { return Ok(()) };
    let port = Ports::shifted(shift::CLIENTS).foreign_http();
    check_free(&[Port { purpose: "Anvil".to_owned(), number: port }])?;
    let number = port.to_string();
    // A genesis like ours: the same time, the same gas limit, the first block's fee as ours computes it.
    let args = ["--port", &number, "--chain-id", "1337", "--timestamp", "0", "--gas-limit", "30000000"]
        .into_iter()
        .chain(["--block-base-fee-per-gas", "875000000", "--hardfork", "prague", "--slots-in-an-epoch", "0"])
        .chain(["--steps-tracing", "--silent"])
        .map(str::to_owned)
        .collect();
    let mut anvil =
        Node::of_program("anvil", tools::node_binary("anvil")?, args, port, &dev.story.folder().join("logs"));
    anvil.start()?;
    let client = anvil.provider()?;
    anvil.ready().await?;
    anyhow::ensure!(client.get_chain_id().await? == 1337, "another Anvil");
    dev.script("differential.mjs", [anvil.url(), dev.chain.url()]).await?;
    anvil.stop()?;
    dev.end()
}
