//! Signing in and out.

use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::extract::cookie::CookieJar;
use protocol::error::ErrorCode;
use protocol::id::AccountId;
use protocol::sessions::{LoginRequest, LoginResponse, SessionResponse};
use server::error::ApiError;

use super::Json;
use super::accounts::check_login;
use crate::attempts::LoginAttempt;
use crate::auth::{ClientNetwork, SameOrigin, Session, removal_cookie, session_cookie};
use crate::db;
use crate::db::accounts::Credentials;
use crate::error::ApiResult;
use crate::random;
use crate::state::{AppState, commit};

/// Signs in. What the answer holds is given to nobody who has not proven the password.
pub async fn login(
    State(state): State<AppState>,
    _: SameOrigin,
    network: ClientNetwork,
    Json(request): Json<LoginRequest>,
) -> ApiResult<(CookieJar, axum::Json<LoginResponse>)> {
    check_login(&request.login)?;
    let attempt = LoginAttempt::admit(&state, &network, &request.login).await?;
    let mut tx = state.begin().await?;
    let credentials = db::accounts::find_credentials(&mut tx, &request.login).await?;
    let credentials = verify(&state, &request, credentials)
        .ok_or_else(|| ApiError::new(ErrorCode::WrongCredentials, "login or passphrase is wrong"))?;
    attempt.forget(&mut tx).await?;
    let token = random::token();
    db::sessions::insert(&mut tx, &random::token_hash(&token), credentials.account).await?;
    commit(tx).await?;

    let password_wrap = state.secrets.pepper.open(&credentials.public_id, &credentials.password_wrap);
    let response = LoginResponse {
        account: credentials.public_id,
        role: credentials.role,
        password_wrap: password_wrap.map_err(anyhow::Error::new)?.into(),
        kdf: credentials.kdf,
        identity: credentials.identity,
        account_state_seq: credentials.account_state_seq,
    };
    let cookie = session_cookie(&state.settings.public_url, token);
    Ok((CookieJar::new().add(cookie), axum::Json(response)))
}

/// The same work for an unknown login as for a wrong key.
fn verify(state: &AppState, request: &LoginRequest, credentials: Option<Credentials>) -> Option<Credentials> {
    let nobody = AccountId::from_bytes([1; 16]).expect("not zero");
    let (account, verifier) =
        credentials.as_ref().map_or((nobody, [0; 32]), |known| (known.public_id, known.auth_verifier));
    let proven = state.secrets.pepper.verifies(&account, &request.auth_key.0, &verifier);
    credentials.filter(|_| proven)
}

/// Who is signed in?
pub async fn find_session(session: Session) -> axum::Json<SessionResponse> {
    axum::Json(session.who)
}

/// Signs out.
pub async fn logout(State(state): State<AppState>, session: Session) -> ApiResult<(CookieJar, StatusCode)> {
    db::sessions::delete(&mut *state.connection().await?, &session.token_hash).await?;
    let cookie = removal_cookie(&state.settings.public_url);
    Ok((CookieJar::new().add(cookie), StatusCode::NO_CONTENT))
}
