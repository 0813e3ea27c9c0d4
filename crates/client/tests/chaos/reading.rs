//! Reads everything back as somebody new would, who has nothing but login and passphrase.

use std::collections::HashMap;

use client::{At, Error, SnapshotRef, TreeNode, Vault};
use protocol::id::SourceId;

use crate::checker::{Files, Snapshots};
use crate::history::Content;
use crate::platform::{Device, path, restore};
use crate::workload::{Seat, chain, hash};

/// All kept snapshots of an account with all their files, restored.
pub(crate) async fn read(seat: &Seat) -> Result<Snapshots, String> {
    let read = async {
        let account = Device::default().client(&seat.origin).sign_in(&seat.login, &seat.passphrase).await?;
        let vault = account.open_vault().await?;
        vault.refresh_kept().await?;
        let source = vault.uploads()?;
        let mut restored = HashMap::new();
        let mut snapshots = Snapshots::new();
        for snapshot in vault.snapshots(source) {
            snapshots.insert(snapshot.seq, files(&vault, source, snapshot.seq, &mut restored).await?);
        }
        Ok(snapshots)
    };
    read.await.map_err(|error: Error| chain(&error))
}

/// The files of one snapshot. One that has the hash of another that was restored need not be once more.
async fn files(
    vault: &Vault,
    source: SourceId,
    seq: u64,
    restored: &mut HashMap<[u8; 32], Content>,
) -> Result<Files, Error> {
    let snapshot = SnapshotRef { source, at: At::Seq(seq) };
    let mut files = Files::new();
    for entry in vault.tree_entries(snapshot, &path("")).await? {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let TreeNode::File { hash: listed, .. } = entry.node else { continue };
        let content = match restored.get(&listed) {
            Some(content) => Ok(*content),
            None => match restore(vault, snapshot, &name).await {
                Ok(bytes) => Ok(hash(&bytes)),
                Err(error) => Err(chain(&error)),
            },
        };
        if let Ok(content) = content {
            restored.insert(listed, content);
        }
        files.insert(name, content);
    }
    Ok(files)
}
