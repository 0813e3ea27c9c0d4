//! Where the node keeps blobs, as it is configured: this disk, an S3 bucket, or a Dropbox.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use configuration::SecretSource;
use protocol::id::NodeId;
use protocol::nodes::Medium;

use crate::store::{CloudPlace, Dropbox, GroupLimits, Patience, Provider, S3, StoreOptions};

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
#[derive(Clone, clap::Args)]
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
    /// Who asks for the bucket; its secret is `s3_secret_access_key`
    #[arg(long, env = "TRIPLICATE_S3_ACCESS_KEY_ID")]
    pub s3_access_key_id: Option<String>,
    /// The Dropbox app, with the secrets `dropbox_refresh_token` and, if it has one, `dropbox_app_secret`
    #[arg(long, env = "TRIPLICATE_DROPBOX_APP_KEY")]
    pub dropbox_app_key: Option<String>,
    /// Another server that speaks Dropbox's API, for trying things out
    #[arg(long, env = "TRIPLICATE_DROPBOX_URL")]
    pub dropbox_url: Option<String>,
    /// What is secret of all this.
    #[arg(skip)]
    pub keys: CloudKeys,
}

/// The keys to the accounts.
#[derive(Clone, Default)]
pub struct CloudKeys {
    /// See [`crate::PROGRAM`], as of the others.
    pub s3_secret_access_key: SecretSource,
    /// None for an app that was linked with PKCE.
    pub dropbox_app_secret: SecretSource,
    /// It stands for the account's owner.
    pub dropbox_refresh_token: SecretSource,
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
        Ok(S3 {
            endpoint,
            region: self.s3_region.clone(),
            bucket: self.s3_bucket.clone().context("--medium s3 needs --s3-bucket")?,
            access_key_id: self.s3_access_key_id.clone().context("--medium s3 needs --s3-access-key-id")?,
            secret_access_key: self.keys.s3_secret_access_key.require("s3_secret_access_key")?,
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
        Ok(Dropbox {
            url: self.dropbox_url.clone(),
            app_key: self.dropbox_app_key.clone().context("--medium dropbox needs --dropbox-app-key")?,
            app_secret: self.keys.dropbox_app_secret.read()?,
            refresh_token: self.keys.dropbox_refresh_token.require("dropbox_refresh_token")?,
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
