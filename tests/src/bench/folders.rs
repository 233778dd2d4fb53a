//! Folders of nodes: emptied, and copied without taking the room twice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

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

/// Waits until all of a folder is on the disk, so that writing it does not go on beside what is measured next.
pub(super) fn settle(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            settle(&path)?;
        } else {
            fs::File::open(&path)?.sync_all().with_context(|| format!("cannot write out {}", path.display()))?;
        }
    }
    Ok(())
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
