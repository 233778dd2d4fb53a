//! TLS of a listener: its certificate, and whose certificates clients have to show.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
};
use sha2::{Digest as _, Sha256};

use crate::files::{FileError, Stamp, read_private, read_public};

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or others can read the key.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds something else than PEM of the kind that is needed.
    #[error("{}: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What about it; never its content.
        reason: String,
    },
    /// Certificate and key do not belong together, or are of no use to TLS.
    #[error("certificate {} with key {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// No client certificate could be verified with this authority.
    #[error("client authority {}: {source}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What the TLS library said.
        source: VerifierBuilderError,
    },
}

/// Where a listener's certificates are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The listener's certificate, then those that lead from it to a root.
    pub certificate: PathBuf,
    /// Its private key; nobody but its owner may read it.
    pub key: PathBuf,
    /// Certificates of authorities, one of which has to have signed a client's. `None` asks clients for none.
    pub client_ca: Option<PathBuf>,
}

/// A listener's TLS 1.2 and 1.3, as its files say. The server looks at them again every second; connections that are open
/// keep what they began with. Files that are wrong, or do not belong together, change nothing and are logged once.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Source>);

#[derive(Debug)]
struct Source {
    files: TlsFiles,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// What the files were like when they were read last, rightly or not.
    stamps: Stamps,
}

type Stamps = [Option<Stamp>; 3];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        // Before the files: a change in between is seen at the next look.
        let stamps = stamps(&files);
        let config = Arc::new(config(&files)?);
        Ok(Self(Arc::new(Source { files, loaded: RwLock::new(Loaded { config, stamps }) })))
    }

    /// With what the next connection begins.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded().config)
    }

    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.0.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads changed files again: call it off the async threads.
    pub(crate) fn refresh(&self) {
        let files = &self.0.files;
        let stamps = stamps(files);
        if stamps == self.loaded().stamps {
            return;
        }
        let read = config(files);
        let mut loaded = self.0.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.stamps = stamps;
        match read {
            Ok(config) => {
                tracing::info!(certificate = %files.certificate.display(), "TLS certificates were changed");
                loaded.config = Arc::new(config);
            }
            Err(error) => tracing::error!(%error, "TLS certificates stay as they were"),
        }
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()].map(|path| Stamp::of(path?))
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let pair = |source| TlsError::Pair { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(pair)?;
    let mut config = match &files.client_ca {
        None => builder.with_no_client_auth().with_single_cert(chain, key).map_err(pair)?,
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider);
            let verifier = verifier.build().map_err(|source| TlsError::Authority { path: path.clone(), source })?;
            let mut config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).map_err(pair)?;
            // Who comes again is verified again: a resumed session would not be, although certificates expire.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }
    };
    // A WebSocket begins as HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| wrong(path, error.to_string()))?;
    }
    Ok(roots)
}

/// All certificates in a file, one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read_public(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(found) if found.is_empty() => Err(wrong(path, "no CERTIFICATE in it (PEM is expected)".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(path, error.to_string())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read_private(path)?;
    // The error is not shown: it may quote a line.
    let reason = "no PRIVATE KEY in it that can be read (PEM without passphrase is expected)";
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong(path, reason.to_owned()))
}

fn wrong(path: &Path, reason: String) -> TlsError {
    TlsError::Pem { path: path.to_owned(), reason }
}

/// SHA-256 of a certificate's DER form.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}
