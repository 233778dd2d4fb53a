//! Hardhat 3 with its test runner, its network helpers and OpenZeppelin's Upgrades plugin, against the node instead of a simulated chain.

use anyhow::{Result, ensure};
use aurum_tests::{
    dev::DevChain,
    ports::{Ports, shift},
    process::run,
    tools,
};

use crate::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hardhat_compiles_tests_upgrades_and_helps() -> Result<()> {
    let Some(dev) = begin("clients-hardhat", &["node", "hardhat"]).await? else { return Ok(()) };
    let folder = dev.story.folder();
    let port = Ports::shifted(shift::CLIENTS).authority_http(0);
    // Hardhat's network helpers serve only nodes whose names they know.
    let name = ["--client-version", "HardhatNetwork/Aurum"];
    let mut named = DevChain::start_beside(folder, "named", port, &name).await?;
    let (url, named_url, key) = (dev.chain.url(), named.url(), dev.chain.key(0));
    let out = folder.join("out").display().to_string();
    let manifest = format!("{out}/openzeppelin");
    let project = tools::hardhat_project();
    let said = tokio::task::spawn_blocking(move || {
        let environment = [
            ("RPC", url.as_str()),
            ("NAMED", named_url.as_str()),
            ("KEY", key.as_str()),
            ("OUT", out.as_str()),
            ("MANIFEST_DEFAULT_DIR", manifest.as_str()),
            ("HARDHAT_DISABLE_TELEMETRY_PROMPT", "true"),
            ("NO_COLOR", "1"),
        ];
        let hardhat = project.join("node_modules/hardhat/dist/src/cli.js").display().to_string();
        run(&tools::new_node()?, [hardhat.as_str(), "test", "nodejs"], &environment, Some(&project))
    });
    let said = said.await??;
    let passing = said.lines().find(|line| line.contains(" passing")).unwrap_or_default().trim();
    ensure!(passing.starts_with("22 passing"), "hardhat says:\n{said}");
    dev.story.say(passing);
    named.node.stop()?;
    dev.end()
}
