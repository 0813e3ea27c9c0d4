//! A server that speaks S3, over a folder: `s3s-fs` of the `s3s` project.

use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Who may ask.
pub const ACCESS_KEY_ID: &str = "fake-access-key";
pub const SECRET_ACCESS_KEY: &str = "fake-secret-key";
/// The only bucket.
pub const BUCKET: &str = "bucket";

/// The server, until it is dropped.
pub struct LocalS3 {
    /// Where it listens.
    pub url: String,
    serving: JoinHandle<()>,
}

impl LocalS3 {
    /// Serves a folder on some port. Objects are files in [`BUCKET`]'s folder there.
    pub async fn start(root: &Path) -> Self {
        Self::start_at(root, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Serves a folder there.
    pub async fn start_at(root: &Path, listen: SocketAddr) -> Self {
        std::fs::create_dir_all(root.join(BUCKET)).expect("a folder");
        let files = FileSystem::new(root).expect("a folder that can be served");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = service.build();
        let listener = TcpListener::bind(listen).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    // A client that leaves in the middle is no failure of the server's.
                    drop(
                        Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Self { url, serving }
    }
}

impl Drop for LocalS3 {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
