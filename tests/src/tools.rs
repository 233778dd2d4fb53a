//! Real clients from the packages of `tests/package.json` and `contracts/package.json`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// The checkout.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// A program of the Node packages: `anvil`, `cast`, `forge`.
///
/// # Errors
/// When the packages are not installed.
pub fn node_binary(name: &str) -> Result<PathBuf> {
    let path = repository().join("tests/node_modules/.bin").join(name);
    ensure!(path.exists(), "{name} is not installed: run `make setup-test`");
    Ok(path)
}
