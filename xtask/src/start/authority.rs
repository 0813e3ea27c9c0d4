//! A certificate authority of this machine alone, for `--tls`: it is in the data folder, can sign nothing but this
//! machine's own names, and signs one certificate for all programs at each start.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use time::{Duration, OffsetDateTime};

const LOCALHOST: &str = "localhost";
const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
/// Browsers refuse certificates that are valid for much longer; each start makes a new one.
const SERVER_DAYS: i64 = 397;
const AUTHORITY_DAYS: i64 = 10 * 365;

/// The files of `--tls`.
pub(super) struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Opens the authority in the data folder, which is made on the first start, and signs this start's certificate.
    pub(super) fn open(data: &Path, host: Option<&ServerName<'static>>) -> Result<Self> {
        let authority = Self { folder: data.join("tls") };
        fs::create_dir_all(&authority.folder)
            .and_then(|()| fs::set_permissions(&authority.folder, Permissions::from_mode(0o700)))
            .with_context(|| format!("cannot make {}", authority.folder.display()))?;
        let key = authority.open_or_make(host)?;
        authority.sign(&key)?;
        Ok(authority)
    }

    /// What browsers and other machines are to trust.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// This start's certificate.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// Its key.
    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// For asking the programs whether they are ready.
    pub(super) fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.root()).context("the authority's certificate")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }

    /// What it vouches for: this machine's own names.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let names = fs::read_to_string(self.names_file()).context("the authority's names")?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The names stand beside the key: the machine may be renamed, and the authority can sign no new name.
    fn open_or_make(&self, host: Option<&ServerName<'static>>) -> Result<KeyPair> {
        let file = self.folder.join("ca.key");
        if file.exists() && self.root().exists() && self.names_file().exists() {
            let names = self.names()?;
            if let Some(host) =
                host.map(|host| host.to_str().into_owned()).filter(|host| !names.contains(host))
            {
                bail!(
                    "the authority in {} vouches for {} and not for {host}: remove that folder, and a new one is made, \
                     which browsers have to be told to trust",
                    self.folder.display(),
                    names.join(", ")
                );
            }
            let pem = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            return KeyPair::from_pem(&pem).with_context(|| format!("{} is damaged", file.display()));
        }
        let names = names(host);
        write_private(&self.names_file(), &names.join("\n"))?;
        let key = KeyPair::generate()?;
        write_private(&file, &key.serialize_pem())?;
        write_private(&self.root(), &authority_params(&names)?.self_signed(&key)?.pem())?;
        Ok(key)
    }

    fn sign(&self, authority_key: &KeyPair) -> Result<()> {
        let names = self.names()?;
        let issuer = Issuer::new(authority_params(&names)?, authority_key);
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, SERVER_DAYS);
        let key = KeyPair::generate()?;
        write_private(&self.certificate(), &params.signed_by(&key, &issuer)?.pem())?;
        write_private(&self.key(), &key.serialize_pem())
    }

    fn names_file(&self) -> PathBuf {
        self.folder.join("names")
    }
}

/// The machine's own name first, then those by which it reaches itself, then the one for its network.
fn names(host: Option<&ServerName<'static>>) -> Vec<String> {
    let own = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let mut names = vec![own, LOCALHOST.to_owned()];
    names.extend(ADDRESSES.iter().map(ToString::to_string));
    names.extend(host.map(|host| host.to_str().into_owned()));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn authority_params(names: &[String]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    let mut name = DistinguishedName::new();
    let own = names.first().context("the authority's names")?;
    name.push(DnType::CommonName, format!("Triplicate on {own}"));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let permitted = |name: &String| match name.parse::<IpAddr>() {
        Ok(address) => {
            let prefix = if address.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, prefix))
        }
        Err(_) => GeneralSubtree::DnsName(name.clone()),
    };
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.iter().map(permitted).collect(),
        excluded_subtrees: Vec::new(),
    });
    valid_for(&mut params, AUTHORITY_DAYS);
    Ok(params)
}

/// From yesterday, because clocks differ.
fn valid_for(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::days(days);
}

/// Written beside and renamed, so that a program that looks meanwhile sees the old file or the new one.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ClientConnection, ServerConfig, ServerConnection};

    use super::*;

    /// Whether who trusts the authority takes the newest certificate for this name.
    fn is_trusted(authority: &Authority, name: &str) -> bool {
        let chain = vec![CertificateDer::from_pem_file(authority.certificate()).unwrap()];
        let key = PrivateKeyDer::from_pem_file(authority.key()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let server = server.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let name = name.to_owned().try_into().unwrap();
        let mut client = ClientConnection::new(authority.client().unwrap(), name).unwrap();
        while client.is_handshaking() {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            client.write_tls(&mut there).unwrap();
            server.read_tls(&mut &there[..]).unwrap();
            if server.process_new_packets().is_err() {
                return false;
            }
            server.write_tls(&mut back).unwrap();
            let mut rest = &back[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                if client.process_new_packets().is_err() {
                    return false;
                }
            }
        }
        true
    }

    #[test]
    fn the_authority_stays_and_vouches_for_this_machine_alone() {
        let folder = tempfile::tempdir().unwrap();
        let host = ServerName::try_from("backup.home.arpa").unwrap();
        let authority = Authority::open(folder.path(), Some(&host)).unwrap();
        let root = fs::read(authority.root()).unwrap();
        let certificate = fs::read(authority.certificate()).unwrap();
        let authority = Authority::open(folder.path(), Some(&host)).unwrap();
        assert_eq!(fs::read(authority.root()).unwrap(), root);
        assert_ne!(fs::read(authority.certificate()).unwrap(), certificate);
        let names = authority.names().unwrap();
        for name in [LOCALHOST, "127.0.0.1", "::1", "backup.home.arpa"] {
            assert!(names.iter().any(|it| it == name), "{name}");
        }
        for name in &names {
            assert!(is_trusted(&authority, name), "{name}");
        }
        assert!(!is_trusted(&authority, "bank.example"));

        // Whoever steals its key can sign, and nobody believes it.
        let key = KeyPair::from_pem(&fs::read_to_string(folder.path().join("tls/ca.key")).unwrap()).unwrap();
        let issuer = Issuer::new(authority_params(&names).unwrap(), key);
        let mut params = CertificateParams::new(["bank.example".to_owned()]).unwrap();
        valid_for(&mut params, 1);
        let stolen = KeyPair::generate().unwrap();
        write_private(&authority.certificate(), &params.signed_by(&stolen, &issuer).unwrap().pem()).unwrap();
        write_private(&authority.key(), &stolen.serialize_pem()).unwrap();
        assert!(!is_trusted(&authority, "bank.example"));
    }

    #[test]
    fn a_host_that_it_was_not_made_for_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), None).unwrap();
        let error =
            Authority::open(folder.path(), Some(&ServerName::try_from("192.0.2.7").unwrap())).err().unwrap();
        assert!(error.to_string().contains("not for 192.0.2.7"), "{error}");
    }

    #[test]
    fn nobody_else_reads_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), None).unwrap();
        for file in [authority.key(), folder.path().join("tls/ca.key")] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o077, 0);
        }
    }
}
