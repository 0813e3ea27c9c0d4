//! Nodes that keep blobs in a cloud: which of them do, and where. An account that the environment names is used; without
//! one, a stand-in of this machine is started.

use std::{
    env,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use anyhow::Result;

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
        let name = match self {
            Self::S3 => "TRIPLICATE_S3_ENDPOINT",
            Self::Dropbox => "TRIPLICATE_DROPBOX_APP_KEY",
        };
        env::var_os(name).is_some()
    }

    /// What a node must be told to use the stand-in that is at `url`.
    fn environment(self, url: String) -> Vec<(&'static str, String)> {
        let keys: &[_] = match self {
            Self::S3 => &[
                ("TRIPLICATE_S3_BUCKET", "bucket"),
                ("TRIPLICATE_S3_ACCESS_KEY_ID", "fake-access-key"),
                ("TRIPLICATE_S3_SECRET_ACCESS_KEY", "fake-secret-key"),
            ],
            Self::Dropbox => &[
                ("TRIPLICATE_DROPBOX_APP_KEY", "fake-app-key"),
                ("TRIPLICATE_DROPBOX_APP_SECRET", "fake-app-secret"),
                ("TRIPLICATE_DROPBOX_REFRESH_TOKEN", "fake-refresh-token"),
            ],
        };
        let server = match self {
            Self::S3 => "TRIPLICATE_S3_ENDPOINT",
            Self::Dropbox => "TRIPLICATE_DROPBOX_URL",
        };
        let keys = keys.iter().map(|(name, value)| (*name, (*value).to_owned()));
        keys.chain([(server, url)]).collect()
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
}

/// Tells a node that it is in a cloud; its zone, if that is the account. Nodes of one account fail together; a stand-in
/// is for trying things out, as are the nodes' zones on one machine.
pub(super) fn place(node: &mut Command, kind: Kind, stand_ins: &[StandIn]) -> Option<&'static str> {
    node.args(["--medium", kind.name()]);
    let Some(stand_in) = stand_ins.iter().find(|stand_in| stand_in.kind == kind) else {
        return Some(kind.name());
    };
    node.envs(kind.environment(format!("http://{}:{}", Ipv4Addr::LOCALHOST, stand_in.port)));
    None
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
