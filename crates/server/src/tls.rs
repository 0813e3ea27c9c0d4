//! The options of TLS that both servers have.

use std::path::PathBuf;
use std::time::Duration;

pub use tls::Acceptor;
use tls::{Certificate, Files, Roots, TlsError};

/// How often a certificate's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How a server shows who it is, and whom it trusts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsOptions {
    /// A file with the server's certificate and those between it and the root, in PEM; with it, it serves https, and HTTP/2
    /// to who wants it. It is read again when it changes.
    #[arg(long, env = "TRIPLICATE_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// A file with the certificate's private key, in PEM, that only its owner may read.
    #[arg(long, env = "TRIPLICATE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// A file with certificates, in PEM, that are trusted beside the system's where this program calls others.
    #[arg(long, env = "TRIPLICATE_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
}

impl TlsOptions {
    /// Takes connections of TLS, if there is a certificate. From now on it is read again when its files change.
    ///
    /// # Errors
    /// When the certificate or its key cannot be used.
    pub fn acceptor(&self) -> Result<Option<Acceptor>, TlsError> {
        let (certificate, key) = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            _ => return Err(TlsError::Half),
        };
        let certificate = Certificate::open(Files { certificate: certificate.clone(), key: key.clone() })?;
        let acceptor = certificate.acceptor();
        tokio::spawn(certificate.keep_current(LOOK_EVERY));
        Ok(Some(acceptor))
    }

    /// Whom the server trusts where it calls others.
    ///
    /// # Errors
    /// When the file of certificates cannot be used.
    pub fn roots(&self) -> Result<Roots, TlsError> {
        Roots::with(self.tls_ca.as_deref())
    }
}
