//! Secrets: never on the command line, which every user of the machine can read in the process list.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::file::File;

pub(crate) const PREFIX: &str = "TRIPLICATE_";
/// Whoever is not the file's owner.
const OTHERS: u32 = 0o077;

/// A secret. It cannot be printed by accident, and is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

/// Where a secret comes from: `NAME` itself, the file that `NAME_FILE` names, or what the command in `NAME_COMMAND`
/// prints. Read whenever it is needed, so that one that is replaced meanwhile counts.
#[derive(Clone, Default)]
pub struct SecretSource(Option<Source>);

#[derive(Clone)]
enum Source {
    Value(Secret),
    File(PathBuf),
    Command(String),
}

/// A secret that a program takes.
pub struct SecretOption {
    /// Its key in the file; in the environment in upper case with `TRIPLICATE_` before it.
    pub name: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Whether the program does nothing without it.
    pub is_required: bool,
}

/// A secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody said what it is.
    #[error(
        "{0} is missing: set {PREFIX}{upper}, {PREFIX}{upper}_FILE or {PREFIX}{upper}_COMMAND, or the same in the configuration's file",
        upper = .0.to_uppercase()
    )]
    Missing(String),
    /// More than one place says what it is.
    #[error("{0} and {1} are both set; set one of them")]
    Twice(String, String),
    /// Others may read the file.
    #[error("{path} holds a secret and others may read it: chmod 600 {path}", path = .0.display())]
    Exposed(PathBuf),
    /// The file cannot be read.
    #[error("cannot read the secret in {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The command gave none.
    #[error("the command `{command}` gives no secret: {reason}")]
    Command {
        /// Which.
        command: String,
        /// What happened.
        reason: String,
    },
    /// There is nothing in it.
    #[error("the secret of {0} is empty")]
    Empty(String),
}

impl Secret {
    /// A secret of this text.
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text, for who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretSource {
    /// The secret itself.
    pub fn value(text: impl Into<String>) -> Self {
        Self(Some(Source::Value(Secret::new(text.into()))))
    }

    /// A file with it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Some(Source::File(path.into())))
    }

    /// Whether anybody said where it comes from.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// The secret, if anybody said where it comes from.
    ///
    /// # Errors
    /// If it cannot be had from there.
    pub fn read(&self) -> Result<Option<Secret>, SecretError> {
        self.0.as_ref().map(Source::read).transpose()
    }

    /// The secret, which goes by this name.
    ///
    /// # Errors
    /// If it cannot be had, or nobody said from where.
    pub fn require(&self, name: &str) -> Result<Secret, SecretError> {
        self.read()?.ok_or_else(|| SecretError::Missing(name.to_owned()))
    }
}

impl Source {
    fn read(&self) -> Result<Secret, SecretError> {
        let (text, place) = match self {
            Self::Value(secret) => return Ok(secret.clone()),
            Self::File(path) => (read_private(path)?, path.display().to_string()),
            Self::Command(command) => (run(command)?, command.clone()),
        };
        match text.trim() {
            "" => Err(SecretError::Empty(place)),
            secret => Ok(Secret::new(secret.to_owned())),
        }
    }
}

impl SecretOption {
    /// The names of its three forms in the file.
    pub(crate) fn keys(&self) -> [String; 3] {
        ["", "_file", "_command"].map(|ending| format!("{}{ending}", self.name))
    }

    /// What the environment says, or else the file.
    pub(crate) fn find(&self, file: &File) -> Result<SecretSource, SecretError> {
        let from_environment = one(&self.keys().map(|key| variable(&key)), |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })?;
        match from_environment {
            SecretSource(None) => one(&self.keys(), |key| file.secret(key)),
            found => Ok(found),
        }
    }
}

/// The name of a key in the environment.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase())
}

fn one(names: &[String; 3], get: impl Fn(&str) -> Option<String>) -> Result<SecretSource, SecretError> {
    let mut found: Option<(&String, Source)> = None;
    let kinds: [fn(String) -> Source; 3] =
        [|text| Source::Value(Secret::new(text)), |path| Source::File(path.into()), Source::Command];
    for (name, source) in names.iter().zip(kinds) {
        let Some(value) = get(name).filter(|value| !value.is_empty()) else { continue };
        if let Some((other, _)) = found {
            return Err(SecretError::Twice(other.clone(), name.clone()));
        }
        found = Some((name, source(value)));
    }
    Ok(SecretSource(found.map(|(_, source)| source)))
}

/// A file that nobody but its owner may read.
fn read_private(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    refuse_exposed(path)?;
    let text = fs::read_to_string(path);
    text.map(Zeroizing::new).map_err(|source| SecretError::File { path: path.to_owned(), source })
}

/// # Errors
/// [`SecretError::Exposed`] if others than the owner may do anything with the file.
pub(crate) fn refuse_exposed(path: &Path) -> Result<(), SecretError> {
    let metadata =
        fs::metadata(path).map_err(|source| SecretError::File { path: path.to_owned(), source })?;
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(SecretError::Exposed(path.to_owned()));
    }
    Ok(())
}

fn run(command: &str) -> Result<Zeroizing<String>, SecretError> {
    let failed = |reason: String| SecretError::Command { command: command.to_owned(), reason };
    let output = Command::new("sh").args(["-c", command]).stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = std::str::from_utf8(&printed).map_err(|_| failed("it prints no text".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}
