//! Real clients from the packages of `tests/package.json`, `tests/requirements.txt` and `contracts/package.json`.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::process::run;

/// The checkout. Cargo says which one it runs a test of: checkouts share what was built. A program that is run by itself takes
/// the one it was built in.
pub fn repository() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// A program of the Node packages in `tests`: `anvil`, `cast`, `forge`, `playwright-core`. Where a package only starts a native
/// program, that one is meant: the script in between hides its exit code, and killing the script would leave it running.
///
/// # Errors
/// When the packages are not installed.
pub fn node_binary(name: &str) -> Result<PathBuf> {
    installed(&repository().join("tests"), name)
}

/// A program of the contracts' own packages, run in their folder: `forge`.
///
/// # Errors
/// When the packages are not installed.
pub fn contracts_forge() -> Result<PathBuf> {
    installed(&repository().join("contracts"), "forge")
}

fn installed(folder: &Path, name: &str) -> Result<PathBuf> {
    let packages = folder.join("node_modules");
    let architecture = if env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let platform = if env::consts::OS == "macos" { "darwin" } else { env::consts::OS };
    let native = packages.join(format!("@foundry-rs/{name}-{platform}-{architecture}/bin/{name}"));
    if native.is_file() {
        return Ok(native);
    }
    let script = packages.join(".bin").join(name);
    ensure!(script.exists(), "{name} is not installed: run `make setup-test`");
    Ok(script)
}

/// The Hardhat project. It has packages of its own: they want a newer Node than many systems have.
pub fn hardhat_project() -> PathBuf {
    repository().join("tests/clients/hardhat")
}

/// The Node of the packages in `tests` where there is one for this system, else that on the `PATH`.
///
/// # Errors
/// When there is neither.
pub fn new_node() -> Result<PathBuf> {
    let architecture = if env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
    let packaged = repository().join(format!("tests/node_modules/node-linux-{architecture}/bin/node"));
    Some(packaged).filter(|path| path.is_file()).or_else(|| on_path("node")).context("there is no Node")
}

/// Runs a script of `tests/clients` with Node, off the async runtime, and returns what it printed.
///
/// # Errors
/// When it fails; the error holds what it printed.
pub async fn script<const N: usize>(name: &str, arguments: [String; N]) -> Result<String> {
    let node = on_path("node").context("there is no Node")?;
    let file = repository().join("tests/clients").join(name).display().to_string();
    let work = move || run(&node, std::iter::once(file).chain(arguments), &[], None);
    tokio::task::spawn_blocking(work).await?
}

/// Where the Python packages are: those of `tests/requirements.txt`, and the web3.py before, which many still have.
pub fn python_packages() -> [PathBuf; 2] {
    ["tests/python_modules", "tests/clients/web3-7/python_modules"].map(|folder| repository().join(folder))
}

/// A program on the `PATH`: `node`, `git`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The browser: Debian's Chromium, or the program that `CHROMIUM` names.
pub fn chromium() -> Option<PathBuf> {
    let named = env::var_os("CHROMIUM").map(PathBuf::from).filter(|path| path.is_file());
    named.or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path))
}

/// Whether everything a story needs is installed: names of Node packages or of their programs, `forge` in `contracts`,
/// `node`, `chromium`, `web3` of Python. Prints the `SKIPPED:` line that the runner counts if something is missing.
pub fn have(needed: &[&str]) -> bool {
    let missing: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|name| match *name {
            "node" => on_path("node").is_none(),
            "chromium" => chromium().is_none(),
            "web3" => {
                on_path("python3").is_none() || python_packages().iter().any(|folder| !folder.join("web3").is_dir())
            }
            "contracts/forge" => contracts_forge().is_err(),
            "hardhat" => {
                let packages = ["hardhat", "@nomicfoundation/hardhat-network-helpers"];
                packages.iter().any(|package| !hardhat_project().join("node_modules").join(package).is_dir())
            }
            "viem" | "ajv" | "@metamask/api-specs" | "@open-rpc/meta-schema" => {
                !repository().join("tests/node_modules").join(name).is_dir()
            }
            name => node_binary(name).is_err(),
        })
        .collect();
    if !missing.is_empty() {
        println!("SKIPPED: not installed: {} (make setup-test installs it)", missing.join(", "));
    }
    missing.is_empty()
}
