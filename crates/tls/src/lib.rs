//! TLS: a server's certificate, which is read again when its files change, and whom a client trusts.
//!
//! The ciphers are those of one provider that is named here, so that nothing depends on what a process installed before.

mod certificate;
mod roots;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use certificate::{Acceptor, Certificate, Files, is_http2};
pub use roots::{Roots, http};

/// Certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has not what it should.
    #[error("{path} has no {what} in PEM")]
    Nothing {
        /// Which.
        path: PathBuf,
        /// What it should have.
        what: &'static str,
    },
    /// Others may read the key.
    #[error("{path} holds a private key and others may read it: chmod 600 {path}", path = .0.display())]
    Exposed(PathBuf),
    /// One of the two files is named alone.
    #[error("a certificate needs its key, and a key its certificate: set both tls_certificate and tls_key")]
    Half,
    /// They are no pair, or the key is of a kind that is not known.
    #[error("{certificate} and {key} cannot be used together: {source}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// It is no certificate that can be trusted.
    #[error("{path} has a certificate that cannot be trusted: {source}")]
    Root {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What both sides offer, the better one first.
fn protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}
