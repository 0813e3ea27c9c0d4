//! Signing in and out.

use axum::extract::State;
use axum::response::NoContent;
use axum_extra::extract::cookie::CookieJar;
use protocol::audit_log::AuditEvent;
use protocol::error::ErrorCode;
use protocol::id::AccountId;
use protocol::sessions::{LoginRequest, LoginResponse, SessionResponse, StepUpRequest};
use server::error::ApiError;

use super::Json;
use super::accounts::check_login;
use crate::attempts::LoginAttempt;
use crate::auth::{ClientAddress, ClientNetwork, SameOrigin, Session, removal_cookie, session_cookie};
use crate::db;
use crate::db::accounts::Credentials;
use crate::db::audit_log::Actor;
use crate::error::ApiResult;
use crate::random;
use crate::state::{App, AppState, commit};

/// Signs in. What the answer holds is given to nobody who has not proven the password.
pub async fn open_session(
    State(state): State<AppState>,
    _: SameOrigin,
    network: ClientNetwork,
    ClientAddress(client): ClientAddress,
    Json(request): Json<LoginRequest>,
) -> ApiResult<(CookieJar, axum::Json<LoginResponse>)> {
    check_login(&request.login)?;
    let attempt = LoginAttempt::admit(&state, &network, &request.login).await?;
    let mut tx = state.begin().await?;
    let credentials = db::accounts::find_credentials(&mut tx, &request.login).await?;
    let actor = Actor { account: credentials.as_ref().map(|known| known.account), client: Some(client) };
    let credentials = match verify(&state, &request.auth_key.0, credentials) {
        Ok(credentials) => credentials,
        Err(refusal) => {
            db::audit_log::note(&mut tx, actor, AuditEvent::SignInFailed, None).await?;
            commit(tx).await?;
            return Err(refusal);
        }
    };
    attempt.forget(&mut tx).await?;
    db::audit_log::note(&mut tx, actor, AuditEvent::SignedIn, None).await?;
    let token = random::token();
    db::sessions::insert(&mut tx, &random::token_hash(&token), credentials.account).await?;
    db::accounts::signed_in(&mut tx, credentials.account).await?;
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
fn verify(state: &App, auth_key: &[u8; 32], credentials: Option<Credentials>) -> ApiResult<Credentials> {
    let nobody = AccountId::from_bytes([1; 16]).expect("not zero");
    let (account, verifier) =
        credentials.as_ref().map_or((nobody, [0; 32]), |known| (known.public_id, known.auth_verifier));
    let proven = state.secrets.pepper.verifies(&account, auth_key, &verifier);
    let wrong = || ApiError::new(ErrorCode::WrongCredentials, "login or passphrase is wrong");
    credentials.filter(|_| proven).ok_or_else(wrong)
}

/// Proves the passphrase once more, for what needs that. Whoever has the session alone guesses no faster than
/// somebody without it.
pub async fn step_up_session(
    State(state): State<AppState>,
    session: Session,
    network: ClientNetwork,
    address: ClientAddress,
    Json(request): Json<StepUpRequest>,
) -> ApiResult<NoContent> {
    let login = &session.who.login;
    let attempt = LoginAttempt::admit(&state, &network, login).await?;
    let mut tx = state.begin().await?;
    let credentials = db::accounts::find_credentials(&mut tx, login).await?;
    let actor = address.actor(&session);
    if let Err(refusal) = verify(&state, &request.auth_key.0, credentials) {
        db::audit_log::note(&mut tx, actor, AuditEvent::StepUpFailed, None).await?;
        commit(tx).await?;
        return Err(refusal);
    }
    db::audit_log::note(&mut tx, actor, AuditEvent::SteppedUp, None).await?;
    attempt.forget(&mut tx).await?;
    db::sessions::step_up(&mut tx, &session.token_hash).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// Who is signed in?
pub async fn find_session(session: Session) -> axum::Json<SessionResponse> {
    axum::Json(session.who)
}

/// Signs out.
pub async fn close_session(
    State(state): State<AppState>,
    session: Session,
    address: ClientAddress,
) -> ApiResult<(CookieJar, NoContent)> {
    let mut tx = state.begin().await?;
    db::sessions::delete(&mut tx, &session.token_hash).await?;
    db::audit_log::note(&mut tx, address.actor(&session), AuditEvent::SignedOut, None).await?;
    commit(tx).await?;
    let cookie = removal_cookie(&state.settings.public_url);
    Ok((CookieJar::new().add(cookie), NoContent))
}
