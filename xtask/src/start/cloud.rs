//! Nodes that keep blobs in a cloud: which of them do, and where. An account that the environment names is used; without
//! one, a stand-in of this machine is started.

use std::{
    env,
    ffi::OsString,
    fs::{self, File, Permissions},
    io::Write as _,
    net::Ipv4Addr,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use anyhow::{Context, Result};

use super::data::DataFolder;
use crate::workspace::{command, run};

/// The stand-in's program.
const PROGRAM: &str = "triplicate-fake-cloud";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    S3,
    Dropbox,
}

impl Kind {
    const ALL: [Self; 2] = [Self::S3, Self::Dropbox];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Dropbox => "dropbox",
        }
    }

    /// Whether the environment, which the nodes inherit, names an account.
    fn has_account(self) -> bool {
        let names: &[&str] = match self {
            Self::S3 => &["TRIPLICATE_S3_ENDPOINT"],
            Self::Dropbox => &["TRIPLICATE_DROPBOX_KEYS_FILE", "TRIPLICATE_DROPBOX_REFRESH_TOKEN"],
        };
        names.iter().any(|name| env::var_os(name).is_some())
    }

    /// The keys of the stand-in, as a node reads them.
    fn keys(self) -> &'static str {
        match self {
            Self::S3 => "access_key_id = \"fake-access-key\"\nsecret_access_key = \"fake-secret-key\"\n",
            Self::Dropbox => {
                "app_key = \"fake-app-key\"\napp_secret = \"fake-app-secret\"\n\
                 refresh_token = \"fake-refresh-token\"\n"
            }
        }
    }
}

/// `s3` or `dropbox` for all nodes, or with `=` and a number for so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    kind: Kind,
    nodes: Option<u16>,
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "s3, dropbox, or one of them with = and a number of nodes";
        let (name, nodes) = match text.split_once('=') {
            Some((name, nodes)) => (name, Some(nodes.parse().map_err(|_| WANTED)?)),
            None => (text, None),
        };
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(WANTED)?;
        Ok(Self { kind, nodes })
    }
}

/// The cloud of each node, the nodes without one first.
pub(super) fn assign(shares: &[Share], nodes: u16) -> Result<Vec<Option<Kind>>> {
    let mut kinds = Vec::new();
    for Share { kind, nodes: wanted } in shares {
        let left = usize::from(nodes) - kinds.len();
        let wanted = wanted.map_or(left, usize::from);
        anyhow::ensure!(wanted <= left, "--cloud names more than the {nodes} nodes");
        kinds.extend(std::iter::repeat_n(Some(*kind), wanted));
    }
    let on_disk = usize::from(nodes) - kinds.len();
    Ok([vec![None; on_disk], kinds].concat())
}

/// A stand-in that must run.
pub(super) struct StandIn {
    pub(super) kind: Kind,
    port: u16,
}

/// Those that have no account, on the ports from `port` on.
pub(super) fn stand_ins(kinds: &[Option<Kind>], port: u16) -> Vec<StandIn> {
    let needed = Kind::ALL.into_iter().filter(|kind| kinds.contains(&Some(*kind)) && !kind.has_account());
    needed.zip(port..).map(|(kind, port)| StandIn { kind, port }).collect()
}

/// Builds the stand-ins' program, and gives it.
pub(crate) fn build() -> Result<PathBuf> {
    run(command("cargo")?.args(["build", "--quiet", "--package", "testkit", "--bin", PROGRAM]))?;
    Ok(crate::workspace::target()?.join("debug").join(PROGRAM))
}

impl StandIn {
    pub(super) fn command(&self, program: &Path, data: &DataFolder) -> Command {
        let mut command = Command::new(program);
        command
            .arg(self.kind.name())
            .arg("--folder")
            .arg(data.path().join(format!("cloud-{}", self.kind.name())));
        command.args(["--listen", &format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)]);
        command
    }

    /// What a node needs to find it.
    fn arguments(&self, data: &DataFolder) -> Result<Vec<OsString>> {
        let url = format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port);
        let keys = data.path().join("run").join(format!("{}-keys.toml", self.kind.name()));
        let write = || {
            let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&keys)?;
            fs::set_permissions(&keys, Permissions::from_mode(0o600))?;
            file.write_all(self.kind.keys().as_bytes())
        };
        write().with_context(|| format!("cannot write {}", keys.display()))?;
        let (server, option) = match self.kind {
            Kind::S3 => {
                (vec!["--s3-bucket".into(), "bucket".into(), "--s3-endpoint".into()], "--s3-keys-file")
            }
            Kind::Dropbox => (vec!["--dropbox-url".into()], "--dropbox-keys-file"),
        };
        let mut arguments: Vec<OsString> = server;
        arguments.extend([url.into(), option.into(), keys.into()]);
        Ok(arguments)
    }
}

/// Command line of a node in a cloud, and its zone. Nodes of one account fail together; a stand-in is for trying things
/// out, as are the nodes' zones on one machine.
pub(super) fn node(
    kind: Kind,
    stand_ins: &[StandIn],
    data: &DataFolder,
) -> Result<(Vec<OsString>, Option<&'static str>)> {
    let mut arguments: Vec<OsString> = vec!["--medium".into(), kind.name().into()];
    let Some(stand_in) = stand_ins.iter().find(|stand_in| stand_in.kind == kind) else {
        return Ok((arguments, Some(kind.name())));
    };
    arguments.extend(stand_in.arguments(data)?);
    Ok((arguments, None))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn assigned(shares: &[&str], nodes: u16) -> String {
        let shares: Vec<Share> = shares.iter().map(|share| share.parse().unwrap()).collect();
        match assign(&shares, nodes) {
            Ok(kinds) => {
                kinds.iter().map(|kind| kind.map_or("disk", Kind::name)).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_last_nodes_are_in_clouds() {
        assert_eq!(assigned(&[], 2), "disk disk");
        assert_eq!(assigned(&["s3"], 2), "s3 s3");
        assert_eq!(assigned(&["dropbox=1"], 3), "disk disk dropbox");
        assert_eq!(assigned(&["s3=1", "dropbox=1"], 3), "disk s3 dropbox");
        assert_eq!(assigned(&["s3=4"], 3), "--cloud names more than the 3 nodes");
    }

    #[test]
    fn what_names_no_cloud_is_refused() {
        for text in ["", "disk", "s3=", "s3=many", "dropbox=1=2"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
