//! `poa-node compact`: the database in the least room.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::{Answer, Folder, json::uint64, offline};
use crate::config::{ChainFolder, Options};

/// Merges the files of a database that no node uses.
///
/// # Errors
/// When there is no such chain, a node is using the folder, or the disk fails.
pub fn compact(folder: Folder, before: Options, config: Option<PathBuf>) -> anyhow::Result<Answer> {
    let options = folder.options(before, config)?;
    let chain = offline::open_existing(&options)?;
    let database = ChainFolder::resolve(&options)?.database;
    let size = || -> anyhow::Result<u64> {
        let cannot = || format!("cannot read {}", database.display());
        let files = fs::read_dir(&database).with_context(cannot)?;
        files.map(|file| Ok(file?.metadata()?.len())).sum::<std::io::Result<u64>>().with_context(cannot)
    };
    let was = size()?;
    chain.compact_database()?;
    drop(chain);
    Ok(Answer::yes(
        json!({ "database": database.display().to_string(), "before": uint64(was), "after": uint64(size()?) }),
    ))
}
