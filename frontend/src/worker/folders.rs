//! Folders that devices back up by themselves: their settings, which are signed commits, and live messages.

use client::message::FromDevice;
use client::{Role, Source, Vault};
use protocol::id::{DeviceId, SourceId};
use protocol::sources::SourceStatus;

use super::desk::{Desk, Open};
use super::{devices, failure, files};
use crate::failure::Failure;
use crate::message::{FolderRules, Hear, PutFolder, RemoveFolder, Tally, Tell, Watched, WatchedFolder};

pub(super) async fn watched(desk: &Desk) -> Result<Watched, Failure> {
    let vaults = files::refreshed(desk).await?;
    let account = desk.opened()?.account;
    let infos = account.devices(&vaults).await.map_err(|error| failure::told(&error))?;
    let able = infos.into_iter().filter(|info| !info.revoked && info.role != Role::ReadOnly);
    let devices = able.map(|info| devices::device(info, &vaults)).collect();
    let mut folders = Vec::new();
    for vault in &vaults {
        let sources = vault.settings().sources;
        let watched = sources.iter().filter_map(|source| Some((source, source.device?)));
        let status = vault.status().await.map_err(|error| failure::told(&error))?;
        folders.extend(watched.map(|(source, device)| {
            let status = status.sources.iter().find(|status| status.source == source.source);
            folder(vault, source, device, status)
        }));
    }
    Ok(Watched { devices, folders })
}

fn folder(vault: &Vault, source: &Source, device: DeviceId, status: Option<&SourceStatus>) -> WatchedFolder {
    let newest = vault.snapshots(source.source).into_iter().next_back();
    let tally = newest.as_ref().map(|newest| Tally { files: newest.files, bytes: newest.bytes });
    WatchedFolder {
        source: source.source,
        device,
        rules: FolderRules {
            name: source.name.clone(),
            path: text(&source.path),
            exclude: source.exclude.iter().map(|pattern| text(pattern)).collect(),
            larger_than: source.larger_than,
            one_file_system: source.one_file_system,
            paused: source.paused,
        },
        tally: tally.unwrap_or_default(),
        newest_ms: newest.map(|newest| newest.created_ms),
        proven_ms: status.and_then(|status| status.proven_ms),
        overdue: status.is_some_and(|status| status.overdue),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) async fn put(desk: &Desk, ask: PutFolder) -> Result<SourceId, Failure> {
    let vault = vault_of(desk, ask.device).await?;
    let known = vault.settings().sources.into_iter().find(|source| Some(source.source) == ask.source);
    let source = match (known, ask.source) {
        (Some(known), _) => changed(known, ask.rules),
        (None, None) => changed(new_source(ask.device, &ask.rules), ask.rules),
        (None, Some(_)) => return Err(failure::no_source()),
    };
    let id = source.source;
    vault.put_source(source).await.map_err(|error| failure::told(&error))?;
    Ok(id)
}

fn new_source(device: DeviceId, rules: &FolderRules) -> Source {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("a browser with WebCrypto has random numbers");
    Source {
        source: SourceId::from_bytes(random).expect("16 random bytes are not all zero"),
        name: String::new(),
        path: rules.path.clone().into_bytes(),
        exclude: Vec::new(),
        paused: false,
        device: Some(device),
        larger_than: None,
        one_file_system: false,
        extensions: Vec::new(),
    }
}

/// Patterns that a person left as they were stay as they are, also where they are no text.
fn changed(source: Source, rules: FolderRules) -> Source {
    let kept = |pattern: &String| source.exclude.iter().find(|known| text(known) == *pattern).cloned();
    let exclude =
        rules.exclude.iter().map(|it| kept(it).unwrap_or_else(|| it.clone().into_bytes())).collect();
    Source {
        name: rules.name,
        exclude,
        paused: rules.paused,
        larger_than: rules.larger_than,
        one_file_system: rules.one_file_system,
        ..source
    }
}

pub(super) async fn remove(desk: &Desk, ask: RemoveFolder) -> Result<(), Failure> {
    let (vault, source) = desk.source(Some(ask.source))?;
    vault.remove_source(source).await.map_err(|error| failure::told(&error))?;
    Ok(())
}

pub(super) async fn tell(desk: &Desk, ask: Tell) -> Result<(), Failure> {
    let vault = vault_of(desk, ask.device).await?;
    let account = desk.opened()?.account;
    let told = account.send_to_device(vault.id(), ask.device, &ask.message).await;
    told.map_err(|error| failure::told(&error))
}

/// What does not open is ignored, as from somebody who may not speak.
pub(super) async fn hear(desk: &Desk, ask: Hear) -> Result<Option<FromDevice>, Failure> {
    let account = desk.opened()?.account;
    Ok(account.open_from_device(&ask.message).await.ok())
}

/// The vault that a device writes to: its own, or the first of those that it may write to.
async fn vault_of(desk: &Desk, device: DeviceId) -> Result<Vault, Failure> {
    let Open { account, vaults, .. } = desk.opened()?;
    let devices = account.devices(&vaults).await.map_err(|error| failure::told(&error))?;
    let info = devices.into_iter().find(|info| info.device == device && !info.revoked);
    let vault = info.and_then(|info| vaults.into_iter().find(|vault| info.vaults.contains(&vault.id())));
    vault.ok_or_else(failure::no_source)
}
