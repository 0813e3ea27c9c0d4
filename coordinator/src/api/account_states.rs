//! The chain of account states.

use axum::extract::State;
use protocol::accounts::AppendAccountStateRequest;
use protocol::envelope::account_state::AccountState;
use protocol::error::ErrorCode;
use protocol::signature::PublicKey;
use server::answers::{Created, Octets};
use server::error::ApiError;
use sqlx::PgConnection;

use super::{Json, Path};
use crate::auth::Session;
use crate::caller::Caller;
use crate::db::{self, AccountKey};
use crate::error::{ApiResult, broken_rule, invalid_envelope, not_found};
use crate::events::News;
use crate::state::{AppState, commit};

/// One state's envelope, as octets.
pub async fn find_account_state(
    State(state): State<AppState>,
    caller: Caller,
    Path(seq): Path<u64>,
) -> ApiResult<Octets> {
    let seq = i64::try_from(seq).map_err(|_| not_found())?;
    let envelope = db::account_states::find(&mut *state.connection().await?, caller.account(), seq).await?;
    Ok(Octets(envelope.ok_or_else(not_found)?))
}

/// Adds the next state, if it may follow the newest. Devices come and go in requests of their own, because their
/// keys come and go with them.
pub async fn append_account_state(
    State(state): State<AppState>,
    session: Session,
    Json(request): Json<AppendAccountStateRequest>,
) -> ApiResult<Created> {
    let mut tx = state.begin().await?;
    let next = Next::check(&mut tx, &session, request.account_state.0).await?;
    let (before, after) = (&next.newest.body, &next.state.body);
    if before.certificates != after.certificates || before.revoked != after.revoked {
        return Err(broken_rule("devices come by enrolment and go by revocation"));
    }
    next.insert(&mut tx).await?;
    commit(tx).await?;
    Ok(Created)
}

/// A state that may follow the newest.
pub(super) struct Next {
    account: AccountKey,
    envelope: Vec<u8>,
    /// The newest so far.
    pub(super) newest: AccountState,
    /// The one to add.
    pub(super) state: AccountState,
}

impl Next {
    /// Verifies a state and checks that it may follow the newest. What it changes of devices is the caller's to check.
    pub(super) async fn check(
        conn: &mut PgConnection,
        session: &Session,
        envelope: Vec<u8>,
    ) -> ApiResult<Self> {
        let state = AccountState::verify(&envelope, &session.identity).map_err(invalid_envelope)?;
        let newest = newest(conn, session.account, &session.identity).await?;
        if Some(state.seq) != newest.seq.checked_add(1) || state.prev != newest.hash {
            return Err(conflict());
        }
        state.check_follows(&newest).map_err(invalid_envelope)?;
        let (before, after) = (&newest.body, &state.body);
        if before.kdf != after.kdf || before.recovery_wrap_hash != after.recovery_wrap_hash {
            // They change together with what they describe, in the requests that change it.
            return Err(broken_rule(
                "only a change of the password or recovery key may change what describes them",
            ));
        }
        Ok(Self { account: session.account, envelope, newest, state })
    }

    /// Adds it to the chain and announces it.
    pub(super) async fn insert(self, conn: &mut PgConnection) -> ApiResult<()> {
        let seq = i64::try_from(self.state.seq).map_err(|_| conflict())?;
        if !db::account_states::insert(conn, self.account, seq, &self.envelope).await? {
            return Err(conflict());
        }
        let news = News::AccountState { account: self.account.0, seq: self.state.seq };
        Ok(news.send(conn).await?)
    }
}

/// The newest state of an account.
pub(super) async fn newest(
    conn: &mut PgConnection,
    account: AccountKey,
    identity: &PublicKey,
) -> ApiResult<AccountState> {
    let envelope = db::account_states::newest(conn, account).await?;
    let state = AccountState::verify(&envelope, identity);
    Ok(state.map_err(|error| anyhow::Error::new(error).context("a stored account state"))?)
}

fn conflict() -> ApiError {
    ApiError::new(ErrorCode::ChainConflict, "not the next account state; read the newest and try again")
}
