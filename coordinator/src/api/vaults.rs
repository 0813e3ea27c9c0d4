//! Vaults and their wrapped keys.

use axum::extract::State;
use axum::http::StatusCode;
use protocol::error::ErrorCode;
use protocol::id::VaultId;
use protocol::vaults::{VaultsResponse, WrappedKey};
use server::error::ApiError;
use sqlx::PgConnection;

use super::accounts::check_sealed_key;
use super::{Json, Path, account_states};
use crate::auth::Session;
use crate::db::{self, VaultKey};
use crate::error::{ApiResult, broken_rule, invalid, not_found};
use crate::state::{AppState, commit};

/// The caller's vaults.
pub async fn list_vaults(
    State(state): State<AppState>,
    session: Session,
) -> ApiResult<axum::Json<VaultsResponse>> {
    let vaults = db::vaults::list(&mut *state.connection().await?, session.account).await?;
    Ok(axum::Json(VaultsResponse { vaults }))
}

/// Stores the wrapped key of an epoch that the newest account state lists; epoch 1 makes the vault. A key that is
/// there is never replaced: it may be the only way to the vault's data.
pub async fn put_vault_key(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<VaultId>,
    Json(key): Json<WrappedKey>,
) -> ApiResult<StatusCode> {
    check_sealed_key(&key.wrap)?;
    let epoch = i32::try_from(key.epoch).map_err(invalid)?;
    let mut tx = state.begin().await?;
    let listed = account_states::newest(&mut tx, &session).await?.newest_epoch(&id);
    if key.epoch == 0 || listed.is_none_or(|newest| key.epoch > newest) {
        return Err(broken_rule("the newest account state does not list this key"));
    }
    let vault = match db::vaults::find(&mut tx, session.account, &id).await? {
        Some(vault) => vault,
        None if epoch == 1 => {
            let vault = db::vaults::insert(&mut tx, session.account, &id).await?;
            vault.ok_or_else(|| invalid("this vault id is taken"))?
        }
        None => return Err(not_found()),
    };
    if !db::vaults::insert_key(&mut tx, vault, epoch, &key.wrap.0).await? {
        return Err(ApiError::new(ErrorCode::ChainConflict, "this epoch has another key"));
    }
    commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's vault of this id.
pub(super) async fn find(conn: &mut PgConnection, session: &Session, id: &VaultId) -> ApiResult<VaultKey> {
    db::vaults::find(conn, session.account, id).await?.ok_or_else(not_found)
}
