//! Whom a client trusts: the system's roots, and those of one file beside them.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};

use crate::certificate::read_certificates;
use crate::{TlsError, protocols, provider};

/// How often a connection that carries requests is asked whether its other end is still there.
const ALIVE: Duration = Duration::from_secs(10);

/// Whom a client trusts.
#[derive(Debug, Clone)]
pub struct Roots(RootCertStore);

impl Default for Roots {
    /// The system's own. None, where it has none: nothing can be reached by https then, and http as before.
    fn default() -> Self {
        static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
        let system = SYSTEM.get_or_init(|| {
            let mut store = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            for error in found.errors {
                tracing::debug!(%error, "a root certificate of the system is left out");
            }
            store.add_parsable_certificates(found.certs);
            store
        });
        Self(system.clone())
    }
}

impl Roots {
    /// The system's own, and those of this file, if one is named.
    ///
    /// # Errors
    /// If the file has no certificates.
    pub fn with(file: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = Self::default();
        if let Some(path) = file {
            for certificate in read_certificates(path)? {
                let added = roots.0.add(certificate);
                added.map_err(|source| TlsError::Root { path: path.to_owned(), source })?;
            }
        }
        Ok(roots)
    }
}

/// A client that trusts these, and takes HTTP/2 where it is offered.
pub fn http(roots: &Roots) -> reqwest::ClientBuilder {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.expect("the provider has the ciphers of TLS 1.2 and 1.3");
    let mut config = config.with_root_certificates(roots.0.clone()).with_no_client_auth();
    config.alpn_protocols = protocols();
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(ALIVE)
        .http2_keep_alive_timeout(ALIVE)
}
