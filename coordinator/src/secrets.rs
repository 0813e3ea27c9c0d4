//! The coordinator's folder: pepper, signing key, and the tokens that it hands out. All files are 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use protocol::signature::SigningKey;

use crate::pepper::Pepper;
use crate::random;

/// What went wrong with the folder.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A file cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is there, and not what was written.
    #[error("{path} does not hold 32 bytes as hex; restore it from a backup")]
    Malformed {
        /// Which.
        path: PathBuf,
    },
}

/// The folder, with what the server must know from it.
#[derive(Debug)]
pub struct Secrets {
    folder: PathBuf,
    /// Stays out of the database and its backups.
    pub pepper: Pepper,
    /// Signs grants and the node directory.
    pub signing_key: SigningKey,
}

impl Secrets {
    /// Opens the folder; what is not there yet is made.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn open(folder: &Path) -> Result<Self, SecretsError> {
        fs::create_dir_all(folder).map_err(|source| SecretsError::Io { path: folder.to_owned(), source })?;
        Ok(Self {
            pepper: Pepper::new(read_or_make_key(&folder.join("pepper"))?),
            signing_key: SigningKey::from_bytes(&read_or_make_key(&folder.join("signing-key"))?),
            folder: folder.to_owned(),
        })
    }

    /// The reusable token by which nodes join; made on first use.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn join_token(&self) -> Result<String, SecretsError> {
        read_or_make(&self.folder.join("join-token"))
    }

    /// The link that was written at an earlier start, if there is one.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn read_setup_link(&self) -> Result<Option<String>, SecretsError> {
        read(&self.setup_link_path())
    }

    /// Writes the link by which the operator's account is made.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn write_setup_link(&self, link: &str) -> Result<(), SecretsError> {
        self.remove_setup_link()?;
        write_new(&self.setup_link_path(), link)
    }

    /// Removes the link once it is used.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn remove_setup_link(&self) -> Result<(), SecretsError> {
        let path = self.setup_link_path();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(SecretsError::Io { path, source }),
            _ => Ok(()),
        }
    }

    fn setup_link_path(&self) -> PathBuf {
        self.folder.join("setup-link")
    }
}

fn read_or_make_key(path: &Path) -> Result<[u8; 32], SecretsError> {
    let mut key = [0; 32];
    hex::decode_to_slice(read_or_make(path)?, &mut key)
        .map_err(|_| SecretsError::Malformed { path: path.to_owned() })?;
    Ok(key)
}

fn read_or_make(path: &Path) -> Result<String, SecretsError> {
    if let Some(text) = read(path)? {
        return Ok(text);
    }
    let token = random::token();
    write_new(path, &token)?;
    Ok(token)
}

fn read(path: &Path) -> Result<Option<String>, SecretsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SecretsError::Io { path: path.to_owned(), source }),
    }
}

/// Written beside and renamed into place, so that a crash leaves either no secret or a whole one.
fn write_new(path: &Path, text: &str) -> Result<(), SecretsError> {
    let write = || {
        let temporary = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(path.parent().expect("a file in a folder"))?.sync_all()
    };
    write().map_err(|source| SecretsError::Io { path: path.to_owned(), source })
}
