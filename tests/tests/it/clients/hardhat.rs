//! Hardhat 3 with its test runner, its network helpers, OpenZeppelin's Upgrades plugin and a script, against the node instead of a
//! simulated chain.

use anyhow::{Result, ensure};
use aurum_tests::{
    dev::DevChain,
    ports::{Ports, shift},
    process::run,
    tools,
};

use crate::clients::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hardhat_compiles_tests_upgrades_helps_and_runs_scripts() -> Result<()> {
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
    let said = tokio::task::spawn_blocking(move || -> Result<_> {
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
        let node = tools::new_node()?;
        let hardhat = |arguments: &[&str]| {
            run(&node, std::iter::once(&hardhat.as_str()).chain(arguments), &environment, Some(&project))
        };
        let tested = hardhat(&["test", "nodejs"])?;
        // By a key of its own, and by the node's.
        let scripts = ["aurum", "unlocked"].map(|network| hardhat(&["run", "--network", network, "scripts/probe.js"]));
        Ok((tested, scripts))
    });
    let (said, scripts) = said.await??;
    for script in scripts {
        let script = script?;
        ensure!(script.contains("holds 42 and \"two\""), "hardhat run says:\n{script}");
    }
    let passing = said.lines().find(|line| line.contains(" passing")).unwrap_or_default().trim();
    ensure!(passing.starts_with("22 passing"), "hardhat says:\n{said}");
    dev.story.say(passing);
    named.node.stop()?;
    dev.end()
}
