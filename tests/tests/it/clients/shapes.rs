//! Answers have the shapes that execution-apis prescribes, as `@metamask/api-specs` carries them; and what the node says of itself
//! has that of OpenRPC.

use anyhow::Result;

use crate::clients::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_have_the_shapes_of_execution_apis() -> Result<()> {
    let needed = ["node", "viem", "ajv", "@metamask/api-specs"];
    let Some(dev) = begin("clients-shapes", &needed).await? else { return Ok(()) };
    dev.script("shapes.mjs", [dev.chain.url(), dev.chain.ws()]).await?;
    dev.end()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_of_methods_is_openrpc() -> Result<()> {
    let needed = ["node", "viem", "ajv", "@open-rpc/meta-schema"];
    let Some(dev) = begin("clients-discover", &needed).await? else { return Ok(()) };
    dev.script("discover.mjs", [dev.chain.url()]).await?;
    dev.end()
}
