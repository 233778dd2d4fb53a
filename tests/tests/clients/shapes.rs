//! Answers have the shapes that execution-apis prescribes, as `@metamask/api-specs` carries them.

use anyhow::Result;

use crate::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_have_the_shapes_of_execution_apis() -> Result<()> {
    let needed = ["node", "viem", "ajv", "@metamask/api-specs"];
    let Some(dev) = begin("clients-shapes", &needed).await? else { return Ok(()) };
    dev.script("shapes.mjs", [dev.chain.url(), dev.chain.ws()]).await?;
    dev.end()
}
