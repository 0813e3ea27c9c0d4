//! A cloud of this machine, for trying Triplicate out without an account.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use testkit::dropbox::{self, FakeDropbox};
use testkit::s3::{self, LocalS3};

#[derive(Parser)]
struct Options {
    /// What to be
    #[arg(value_enum)]
    kind: Kind,
    /// The folder with the files; made if it is missing
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    listen: SocketAddr,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Dropbox,
    S3,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells its user how to reach it")]
async fn main() -> std::io::Result<()> {
    let Options { kind, folder, listen } = Options::parse();
    std::fs::create_dir_all(&folder)?;
    match kind {
        Kind::Dropbox => {
            let server = FakeDropbox::start_at(&folder, listen).await;
            println!("A fake Dropbox at {}. For a node's configuration:", server.url);
            println!("dropbox_app_key = {:?}", dropbox::APP_KEY);
            println!("dropbox_app_secret = {:?}", dropbox::APP_SECRET);
            println!("dropbox_refresh_token = {:?}", dropbox::REFRESH_TOKEN);
            tokio::signal::ctrl_c().await
        }
        Kind::S3 => {
            let server = LocalS3::start_at(&folder, listen).await;
            println!("S3 at {}, with the bucket {:?}. For a node's configuration:", server.url, s3::BUCKET);
            println!("s3_access_key_id = {:?}", s3::ACCESS_KEY_ID);
            println!("s3_secret_access_key = {:?}", s3::SECRET_ACCESS_KEY);
            tokio::signal::ctrl_c().await
        }
    }
}
