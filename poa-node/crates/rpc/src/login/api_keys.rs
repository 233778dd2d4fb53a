//! Static keys of services: what cannot sign a challenge every hour proves itself with a long random word.
//!
//! The file has one key a line, `NAME ADDRESS SHA256`: a name for logs and limits, the account whose rights it has, and the
//! hash of the key. It is readable by its owner only. The key itself is nowhere on the node.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use alloy::{hex, primitives::Address};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::sessions::digest;

/// Shortest key that is looked at: what people make up is shorter than what `openssl rand -hex 32` gives.
const MIN_LENGTH: usize = 32;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeysError {
    /// The file cannot be read.
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
    /// A line is wrong.
    #[error("{} line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What about it.
        reason: String,
    },
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name in logs and limits.
    pub name: Arc<str>,
    /// Whose rights it has.
    pub address: Address,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
}

/// All keys of one listener, as their file says: it is looked at again every second in which somebody shows a key. A file
/// that is wrong then changes nothing, and is logged once; replace it in one step (`mv`). An empty file ends all keys.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys(Arc<Source>);

#[derive(Debug, Default)]
struct Source {
    path: Option<PathBuf>,
    loaded: RwLock<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    keys: Vec<ApiKey>,
    /// What the file was like when it was read last, rightly or not.
    stamp: Option<Stamp>,
    /// When it was looked at last.
    looked: Option<Instant>,
}

/// By what a changed file is known: another file of the name, or other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    /// Of content and of mode, owner or name; seconds and nanoseconds.
    changed: [(i64, i64); 2],
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        let changed = [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())];
        Ok(Self { inode: found.ino(), bytes: found.len(), changed })
    }
}

impl ApiKeys {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// [`ApiKeysError`].
    pub fn read(path: &Path) -> Result<Self, ApiKeysError> {
        // Before the keys: a change in between is seen at the next look.
        let stamp = Stamp::of(path).ok();
        let loaded = RwLock::new(Loaded { keys: Self::read_keys(path)?, stamp, looked: None });
        Ok(Self(Arc::new(Source { path: Some(path.to_owned()), loaded })))
    }

    fn read_keys(path: &Path) -> Result<Vec<ApiKey>, ApiKeysError> {
        let failed = |source| ApiKeysError::Read { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ApiKeysError::Mode { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(|(line, reason)| ApiKeysError::Line { path: path.to_owned(), line, reason })
    }

    fn parse(text: &str) -> Result<Vec<ApiKey>, (usize, String)> {
        let mut keys: Vec<ApiKey> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason: String| (number + 1, reason);
            let words: Vec<_> = line.split_whitespace().collect();
            let [name, address, hash] = words[..] else {
                return Err(wrong("expected: NAME ADDRESS SHA256".to_owned()));
            };
            let address = address.parse().map_err(|error| wrong(format!("address {address}: {error}")))?;
            // Not shown: whoever mistook the columns may have written the key itself.
            let sha256 = hex::decode_to_array(hash).map_err(|_| wrong("the hash is not 64 hex digits".to_owned()))?;
            if keys.iter().any(|key| &*key.name == name || key.sha256 == sha256) {
                return Err(wrong(format!("name or hash of {name} is there twice")));
            }
            keys.push(ApiKey { name: name.into(), address, sha256 });
        }
        Ok(keys)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.loaded().keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.loaded().keys.is_empty()
    }

    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.0.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it was changed and was not looked at within a second before `now`.
    fn refresh(&self, now: Instant) {
        let Some(path) = &self.0.path else { return };
        let is_due = |looked: Option<Instant>| looked.is_none_or(|looked| now >= looked + LOOK_EVERY);
        if !is_due(self.loaded().looked) {
            return;
        }
        let mut loaded = self.0.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if !is_due(loaded.looked) {
            return;
        }
        loaded.looked = Some(now);
        let stamp = Stamp::of(path).ok();
        if stamp == loaded.stamp {
            return;
        }
        loaded.stamp = stamp;
        match Self::read_keys(path) {
            Ok(keys) => {
                tracing::info!(file = %path.display(), keys = keys.len(), "API keys were changed");
                loaded.keys = keys;
            }
            Err(error) => tracing::error!(%error, "API keys stay as they were"),
        }
    }

    /// The service that holds this key. Every key is compared, in constant time.
    pub(super) fn find(&self, secret: &str) -> Option<ApiKey> {
        if secret.len() < MIN_LENGTH {
            return None;
        }
        self.refresh(Instant::now());
        self.find_loaded(secret)
    }

    fn find_loaded(&self, secret: &str) -> Option<ApiKey> {
        let loaded = self.loaded();
        let digest = digest(secret);
        let (mut found, mut at) = (Choice::from(0), 0_u64);
        for (index, key) in (0_u64..).zip(&loaded.keys) {
            let same = key.sha256.ct_eq(&digest);
            at.conditional_assign(&index, same);
            found |= same;
        }
        if bool::from(found) { loaded.keys.get(usize::try_from(at).ok()?).cloned() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt as _,
        sync::{Arc, RwLock},
        time::{Duration, Instant},
    };

    use alloy::{hex, primitives::Address};

    use super::{ApiKeys, ApiKeysError, Loaded, Source, digest};

    const KEY: &str = "6b0b1a9c5f0e4f0e9d6f2b7c8a1d3e5f";

    fn of(keys: Vec<super::ApiKey>) -> ApiKeys {
        ApiKeys(Arc::new(Source { path: None, loaded: RwLock::new(Loaded { keys, stamp: None, looked: None }) }))
    }

    fn line(name: &str, key: &str) -> String {
        format!("{name} {} {}\n", Address::repeat_byte(7), hex::encode(digest(key)))
    }

    #[test]
    fn a_key_is_found_by_its_hash() {
        let text = format!("# services\n\n{}{}", line("explorer", KEY), line("relayer", &KEY.replace('6', "7")));
        let keys = of(ApiKeys::parse(&text).unwrap());
        assert_eq!(keys.len(), 2);
        let found = keys.find(KEY).unwrap();
        assert_eq!((&*found.name, found.address), ("explorer", Address::repeat_byte(7)));
        assert_eq!(&*keys.find(&KEY.replace('6', "7")).unwrap().name, "relayer");
        assert!(keys.find(&KEY.replace('0', "1")).is_none() && keys.find("").is_none());
        // What openssl gives for the same key: printf %s KEY | sha256sum.
        assert_eq!(hex::encode(digest("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_short_key_is_none() {
        let keys = of(ApiKeys::parse(&line("weak", "secret")).unwrap());
        assert!(keys.find("secret").is_none());
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        let twice = line("a", KEY) + &line("b", KEY);
        for (text, number) in [("a b", 1), ("\nx 0x12 00", 2), (twice.as_str(), 2)] {
            assert_eq!(ApiKeys::parse(text).unwrap_err().0, number, "{text}");
        }
        let misplaced = format!("a {} {KEY}", Address::ZERO);
        assert!(!ApiKeys::parse(&misplaced).unwrap_err().1.contains(KEY));
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_wrong_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let write = |text: &str| {
            let next = folder.path().join("next");
            fs::write(&next, text).unwrap();
            fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(&next, &path).unwrap();
        };
        let other = KEY.replace('6', "7");
        write(&line("explorer", KEY));
        let keys = ApiKeys::read(&path).unwrap();
        let mut now = Instant::now();
        let mut later = || {
            now += Duration::from_secs(2);
            now
        };
        assert!(keys.find(KEY).is_some() && keys.find(&other).is_none());
        write(&line("relayer", &other));
        keys.refresh(later());
        assert!(keys.find_loaded(KEY).is_none(), "a key that was taken out is none");
        assert_eq!(&*keys.find_loaded(&other).unwrap().name, "relayer");
        write("half a li");
        keys.refresh(later());
        assert!(keys.find_loaded(&other).is_some());
        fs::remove_file(&path).unwrap();
        keys.refresh(later());
        assert!(keys.find_loaded(&other).is_some());
        write("");
        keys.refresh(later());
        assert!(keys.is_empty());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, line("explorer", KEY)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(ApiKeys::read(&path), Err(ApiKeysError::Mode { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(ApiKeys::read(&path).unwrap().len(), 1);
        assert!(matches!(ApiKeys::read(&folder.path().join("none")), Err(ApiKeysError::Read { .. })));
    }
}
