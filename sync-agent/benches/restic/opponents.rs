//! Those who back up: restic into a folder, restic over HTTP, and Triplicate with one copy and with three, and with one
//! copy in a cloud of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use testkit::cluster::Cluster;
use testkit::dropbox::{self, FakeDropbox};
use testkit::s3::{self, LocalS3};
use testkit::{Process, TempDir, free_port, program, tempdir, wait_until};

use crate::files::run;
use crate::measure::{Cost, measure};
use crate::support::{Agent, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Restic,
    ResticHttp,
    /// With one copy.
    R1,
    /// With three.
    R3,
    /// With one copy, in an S3 bucket.
    S3,
    /// With one copy, in a Dropbox.
    Dropbox,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Restic => "restic",
            Self::ResticHttp => "restic, HTTP",
            Self::R1 => "R=1",
            Self::R3 => "R=3",
            Self::S3 => "S3",
            Self::Dropbox => "Dropbox",
        }
    }

    /// With an empty repository.
    pub(crate) async fn prepare(self, source: &Path) -> Opponent {
        match self {
            Self::Restic => Opponent::Restic(Restic::into_folder()),
            Self::ResticHttp => Opponent::Restic(Restic::over_http().await),
            Self::R1 => Opponent::triplicate(Triplicate::start(1, Medium::Disk, source).await),
            Self::R3 => Opponent::triplicate(Triplicate::start(3, Medium::Disk, source).await),
            Self::S3 => Opponent::triplicate(Triplicate::start(1, Medium::s3().await, source).await),
            Self::Dropbox => {
                Opponent::triplicate(Triplicate::start(1, Medium::dropbox().await, source).await)
            }
        }
    }
}

pub(crate) enum Opponent {
    Restic(Restic),
    Triplicate(Box<Triplicate>),
}

pub(crate) struct Restic {
    folder: TempDir,
    url: String,
    _server: Option<Process>,
}

pub(crate) struct Triplicate {
    world: World,
    nodes: usize,
    medium: Medium,
    agent: Agent,
}

/// Where nodes keep what they have.
enum Medium {
    Disk,
    S3 { server: LocalS3, folder: TempDir },
    Dropbox { server: FakeDropbox, folder: TempDir },
}

impl Medium {
    async fn s3() -> Self {
        let folder = tempdir().unwrap();
        Self::S3 { server: LocalS3::start(folder.path()).await, folder }
    }

    async fn dropbox() -> Self {
        let folder = tempdir().unwrap();
        Self::Dropbox { server: FakeDropbox::start(folder.path()).await, folder }
    }

    fn options(&self) -> Vec<(&'static str, &'static str)> {
        // As long as the program: there is one for each run.
        let leaked = |url: &String| &*url.clone().leak();
        match self {
            Self::Disk => Vec::new(),
            Self::S3 { server, .. } => vec![
                ("TRIPLICATE_MEDIUM", "s3"),
                ("TRIPLICATE_S3_ENDPOINT", leaked(&server.url)),
                ("TRIPLICATE_S3_BUCKET", s3::BUCKET),
                ("TRIPLICATE_S3_ACCESS_KEY_ID", s3::ACCESS_KEY_ID),
                ("TRIPLICATE_S3_SECRET_ACCESS_KEY", s3::SECRET_ACCESS_KEY),
            ],
            Self::Dropbox { server, .. } => vec![
                ("TRIPLICATE_MEDIUM", "dropbox"),
                ("TRIPLICATE_DROPBOX_URL", leaked(&server.url)),
                ("TRIPLICATE_DROPBOX_APP_KEY", dropbox::APP_KEY),
                ("TRIPLICATE_DROPBOX_APP_SECRET", dropbox::APP_SECRET),
                ("TRIPLICATE_DROPBOX_REFRESH_TOKEN", dropbox::REFRESH_TOKEN),
            ],
        }
    }
}

impl Opponent {
    fn triplicate(triplicate: Triplicate) -> Self {
        Self::Triplicate(Box::new(triplicate))
    }

    /// Requests that a Dropbox got so far, whatever became of them.
    pub(crate) fn requests(&self) -> usize {
        match self {
            Self::Triplicate(triplicate) => match &triplicate.medium {
                Medium::Dropbox { server, .. } => server.all_calls(),
                Medium::Disk | Medium::S3 { .. } => 0,
            },
            Self::Restic(_) => 0,
        }
    }

    pub(crate) fn back_up(&self, source: &Path) -> Cost {
        measure(&self.command(&["backup", source.to_str().unwrap()]))
    }

    pub(crate) fn restore(&self, target: &Path) -> Cost {
        measure(&self.command(&["restore", "latest", "--target", target.to_str().unwrap()]))
    }

    /// Where the folder came back to: restic makes its whole path anew.
    pub(crate) fn restored(&self, target: &Path, source: &Path) -> PathBuf {
        match self {
            Self::Restic(_) => target.join(source.strip_prefix("/").unwrap()),
            Self::Triplicate(_) => target.to_owned(),
        }
    }

    /// Bytes on the disks of all who store.
    pub(crate) fn stored(&self) -> u64 {
        match self {
            Self::Restic(restic) => bytes_in(&restic.repository()),
            Self::Triplicate(triplicate) => match &triplicate.medium {
                Medium::Disk => {
                    let folders =
                        (0..triplicate.nodes).map(|node| triplicate.world.cluster.node_folder(node));
                    folders.map(|folder| bytes_in(&folder)).sum()
                }
                Medium::S3 { folder, .. } | Medium::Dropbox { folder, .. } => bytes_in(folder.path()),
            },
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        match self {
            Self::Restic(restic) => restic.command(arguments),
            Self::Triplicate(triplicate) => triplicate.agent.command(arguments),
        }
    }
}

impl Restic {
    fn into_folder() -> Self {
        let folder = tempdir().unwrap();
        let url = folder.path().join("repository").to_str().unwrap().to_owned();
        Self { folder, url, _server: None }.init()
    }

    async fn over_http() -> Self {
        let folder = tempdir().unwrap();
        let port = free_port().unwrap();
        let mut command = Command::new("rclone");
        command.args(["serve", "restic", "--addr", &format!("127.0.0.1:{port}")]);
        command.arg(folder.path().join("repository"));
        let server = program::start(&command, &folder.path().join("log"));
        wait_until("rclone listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self { folder, url: format!("rest:http://127.0.0.1:{port}/"), _server: Some(server) }.init()
    }

    fn init(self) -> Self {
        run(&mut self.command(&["init"]));
        self
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("restic");
        command.args(["--quiet", "--repo", &self.url]).args(arguments);
        command.env("RESTIC_PASSWORD", "correct horse battery staple");
        command.env("RESTIC_CACHE_DIR", self.folder.path().join("cache"));
        command
    }
}

impl Triplicate {
    async fn start(nodes: usize, medium: Medium, source: &Path) -> Self {
        let world = World::on(Cluster::start_with(nodes, &medium.options()).await).await;
        let agent = world.admit().await;
        agent.add(source).await;
        Self { world, nodes, medium, agent }
    }
}

/// As the file system counts them.
fn bytes_in(folder: &Path) -> u64 {
    let output = Command::new("du").args(["--summarize", "--block-size=1"]).arg(folder).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.split_whitespace().next().unwrap().parse().unwrap()
}
