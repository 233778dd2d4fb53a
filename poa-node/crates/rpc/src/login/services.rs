//! Services, which cannot sign a challenge every hour: each proves itself with a long random word (an API key) or with a
//! client certificate.
//!
//! The file has one service a line, `NAME ADDRESS SHA256`: a name for logs and limits, the account whose rights it has, and
//! the hash of the key or of the certificate (its DER form). It is readable by its owner only. A key itself is nowhere on
//! the node.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use alloy::{hex, primitives::Address};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use tokio::sync::watch;

use super::sessions::digest;
use crate::files::{FileError, Stamp, read_private};

/// Shortest key that is looked at: what people make up is shorter than what `openssl rand -hex 32` gives.
const MIN_LENGTH: usize = 32;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ServiceListError {
    /// The file cannot be read, or others can read it.
    #[error(transparent)]
    File(#[from] FileError),
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
pub struct Service {
    /// Its name in logs and limits.
    pub name: Arc<str>,
    /// Whose rights it has.
    pub address: Address,
    /// SHA-256 of the key or certificate.
    pub sha256: [u8; 32],
}

/// All services of one listener that prove themselves in one way, as their file says. The server looks at the file again
/// every second; one that is wrong changes nothing, and is logged once. Replace it in one step (`mv`). An empty file ends
/// all services.
#[derive(Clone, Debug, Default)]
pub struct ServiceList(Arc<Source>);

#[derive(Debug, Default)]
struct Source {
    path: Option<PathBuf>,
    loaded: RwLock<Loaded>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Loaded {
    services: Vec<Service>,
    /// What the file was like when it was read last, rightly or not.
    stamp: Option<Stamp>,
}

impl ServiceList {
    /// Reads a file of services.
    ///
    /// # Errors
    /// [`ServiceListError`].
    pub fn read(path: &Path) -> Result<Self, ServiceListError> {
        // Before the services: a change in between is seen at the next look.
        let stamp = Stamp::of(path);
        let loaded = RwLock::new(Loaded { services: Self::read_services(path)?, stamp });
        Ok(Self(Arc::new(Source { path: Some(path.to_owned()), loaded, changed: watch::Sender::default() })))
    }

    fn read_services(path: &Path) -> Result<Vec<Service>, ServiceListError> {
        let text = read_private(path)?;
        Self::parse(&text).map_err(|(line, reason)| ServiceListError::Line { path: path.to_owned(), line, reason })
    }

    fn parse(text: &str) -> Result<Vec<Service>, (usize, String)> {
        let mut services: Vec<Service> = Vec::new();
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
            // With colons between the bytes it is a fingerprint as `openssl x509 -fingerprint` prints it. Not shown: whoever
            // mistook the columns may have written the key itself.
            let sha256 = hex::decode_to_array(hash.replace(':', ""))
                .map_err(|_| wrong("the hash is not 64 hex digits".to_owned()))?;
            if services.iter().any(|service| &*service.name == name || service.sha256 == sha256) {
                return Err(wrong(format!("name or hash of {name} is there twice")));
            }
            services.push(Service { name: name.into(), address, sha256 });
        }
        Ok(services)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.loaded().services.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.loaded().services.is_empty()
    }

    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.0.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it was changed, and tells those who wait for a change. Reads a disk: call it off the async
    /// threads.
    pub(crate) fn refresh(&self) {
        let Some(path) = &self.0.path else { return };
        let stamp = Stamp::of(path);
        if stamp == self.loaded().stamp {
            return;
        }
        let read = Self::read_services(path);
        {
            let mut loaded = self.0.loaded.write().unwrap_or_else(PoisonError::into_inner);
            loaded.stamp = stamp;
            match read {
                Ok(services) => {
                    tracing::info!(file = %path.display(), services = services.len(), "services were changed");
                    loaded.services = services;
                }
                Err(error) => {
                    tracing::error!(%error, "services stay as they were");
                    return;
                }
            }
        }
        self.0.changed.send_replace(());
    }

    /// The service that holds this key. Every key is compared, in constant time.
    pub(super) fn find_key(&self, secret: &str) -> Option<Listed> {
        if secret.len() < MIN_LENGTH { None } else { self.find(&digest(secret)) }
    }

    /// The service of this hash.
    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<Listed> {
        let loaded = self.loaded();
        let (mut found, mut at) = (Choice::from(0), 0_u64);
        for (index, service) in (0_u64..).zip(&loaded.services) {
            let same = service.sha256.ct_eq(digest);
            at.conditional_assign(&index, same);
            found |= same;
        }
        if !bool::from(found) {
            return None;
        }
        let service = loaded.services.get(usize::try_from(at).ok()?)?.clone();
        Some(Listed { list: self.clone(), service })
    }
}

/// A service that was found in its list, for as long as it stands there unchanged.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    list: ServiceList,
    service: Service,
}

impl Listed {
    pub(crate) const fn service(&self) -> &Service {
        &self.service
    }

    /// Whether it still proves the account.
    pub(crate) fn is_listed(&self) -> bool {
        self.list.loaded().services.contains(&self.service)
    }

    /// Waits until it does not.
    pub(crate) async fn ended(&self) {
        let mut changed = self.list.0.changed.subscribe();
        while self.is_listed() {
            // The list lives as long as this.
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt as _,
        sync::{Arc, RwLock},
    };

    use alloy::{hex, primitives::Address};
    use futures::FutureExt as _;

    use super::{Loaded, Service, ServiceList, ServiceListError, Source, digest};
    use crate::files::FileError;

    const KEY: &str = "6b0b1a9c5f0e4f0e9d6f2b7c8a1d3e5f";

    fn of(services: Vec<Service>) -> ServiceList {
        ServiceList(Arc::new(Source { loaded: RwLock::new(Loaded { services, stamp: None }), ..Source::default() }))
    }

    fn line(name: &str, key: &str) -> String {
        format!("{name} {} {}\n", Address::repeat_byte(7), hex::encode(digest(key)))
    }

    fn name(list: &ServiceList, key: &str) -> Option<String> {
        list.find_key(key).map(|listed| listed.service().name.to_string())
    }

    #[test]
    fn a_key_is_found_by_its_hash() {
        let text = format!("# services\n\n{}{}", line("explorer", KEY), line("relayer", &KEY.replace('6', "7")));
        let keys = of(ServiceList::parse(&text).unwrap());
        assert_eq!(keys.len(), 2);
        let found = keys.find_key(KEY).unwrap();
        assert_eq!((&*found.service().name, found.service().address), ("explorer", Address::repeat_byte(7)));
        assert_eq!(name(&keys, &KEY.replace('6', "7")).as_deref(), Some("relayer"));
        assert!(keys.find_key(&KEY.replace('0', "1")).is_none() && keys.find_key("").is_none());
        // What openssl gives for the same key: printf %s KEY | sha256sum.
        assert_eq!(hex::encode(digest("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_fingerprint_is_read_as_openssl_prints_it() {
        let hash: Vec<_> = digest(KEY).iter().map(|byte| format!("{byte:02X}")).collect();
        let list = of(ServiceList::parse(&format!("explorer {} {}", Address::ZERO, hash.join(":"))).unwrap());
        assert!(list.find(&digest(KEY)).is_some());
    }

    #[test]
    fn a_short_key_is_none() {
        let keys = of(ServiceList::parse(&line("weak", "secret")).unwrap());
        assert!(keys.find_key("secret").is_none());
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        let twice = line("a", KEY) + &line("b", KEY);
        for (text, number) in [("a b", 1), ("\nx 0x12 00", 2), (twice.as_str(), 2)] {
            assert_eq!(ServiceList::parse(text).unwrap_err().0, number, "{text}");
        }
        let misplaced = format!("a {} {KEY}", Address::ZERO);
        assert!(!ServiceList::parse(&misplaced).unwrap_err().1.contains(KEY));
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
        let keys = ServiceList::read(&path).unwrap();
        let explorer = keys.find_key(KEY).unwrap();
        assert!(explorer.is_listed() && explorer.ended().now_or_never().is_none());
        assert!(name(&keys, &other).is_none());
        write(&line("relayer", &other));
        keys.refresh();
        assert!(name(&keys, KEY).is_none(), "a key that was taken out is none");
        assert!(!explorer.is_listed() && explorer.ended().now_or_never().is_some());
        assert_eq!(name(&keys, &other).as_deref(), Some("relayer"));
        write("half a li");
        keys.refresh();
        assert!(name(&keys, &other).is_some());
        fs::remove_file(&path).unwrap();
        keys.refresh();
        let relayer = keys.find_key(&other).unwrap();
        // Another account is another service.
        write(&line("relayer", &other).replace("0x07", "0x08"));
        keys.refresh();
        assert!(!relayer.is_listed() && keys.find_key(&other).unwrap().is_listed());
        write("");
        keys.refresh();
        assert!(keys.is_empty());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, line("explorer", KEY)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = ServiceList::read(&path);
        assert!(matches!(refused, Err(ServiceListError::File(FileError::Mode { mode: 0o640, .. }))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(ServiceList::read(&path).unwrap().len(), 1);
    }
}
