//! Sealed messages between the web app and devices.

use axum::extract::State;
use axum::response::NoContent;
use protocol::error::ErrorCode;
use protocol::id::VaultId;
use protocol::messages::{Direction, Message};
use server::error::ApiError;

use super::seals::check_message;
use super::{Json, Path, vaults};
use crate::caller::Caller;
use crate::db;
use crate::error::{ApiResult, invalid, not_found};
use crate::events::News;
use crate::state::{AppState, commit};

/// Passes a message on: a person's to a device of the vault, a device's own to the account's people.
pub async fn send_message(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<VaultId>,
    Json(message): Json<Message>,
) -> ApiResult<NoContent> {
    check_message(&message.sealed)?;
    if message.vault != id || i64::try_from(message.counter).is_err() {
        return Err(invalid("it is for another vault, or its counter is no time"));
    }
    check_sender(&caller, &message)?;
    let mut tx = state.begin().await?;
    let vault = vaults::find(&mut tx, &caller, &id).await?;
    let device = db::devices::find(&mut tx, &message.device).await?;
    let device = device
        .filter(|row| row.account == caller.account() && row.certificate.vaults.contains(&id))
        .ok_or_else(not_found)?;
    let Some(number) = db::messages::insert(&mut tx, device.key, vault, &message).await? else {
        return Err(ApiError::new(ErrorCode::TooManyRequests, "too many messages of this device's"));
    };
    News::Message { number }.send(&mut tx).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// A device sends as itself alone, a person as no device.
fn check_sender(caller: &Caller, message: &Message) -> ApiResult<()> {
    let allowed = match caller.device() {
        None => message.direction == Direction::ToDevice,
        Some(device) => message.direction == Direction::FromDevice && message.device == device.id(),
    };
    if allowed { Ok(()) } else { Err(ApiError::new(ErrorCode::Forbidden, "not the caller's to send")) }
}
