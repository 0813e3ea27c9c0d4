//! The media that a store can be on, each as a real server on loopback, so that one test runs on all.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use configuration::SecretSource;
use storage_node::CloudKeys;
use testkit::dropbox::{self, FakeDropbox};
use testkit::s3::{self, LocalS3};
use testkit::{TempDir, tempdir};
use tokio::runtime::Runtime;

/// Serves while tests block.
static SERVERS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads"));

/// Where a test's stores are.
pub enum Medium {
    Disk,
    S3(LocalS3, TempDir),
    Dropbox(FakeDropbox, TempDir),
}

impl Medium {
    pub fn s3() -> Self {
        let folder = tempdir().expect("a temporary folder");
        let server = on_servers({
            let path = folder.path().to_owned();
            async move { LocalS3::start(&path).await }
        });
        Self::S3(server, folder)
    }

    pub fn dropbox() -> Self {
        let folder = tempdir().expect("a temporary folder");
        let server = on_servers({
            let path = folder.path().to_owned();
            async move { FakeDropbox::start(&path).await }
        });
        Self::Dropbox(server, folder)
    }

    /// Where a folder's packs are, as files.
    pub fn folder(&self, folder: &Path) -> PathBuf {
        match self {
            Self::Disk => folder.to_owned(),
            Self::S3(_, root) => root.path().join(s3::BUCKET).join(prefix(folder)),
            Self::Dropbox(_, root) => root.path().join(prefix(folder)),
        }
    }

    /// A node's command line.
    pub fn arguments(&self) -> Vec<String> {
        let arguments = match self {
            Self::Disk => return Vec::new(),
            Self::S3(server, _) => vec![
                "--medium=s3".into(),
                format!("--s3-endpoint={}", server.url),
                format!("--s3-bucket={}", s3::BUCKET),
                format!("--s3-access-key-id={}", s3::ACCESS_KEY_ID),
            ],
            Self::Dropbox(server, _) => vec![
                "--medium=dropbox".into(),
                format!("--dropbox-url={}", server.url),
                format!("--dropbox-app-key={}", dropbox::APP_KEY),
            ],
        };
        let quick = ["--cloud-group-wait-ms=5", "--cloud-retry-ms=5", "--cloud-patience-ms=2000"];
        arguments.into_iter().chain(quick.map(str::to_owned)).collect()
    }

    /// What a node is told and is secret.
    pub fn keys(&self) -> CloudKeys {
        let secret = |text: &str| SecretSource::value(text);
        match self {
            Self::Disk => CloudKeys::default(),
            Self::S3(..) => {
                CloudKeys { s3_secret_access_key: secret(s3::SECRET_ACCESS_KEY), ..CloudKeys::default() }
            }
            Self::Dropbox(..) => CloudKeys {
                dropbox_app_secret: secret(dropbox::APP_SECRET),
                dropbox_refresh_token: secret(dropbox::REFRESH_TOKEN),
                ..CloudKeys::default()
            },
        }
    }
}

/// A folder's own, in a cloud.
pub fn prefix(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("nodes/{}", name.trim_start_matches('.'))
}

fn on_servers<T: Send + 'static>(start: impl Future<Output = T> + Send + 'static) -> T {
    let (done, started) = std::sync::mpsc::channel();
    SERVERS.spawn(async move { drop(done.send(start.await)) });
    started.recv().expect("the server starts")
}
