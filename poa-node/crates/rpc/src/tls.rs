//! TLS of a listener, and the certificates by which services prove themselves to it.
//!
//! No authority is trusted: a client certificate counts because its fingerprint is in the operator's file, self-signed or
//! not, and whatever dates it bears. The handshake proves that the client holds its key.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::login::Services;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of its kind.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What about it.
        reason: String,
    },
    /// Certificate and key do not fit.
    #[error("certificate {}: {source}", path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

/// SHA-256 of a certificate, as `openssl x509 -outform der | sha256sum` gives it.
pub(crate) type Fingerprint = [u8; 32];

/// A listener's certificate and the clients it knows.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a certificate with its chain and its key, both PEM. `clients` may, and need not, show one of their own
    /// certificates; any other is refused in the handshake.
    ///
    /// # Errors
    /// [`TlsError`]; no message holds anything of the key.
    pub fn read(certificate: &Path, key: &Path, clients: &Services) -> Result<Self, TlsError> {
        let failed = |path: &Path, reason: String| TlsError::File { path: path.to_owned(), reason };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| failed(certificate, error.to_string()))?;
        if chain.is_empty() {
            return Err(failed(certificate, "no PEM certificate in it".to_owned()));
        }
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error.to_string()))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let known = Known { clients: clients.clone(), provider: Arc::clone(&provider) };
        let pair = |source| TlsError::Pair { path: certificate.to_owned(), source };
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(pair)?;
        let config = if clients.is_empty() {
            config.with_no_client_auth()
        } else {
            config.with_client_cert_verifier(Arc::new(known))
        };
        let mut config = config.with_single_cert(chain, secret).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// The handshake with one client, and the fingerprint of the certificate it showed.
    ///
    /// # Errors
    /// Whatever is wrong with it, and [`io::ErrorKind::TimedOut`].
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Option<Fingerprint>)> {
        let handshake = TlsAcceptor::from(Arc::clone(&self.0)).accept(stream);
        let stream = tokio::time::timeout(HANDSHAKE, handshake).await??;
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates().and_then(<[_]>::first).map(|shown| fingerprint(shown));
        Ok((stream, shown))
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Sha256::digest(certificate).into()
}

/// Lets in clients whose certificate is known, and those that show none.
#[derive(Debug)]
struct Known {
    clients: Services,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Known {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.clients.holder(&fingerprint(end_entity)) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
