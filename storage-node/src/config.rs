//! The command line. Every option is also an environment variable, and a key of the configuration's file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use configuration::{Program, SecretOption, SecretSource, Settings};
use server::telemetry::LogFormat;
use server::tls::TlsOptions;

use crate::medium::{CloudKeys, MediumOptions};
use crate::store::{GroupLimits, Reserve, StoreOptions};

/// What is configured, and no option because it is secret.
const SECRETS: &[SecretOption] = &[
    SecretOption {
        name: "join_token",
        help: "Lets the node join; needed for the first start, and for the coordinator to learn of changes to URL, \
               zone or machine. The coordinator's folder has it in the file join-token.",
        is_required: false,
    },
    SecretOption {
        name: "metrics_token",
        help: "What whoever reads `/metrics` must send; without it, only programs on this machine may.",
        is_required: false,
    },
    SecretOption {
        name: "s3_secret_access_key",
        help: "Proves to the S3 server that `s3_access_key_id` asks.",
        is_required: false,
    },
    SecretOption {
        name: "dropbox_app_secret",
        help: "The secret of the Dropbox app, unless it was linked with PKCE and has none.",
        is_required: false,
    },
    SecretOption {
        name: "dropbox_refresh_token",
        help: "The owner's word to Dropbox that the app may use the account.",
        is_required: false,
    },
];

/// What is particular to this program's configuration.
pub const PROGRAM: Program = Program { secrets: SECRETS, usual_file: None };

/// Keeps encrypted blobs for a Triplicate cluster.
#[derive(Clone, clap::Parser)]
#[command(name = "triplicate-node", version)]
pub struct Config {
    /// The folder of this node's store and identity
    #[arg(long, env = "TRIPLICATE_DATA")]
    pub data: PathBuf,
    /// Where to listen
    #[arg(long, env = "TRIPLICATE_LISTEN", default_value = "127.0.0.1:9001")]
    pub listen: SocketAddr,
    /// Where clients and other nodes reach this one, without a slash at the end
    #[arg(long, env = "TRIPLICATE_PUBLIC_URL")]
    pub public_url: String,
    /// The coordinator's URL, without a slash at the end
    #[arg(long, env = "TRIPLICATE_COORDINATOR")]
    pub coordinator: String,
    /// What fails together with this node: a disk, host, rack or site
    #[arg(long, env = "TRIPLICATE_ZONE")]
    pub zone: String,
    /// See [`SECRETS`].
    #[arg(skip)]
    pub join_token: SecretSource,
    /// The machine's name, if not the system's own
    #[arg(long, env = "TRIPLICATE_MACHINE")]
    pub machine: Option<String>,
    /// Which events are logged
    #[arg(long, env = "TRIPLICATE_LOG", default_value = "info")]
    pub log: String,
    /// Log lines as JSON
    #[arg(long, env = "TRIPLICATE_LOG_JSON")]
    pub log_json: bool,
    /// See [`SECRETS`].
    #[arg(skip)]
    pub metrics_token: SecretSource,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// Where blobs are kept.
    #[command(flatten)]
    pub medium: MediumOptions,
    /// The constants.
    #[command(flatten)]
    pub limits: Limits,
}

/// The constants, so that tests and small disks can have others.
#[derive(Debug, Clone, clap::Args)]
pub struct Limits {
    /// Bytes that a pack is preallocated to
    #[arg(long, env = "TRIPLICATE_PACK_BYTES", default_value_t = 256 << 20)]
    pub pack_bytes: u64,
    /// Bytes that writes leave free on the disk
    #[arg(long, env = "TRIPLICATE_RESERVE_BYTES", default_value_t = 2 << 30)]
    pub reserve_bytes: u64,
    /// Percent of the disk that writes leave free, if that is more
    #[arg(long, env = "TRIPLICATE_RESERVE_PERCENT", default_value_t = 5)]
    pub reserve_percent: u64,
    /// Milliseconds that a write waits for others to be synced with it
    #[arg(long, env = "TRIPLICATE_GROUP_WAIT_MS", default_value_t = 2)]
    pub group_wait_ms: u64,
    /// Milliseconds between checkpoints of the index
    #[arg(long, env = "TRIPLICATE_CHECKPOINT_MS", default_value_t = 10_000)]
    pub checkpoint_ms: u64,
    /// Bytes of blobs in memory, for all requests together
    #[arg(long, env = "TRIPLICATE_IN_FLIGHT_BYTES", default_value_t = 256 << 20)]
    pub in_flight_bytes: u32,
    /// Requests at a time, beyond which new ones are turned away
    #[arg(long, env = "TRIPLICATE_REQUESTS_MAX", default_value_t = 1024)]
    pub requests_max: usize,
    /// Milliseconds that a request waits for memory before it is turned away
    #[arg(long, env = "TRIPLICATE_SHED_AFTER_MS", default_value_t = 2000)]
    pub shed_after_ms: u64,
    /// Milliseconds for a request's head to arrive
    #[arg(long, env = "TRIPLICATE_HEADER_MS", default_value_t = 10_000)]
    pub header_ms: u64,
    /// Milliseconds of silence that end a request
    #[arg(long, env = "TRIPLICATE_IDLE_MS", default_value_t = 30_000)]
    pub idle_ms: u64,
    /// Bytes that must move in each second on average
    #[arg(long, env = "TRIPLICATE_RATE_MIN", default_value_t = 4096)]
    pub rate_min: u64,
    /// Milliseconds over which that average is taken
    #[arg(long, env = "TRIPLICATE_RATE_WINDOW_MS", default_value_t = 60_000)]
    pub rate_window_ms: u64,
    /// Milliseconds that other nodes have to answer once they were sent everything
    #[arg(long, env = "TRIPLICATE_FAN_OUT_MS", default_value_t = 20_000)]
    pub fan_out_ms: u64,
    /// How many times a grant's bytes may be moved with it, so that failed transfers can be repeated
    #[arg(long, env = "TRIPLICATE_GRANT_BUDGET", default_value_t = 4)]
    pub grant_budget: u64,
    /// Grants whose use is remembered, beyond which new ones are turned away
    #[arg(long, env = "TRIPLICATE_GRANTS_MAX", default_value_t = 1 << 17)]
    pub grants_max: usize,
    /// Milliseconds between heartbeats, give or take a fifth
    #[arg(long, env = "TRIPLICATE_HEARTBEAT_MS", default_value_t = 5000)]
    pub heartbeat_ms: u64,
    /// Percent of dead bytes beyond which a pack is compacted
    #[arg(long, env = "TRIPLICATE_DEAD_PERCENT", default_value_t = 40)]
    pub dead_percent: u64,
    /// Bytes per second at which compaction moves records
    #[arg(long, env = "TRIPLICATE_COMPACT_RATE", default_value_t = 32 << 20)]
    pub compact_rate: u64,
    /// Milliseconds that compacted packs stay in the trash while the disk has room
    #[arg(long, env = "TRIPLICATE_TRASH_MS", default_value_t = 72 * 3_600_000)]
    pub trash_ms: u64,
    /// Milliseconds between looks for work in the background
    #[arg(long, env = "TRIPLICATE_UPKEEP_MS", default_value_t = 10_000)]
    pub upkeep_ms: u64,
    /// Milliseconds in which everything is read once and verified
    #[arg(long, env = "TRIPLICATE_SCRUB_MS", default_value_t = 30 * 24 * 3_600_000)]
    pub scrub_ms: u64,
    /// Bytes per second that are read for that, at least
    #[arg(long, env = "TRIPLICATE_SCRUB_RATE_MIN", default_value_t = 1 << 20)]
    pub scrub_rate_min: u64,
    /// Damaged blobs within a day, beyond which the node takes no writes
    #[arg(long, env = "TRIPLICATE_DAMAGED_MAX", default_value_t = 3)]
    pub damaged_max: usize,
    /// Milliseconds that requests under way have to finish when the node stops
    #[arg(long, env = "TRIPLICATE_DRAIN_MS", default_value_t = 20_000)]
    pub drain_ms: u64,
}

impl Config {
    /// Reads the configuration of this process, or ends it with what is wrong.
    pub fn read() -> Self {
        let (config, settings): (Self, Settings) = configuration::parse(&PROGRAM);
        let keys = CloudKeys {
            s3_secret_access_key: settings.secret("s3_secret_access_key"),
            dropbox_app_secret: settings.secret("dropbox_app_secret"),
            dropbox_refresh_token: settings.secret("dropbox_refresh_token"),
        };
        Self {
            medium: MediumOptions { keys, ..config.medium },
            join_token: settings.secret("join_token"),
            metrics_token: settings.secret("metrics_token"),
            ..config
        }
    }

    /// How log lines are written.
    pub fn log_format(&self) -> LogFormat {
        if self.log_json { LogFormat::Json } else { LogFormat::Text }
    }
}

impl Limits {
    pub(crate) fn store_options(&self) -> StoreOptions {
        let group =
            GroupLimits { wait: Duration::from_millis(self.group_wait_ms), ..StoreOptions::default().group };
        StoreOptions {
            pack_bytes: self.pack_bytes,
            group,
            checkpoint_every: Duration::from_millis(self.checkpoint_ms),
            reserve: Reserve { bytes: self.reserve_bytes, percent: self.reserve_percent },
        }
    }

    pub(crate) fn header(&self) -> Duration {
        Duration::from_millis(self.header_ms)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    pub(crate) fn rate_window(&self) -> Duration {
        Duration::from_millis(self.rate_window_ms)
    }

    /// Bytes that must move in each [`Self::rate_window`].
    pub(crate) fn window_bytes_min(&self) -> u64 {
        self.rate_min * self.rate_window_ms / 1000
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    pub(crate) fn fan_out(&self) -> Duration {
        Duration::from_millis(self.fan_out_ms)
    }
}
