//! Which snapshot, and what of it: `SNAPSHOT`, `SNAPSHOT:PATH`, `--source`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use client::{At, SnapshotInfo, SnapshotRef, SourceInfo, TreeEntry, TreeNode, Vault};

use super::Context;
use crate::keys;
use crate::restore::Selection;
use crate::text::printable;

/// The last part of every message that asks for a choice.
const HINT: &str = "say which with --source NAME, ID or PATH";

/// Chooses a folder where there are several.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SourceArg {
    /// The folder, by its name, its id, or its path on its device
    #[arg(long, value_name = "NAME|ID|PATH")]
    source: Option<String>,
}

/// A folder with snapshots.
#[derive(Clone)]
pub(super) struct Folder {
    pub(super) vault: Vault,
    pub(super) info: SourceInfo,
    /// Where it is on its device, if it is one's.
    pub(super) path: PathBuf,
    /// The device's name.
    pub(super) host: String,
}

/// A snapshot of a folder.
pub(super) struct Chosen {
    pub(super) folder: Folder,
    pub(super) snapshot: SnapshotInfo,
}

/// `SNAPSHOT` or `SNAPSHOT:PATH`, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Typed {
    /// The commit's number, or the newest.
    seq: Option<u64>,
    /// Names from the root down.
    pub(super) names: Vec<Vec<u8>>,
}

impl Typed {
    /// # Errors
    /// If it is neither a number nor `latest`.
    pub(super) fn parse(text: &OsStr) -> anyhow::Result<Self> {
        let (snapshot, path) = match text.as_bytes().iter().position(|byte| *byte == b':') {
            Some(colon) => (&text.as_bytes()[..colon], &text.as_bytes()[colon + 1..]),
            None => (text.as_bytes(), &b""[..]),
        };
        let seq = match snapshot {
            b"latest" => None,
            digits => {
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                Some(number.with_context(|| {
                    format!("{} is no snapshot: give its number, or `latest`", printable(digits))
                })?)
            }
        };
        Ok(Self { seq, names: names(path) })
    }
}

/// The names in a path.
pub(super) fn names(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect()
}

/// Signs in as the device and opens every vault that it was given, with the snapshots that are kept.
///
/// # Errors
/// [`keys::KeysError`] without keys; else those of the client.
pub(super) async fn open_vaults(context: &Context) -> anyhow::Result<Vec<Vault>> {
    let store = keys::load(&context.state, &context.config).await?;
    let account = context.client(&store.origin)?.open_device(&store).await?;
    let vaults = account.open_vaults().await?;
    for vault in &vaults {
        vault.refresh_kept().await?;
    }
    Ok(vaults)
}

/// The folders of all vaults that `wanted` names, or all of them.
pub(super) fn folders(vaults: &[Vault], wanted: &SourceArg) -> anyhow::Result<Vec<Folder>> {
    let found: Vec<Folder> =
        vaults.iter().flat_map(folders_of).filter(|folder| wanted.names(folder)).collect();
    if let (true, Some(source)) = (found.is_empty(), &wanted.source) {
        bail!("no folder is called {source}");
    }
    Ok(found)
}

fn folders_of(vault: &Vault) -> Vec<Folder> {
    let settings = vault.settings();
    let folder = |info: SourceInfo| {
        let listed = settings.sources.iter().find(|listed| listed.source == info.source);
        let path = listed.map(|listed| PathBuf::from(OsStr::from_bytes(&listed.path)));
        let named = settings.devices.iter().find(|named| Some(named.device) == info.device);
        let host = named.map(|named| named.name.clone()).unwrap_or_default();
        Folder { vault: vault.clone(), info, path: path.unwrap_or_default(), host }
    };
    vault.sources().into_iter().map(folder).collect()
}

impl SourceArg {
    fn names(&self, folder: &Folder) -> bool {
        let Some(wanted) = &self.source else { return true };
        *wanted == folder.info.name
            || *wanted == folder.info.source.to_string()
            || *wanted == folder.info.source.short()
            || folder.path == Path::new(wanted)
    }
}

impl Folder {
    pub(super) fn snapshots(&self) -> Vec<SnapshotInfo> {
        self.vault.snapshots(self.info.source)
    }

    /// For messages and tables.
    pub(super) fn told(&self) -> String {
        printable(self.info.name.as_bytes())
    }
}

impl Chosen {
    /// Finds the one snapshot that was typed.
    ///
    /// # Errors
    /// If there is none, or several.
    pub(super) fn find(folders: &[Folder], typed: &Typed) -> anyhow::Result<Self> {
        let snapshot_of = |folder: &Folder| {
            let mut snapshots = folder.snapshots();
            match typed.seq {
                None => snapshots.pop(),
                Some(seq) => snapshots.into_iter().find(|snapshot| snapshot.seq == seq),
            }
        };
        let mut found = folders.iter().filter_map(|folder| {
            let snapshot = snapshot_of(folder)?;
            Some(Self { folder: folder.clone(), snapshot })
        });
        let first = found.next().with_context(|| match typed.seq {
            None => "there is no snapshot yet".to_owned(),
            Some(seq) => format!("there is no snapshot {seq}; `triplicate-agent snapshots` lists them"),
        })?;
        let others: Vec<String> = found.map(|other| other.folder.told()).collect();
        if others.is_empty() {
            return Ok(first);
        }
        bail!("several folders have one: {}, {}; {HINT}", first.folder.told(), others.join(", "))
    }

    pub(super) fn reference(&self) -> SnapshotRef {
        SnapshotRef { source: self.folder.info.source, at: At::Seq(self.snapshot.seq) }
    }

    /// The entry at the path; `None` for the root.
    ///
    /// # Errors
    /// [`client::Error::NotFound`], and those of reading.
    pub(super) async fn entry(&self, names: &[Vec<u8>]) -> Result<Option<TreeEntry>, client::Error> {
        let Some((name, parents)) = names.split_last() else { return Ok(None) };
        let entries = self.folder.vault.tree_entries(self.reference(), parents).await?;
        let found = entries.into_iter().find(|entry| entry.name == *name);
        let missing = || client::Error::NotFound(printable(&names.join(&b'/')));
        found.map(Some).ok_or_else(missing)
    }

    /// What a restore of the path is, with the files and bytes of it.
    ///
    /// # Errors
    /// As [`Chosen::entry`].
    pub(super) async fn selection(&self, names: &[Vec<u8>]) -> Result<(Selection, u64, u64), client::Error> {
        let (is_directory, files, bytes) = match self.entry(names).await? {
            None => (true, self.snapshot.files, self.snapshot.bytes),
            Some(entry) => match entry.node {
                TreeNode::Directory { files, bytes } => (true, files, bytes),
                TreeNode::File { size, .. } => (false, 1, size),
                TreeNode::Symlink { .. } => (false, 0, 0),
            },
        };
        let path = client::Path::parse(names)?;
        Ok((Selection { snapshot: self.reference(), path, is_directory }, files, bytes))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_a_number_or_the_latest_and_may_have_a_path() {
        let typed = |text: &str| Typed::parse(OsStr::new(text));
        assert_eq!(typed("latest").unwrap(), Typed { seq: None, names: Vec::new() });
        let names = vec![b"home".to_vec(), b"a:b".to_vec()];
        assert_eq!(typed("12:/home//./a:b/").unwrap(), Typed { seq: Some(12), names });
        let error = typed("newest").unwrap_err();
        assert_eq!(error.to_string(), "newest is no snapshot: give its number, or `latest`");
    }
}
