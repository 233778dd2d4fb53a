//! The snapshots a node holds for others, as files named after what they hold.

use std::{
    fs, io,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use alloy::primitives::{B256, Bytes};
use aurum_network::SnapshotOffer;

/// Snapshots kept: the newest, and the one before it for who is still fetching that.
const KEPT: usize = 2;

/// Files `NUMBER-DIGEST.snapshot` in a folder, newest first.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    held: RwLock<Vec<SnapshotOffer>>,
}

impl Shelf {
    /// Opens the folder, making it if it is not there. What an interrupted run left unfinished is removed.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let shelf = Self { folder, held: RwLock::default() };
        shelf.clear_unfinished()?;
        let mut held = Vec::new();
        for entry in fs::read_dir(&shelf.folder)? {
            let entry = entry?;
            if let Some((number, digest)) = entry.file_name().to_str().and_then(parse_name) {
                held.push(SnapshotOffer { number, digest, size: entry.metadata()?.len() });
            }
        }
        *shelf.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        shelf.tidy()?;
        Ok(shelf)
    }

    /// Where a snapshot is made before [`Self::put`].
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.folder.join("unfinished")
    }

    /// Removes what is being made.
    pub(crate) fn clear_unfinished(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.unfinished()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes a finished file, which is on disk already, and lets go of the oldest.
    pub(crate) fn put(&self, file: &Path, offer: SnapshotOffer) -> io::Result<()> {
        fs::rename(file, self.place(&offer))?;
        fs::File::open(&self.folder)?.sync_all()?;
        self.held.write().unwrap_or_else(PoisonError::into_inner).push(offer);
        self.tidy()
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Option<SnapshotOffer> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).first().copied()
    }

    /// Up to `most` bytes from `offset` on; none when the snapshot is gone or shorter.
    pub(crate) fn part(&self, digest: B256, offset: u64, most: u64) -> Bytes {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(offer) = held.iter().find(|offer| offer.digest == digest) else { return Bytes::new() };
        let read = || {
            let mut file = fs::File::open(self.place(offer))?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes)?;
            io::Result::Ok(bytes)
        };
        match read() {
            Ok(bytes) => bytes.into(),
            Err(error) => {
                tracing::warn!(number = offer.number, %error, "cannot read a snapshot that was offered");
                Bytes::new()
            }
        }
    }

    fn place(&self, offer: &SnapshotOffer) -> PathBuf {
        self.folder.join(format!("{}-{:x}.snapshot", offer.number, offer.digest))
    }

    fn tidy(&self) -> io::Result<()> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.sort_by_key(|offer| std::cmp::Reverse(offer.number));
        held.dedup();
        while held.len() > KEPT {
            if let Some(oldest) = held.pop() {
                fs::remove_file(self.place(&oldest))?;
            }
        }
        Ok(())
    }
}

fn parse_name(name: &str) -> Option<(u64, B256)> {
    let (number, digest) = name.strip_suffix(".snapshot")?.split_once('-')?;
    Some((number.parse().ok()?, digest.parse().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use alloy::primitives::keccak256;

    use super::*;

    fn put(shelf: &Shelf, number: u64, bytes: &[u8]) -> SnapshotOffer {
        fs::create_dir_all(shelf.unfinished()).unwrap();
        let file = shelf.unfinished().join("file");
        fs::write(&file, bytes).unwrap();
        let offer = SnapshotOffer { number, size: bytes.len() as u64, digest: keccak256(bytes) };
        shelf.put(&file, offer).unwrap();
        offer
    }

    #[test]
    fn the_newest_is_offered_the_one_before_is_still_there_and_a_restart_finds_both() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Shelf::open(folder.path().join("snapshots")).unwrap();
        let shelf = open();
        assert_eq!(shelf.newest(), None);
        let offers = [(5, b"five"), (20, b"next"), (30, b"last")].map(|(number, bytes)| put(&shelf, number, bytes));
        fs::create_dir_all(shelf.unfinished().join("db")).unwrap();
        for shelf in [shelf, open()] {
            assert_eq!(shelf.newest(), Some(offers[2]));
            assert_eq!(shelf.part(offers[2].digest, 1, 2), Bytes::from_static(b"as"));
            assert_eq!(shelf.part(offers[1].digest, 0, 99), Bytes::from_static(b"next"));
            assert_eq!(shelf.part(offers[1].digest, 99, 99), Bytes::new());
            assert_eq!(shelf.part(offers[0].digest, 0, 99), Bytes::new(), "two are kept");
        }
        assert!(!folder.path().join("snapshots/unfinished").exists());
    }
}
