//! A certificate authority that nobody knows, and what it signs.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::write_private;

/// The years in which a certificate is valid that a test has no other wish for.
pub const VALID: [i32; 2] = [2020, 2200];

/// An authority of a test, and a folder with the newest certificate that it signed.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If the system has no randomness or no room.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the system has randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("nothing is wrong with it");
        let authority = Self { issuer, folder: tempfile::tempdir().expect("a temporary folder") };
        write_private(&authority.root(), &authority.issuer.pem());
        authority
    }

    /// The file for those who trust it.
    pub fn root(&self) -> PathBuf {
        self.path("root.pem")
    }

    /// The file of the newest certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The file of its key.
    pub fn key(&self) -> PathBuf {
        self.path("server.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// Signs for a name, from the beginning of one year to that of another.
    ///
    /// # Panics
    /// If it is no name.
    pub fn sign(&self, name: &str, years: [i32; 2]) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        [params.not_before, params.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().expect("the system has randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("nothing is wrong with it");
        write_private(&self.certificate(), &certificate.pem());
        write_private(&self.key(), &key.serialize_pem());
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
