//! The agent's own configuration. What concerns a folder is in the vault's signed settings, not here.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::engine::{Bandwidth, Pace};
use crate::state::read_file;

/// Polling looks at everything this often.
const POLL_SECONDS: NonZeroU64 = NonZeroU64::new(60).expect("60 is not 0");

/// A sample is restored once a week.
const PROVE_SECONDS: NonZeroU64 = NonZeroU64::new(7 * 24 * 3600).expect("a week is not 0");

/// `agent.toml`. Every field may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How changes are noticed.
    pub watch: Watch,
    /// Seconds without a change before what changed is backed up.
    pub quiet_seconds: u64,
    /// Seconds between scans of everything, which find what no event told.
    pub full_scan_seconds: u64,
    /// The same where changes are only noticed by scans.
    pub poll_seconds: NonZeroU64,
    /// Seconds between restores of a random sample, which prove that the backup can be restored.
    pub prove_seconds: NonZeroU64,
    /// Bytes of sealed data that are sent in a second at most.
    pub upload_limit: Bandwidth,
    /// Folders that are never backed up, wherever they lie.
    pub never: Vec<PathBuf>,
    /// How far this program steps back before others: 0 to 19.
    pub nice: u8,
    /// Where the key of the device's keys is kept.
    pub keyring: Keyring,
    /// Address and port of loopback for `/livez`, `/readyz` and `/metrics`; there is none unless it is set.
    pub metrics_listen: Option<SocketAddr>,
}

/// Where the key of the device's keys is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyring {
    /// In the session's keyring; in a file where there is none.
    #[default]
    Auto,
    /// In a file, as a service needs it that starts before anybody unlocks a keyring.
    Never,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// By the system's events; by polling where the system gives none.
    #[default]
    Auto,
    /// By scans alone, as network file systems need it.
    Poll,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error("{} is not a configuration", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] crate::state::StateError),
    /// A file was named that is not there.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// The home folder is not known, so neither are the usual places.
    #[error("neither {0} nor HOME is set")]
    NoHome(&'static str),
    /// A secret's command.
    #[error("the command in {variable} failed: {reason}")]
    Command {
        /// The variable.
        variable: String,
        /// What happened.
        reason: String,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            watch: Watch::Auto,
            quiet_seconds: 2,
            full_scan_seconds: 3600,
            poll_seconds: POLL_SECONDS,
            prove_seconds: PROVE_SECONDS,
            upload_limit: Bandwidth::default(),
            never: Vec::new(),
            nice: 10,
            keyring: Keyring::Auto,
            metrics_listen: None,
        }
    }
}

impl Config {
    /// Reads the file that was named, or else the usual one if it is there.
    ///
    /// # Errors
    /// If it is not a configuration, or the named one is missing.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => usual("XDG_CONFIG_HOME", ".config")?.join("agent.toml"),
        };
        match read_file(&path)? {
            Some(bytes) => Self::parse(&String::from_utf8_lossy(&bytes), &path),
            None if named.is_some() => Err(ConfigError::Missing(path)),
            None => Ok(Self::default()),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text)
            .map_err(|source| ConfigError::Toml { path: path.to_owned(), source: Box::new(source) })
    }

    /// How long things wait, with events or without.
    pub fn pace(&self, is_polling: bool) -> Pace {
        let full_scan_seconds = if is_polling { self.poll_seconds.get() } else { self.full_scan_seconds };
        Pace { quiet_ms: self.quiet_seconds * 1000, full_scan_ms: full_scan_seconds * 1000 }
    }
}

/// Where the state lies unless somebody says otherwise.
///
/// # Errors
/// [`ConfigError::NoHome`].
pub fn usual_state() -> Result<PathBuf, ConfigError> {
    usual("XDG_STATE_HOME", ".local/state")
}

/// Where a user's systemd units lie.
///
/// # Errors
/// [`ConfigError::NoHome`].
pub fn usual_units() -> Result<PathBuf, ConfigError> {
    Ok(base("XDG_CONFIG_HOME", ".config")?.join("systemd/user"))
}

fn usual(variable: &'static str, beneath_home: &str) -> Result<PathBuf, ConfigError> {
    Ok(base(variable, beneath_home)?.join("triplicate"))
}

fn base(variable: &'static str, beneath_home: &str) -> Result<PathBuf, ConfigError> {
    match (variable_os(variable), variable_os("HOME")) {
        (Some(base), _) => Ok(base),
        (None, Some(home)) => Ok(home.join(beneath_home)),
        (None, None) => Err(ConfigError::NoHome(variable)),
    }
}

fn variable_os(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A secret from the environment: `NAME` itself, the file that `NAME_FILE` names, or what the command in
/// `NAME_COMMAND` prints. Never from the command line, which others see.
///
/// # Errors
/// If the file or command gives none.
#[expect(clippy::disallowed_methods, reason = "this module reads the environment")]
pub fn secret(name: &str) -> Result<Option<Zeroizing<String>>, ConfigError> {
    if let Ok(value) = std::env::var(name) {
        return Ok(Some(Zeroizing::new(value)));
    }
    if let Ok(file) = std::env::var(format!("{name}_FILE")) {
        let bytes = read_file(file.as_ref())?.ok_or_else(|| ConfigError::Missing(file.into()))?;
        return Ok(Some(Zeroizing::new(String::from_utf8_lossy(&bytes).trim().to_owned())));
    }
    let variable = format!("{name}_COMMAND");
    let Ok(command) = std::env::var(&variable) else { return Ok(None) };
    let failed = |reason: String| ConfigError::Command { variable: variable.clone(), reason };
    let output = Command::new("sh").args(["-c", &command]).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    Ok(Some(Zeroizing::new(String::from_utf8_lossy(&output.stdout).trim().to_owned())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("agent.toml"))
    }

    #[test]
    fn what_is_left_out_is_as_usual() {
        assert_eq!(parse("").unwrap(), Config::default());
        let config = parse("watch = \"poll\"\nupload_limit = \"08:00-18:00 1M, unlimited\"").unwrap();
        assert_eq!(config.watch, Watch::Poll);
        assert_eq!(config.upload_limit.at(9 * 3_600_000), Some(1 << 20));
        assert_eq!(config.pace(true).full_scan_ms, 60_000);
    }

    #[test]
    fn mistakes_are_told_and_not_ignored() {
        let error = parse("quiet_secs = 3").unwrap_err();
        assert!(
            std::error::Error::source(&error).unwrap().to_string().contains("unknown field `quiet_secs`")
        );
        assert!(parse("upload_limit = \"fast\"").is_err());
        assert!(parse("poll_seconds = 0").is_err(), "it would scan all the time");
        assert!(parse("prove_seconds = 0").is_err(), "it would restore all the time");
    }
}
