//! Sources: who may write them, how they are, and how durable.

use axum::extract::State;
use axum::response::NoContent;
use protocol::envelope::account_state::AccountState;
use protocol::envelope::commit::{CommitHead, Kind};
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, SourceId, VaultId};
use protocol::sources::SourcesResponse;
use server::error::ApiError;
use sqlx::PgConnection;

use super::{Path, vaults};
use crate::caller::Caller;
use crate::db::sources::{Binding, SourceRow};
use crate::db::{self, SourceKey, VaultKey};
use crate::error::{ApiResult, broken_rule, not_found};
use crate::state::{AppState, commit};

/// The state of the vault's sources.
pub async fn list_sources(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<VaultId>,
) -> ApiResult<axum::Json<SourcesResponse>> {
    let mut conn = state.connection().await?;
    let vault = vaults::find(&mut conn, &caller, &id).await?;
    let copies = state.copies(&mut conn).await?;
    Ok(axum::Json(SourcesResponse {
        sources: db::sources::list_statuses(&mut conn, vault, state.settings.overdue_seconds).await?,
        replicas: copies.replicas,
        write_zones: copies.write_zones,
        single_machine: db::sources::single_machine(&mut conn).await?,
    }))
}

/// The caller read a sample of the source back. An appending device says so of its own sources alone.
pub async fn prove_source(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, source)): Path<(VaultId, SourceId)>,
) -> ApiResult<NoContent> {
    caller.check_writes()?;
    let mut tx = state.begin().await?;
    let vault = vaults::find(&mut tx, &caller, &id).await?;
    let source = db::sources::find(&mut tx, vault, &source).await?.ok_or_else(not_found)?;
    if let Some(device) = caller.device()
        && device.role() != Role::Full
        && source.binding != Binding::Device(device.id())
    {
        return Err(ApiError::new(ErrorCode::Forbidden, "the source is not the device's"));
    }
    db::sources::prove(&mut tx, source.key).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// Checks that the signer may write the source, and changes what the commit changes of it. The caller holds the
/// vault's head and has verified the commit.
pub(super) async fn admit_source(
    conn: &mut PgConnection,
    vault: VaultKey,
    id: &SourceId,
    head: &CommitHead,
    account_state: &AccountState,
) -> ApiResult<SourceKey> {
    let mut source = match db::sources::find(conn, vault, id).await? {
        Some(source) => source,
        None => db::sources::insert(conn, vault, id).await?,
    };
    change(&mut source, head.kind, appending_device(head, account_state))?;
    db::sources::update(conn, &source).await?;
    Ok(source.key)
}

/// The device that signed, if it may write its own sources alone; the identity and full devices write all.
fn appending_device(head: &CommitHead, account_state: &AccountState) -> Option<DeviceId> {
    let device = head.device?;
    let role = account_state.device(&device).map(|certificate| certificate.role);
    (role != Some(Role::Full)).then_some(device)
}

fn change(source: &mut SourceRow, kind: Kind, writer: Option<DeviceId>) -> ApiResult<()> {
    if source.closed {
        return Err(broken_rule("the source is closed"));
    }
    source.binding = match (writer, source.binding, kind) {
        (Some(device), Binding::Nobody, _) => Binding::Device(device),
        (Some(device), Binding::Device(bound), _) if bound == device => source.binding,
        (Some(_), ..) => return Err(broken_rule("the source is not the device's")),
        (None, Binding::Nobody, Kind::Snapshot(_)) => Binding::Owner,
        (None, binding, _) => binding,
    };
    match kind {
        Kind::Snapshot(flags) if flags.partial && source.complete => {
            return Err(broken_rule("a partial snapshot of a source that has a complete one"));
        }
        Kind::Snapshot(flags) => source.complete |= !flags.partial,
        Kind::SourceClosed => source.closed = true,
        Kind::Settings | Kind::SourceSettings | Kind::Forget | Kind::Purge => {}
    }
    Ok(())
}
