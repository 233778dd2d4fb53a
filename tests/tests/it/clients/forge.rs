//! forge 1.7: a script that sends several transactions, and tests on a fork of what it left behind.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use aurum_tests::{process::run, tools};
use serde_json::Value;

use crate::clients::begin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forge_broadcasts_a_script_and_tests_on_a_fork() -> Result<()> {
    let Some(dev) = begin("clients-forge", &["forge", "contracts/forge"]).await? else { return Ok(()) };
    let (story, chain) = (&dev.story, &dev.chain);
    let out = |name: &str| story.folder().join(name).display().to_string();
    let (url, key, broadcast) = (chain.url(), chain.key(2), out("broadcast"));
    let environment =
        [("FOUNDRY_OUT", out("out")), ("FOUNDRY_CACHE_PATH", out("cache")), ("FOUNDRY_BROADCAST", broadcast.clone())];

    let script = ["script", "forge/script/Deploy.s.sol", "--rpc-url", &url, "--broadcast", "--private-key", &key];
    forge(&script, &environment)?;
    let report: Value = serde_json::from_str(&fs::read_to_string(latest(Path::new(&broadcast))?)?)?;
    let receipts = report["receipts"].as_array().context("the script reports no receipts")?;
    ensure!(receipts.len() == 5 && receipts.iter().all(|one| one["status"] == "0x1"), "broadcast: {report:#}");
    let probe = report["transactions"][0]["contractAddress"].as_str().context("no contract was created")?;
    story.say(&format!("forge script: {} transactions, probe at {probe}", receipts.len()));

    let [out, cache, broadcast] = environment;
    let said = forge(
        &["test", "--fork-url", &url, "--color", "never"],
        &[out, cache, broadcast, ("PROBE", probe.to_owned())],
    )?;
    let result = said.lines().find(|line| line.starts_with("Suite result")).unwrap_or_default();
    ensure!(result.contains("ok. 2 passed; 0 failed"), "forge test says:\n{said}");
    story.say(&format!("forge test --fork-url: {result}"));
    dev.end()
}

fn forge(arguments: &[&str], environment: &[(&str, String)]) -> Result<String> {
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    run(&tools::node_binary("forge")?, arguments, &environment, Some(&tools::repository().join("tests/clients")))
}

/// The report of the script's last run, wherever forge puts it.
fn latest(folder: &Path) -> Result<std::path::PathBuf> {
    for entry in fs::read_dir(folder).with_context(|| format!("no reports in {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if let Ok(found) = latest(&path) {
                return Ok(found);
            }
        } else if path.ends_with("run-latest.json") {
            return Ok(path);
        }
    }
    anyhow::bail!("no report below {}", folder.display())
}
