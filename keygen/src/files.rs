//! Making files: never over another one, never readable by others for a moment if they hold a secret, and a folder
//! whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::KeygenError;

/// Makes a file that only its owner may read: created with mode 0600 and O_EXCL, written, synced.
pub(crate) fn create_private(path: &Path, contents: &[u8]) -> Result<(), KeygenError> {
    create(path, contents, 0o600)
}

/// Makes a file for everybody to read.
pub(crate) fn create_public(path: &Path, contents: &[u8]) -> Result<(), KeygenError> {
    create(path, contents, 0o644)
}

fn create(path: &Path, contents: &[u8], mode: u32) -> Result<(), KeygenError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(KeygenError::io(path))?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(KeygenError::io(path))
}

/// Makes a folder that only its owner may enter.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), KeygenError> {
    DirBuilder::new().mode(0o700).create(path).map_err(KeygenError::io(path))
}

/// Makes a folder that everybody may enter.
pub(crate) fn create_public_folder(path: &Path) -> Result<(), KeygenError> {
    DirBuilder::new().mode(0o755).create(path).map_err(KeygenError::io(path))
}

/// Reads a text file.
pub(crate) fn read_text(path: &Path) -> Result<String, KeygenError> {
    fs::read_to_string(path).map_err(KeygenError::io(path))
}

/// Makes the folder `target`, filled by `fill`, in one step: what is half made never has that name. An empty folder of
/// that name is taken over.
pub(crate) fn create_whole<T>(
    target: &Path,
    make: impl FnOnce(&Path) -> Result<(), KeygenError>,
    fill: impl FnOnce(&Path) -> Result<T, KeygenError>,
) -> Result<T, KeygenError> {
    refuse_occupied(target)?;
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(KeygenError::io(parent))?;
    let name = target.file_name().ok_or_else(|| KeygenError::invalid("--out", "it names no folder"))?;
    let draft = parent.join(format!(".{}.{}.unfinished", name.to_string_lossy(), std::process::id()));
    make(&draft)?;
    let cleanup = Draft(draft.clone());
    let value = fill(&draft)?;
    // On Linux this replaces an empty folder and fails on one that is not.
    fs::rename(&draft, target).map_err(KeygenError::io(target))?;
    std::mem::forget(cleanup);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(KeygenError::io(parent))?;
    Ok(value)
}

fn refuse_occupied(target: &Path) -> Result<(), KeygenError> {
    match fs::read_dir(target) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(KeygenError::Exists { path: target.to_owned() }),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(KeygenError::Exists { path: target.to_owned() })
        }
        Err(source) => Err(KeygenError::Io { path: target.to_owned(), source }),
    }
}

/// Removes an unfinished folder of ours.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing more can be done about a folder that does not go; its name says what it is.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Refuses names that are no good as a folder, a host and a TOML value at once.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), KeygenError> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    if (1..=40).contains(&bytes.len())
        && bytes.iter().all(|byte| good(*byte))
        && edge(bytes.first())
        && edge(bytes.last())
    {
        return Ok(());
    }
    let reason = format!(
        "`{name}` is not made of 1 to 40 lower-case letters, digits and inner hyphens; it becomes the name of a folder and a host"
    );
    Err(KeygenError::invalid(what, reason))
}
