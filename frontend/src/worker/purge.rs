//! Deleting for good.

use client::{Error, Path, PurgeTarget, Vault};
use protocol::id::SourceId;

use super::desk::Desk;
use super::failure;
use crate::failure::Failure;
use crate::message::{DeleteForGood, Moment, PlanPurge, PurgePreview, StillIn};
use crate::purge::exclusion;

pub(super) async fn plan(desk: &Desk, ask: PlanPurge) -> Result<PurgePreview, Failure> {
    let (vault, target) = target(desk, ask.moment, &ask.path).await?;
    let plan = vault.plan_purge(&target).await.map_err(|error| failure::told(&error))?;
    Ok(PurgePreview {
        files: plan.files,
        bytes: plan.bytes,
        bytes_gone: plan.bytes_gone,
        embedded: plan.embedded,
        snapshots: plan.snapshots.len() as u64,
        one_version: target.version.is_some(),
        still_in: match (plan.in_uploads, plan.in_folder) {
            (true, _) => StillIn::Uploads,
            (_, true) => StillIn::Folder,
            (false, false) => StillIn::Nothing,
        },
        watched: ask.moment.source.is_some(),
    })
}

/// Everything that it does can be done again, as after the passphrase was asked for: what is planned anew is what is
/// left to do.
pub(super) async fn delete(desk: &Desk, ask: DeleteForGood) -> Result<(), Failure> {
    let (vault, target) = target(desk, ask.moment, &ask.path).await?;
    delete_target(&vault, &target, &ask).await.map_err(|error| failure::told(&error))
}

async fn delete_target(vault: &Vault, target: &PurgeTarget, ask: &DeleteForGood) -> Result<(), Error> {
    if ask.exclude {
        exclude(vault, target.source, &ask.path).await?;
    }
    let plan = vault.plan_purge(target).await?;
    vault.purge_planned(target, &plan).await?;
    if ask.forget {
        // What was the newest until now can be forgotten too.
        let plan = vault.plan_purge(target).await?;
        if !plan.snapshots.is_empty() {
            vault.forget(target.source, &plan.snapshots).await?;
        }
    }
    Ok(())
}

/// Of an older snapshot, what is not there any more is meant in all versions, else the version of that snapshot.
async fn target(desk: &Desk, moment: Moment, path: &[String]) -> Result<(Vault, PurgeTarget), Failure> {
    let (vault, source) = desk.source(moment.source)?;
    let is_there = async || {
        let (name, folder) = path.split_last()?;
        let listed = vault.list(source, folder).await.ok()?;
        listed.iter().any(|entry| entry.name == *name).then_some(())
    };
    let version = match moment.seq {
        Some(seq) if is_there().await.is_some() => Some(seq),
        _ => None,
    };
    let path = Path::parse(path).map_err(|error| failure::told(&error))?;
    Ok((vault, PurgeTarget { source, path, version }))
}

/// Has the device leave it out from now on.
async fn exclude(vault: &Vault, source: SourceId, path: &[String]) -> Result<(), Error> {
    let pattern = exclusion(path).into_bytes();
    let mut sources = vault.settings().sources.into_iter();
    match sources.find(|listed| listed.source == source) {
        Some(mut listed) if !listed.exclude.contains(&pattern) => {
            listed.exclude.push(pattern);
            vault.put_source(listed).await.map(drop)
        }
        _ => Ok(()),
    }
}
