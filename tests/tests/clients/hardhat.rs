//! Hardhat 3 with its test runner and OpenZeppelin's Upgrades plugin, against the node instead of a simulated chain.

use anyhow::{Result, ensure};
use aurum_tests::{
    dev::DevChain,
    ports::{Ports, shift},
    process::run,
    story::Story,
    tools,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hardhat_compiles_tests_and_upgrades() -> Result<()> {
    if !tools::have(&["node", "hardhat"]) {
        return Ok(());
    }
    let story = Story::begin("clients-hardhat", env!("CARGO_TARGET_TMPDIR"))?;
    let mut chain = DevChain::start(story.folder(), Ports::shifted(shift::CLIENTS)).await?;
    let (url, key, out) = (chain.url(), chain.key(0), story.folder().join("out").display().to_string());
    let manifest = format!("{out}/openzeppelin");
    let project = tools::hardhat_project();
    let said = tokio::task::spawn_blocking(move || {
        let environment = [
            ("RPC", url.as_str()),
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
    ensure!(passing.starts_with("11 passing"), "hardhat says:\n{said}");
    story.say(passing);
    chain.node.stop()?;
    story.end()
}
