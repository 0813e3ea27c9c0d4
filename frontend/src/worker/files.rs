//! Sources, folders, totals, and the bin.

use client::{SourceInfo, Vault};
use protocol::sources::SourcesResponse;

use super::desk::Desk;
use super::{failure, history};
use crate::failure::Failure;
use crate::message::{Entry, EntryKind, List, Overview, RemovalId, Remove, Source, Tally, UndoRemove};

pub(super) async fn list(desk: &Desk, ask: List) -> Result<Vec<Entry>, Failure> {
    let (vault, source) = desk.source(ask.moment.source)?;
    if ask.moment.seq.is_none() {
        vault.refresh().await.map_err(|error| failure::told(&error))?;
    }
    let listed = vault.list(history::snapshot(source, ask.moment), &ask.folder).await;
    Ok(listed.map_err(|error| failure::told(&error))?.into_iter().map(entry).collect())
}

fn entry(listed: client::ListedEntry) -> Entry {
    Entry {
        name: listed.name,
        kind: match listed.kind {
            client::EntryKind::File => EntryKind::File,
            client::EntryKind::Directory => EntryKind::Folder,
            client::EntryKind::Symlink => EntryKind::Link,
        },
        bytes: listed.size,
        files: listed.files,
        modified_ms: listed.mtime_ms,
    }
}

pub(super) async fn sources(desk: &Desk) -> Result<Vec<Source>, Failure> {
    let vaults = refreshed(desk).await?;
    Ok(vaults.iter().flat_map(Vault::sources).map(|info| source(desk, info)).collect())
}

pub(super) async fn survey(desk: &Desk) -> Result<Overview, Failure> {
    let mut categories = [Tally::default(); 7];
    let mut sources = Vec::new();
    let mut status: Option<SourcesResponse> = None;
    for vault in refreshed(desk).await? {
        for info in vault.sources() {
            let totals = vault.totals(info.source).await.map_err(|error| failure::told(&error))?;
            for (sum, of_source) in categories.iter_mut().zip(totals.tallies()) {
                sum.files += of_source.files;
                sum.bytes += of_source.bytes;
            }
            sources.push(source(desk, info));
        }
        let of_vault = vault.status().await.map_err(|error| failure::told(&error))?;
        match &mut status {
            Some(status) => status.sources.extend(of_vault.sources),
            None => status = Some(of_vault),
        }
    }
    Ok(Overview { categories, sources, status: status.ok_or_else(failure::locked)? })
}

/// All vaults as they are now.
pub(super) async fn refreshed(desk: &Desk) -> Result<Vec<Vault>, Failure> {
    let vaults = desk.opened()?.vaults;
    for vault in &vaults {
        vault.refresh().await.map_err(|error| failure::told(&error))?;
    }
    Ok(vaults)
}

fn source(desk: &Desk, info: SourceInfo) -> Source {
    let tally = info.newest.as_ref().map(|newest| Tally { files: newest.files, bytes: newest.bytes });
    Source {
        source: info.source,
        name: info.name,
        device: info.device.map(|device| desk.device_name(device)),
        removed: info.removed,
        tally: tally.unwrap_or_default(),
        newest_ms: info.newest.map(|newest| newest.created_ms),
    }
}

pub(super) async fn remove(desk: &Desk, ask: Remove) -> Result<RemovalId, Failure> {
    let (vault, source) = desk.source(None)?;
    let removed = vault.remove(source, &ask.paths).await.map_err(|error| failure::told(&error))?;
    let removal = desk.number();
    desk.removals.borrow_mut().insert(removal, removed);
    Ok(removal)
}

pub(super) async fn undo_remove(desk: &Desk, ask: UndoRemove) -> Result<(), Failure> {
    let vault = desk.uploads()?;
    // Undone twice: the second has nothing left to do.
    let Some(removed) = desk.removals.borrow_mut().remove(&ask.removal) else { return Ok(()) };
    let undone = vault.undo_remove(removed.clone()).await;
    undone.map_err(|error| {
        desk.removals.borrow_mut().insert(ask.removal, removed);
        failure::told(&error)
    })
}
