//! A server's certificate with its key, from two files that are read again when they change.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
pub use tokio_rustls::TlsAcceptor as Acceptor;
use tokio_rustls::server::TlsStream;

use crate::{TlsError, protocols, provider};

/// Whoever is not the key's owner.
const OTHERS: u32 = 0o077;

/// Where a certificate and its key lie, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The certificate that is in force.
pub struct Certificate {
    files: Files,
    current: Arc<Current>,
    /// How the files looked when they were last read.
    seen: Seen,
}

/// Changes whenever a file does.
type Seen = [Option<(u64, u64, i64, i64)>; 2];

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// If they cannot be used, or others than its owner may read the key.
    pub fn open(files: Files) -> Result<Self, TlsError> {
        let seen = files.look();
        let current = Arc::new(Current(RwLock::new(Arc::new(files.read()?))));
        Ok(Self { files, current, seen })
    }

    /// Takes connections, each with the certificate that is in force by then.
    pub fn acceptor(&self) -> Acceptor {
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = config.expect("the provider has the ciphers of TLS 1.2 and 1.3").with_no_client_auth();
        let mut config = config.with_cert_resolver(self.current.clone());
        config.alpn_protocols = protocols();
        Acceptor::from(Arc::new(config))
    }

    /// Looks at the files again and again, and takes what changed; for ever. A pair that cannot be used changes nothing.
    pub async fn keep_current(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let files = self.files.clone();
            // Certificates may lie on a file system that answers late.
            let looked = tokio::task::spawn_blocking(move || {
                let seen = files.look();
                (seen != self.seen).then(|| files.read()).map(|read| (seen, read))
            });
            match looked.await {
                Ok(Some((seen, read))) => {
                    self.seen = seen;
                    self.take(read);
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "looking at the certificate failed"),
            }
        }
    }

    fn take(&self, read: Result<CertifiedKey, TlsError>) {
        match read {
            Ok(key) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                tracing::info!(file = %self.files.certificate.display(), "a new certificate is in force");
            }
            Err(error) => tracing::error!(%error, "the new certificate is not used; the old one stays"),
        }
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Files {
    fn look(&self) -> Seen {
        let of = |file: Metadata| (file.ino(), file.len(), file.mtime(), file.mtime_nsec());
        [&self.certificate, &self.key].map(|path| fs::metadata(path).ok().map(of))
    }

    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let told = |path: &Path, source| TlsError::Read { path: path.to_owned(), source };
        let key = fs::metadata(&self.key).map_err(|error| told(&self.key, error))?;
        if key.permissions().mode() & OTHERS != 0 {
            return Err(TlsError::Exposed(self.key.clone()));
        }
        let chain = read_certificates(&self.certificate)?;
        let pem = fs::read(&self.key).map_err(|error| told(&self.key, error))?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| TlsError::Nothing { path: self.key.clone(), what: "private key" })?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|source| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

/// Whether both sides agreed to speak HTTP/2.
pub fn is_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// All certificates of a file, of which there is one at least.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::Nothing { path: path.to_owned(), what: "certificate" }),
    }
}
