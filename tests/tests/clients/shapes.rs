//! Answers have the shapes that execution-apis prescribes, as `@metamask/api-specs` carries them.

use anyhow::Result;
use aurum_tests::{
    dev::DevChain,
    ports::{Ports, shift},
    story::Story,
    tools,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_have_the_shapes_of_execution_apis() -> Result<()> {
    if !tools::have(&["node", "viem", "ajv", "@metamask/api-specs"]) {
        return Ok(());
    }
    let story = Story::begin("clients-shapes", env!("CARGO_TARGET_TMPDIR"))?;
    let mut chain = DevChain::start(story.folder(), Ports::shifted(shift::CLIENTS)).await?;
    story.say(tools::script("shapes.mjs", [chain.url(), chain.ws()]).await?.trim());
    chain.node.stop()?;
    story.end()
}
