//! viem 2, as applications use it.

use anyhow::Result;
use aurum_tests::{
    dev::DevChain,
    ports::{Ports, shift},
    story::Story,
    tools,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viem_deploys_reads_writes_watches_proves_and_delegates() -> Result<()> {
    if !tools::have(&["node", "viem"]) {
        return Ok(());
    }
    let story = Story::begin("clients-viem", env!("CARGO_TARGET_TMPDIR"))?;
    let mut chain = DevChain::start(story.folder(), Ports::shifted(shift::CLIENTS)).await?;
    story.say(tools::script("viem.mjs", [chain.url(), chain.ws(), chain.key(1)]).await?.trim());
    chain.node.stop()?;
    story.end()
}
