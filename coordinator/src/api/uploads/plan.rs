//! Planning: which blobs the vault has already, and where the others go.

use std::collections::BTreeSet;

use axum::extract::State;
use protocol::blob_list::{StoredBlob, pack_ids, pack_stored, unpack_sized};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::{GroupId, UploadId};
use protocol::limits::GRANT_SECONDS;
use protocol::nodes::NodeState;
use protocol::uploads::{PlanRequest, PlanResponse, PlannedGroup};
use server::error::ApiError;
use sqlx::PgConnection;

use super::touch;
use crate::api::{Json, Path, blobs::issue_grant};
use crate::caller::Caller;
use crate::copies::Copies;
use crate::db;
use crate::db::blobs::PlannedBlob;
use crate::db::nodes::NodeRow;
use crate::db::uploads::{NewGrant, UploadRow};
use crate::error::{ApiResult, invalid};
use crate::placement::{self, Candidate};
use crate::state::{App, AppState, commit};
use crate::{groups, quota, random};

/// Every blob is either had by this vault, durably, or gets a group; all become the session's. A client that could not
/// read blobs back sends them again, whatever is known of their copies.
pub async fn plan_upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
    Json(request): Json<PlanRequest>,
) -> ApiResult<axum::Json<PlanResponse>> {
    let wanted = unpack_sized(&request.blobs).map_err(invalid)?;
    let mut tx = state.begin().await?;
    let upload = touch(&mut tx, &caller, &id).await?;
    let copies = state.copies(&mut tx).await?;
    let planned = db::blobs::plan(&mut tx, upload.key, &wanted).await?;
    let keys: Vec<_> = planned.iter().map(|blob| blob.key).collect();
    let durable = db::blobs::list_durable(&mut tx, upload.vault, &keys, copies.write_zones).await?;
    let durable: BTreeSet<_> = durable.into_iter().collect();
    let is_had = |blob: &PlannedBlob| !request.again && durable.contains(&blob.key);
    let (have, rest): (Vec<_>, Vec<_>) = planned.into_iter().partition(is_had);
    let new_bytes = rest.iter().map(|planned| u64::from(planned.blob.size)).sum();
    if new_bytes > 0 {
        quota::check_plan(&mut tx, caller.account(), new_bytes, upload.removes).await?;
    }
    let groups = place(&state, &caller, &mut tx, &upload, copies, rest).await?;
    commit(tx).await?;
    let have: Vec<_> = have.into_iter().map(|blob| blob.blob.id).collect();
    Ok(axum::Json(PlanResponse { have: pack_ids(&have), groups }))
}

async fn place(
    app: &App,
    caller: &Caller,
    conn: &mut PgConnection,
    upload: &UploadRow,
    copies: Copies,
    blobs: Vec<PlannedBlob>,
) -> ApiResult<Vec<PlannedGroup>> {
    let mut nodes = db::nodes::list(conn).await?;
    nodes.retain(|node| node.state == NodeState::Up);
    let candidates: Vec<_> = nodes
        .iter()
        .map(|node| Candidate { node: node.id, zone: node.zone.clone(), weight: node.free_bytes })
        .collect();
    let mut out = Vec::new();
    for blobs in groups::cut(blobs, |blob| blob.blob.size) {
        let group = random::id(GroupId::from_bytes);
        let chosen = placement::choose(&group, &candidates, copies.replicas as usize);
        if chosen.len() < copies.write_zones as usize {
            return Err(ApiError::new(ErrorCode::InsufficientZones, refusal(&candidates, copies)));
        }
        let targets: Vec<_> = chosen.into_iter().map(|index| &nodes[index]).collect();
        out.push(grant_group(app, caller, conn, upload, &blobs, &targets).await?);
    }
    Ok(out)
}

/// Why there is no place for a group.
fn refusal(candidates: &[Candidate], copies: Copies) -> &'static str {
    let up: BTreeSet<_> = candidates.iter().map(|candidate| &candidate.zone).collect();
    if up.len() < copies.write_zones as usize {
        "fewer zones are up than a durable write needs"
    } else {
        "fewer zones have room than a durable write needs: the storage nodes are full"
    }
}

async fn grant_group(
    app: &App,
    caller: &Caller,
    conn: &mut PgConnection,
    upload: &UploadRow,
    blobs: &[PlannedBlob],
    targets: &[&NodeRow],
) -> ApiResult<PlannedGroup> {
    let stored: Vec<StoredBlob> = blobs.iter().map(|planned| planned.blob).collect();
    let issued_s = app.clock.now_s();
    let mut remembered = Vec::new();
    let mut grants = Vec::new();
    for node in targets {
        let (jti, grant) = issue_grant(app, caller, &upload.vault_id, node, Operation::Put, &stored);
        remembered.push(NewGrant { jti, node: node.key });
        grants.push(grant);
    }
    let expires_s = issued_s + GRANT_SECONDS;
    db::uploads::insert_group(conn, upload.key, blobs, &remembered, issued_s, expires_s).await?;
    Ok(PlannedGroup { blobs: pack_stored(&stored), targets: grants })
}
