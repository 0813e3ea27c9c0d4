//! The logs of vaults: reading them, and what every new commit must hold.

use axum::extract::State;
use protocol::audit_log::AuditEvent;
use protocol::bytes::{Base64, Base64Array};
use protocol::commits::AppendCommitRequest;
use protocol::envelope::account_state::AccountState;
use protocol::envelope::commit::{CommitEnvelope, Kind};
use protocol::error::ErrorCode;
use protocol::id::{IdempotencyKey, VaultId};
use protocol::uploads::CommitResponse;
use serde::Deserialize;
use server::answers::Octets;
use server::error::ApiError;
use sqlx::PgConnection;
use utoipa::IntoParams;

use super::reclaim::Listed;
use super::sources::admit_source;
use super::{Json, Path, Query, account_states, uploads, vaults};
use crate::attempts;
use crate::auth::ClientAddress;
use crate::caller::Caller;
use crate::db::audit_log::Actor;
use crate::db::{self, SourceKey, VaultKey};
use crate::error::{ApiResult, broken_rule, invalid, invalid_envelope};
use crate::events::News;
use crate::state::{AppState, commit};

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// The number of the first commit.
    from: u64,
}

/// Commits from a number on, packed as octets; none where the log ends.
pub async fn list_commits(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<VaultId>,
    Query(From { from }): Query<From>,
) -> ApiResult<Octets> {
    let mut conn = state.connection().await?;
    let vault = vaults::find(&mut conn, &caller, &id).await?;
    let from = i64::try_from(from).map_err(invalid)?;
    let commits = db::commits::list(&mut conn, vault, from).await?;
    Ok(Octets(commits))
}

/// Adds a commit that needs no upload session: settings, of all or of one source, the end of one, or what takes
/// something out of history.
pub async fn append_commit(
    State(state): State<AppState>,
    caller: Caller,
    ClientAddress(client): ClientAddress,
    Path(id): Path<VaultId>,
    Json(request): Json<AppendCommitRequest>,
) -> ApiResult<axum::Json<CommitResponse>> {
    caller.check_writes()?;
    attempts::admit_commit(&state, &caller).await?;
    let mut tx = state.begin().await?;
    let vault = vaults::find(&mut tx, &caller, &id).await?;
    let envelope = parse(request.envelope, &id)?;
    if let Kind::Snapshot(_) = envelope.head.kind {
        return Err(invalid("a snapshot is committed through an upload"));
    }
    let staged = match &request.staged {
        None => None,
        Some(upload) => match uploads::claim(&mut tx, &caller, upload).await {
            Ok(upload) if upload.vault == vault => Some(upload.key),
            Ok(_) => return Err(invalid("the list was staged for another vault")),
            // Perhaps it ended by this very commit.
            Err(ended) => {
                let answer = db::commits::find_answer(&mut tx, caller.account(), &id, &request.key).await?;
                return answer.map(axum::Json).ok_or(ended);
            }
        },
    };
    let listed = Listed::read(&caller, &envelope.head, request.list.as_ref(), staged)?;
    let account_state = match admit(&state, &mut tx, &caller, vault, &envelope, &request.key).await? {
        Admitted::Before(answer) => return Ok(axum::Json(answer)),
        Admitted::Now(account_state) => account_state,
    };
    let source = match &envelope.head.source {
        Some(source) => Some(admit_source(&mut tx, vault, source, &envelope.head, &account_state).await?),
        None => None,
    };
    listed.apply(&mut tx, vault).await?;
    let event = match envelope.head.kind {
        Kind::Forget => Some(AuditEvent::SnapshotsForgotten),
        Kind::Purge => Some(AuditEvent::BlobsPurged),
        _ => None,
    };
    if let Some(event) = event {
        let actor = Actor { account: Some(caller.account()), client: Some(client) };
        db::audit_log::note(&mut tx, actor, event, Some(&id.to_string())).await?;
    }
    let answer = append(&mut tx, &caller, vault, source, &envelope, &request.key).await?;
    commit(tx).await?;
    state.meters.committed(envelope.head.kind);
    Ok(axum::Json(answer))
}

/// An envelope for this vault.
pub(super) fn parse(envelope: Base64, vault: &VaultId) -> ApiResult<CommitEnvelope> {
    let envelope = CommitEnvelope::parse(envelope.0).map_err(invalid_envelope)?;
    if envelope.head.vault == *vault { Ok(envelope) } else { Err(broken_rule("it names another vault")) }
}

/// Whether a commit is to be added.
pub(super) enum Admitted {
    /// Its key was used before; this is what was answered then.
    Before(CommitResponse),
    /// It is next in the chain, and its signer may sign it by this state.
    Now(Box<AccountState>),
}

/// Locks the vault's head and checks key, chain, account state, signer and signature.
pub(super) async fn admit(
    state: &AppState,
    conn: &mut PgConnection,
    caller: &Caller,
    vault: VaultKey,
    envelope: &CommitEnvelope,
    key: &IdempotencyKey,
) -> ApiResult<Admitted> {
    if let Some(device) = caller.device()
        && envelope.head.device != Some(device.id())
    {
        return Err(ApiError::new(ErrorCode::Forbidden, "a device commits what it signed itself"));
    }
    let head = db::vaults::lock_head(conn, vault).await?;
    // Under the lock: a repeated request that came at the same time has either finished or not begun.
    if let Some(answer) = db::commits::find_answer(conn, caller.account(), &envelope.head.vault, key).await? {
        return Ok(Admitted::Before(answer));
    }
    let next = head.seq.map_or(0, |seq| seq + 1);
    if envelope.head.seq != next || envelope.head.prev != head.hash {
        return Err(conflict("not the next commit; read the newest and try again"));
    }
    let account_state = account_states::newest(conn, caller.account(), caller.identity()).await?;
    if envelope.head.account_state_seq != account_state.seq {
        return Err(conflict("the account has another newest state; read it and try again"));
    }
    envelope.verify(&account_state, caller.identity()).map_err(invalid_envelope)?;
    if let Some(device) = envelope.head.device.and_then(|device| account_state.device(&device))
        && !(device.not_before..device.not_after).contains(&state.clock.now_s())
    {
        return Err(broken_rule("the device's certificate is not in force now"));
    }
    Ok(Admitted::Now(Box::new(account_state)))
}

/// Adds the commit and moves the head on. The caller checked everything and holds the head's lock.
pub(super) async fn append(
    conn: &mut PgConnection,
    caller: &Caller,
    vault: VaultKey,
    source: Option<SourceKey>,
    envelope: &CommitEnvelope,
    key: &IdempotencyKey,
) -> ApiResult<CommitResponse> {
    let seq = envelope.head.seq;
    let received_ms = db::commits::insert(conn, vault, source, envelope, Some(key)).await?;
    db::vaults::set_head(conn, vault, i64::try_from(seq).map_err(invalid)?, &envelope.hash).await?;
    News::Head { account: caller.account().0, vault: envelope.head.vault, seq }.send(conn).await?;
    Ok(CommitResponse { seq, hash: Base64Array(envelope.hash), received_ms })
}

fn conflict(why: &'static str) -> ApiError {
    ApiError::new(ErrorCode::ChainConflict, why)
}
