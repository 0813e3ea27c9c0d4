//! The agent's own configuration. What concerns a folder is in the vault's signed settings, not here.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{ValueEnum, value_parser};
use configuration::{Program, SecretOption, SecretSource, Settings};

use crate::cli::Cli;
use crate::engine::{Bandwidth, Pace};

/// What is configured, and no option because it is secret.
const SECRETS: &[SecretOption] = &[
    SecretOption {
        name: "store_key",
        help: "The key of the device's keys, 64 hex digits, where neither a keyring nor the state folder has it.",
        is_required: false,
    },
    SecretOption {
        name: "enrol_link",
        help: "The link from the web app's Devices page, for `enroll` without a terminal.",
        is_required: false,
    },
];

/// What holds for the agent as long as it runs, besides where its state is.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct Config {
    /// How changes are noticed: by the system's events, and by polling where it gives none; or by scans alone, as network
    /// file systems need it
    #[arg(long, env = "TRIPLICATE_WATCH", global = true, hide_short_help = true, default_value = "auto")]
    pub watch: Watch,
    /// Seconds without a change before what changed is backed up
    #[arg(
        long,
        env = "TRIPLICATE_QUIET_SECONDS",
        global = true,
        hide_short_help = true,
        value_name = "SECONDS",
        default_value_t = 2
    )]
    pub quiet_seconds: u64,
    /// Seconds between scans of everything, which find what no event told
    #[arg(
        long,
        env = "TRIPLICATE_FULL_SCAN_SECONDS",
        global = true,
        hide_short_help = true,
        value_name = "SECONDS",
        default_value_t = 3600
    )]
    pub full_scan_seconds: u64,
    /// The same where changes are only noticed by scans
    #[arg(
        long,
        env = "TRIPLICATE_POLL_SECONDS",
        global = true,
        hide_short_help = true,
        value_name = "SECONDS",
        default_value = "60"
    )]
    pub poll_seconds: NonZeroU64,
    /// Seconds between restores of a random sample, which prove that the backup can be restored; a week by default
    #[arg(
        long,
        env = "TRIPLICATE_PROVE_SECONDS",
        global = true,
        hide_short_help = true,
        value_name = "SECONDS",
        default_value = "604800"
    )]
    pub prove_seconds: NonZeroU64,
    /// Bytes a second that leave for the nodes, 32K or more: 1M, or by the time of the day in UTC, like
    /// 08:00-18:00 512K, unlimited
    #[arg(
        long,
        env = "TRIPLICATE_UPLOAD_LIMIT",
        global = true,
        hide_short_help = true,
        value_name = "LIMIT",
        default_value = "unlimited"
    )]
    pub upload_limit: Bandwidth,
    /// A folder that is never backed up, wherever it lies; a list in the file, and one a line in the environment
    #[arg(
        long,
        env = "TRIPLICATE_NEVER",
        global = true,
        hide_short_help = true,
        value_name = "FOLDER",
        value_delimiter = '\n'
    )]
    pub never: Vec<PathBuf>,
    /// How far this program steps back before others, 0 to 19
    #[arg(long, env = "TRIPLICATE_NICE", global = true, hide_short_help = true, value_name = "PRIORITY",
          value_parser = value_parser!(u8).range(0..=19), default_value_t = 10)]
    pub nice: u8,
    /// Where the key of the device's keys is kept: in the session's keyring, and in a file where there is none; or always
    /// in a file, as a service needs it that starts before anybody unlocks a keyring
    #[arg(long, env = "TRIPLICATE_KEYRING", global = true, hide_short_help = true, default_value = "auto")]
    pub keyring: Keyring,
    /// Address and port of loopback for `/livez`, `/readyz` and `/metrics`; there is none unless it is set
    #[arg(
        long,
        env = "TRIPLICATE_METRICS_LISTEN",
        global = true,
        hide_short_help = true,
        value_name = "ADDRESS"
    )]
    pub metrics_listen: Option<SocketAddr>,
    /// A file with certificates, in PEM, that are trusted beside the system's
    #[arg(long, env = "TRIPLICATE_TLS_CA", global = true, hide_short_help = true, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// See [`SECRETS`].
    #[arg(skip)]
    pub store_key: SecretSource,
    /// See [`SECRETS`].
    #[arg(skip)]
    pub enrol_link: SecretSource,
    /// The file that was named.
    #[arg(skip)]
    pub named_file: Option<PathBuf>,
}

/// Where the key of the device's keys is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keyring {
    /// In the session's keyring; in a file where there is none.
    Auto,
    /// In a file.
    Never,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Watch {
    /// By the system's events; by polling where the system gives none.
    Auto,
    /// By scans alone.
    Poll,
}

/// The usual places are not known.
#[derive(Debug, thiserror::Error)]
#[error("neither {0} nor HOME is set")]
pub struct NoHome(&'static str);

/// What is particular to this program's configuration.
pub fn program() -> Program {
    let usual_file = usual("XDG_CONFIG_HOME", ".config").ok();
    Program { secrets: SECRETS, usual_file: usual_file.map(|folder| folder.join("agent.toml")) }
}

/// Reads the command line and the configuration of this process, or ends it with what is wrong.
pub fn read() -> Cli {
    let (mut cli, settings): (Cli, Settings) = configuration::parse(&program());
    let config = &mut cli.global.config;
    config.store_key = settings.secret("store_key");
    config.enrol_link = settings.secret("enrol_link");
    config.named_file = settings.named_file;
    cli
}

impl Config {
    /// How long things wait, with events or without.
    pub fn pace(&self, is_polling: bool) -> Pace {
        let full_scan_seconds = if is_polling { self.poll_seconds.get() } else { self.full_scan_seconds };
        Pace { quiet_ms: self.quiet_seconds * 1000, full_scan_ms: full_scan_seconds * 1000 }
    }
}

/// Where the state lies unless somebody says otherwise.
///
/// # Errors
/// [`NoHome`].
pub fn usual_state() -> Result<PathBuf, NoHome> {
    usual("XDG_STATE_HOME", ".local/state")
}

/// Where a user's systemd units lie.
///
/// # Errors
/// [`NoHome`].
pub fn usual_units() -> Result<PathBuf, NoHome> {
    Ok(base("XDG_CONFIG_HOME", ".config")?.join("systemd/user"))
}

fn usual(variable: &'static str, beneath_home: &str) -> Result<PathBuf, NoHome> {
    Ok(base(variable, beneath_home)?.join("triplicate"))
}

fn base(variable: &'static str, beneath_home: &str) -> Result<PathBuf, NoHome> {
    match (variable_os(variable), variable_os("HOME")) {
        (Some(base), _) => Ok(base),
        (None, Some(home)) => Ok(home.join(beneath_home)),
        (None, None) => Err(NoHome(variable)),
    }
}

fn variable_os(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
