//! Files that say who is let in: read by their owner only, and again when they change.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use zeroize::Zeroizing;

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may read or write the file.
    #[error("{} is open to others (mode {mode:03o}): run chmod 600 {}", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode's lowest nine bits.
        mode: u32,
    },
}

/// The text of a file that nobody but its owner may read or write; wiped from memory when it is dropped.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Mode { path: path.to_owned(), mode });
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}

/// The bytes of a file that holds no secret.
pub(crate) fn read_public(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// By what a changed file is known: another file of the name, or other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    bytes: u64,
    /// Of content and of mode, owner or name; seconds and nanoseconds.
    changed: [(i64, i64); 2],
}

impl Stamp {
    /// `None` where there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let changed = [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())];
        Some(Self { inode: found.ino(), bytes: found.len(), changed })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{FileError, Stamp, read_private};

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "word").unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read_private(&path), Err(FileError::Mode { mode: found, .. }) if found == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_private(&path).unwrap().as_str(), "word");
        assert!(matches!(read_private(&folder.path().join("none")), Err(FileError::Read { .. })));
    }

    #[test]
    fn another_file_of_the_same_name_and_length_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (path, next) = (folder.path().join("list"), folder.path().join("next"));
        fs::write(&path, "one").unwrap();
        fs::write(&next, "two").unwrap();
        let before = Stamp::of(&path);
        assert_eq!(Stamp::of(&path), before);
        fs::rename(&next, &path).unwrap();
        assert_ne!(Stamp::of(&path), before);
        assert!(before.is_some() && Stamp::of(&next).is_none());
    }
}
