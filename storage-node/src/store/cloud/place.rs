//! Which folder of which account a store's packs are in, and the keys to it.

use std::fmt;
use std::time::Duration;

use configuration::Secret;

/// A folder in a cloud account.
#[derive(Clone)]
pub struct CloudPlace {
    /// Whose it is.
    pub provider: Provider,
    /// The folder of this node alone, without slashes around it.
    pub prefix: String,
    /// Bytes that the store may take there.
    pub bytes_max: u64,
    /// How failed requests are repeated.
    pub patience: Patience,
    /// Whether scrubbing reads packs that the provider's hash vouches for.
    pub scrub_reads: bool,
}

/// A cloud.
#[derive(Clone)]
pub enum Provider {
    /// Any server that speaks S3.
    S3(S3),
    /// Dropbox.
    Dropbox(Dropbox),
}

/// A bucket.
#[derive(Clone)]
pub struct S3 {
    /// The server's URL, without a slash at the end.
    pub endpoint: String,
    /// The bucket's region, as requests are signed for it.
    pub region: String,
    /// Its name.
    pub bucket: String,
    /// Who asks.
    pub access_key_id: String,
    /// And proves it.
    pub secret_access_key: Secret,
}

/// An app that a person linked to their account.
#[derive(Clone)]
pub struct Dropbox {
    /// Another server that speaks its API, instead of Dropbox's own; for trying things out.
    pub url: Option<String>,
    /// The app.
    pub app_key: String,
    /// The app's secret; none for one that uses PKCE.
    pub app_secret: Option<Secret>,
    /// The person's word that the app may.
    pub refresh_token: Secret,
}

/// How failed requests are repeated.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before the first repetition; doubled each time.
    pub pause: Duration,
    /// No repetition begins after so long.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: Duration::from_millis(500), total: Duration::from_secs(30) }
    }
}

impl Provider {
    /// Whether its answers come over TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        match self {
            Self::S3(s3) => s3.endpoint.starts_with("https://"),
            Self::Dropbox(dropbox) => dropbox.url.as_ref().is_none_or(|url| url.starts_with("https://")),
        }
    }
}

impl CloudPlace {
    /// What the account's limits are shared by.
    pub(super) fn account(&self) -> String {
        match &self.provider {
            Provider::S3(s3) => format!("s3 {} {}", s3.endpoint, s3.access_key_id),
            Provider::Dropbox(dropbox) => {
                let url = dropbox.url.as_deref().unwrap_or_default();
                format!("dropbox {url} {} {}", dropbox.app_key, dropbox.refresh_token.expose())
            }
        }
    }
}

/// Where it is, for people.
impl fmt::Display for CloudPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = &self.prefix;
        match &self.provider {
            Provider::S3(S3 { endpoint, bucket, .. }) => write!(f, "{endpoint}/{bucket}/{prefix}"),
            Provider::Dropbox(Dropbox { url: None, .. }) => write!(f, "Dropbox:/{prefix}"),
            Provider::Dropbox(Dropbox { url: Some(url), .. }) => write!(f, "{url}/{prefix}"),
        }
    }
}
