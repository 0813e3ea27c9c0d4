//! Where the node keeps blobs, as it is configured: this disk, an S3 bucket, or a Dropbox. Secrets come from a file or the
//! environment, never from the command line, which everybody on the machine can read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use protocol::id::NodeId;
use protocol::nodes::Medium;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::store::{CloudPlace, Dropbox, GroupLimits, Patience, Provider, S3, Secret, StoreOptions};

/// The longest prefix.
const PREFIX_MAX: usize = 200;

/// Where blobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MediumKind {
    /// Files in the data folder.
    Disk,
    /// Objects in a bucket of any server that speaks S3.
    S3,
    /// Files in a Dropbox.
    Dropbox,
}

/// The options about it.
#[derive(Debug, Clone, clap::Args)]
pub struct MediumOptions {
    /// Where blobs are kept; the data folder has everything else
    #[arg(long, env = "TRIPLICATE_MEDIUM", value_enum, default_value = "disk")]
    pub medium: MediumKind,
    /// The folder in the bucket or the Dropbox, for this node alone; by default one that is named after the node
    #[arg(long, env = "TRIPLICATE_CLOUD_PREFIX")]
    pub cloud_prefix: Option<String>,
    /// Bytes that the node may take there
    #[arg(long, env = "TRIPLICATE_CLOUD_BYTES", default_value_t = 1 << 40)]
    pub cloud_bytes: u64,
    /// Bytes of blobs that go into one object, about
    #[arg(long, env = "TRIPLICATE_CLOUD_GROUP_BYTES", default_value_t = 16 << 20)]
    pub cloud_group_bytes: u64,
    /// Milliseconds that a write waits for others to be in the same object
    #[arg(long, env = "TRIPLICATE_CLOUD_GROUP_WAIT_MS", default_value_t = 250)]
    pub cloud_group_wait_ms: u64,
    /// Milliseconds before a failed request is repeated, doubled each time
    #[arg(long, env = "TRIPLICATE_CLOUD_RETRY_MS", default_value_t = 500)]
    pub cloud_retry_ms: u64,
    /// Milliseconds after which it is given up
    #[arg(long, env = "TRIPLICATE_CLOUD_PATIENCE_MS", default_value_t = 30_000)]
    pub cloud_patience_ms: u64,
    /// Scrubbing reads all that is there, instead of asking the provider for its hash
    #[arg(long, env = "TRIPLICATE_CLOUD_SCRUB_READS")]
    pub cloud_scrub_reads: bool,
    /// The S3 server's URL, without a slash at the end
    #[arg(long, env = "TRIPLICATE_S3_ENDPOINT")]
    pub s3_endpoint: Option<String>,
    /// The bucket's region
    #[arg(long, env = "TRIPLICATE_S3_REGION", default_value = "us-east-1")]
    pub s3_region: String,
    /// The bucket
    #[arg(long, env = "TRIPLICATE_S3_BUCKET")]
    pub s3_bucket: Option<String>,
    /// A TOML file with `access_key_id` and `secret_access_key`; or these are in TRIPLICATE_S3_ACCESS_KEY_ID and
    /// TRIPLICATE_S3_SECRET_ACCESS_KEY
    #[arg(long, env = "TRIPLICATE_S3_KEYS_FILE")]
    pub s3_keys_file: Option<PathBuf>,
    /// A TOML file with `app_key`, `app_secret` and `refresh_token`; or these are in TRIPLICATE_DROPBOX_APP_KEY,
    /// TRIPLICATE_DROPBOX_APP_SECRET and TRIPLICATE_DROPBOX_REFRESH_TOKEN
    #[arg(long, env = "TRIPLICATE_DROPBOX_KEYS_FILE")]
    pub dropbox_keys_file: Option<PathBuf>,
    /// Another server that speaks Dropbox's API, for trying things out
    #[arg(long, env = "TRIPLICATE_DROPBOX_URL")]
    pub dropbox_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct S3Keys {
    access_key_id: String,
    secret_access_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropboxKeys {
    app_key: String,
    app_secret: Option<String>,
    refresh_token: String,
}

impl MediumOptions {
    /// What the coordinator and people are told.
    pub(crate) fn told(&self) -> Medium {
        match self.medium {
            MediumKind::Disk => Medium::Disk,
            MediumKind::S3 => Medium::S3,
            MediumKind::Dropbox => Medium::Dropbox,
        }
    }

    /// Where in a cloud; none on a disk.
    ///
    /// # Errors
    /// When something is missing, or a file cannot be read.
    pub(crate) fn place(&self, node: NodeId) -> anyhow::Result<Option<CloudPlace>> {
        let provider = match self.medium {
            MediumKind::Disk => return Ok(None),
            MediumKind::S3 => Provider::S3(self.s3()?),
            MediumKind::Dropbox => Provider::Dropbox(self.dropbox()?),
        };
        let prefix = self.cloud_prefix.clone().unwrap_or_else(|| format!("triplicate/{node}"));
        check_prefix(&prefix)?;
        let patience = Patience {
            pause: Duration::from_millis(self.cloud_retry_ms),
            total: Duration::from_millis(self.cloud_patience_ms),
        };
        let (bytes_max, scrub_reads) = (self.cloud_bytes, self.cloud_scrub_reads);
        Ok(Some(CloudPlace { provider, prefix, bytes_max, patience, scrub_reads }))
    }

    /// An object is made of more, and waited for longer, than what a disk syncs at once.
    pub(crate) fn adapt(&self, options: StoreOptions) -> StoreOptions {
        let wait = Duration::from_millis(self.cloud_group_wait_ms);
        match self.medium {
            MediumKind::Disk => options,
            MediumKind::S3 | MediumKind::Dropbox => {
                StoreOptions { group: GroupLimits { bytes: self.cloud_group_bytes, wait }, ..options }
            }
        }
    }

    fn s3(&self) -> anyhow::Result<S3> {
        let endpoint = self.s3_endpoint.clone().context("--medium s3 needs --s3-endpoint")?;
        check_url(&endpoint, "--s3-endpoint")?;
        let keys = match &self.s3_keys_file {
            Some(path) => read(path, "access_key_id and secret_access_key")?,
            None => S3Keys {
                access_key_id: variable("TRIPLICATE_S3_ACCESS_KEY_ID", "--s3-keys-file")?,
                secret_access_key: variable("TRIPLICATE_S3_SECRET_ACCESS_KEY", "--s3-keys-file")?,
            },
        };
        Ok(S3 {
            endpoint,
            region: self.s3_region.clone(),
            bucket: self.s3_bucket.clone().context("--medium s3 needs --s3-bucket")?,
            access_key_id: keys.access_key_id,
            secret_access_key: Secret::new(keys.secret_access_key),
        })
    }

    fn dropbox(&self) -> anyhow::Result<Dropbox> {
        if let Some(url) = &self.dropbox_url {
            check_url(url, "--dropbox-url")?;
            // The token itself is sent, not a signature.
            let is_here = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
            let is_safe = url.starts_with("https://") || is_here.iter().any(|start| url.starts_with(start));
            ensure!(is_safe, "--dropbox-url must begin with https://, or be on this machine");
        }
        let keys = match &self.dropbox_keys_file {
            Some(path) => read(path, "app_key, app_secret and refresh_token")?,
            None => DropboxKeys {
                app_key: variable("TRIPLICATE_DROPBOX_APP_KEY", "--dropbox-keys-file")?,
                app_secret: variable("TRIPLICATE_DROPBOX_APP_SECRET", "--dropbox-keys-file").ok(),
                refresh_token: variable("TRIPLICATE_DROPBOX_REFRESH_TOKEN", "--dropbox-keys-file")?,
            },
        };
        Ok(Dropbox {
            url: self.dropbox_url.clone(),
            app_key: keys.app_key,
            app_secret: keys.app_secret.map(Secret::new),
            refresh_token: Secret::new(keys.refresh_token),
        })
    }
}

fn check_url(url: &str, option: &str) -> anyhow::Result<()> {
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    ensure!(is_url && !url.ends_with('/'), "{option} is not a URL without a slash at the end: {url}");
    Ok(())
}

fn check_prefix(prefix: &str) -> anyhow::Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain);
    ensure!(
        prefix.len() <= PREFIX_MAX && prefix.split('/').all(is_name),
        "--cloud-prefix must be names of letters, digits, -, _ and . with single slashes in between"
    );
    Ok(())
}

/// What is wrong in the file is not said: the line may hold a secret.
fn read<T: DeserializeOwned>(path: &Path, wanted: &str) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parsed = toml::from_str(&text).ok();
    parsed.with_context(|| format!("{} is not TOML with {wanted} and nothing else", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "secrets have no option that clap could read")]
fn variable(name: &str, file: &str) -> anyhow::Result<String> {
    std::env::var(name).ok().with_context(|| format!("neither {file} nor {name} is given"))
}
