//! The media that a store can be on, each as a real server on loopback, so that one test runs on all.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

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
    pub fn arguments(&self, folder: &TempDir) -> Vec<String> {
        let keys = folder.path().join("keys.toml");
        let write = |text: String| std::fs::write(&keys, text).expect("writable");
        let (mut arguments, keys_option) = match self {
            Self::Disk => return Vec::new(),
            Self::S3(server, _) => {
                let (id, secret) = (s3::ACCESS_KEY_ID, s3::SECRET_ACCESS_KEY);
                write(format!("access_key_id = {id:?}\nsecret_access_key = {secret:?}\n"));
                let server = format!("--s3-endpoint={}", server.url);
                (vec!["--medium=s3".into(), server, format!("--s3-bucket={}", s3::BUCKET)], "--s3-keys-file")
            }
            Self::Dropbox(server, _) => {
                let (key, secret, token) = (dropbox::APP_KEY, dropbox::APP_SECRET, dropbox::REFRESH_TOKEN);
                write(format!("app_key = {key:?}\napp_secret = {secret:?}\nrefresh_token = {token:?}\n"));
                let server = format!("--dropbox-url={}", server.url);
                (vec!["--medium=dropbox".into(), server], "--dropbox-keys-file")
            }
        };
        arguments.push(format!("{keys_option}={}", keys.display()));
        arguments.extend(["--cloud-group-wait-ms=5".into(), "--cloud-retry-ms=5".into()]);
        arguments.push("--cloud-patience-ms=2000".into());
        arguments
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
