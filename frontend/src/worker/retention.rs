//! Which snapshots are kept.

use protocol::snapshots::{RetentionPreview, RetentionResponse};

use super::desk::Desk;
use super::failure;
use crate::failure::Failure;
use crate::message::{FindRetention, Forget, PreviewRetention, PutRetention};

pub(super) async fn forget(desk: &Desk, ask: Forget) -> Result<(), Failure> {
    let (vault, source) = desk.source(ask.source)?;
    vault.forget(source, &ask.seqs).await.map_err(|error| failure::told(&error))?;
    Ok(())
}

pub(super) async fn find(desk: &Desk, ask: FindRetention) -> Result<RetentionResponse, Failure> {
    let (vault, source) = desk.source(ask.source)?;
    vault.retention(source).await.map_err(|error| failure::told(&error))
}

pub(super) async fn preview(desk: &Desk, ask: PreviewRetention) -> Result<RetentionPreview, Failure> {
    let (vault, source) = desk.source(ask.source)?;
    vault.preview_retention(source, &ask.policy).await.map_err(|error| failure::told(&error))
}

pub(super) async fn put(desk: &Desk, ask: PutRetention) -> Result<(), Failure> {
    let (vault, source) = desk.source(ask.source)?;
    vault.put_retention(source, &ask.policy).await.map_err(|error| failure::told(&error))
}
