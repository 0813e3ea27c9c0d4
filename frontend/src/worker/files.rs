//! Folders, totals, and the bin.

use super::{Desk, failure};
use crate::failure::Failure;
use crate::message::{Entry, EntryKind, List, Overview, RemovalId, Remove, Source, Tally, UndoRemove};

pub(super) async fn list(desk: &Desk, ask: List) -> Result<Vec<Entry>, Failure> {
    let vault = desk.vault()?;
    vault.refresh().await.map_err(|error| failure::told(&error))?;
    let source = vault.uploads().map_err(|error| failure::told(&error))?;
    let listed = vault.list(source, &ask.folder).await.map_err(|error| failure::told(&error))?;
    Ok(listed.into_iter().map(entry).collect())
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

pub(super) async fn survey(desk: &Desk) -> Result<Overview, Failure> {
    let vault = desk.vault()?;
    vault.refresh().await.map_err(|error| failure::told(&error))?;
    let mut categories = [Tally::default(); 7];
    let mut sources = Vec::new();
    for source in vault.sources() {
        let totals = vault.totals(source.source).await.map_err(|error| failure::told(&error))?;
        let mut tally = Tally::default();
        for (sum, of_source) in categories.iter_mut().zip(totals.tallies()) {
            for counted in [sum, &mut tally] {
                counted.files += of_source.files;
                counted.bytes += of_source.bytes;
            }
        }
        let newest_ms = source.newest.map(|newest| newest.created_ms);
        sources.push(Source { source: source.source, name: source.name, tally, newest_ms });
    }
    let status = vault.status().await.map_err(|error| failure::told(&error))?;
    Ok(Overview { categories, sources, status })
}

pub(super) async fn remove(desk: &Desk, ask: Remove) -> Result<RemovalId, Failure> {
    let vault = desk.vault()?;
    let source = vault.uploads().map_err(|error| failure::told(&error))?;
    let removed = vault.remove(source, &ask.paths).await.map_err(|error| failure::told(&error))?;
    let removal = desk.number();
    desk.removals.borrow_mut().insert(removal, removed);
    Ok(removal)
}

pub(super) async fn undo_remove(desk: &Desk, ask: UndoRemove) -> Result<(), Failure> {
    let vault = desk.vault()?;
    // Undone twice: the second has nothing left to do.
    let Some(removed) = desk.removals.borrow_mut().remove(&ask.removal) else { return Ok(()) };
    let undone = vault.undo_remove(removed.clone()).await;
    undone.map_err(|error| {
        desk.removals.borrow_mut().insert(ask.removal, removed);
        failure::told(&error)
    })
}
