//! Committing an upload: one transaction in which everything is checked and everything changes, or nothing does.

use axum::extract::State;
use protocol::blob_list::pack_ids;
use protocol::envelope::commit::{CommitEnvelope, CommitHead, Kind, SnapshotFlags};
use protocol::id::{BlobId, UploadId};
use protocol::limits::PLAN_BLOBS_MAX;
use protocol::refs::{PagedDigest, Reference, unpack};
use protocol::uploads::{CommitResponse, CommitUploadRequest};
use server::error::ApiError;
use sqlx::PgConnection;

use super::claim;
use crate::api::commits::{Admitted, admit, append, parse};
use crate::api::sources::admit_source;
use crate::api::{Json, Path};
use crate::attempts;
use crate::caller::Caller;
use crate::db::refs::{Applied, Applying};
use crate::db::{self, UploadKey};
use crate::error::{ApiResult, broken_rule, invalid, invalid_envelope};
use crate::quota;
use crate::state::{AppState, commit};

/// Makes the session's snapshot part of the vault's log. The same key gets the same answer again, also after the
/// session has ended by it.
pub async fn commit_upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
    Json(request): Json<CommitUploadRequest>,
) -> ApiResult<axum::Json<CommitResponse>> {
    caller.check_writes()?;
    let envelope = CommitEnvelope::parse(request.envelope.0.clone()).map_err(invalid_envelope)?;
    let Kind::Snapshot(flags) = envelope.head.kind else {
        return Err(invalid("settings are committed without an upload"));
    };
    attempts::admit_commit(&state, &caller).await?;
    let mut tx = state.begin().await?;
    let upload = match claim(&mut tx, &caller, &id).await {
        Ok(upload) => upload,
        // Perhaps it ended by this very commit.
        Err(ended) => {
            let vault = &envelope.head.vault;
            let answer = db::commits::find_answer(&mut tx, caller.account(), vault, &request.key).await?;
            return answer.filter(|_| caller.sees(vault)).map(axum::Json).ok_or(ended);
        }
    };
    parse(request.envelope, &upload.vault_id)?;
    let account_state = match admit(&state, &mut tx, &caller, upload.vault, &envelope, &request.key).await? {
        Admitted::Before(answer) => return Ok(axum::Json(answer)),
        Admitted::Now(account_state) => account_state,
    };
    if !upload.removes {
        quota::check_commit(&mut tx, caller.account()).await?;
    }
    let source = envelope.head.source.as_ref().ok_or_else(|| broken_rule("a snapshot names no source"))?;
    let source = admit_source(&mut tx, upload.vault, source, &envelope.head, &account_state).await?;
    let to = Applying {
        vault: upload.vault,
        source,
        upload: upload.key,
        seq: i64::try_from(envelope.head.seq).map_err(invalid)?,
        copies: state.copies(&mut tx).await?,
    };
    apply_references(&mut tx, to, &envelope.head, flags).await?;
    if upload.removes {
        quota::check_deletion(&mut tx, caller.account(), to).await?;
    }
    let answer = append(&mut tx, &caller, upload.vault, Some(source), &envelope, &request.key).await?;
    db::uploads::delete(&mut tx, upload.key).await?;
    commit(tx).await?;
    state.meters.committed(envelope.head.kind);
    Ok(axum::Json(answer))
}

/// Changes the source's reference intervals by the staged list, if it is the one that the head names.
async fn apply_references(
    conn: &mut PgConnection,
    to: Applying,
    head: &CommitHead,
    flags: SnapshotFlags,
) -> ApiResult<()> {
    if flags.baseline {
        db::refs::reset_counts(conn, to.source).await?;
    }
    let count = db::refs::count_staged(conn, to.upload).await?;
    let mut digest = PagedDigest::new(u32::try_from(count).map_err(invalid)?);
    let mut missing = Vec::new();
    let mut last = None;
    let mut number = -1;
    while let Some((page, references)) = next_page(conn, to.upload, number).await? {
        check_page(&references, last, flags)?;
        digest.add(&references);
        missing.extend(db::refs::list_missing(conn, to, &references).await?);
        // All that is missing is found out, but nothing more is changed then.
        if missing.is_empty()
            && let Applied::BelowZero = db::refs::apply(conn, to, &references).await?
        {
            return Err(broken_rule("a blob would have fewer than no references"));
        }
        let added = references.iter().filter(|reference| reference.delta > 0);
        db::repairs::ask_added(conn, &added.map(|added| added.blob).collect::<Vec<_>>(), to.copies.replicas)
            .await?;
        (number, last) = (page, references.last().map(|reference| reference.blob));
    }
    if digest.finish() != head.digest {
        return Err(broken_rule("the staged references are not those that the commit names"));
    }
    if !missing.is_empty() {
        missing.truncate(PLAN_BLOBS_MAX);
        return Err(ApiError::blobs_missing(pack_ids(&missing)));
    }
    db::refs::close_unreferenced(conn, to.source, to.seq).await?;
    Ok(())
}

async fn next_page(
    conn: &mut PgConnection,
    upload: UploadKey,
    after: i32,
) -> ApiResult<Option<(i32, Vec<Reference>)>> {
    let Some((page, bytes)) = db::refs::next_page(conn, upload, after).await? else { return Ok(None) };
    let references = unpack(&bytes).map_err(|error| anyhow::Error::new(error).context("a staged page"))?;
    Ok(Some((page, references)))
}

/// Ids ascend across pages too, and a baseline counts what is there.
fn check_page(references: &[Reference], last: Option<BlobId>, flags: SnapshotFlags) -> ApiResult<()> {
    if references.first().is_some_and(|first| Some(first.blob) <= last) {
        return Err(broken_rule("the pages' ids do not ascend"));
    }
    if flags.baseline && references.iter().any(|reference| reference.delta < 0) {
        return Err(broken_rule("a baseline has no negative counts"));
    }
    Ok(())
}
