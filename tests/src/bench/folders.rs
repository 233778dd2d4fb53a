//! Folders of nodes: emptied, and copied without taking the room twice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::process::{binary, run};

/// Where a node keeps its database in its folder: the chains of experiments are called `home`.
pub(super) const DATABASE: &str = "chains/home/db";

/// The database in a node's folder.
pub(super) fn database_of(folder: &Path) -> Result<PathBuf> {
    let database = folder.join(DATABASE);
    database.is_dir().then_some(database).with_context(|| format!("no {DATABASE} in {}", folder.display()))
}

/// Makes `folder`, without what was in it.
pub(super) fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Makes `to` a copy of a folder of plain files and folders, in which nobody writes meanwhile. RocksDB's tables (`.sst`) are
/// written once and only removed as a whole, so the copy has the same files.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    empty(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else if source.extension().is_some_and(|extension| extension == "sst") {
            fs::hard_link(&source, &target).with_context(|| format!("cannot link {}", source.display()))?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

/// Brings a stopped node's database to rest: its files merged and on the disk. What filling it left to do would be done
/// beside what is measured next, in every copy anew.
pub(super) fn settle(spec: &Path, data: &Path) -> Result<()> {
    let mut args = vec!["compact".to_owned()];
    args.extend(node_args(spec, data));
    run(&binary("poa-node")?, args, &[], None)?;
    let database = database_of(data)?;
    for entry in fs::read_dir(&database).with_context(|| format!("cannot read {}", database.display()))? {
        let path = entry?.path();
        fs::File::open(&path)?.sync_all().with_context(|| format!("cannot write out {}", path.display()))?;
    }
    Ok(())
}

/// Where a command of the node finds its chain; it logs nothing but warnings.
pub(super) fn node_args(spec: &Path, data: &Path) -> Vec<String> {
    let mut args = vec!["--chain".to_owned(), spec.display().to_string()];
    args.extend(["-d".to_owned(), data.display().to_string(), "-l".to_owned(), "warn".to_owned()]);
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_changed_without_its_original() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("db")).unwrap();
        fs::write(from.join("db/1.sst"), "table").unwrap();
        fs::write(from.join("db/MANIFEST"), "one").unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(to.join("old"), "").unwrap();

        copy(&from, &to).unwrap();
        assert!(!to.join("old").exists());
        assert_eq!(fs::read(to.join("db/1.sst")).unwrap(), b"table");
        fs::write(to.join("db/MANIFEST"), "two").unwrap();
        fs::remove_file(to.join("db/1.sst")).unwrap();
        assert_eq!(fs::read(from.join("db/1.sst")).unwrap(), b"table");
        assert_eq!(fs::read(from.join("db/MANIFEST")).unwrap(), b"one");
    }
}
