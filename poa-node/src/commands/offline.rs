//! A node's database without the node.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use aurum_aura::SystemClock;
use aurum_chain::{Chain, ChainConfig};
use aurum_pool::PoolConfig;

use crate::config::{ChainFolder, Options};

/// Opens the chain that a node keeps, making it if it is not there.
///
/// # Errors
/// When a node is using it, it belongs to another spec, or the disk fails.
pub(super) fn open(folder: &ChainFolder) -> anyhow::Result<Chain> {
    std::fs::create_dir_all(&folder.folder)
        .with_context(|| format!("cannot make the folder {}", folder.folder.display()))?;
    anyhow::ensure!(
        has_database(&folder.database) || !folder.restoring().exists(),
        "a restore into {} was interrupted: run it again, or remove {}",
        folder.folder.display(),
        folder.restoring().display()
    );
    Ok(Chain::open(config(folder))?)
}

/// What the chain in a folder is opened with.
pub(super) fn config(folder: &ChainFolder) -> ChainConfig {
    ChainConfig {
        spec: Arc::clone(&folder.spec),
        path: folder.database.clone(),
        clock: Arc::new(SystemClock),
        // No journal: what waits in the node's pool is none of our business.
        pool: PoolConfig::default(),
        min_gas_price: 0,
        parallel: folder.parallel,
        storage: folder.storage,
    }
}

/// Opens the chain that a node keeps.
///
/// # Errors
/// As [`open`], and when there is none.
pub(super) fn open_existing(options: &Options) -> anyhow::Result<Chain> {
    let folder = ChainFolder::resolve(options)?;
    anyhow::ensure!(has_database(&folder.database), "no chain in {}", folder.database.display());
    open(&folder)
}

/// Whether somebody made a database here.
pub(super) fn has_database(database: &Path) -> bool {
    database.join("CURRENT").is_file()
}
