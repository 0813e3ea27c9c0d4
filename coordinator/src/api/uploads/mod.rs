//! Upload sessions: open, receipts, references; planning and committing have files of their own.

mod commit;
mod plan;
mod receipts;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::NoContent;
use protocol::error::ErrorCode;
use protocol::id::{UploadId, VaultId};
use protocol::limits::{PURGE_PAGES_MAX, REFS_PAGE_MAX, REFS_PAGES_MAX, UPLOAD_IDLE_SECONDS};
use protocol::uploads::{OpenUploadRequest, OpenUploadResponse};
use protocol::{purge, refs};
use server::error::ApiError;
use sqlx::PgConnection;

use super::{Json, Path, vaults};
use crate::auth::Session;
use crate::caller::Caller;
use crate::db;
use crate::db::uploads::UploadRow;
use crate::error::{ApiResult, invalid};
use crate::random;
use crate::state::{AppState, commit};

pub use self::commit::commit_upload;
pub use plan::plan_upload;
pub use receipts::put_receipts;

/// Opens a session, or finds the open one of the same key.
pub async fn open_upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<VaultId>,
    Json(request): Json<OpenUploadRequest>,
) -> ApiResult<axum::Json<OpenUploadResponse>> {
    caller.check_writes()?;
    let mut tx = state.begin().await?;
    let vault = vaults::find(&mut tx, &caller, &id).await?;
    let fresh = random::id(UploadId::from_bytes);
    let upload = db::uploads::open(&mut tx, vault, &request, &fresh).await?;
    let copies = state.copies(&mut tx).await?;
    commit(tx).await?;
    Ok(axum::Json(OpenUploadResponse {
        upload,
        idle_seconds: UPLOAD_IDLE_SECONDS,
        replicas: copies.replicas,
        write_zones: copies.write_zones,
    }))
}

/// Stages a page of references. Page 0 begins a list anew, so that a commit which lost a race can be made again in
/// the same session; it alone may be empty. Whether all pages together are the commit's list, its digest tells.
pub async fn stage_refs(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, page)): Path<(UploadId, u32)>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> ApiResult<NoContent> {
    let body = body?;
    let references = refs::unpack(&body).map_err(invalid)?;
    let is_empty = references.is_empty() && page > 0;
    if page >= REFS_PAGES_MAX || is_empty || references.len() > REFS_PAGE_MAX {
        return Err(ApiError::new(
            ErrorCode::TooLarge,
            "too many pages, or a page of none or too many references",
        ));
    }
    let mut tx = state.begin().await?;
    let upload = claim(&mut tx, &caller, &id).await?;
    db::refs::stage(&mut tx, upload.key, i32::try_from(page).map_err(invalid)?, &body).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// Stages a page of blobs to purge; whether all pages together are what is signed, the commit's digest tells. Page 0
/// begins a list anew.
pub async fn stage_purge(
    State(state): State<AppState>,
    session: Session,
    Path((id, page)): Path<(UploadId, u32)>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> ApiResult<NoContent> {
    let body = body?;
    if page >= PURGE_PAGES_MAX {
        return Err(ApiError::new(ErrorCode::TooLarge, "too many pages"));
    }
    purge::unpack(&body).map_err(invalid)?;
    let mut tx = state.begin().await?;
    let upload = claim(&mut tx, &Caller::Person(session), &id).await?;
    db::purge::stage(&mut tx, upload.key, i32::try_from(page).map_err(invalid)?, &body).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// The caller's open session of this id, extended. A device that only reads has none.
async fn touch(conn: &mut PgConnection, caller: &Caller, id: &UploadId) -> ApiResult<UploadRow> {
    caller.check_writes()?;
    own(caller, db::uploads::touch(conn, caller.account(), id).await?)
}

/// The same, for this transaction alone.
pub(super) async fn claim(conn: &mut PgConnection, caller: &Caller, id: &UploadId) -> ApiResult<UploadRow> {
    caller.check_writes()?;
    own(caller, db::uploads::claim(conn, caller.account(), id).await?)
}

fn own(caller: &Caller, upload: Option<UploadRow>) -> ApiResult<UploadRow> {
    let own = upload.filter(|upload| caller.sees(&upload.vault_id));
    own.ok_or_else(|| ApiError::new(ErrorCode::UploadExpired, "no such upload, or it ended"))
}
