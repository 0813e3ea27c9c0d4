//! The command line. Every option is also an environment variable, and a key of the configuration's file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use configuration::{Program, SecretOption, SecretSource};
use protocol::accounts::RegistrationMode;
use protocol::limits::{SOURCE_OVERDUE_SECONDS, STEP_UP_SECONDS};
use server::tls::TlsOptions;

use crate::audit_log::AuditLogBounds;
use crate::cli::{AuditCommand, ClusterCommand, GcCommand, NodeCommand, UserCommand};
use crate::garbage::Reclaim;
use crate::health::Timings;
use crate::metrics::MetricsOptions;
use crate::rebalance::Rebalance;
use crate::relay::Relay;
use crate::upkeep::{Upkeep, seconds};

/// What is configured, and no option because it is secret.
const SECRETS: &[SecretOption] = &[
    SecretOption {
        name: "database_url",
        help: "PostgreSQL, like postgres://user@host/database.",
        is_required: true,
    },
    SecretOption {
        name: "metrics_token",
        help: "What whoever reads `/metrics` must send; without it, only programs on this machine may.",
        is_required: false,
    },
];

/// What is particular to this program's configuration.
pub const PROGRAM: Program = Program { secrets: SECRETS, usual_file: None };

/// Keeps metadata, placement and health of a Triplicate cluster, and serves its web app.
#[derive(Parser)]
#[command(name = "triplicate-coordinator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Migrate the database and serve.
    Serve(Box<Serve>),
    /// See and change storage nodes.
    Node {
        /// What to do.
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// See how the cluster is.
    Cluster {
        /// What to do.
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// See accounts, and change what they may do and take.
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// See what happened that concerns security.
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Look at garbage collection, or run it.
    Gc {
        /// What to do.
        #[command(subcommand)]
        command: GcCommand,
    },
    /// Print the description of the HTTP interface in OpenAPI, as `/api/v1/openapi.json` serves it.
    Openapi,
}

/// How to serve.
#[derive(Clone, Args)]
pub struct Serve {
    /// See [`SECRETS`].
    #[arg(skip)]
    pub database_url: SecretSource,
    /// Seconds for which a transaction may wait for this program: then the database ends it and gives its locks up, so
    /// that a coordinator that stands still holds nobody up.
    #[arg(long, env = "TRIPLICATE_TRANSACTION_IDLE", value_name = "SECONDS", value_parser = seconds,
          default_value = "60")]
    pub transaction_idle: Duration,
    /// Address and port to listen on.
    #[arg(long, env = "TRIPLICATE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The origin by which browsers and nodes reach this server, without a slash at the end.
    #[arg(long, env = "TRIPLICATE_PUBLIC_URL", default_value = "http://localhost:8080", value_parser = parse_origin)]
    pub public_url: String,
    /// Folder of secrets that are not in the database: keep it safe, and back it up.
    #[arg(long, env = "TRIPLICATE_DATA")]
    pub data: PathBuf,
    /// Folder of the built web app.
    #[arg(long, env = "TRIPLICATE_WEB")]
    pub web: Option<PathBuf>,
    /// Copies of each blob; by default 3 where there are three zones, else one in each zone.
    #[arg(long, env = "TRIPLICATE_REPLICAS", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub replicas: Option<u32>,
    /// Who may register after the operator.
    #[arg(long, env = "TRIPLICATE_REGISTRATION", default_value = "invite")]
    pub registration: Registration,
    /// Pass requests of browsers on to storage nodes that these cannot reach themselves. Their bytes then go through this
    /// server.
    #[arg(long, env = "TRIPLICATE_RELAY", default_value = "off")]
    pub relay: Relay,
    /// Header in which a proxy in front says who asks; its last address counts. Only behind a proxy that always sets
    /// it: without one, anybody could claim any address and guess passwords without limit.
    #[arg(long, env = "TRIPLICATE_CLIENT_ADDRESS_HEADER", value_name = "NAME")]
    pub client_address_header: Option<HeaderName>,
    /// Seconds without a new snapshot after which a device's folder is shown as overdue.
    #[arg(long, env = "TRIPLICATE_OVERDUE_AFTER", value_name = "SECONDS", default_value_t = SOURCE_OVERDUE_SECONDS)]
    pub overdue_after: u64,
    /// Seconds for which a proof of the passphrase in a web session counts, for what needs a fresh one.
    #[arg(long, env = "TRIPLICATE_STEP_UP", value_name = "SECONDS", default_value_t = STEP_UP_SECONDS)]
    pub step_up: u64,
    /// How silent nodes are judged.
    #[command(flatten)]
    pub timings: Timings,
    /// How every blob's copies are kept.
    #[command(flatten)]
    pub upkeep: Upkeep,
    /// How copies move between zones.
    #[command(flatten)]
    pub rebalance: Rebalance,
    /// How it gives space back.
    #[command(flatten)]
    pub reclaim: Reclaim,
    /// How long what concerns security is remembered.
    #[command(flatten)]
    pub audit_log: AuditLogBounds,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// How metrics are told.
    #[command(flatten)]
    pub metrics: MetricsOptions,
    /// What to log, like `info` or `info,sqlx=warn`.
    #[arg(long, env = "TRIPLICATE_LOG", default_value = "info")]
    pub log: String,
    /// Log one JSON object a line.
    #[arg(long, env = "TRIPLICATE_LOG_JSON")]
    pub log_json: bool,
}

/// Who may register after the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Who was invited.
    Invite,
    /// Nobody.
    Closed,
}

impl From<Registration> for RegistrationMode {
    fn from(registration: Registration) -> Self {
        match registration {
            Registration::Open => Self::Open,
            Registration::Invite => Self::Invite,
            Registration::Closed => Self::Closed,
        }
    }
}

/// An origin is a scheme, a host and perhaps a port; nothing else, because browsers compare it as text.
///
/// # Errors
/// A sentence for people.
pub fn parse_origin(text: &str) -> Result<String, String> {
    let url: axum::http::Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
    let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err("expected http://HOST[:PORT] or https://HOST[:PORT]".into());
    };
    let origin = format!("{}://{authority}", url.scheme_str().expect("matched above"));
    if text != origin
        || authority.as_str().contains('@')
        || text.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        return Err("expected a scheme, a host in lower case and perhaps a port, and nothing else".into());
    }
    // The text goes into a header that browsers obey.
    if !authority.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)) {
        return Err("the host has characters that no host name has".into());
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_nothing_but_an_origin() {
        for good in
            ["http://localhost:8080", "https://backup.example", "http://[::1]:1", "http://10.0.0.1:9001"]
        {
            assert_eq!(parse_origin(good).as_deref(), Ok(good));
        }
        let bad = [
            "localhost:8080",
            "ftp://a",
            "http://a/",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://A",
            "http://a;b",
            "http://*",
            "//a",
            "",
            "http://",
            "http://a b",
            "http://a'",
        ];
        for bad in bad {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }
}
