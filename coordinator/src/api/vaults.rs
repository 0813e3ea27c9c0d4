//! Vaults and their wrapped keys.

use axum::extract::State;
use axum::response::NoContent;
use protocol::accounts::NewVault;
use protocol::envelope::account_state::AccountState;
use protocol::envelope::commit::{CommitEnvelope, Kind};
use protocol::error::ErrorCode;
use protocol::id::VaultId;
use protocol::signature::PublicKey;
use protocol::vaults::{VaultsResponse, WrappedKey};
use server::error::ApiError;
use sqlx::PgConnection;

use super::reclaim::check_no_list;
use super::seals::check_sealed_key;
use super::{Json, Path, account_states};
use crate::auth::Session;
use crate::caller::Caller;
use crate::db::{self, AccountKey, VaultKey};
use crate::error::{ApiResult, broken_rule, invalid, invalid_envelope, not_found};
use crate::state::{AppState, commit};

/// The caller's vaults.
pub async fn list_vaults(
    State(state): State<AppState>,
    session: Session,
) -> ApiResult<axum::Json<VaultsResponse>> {
    let vaults = db::vaults::list(&mut *state.connection().await?, session.account).await?;
    Ok(axum::Json(VaultsResponse { vaults }))
}

/// Stores the wrapped key of an epoch that the newest account state lists; epoch 1 makes the vault.
pub async fn put_vault_key(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<VaultId>,
    Json(key): Json<WrappedKey>,
) -> ApiResult<NoContent> {
    let mut tx = state.begin().await?;
    let newest = account_states::newest(&mut tx, session.account, &session.identity).await?;
    let listed = newest.newest_epoch(&id);
    if key.epoch == 0 || listed.is_none_or(|newest| key.epoch > newest) {
        return Err(broken_rule("the newest account state does not list this key"));
    }
    let vault = match db::vaults::find(&mut tx, session.account, &id).await? {
        Some(vault) => vault,
        None if key.epoch == 1 => {
            let vault = db::vaults::insert(&mut tx, session.account, &id).await?;
            vault.ok_or_else(|| invalid("this vault id is taken"))?
        }
        None => return Err(not_found()),
    };
    insert_key(&mut tx, vault, &key).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// Stores an epoch's wrapped key. One that is there is never replaced: it may be the only way to the vault's data.
pub(super) async fn insert_key(conn: &mut PgConnection, vault: VaultKey, key: &WrappedKey) -> ApiResult<()> {
    check_sealed_key(&key.wrap)?;
    let epoch = i32::try_from(key.epoch).map_err(invalid)?;
    if !db::vaults::insert_key(conn, vault, epoch, &key.wrap.0).await? {
        return Err(ApiError::new(ErrorCode::ChainConflict, "this epoch has another key"));
    }
    Ok(())
}

/// The caller's vault of this id; to a device, those that are not in its certificate do not exist.
pub(super) async fn find(conn: &mut PgConnection, caller: &Caller, id: &VaultId) -> ApiResult<VaultKey> {
    let vault = if caller.sees(id) { db::vaults::find(conn, caller.account(), id).await? } else { None };
    vault.ok_or_else(not_found)
}

/// Checks a vault that comes with the account state that is the first to list it; its genesis.
pub(super) fn check_new(
    new: &NewVault,
    state: &AccountState,
    identity: &PublicKey,
) -> ApiResult<CommitEnvelope> {
    check_sealed_key(&new.key_wrap)?;
    if state.newest_epoch(&new.vault) != Some(1) {
        return Err(broken_rule("the state does not list exactly the vault's first key"));
    }
    let genesis = CommitEnvelope::parse(new.genesis.0.clone()).map_err(invalid_envelope)?;
    genesis.verify(state, identity).map_err(invalid_envelope)?;
    let head = &genesis.head;
    if head.kind != Kind::Settings || head.seq != 0 || head.vault != new.vault {
        return Err(broken_rule("not the vault's first settings"));
    }
    check_no_list(head)?;
    Ok(genesis)
}

/// Adds a vault that was checked.
pub(super) async fn insert_new(
    conn: &mut PgConnection,
    account: AccountKey,
    new: &NewVault,
    genesis: &CommitEnvelope,
) -> ApiResult<VaultKey> {
    let vault = db::vaults::insert(conn, account, &new.vault).await?;
    let vault = vault.ok_or_else(|| invalid("this vault id is taken"))?;
    db::vaults::insert_key(conn, vault, 1, &new.key_wrap.0).await?;
    db::commits::insert(conn, vault, None, genesis, None).await?;
    db::vaults::set_head(conn, vault, 0, &genesis.hash).await?;
    Ok(vault)
}
