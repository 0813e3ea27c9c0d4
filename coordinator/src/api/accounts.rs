//! Making accounts, and how their passwords become keys.

use std::net::IpAddr;

use axum::extract::State;
use protocol::accounts::{PreloginRequest, PreloginResponse, RegisterRequest, RegistrationResponse};
use protocol::audit_log::AuditEvent;
use protocol::bytes::Base64Array;
use protocol::digest::sha256;
use protocol::envelope::account_state::AccountState;
use protocol::envelope::commit::CommitEnvelope;
use protocol::error::ErrorCode;
use protocol::id::InvitationId;
use protocol::limits::{KDF_ITERATIONS_DEFAULT, KDF_ITERATIONS_MAX, KDF_ITERATIONS_MIN, LOGIN_CHARS_MAX};
use protocol::sessions::AccountRole;
use server::answers::Created;
use server::error::ApiError;
use sqlx::PgConnection;

use super::seals::check_sealed_key;
use super::{Json, vaults};
use crate::attempts::admit_question;
use crate::auth::{ClientAddress, ClientNetwork, SameOrigin};
use crate::config::Registration;
use crate::db::accounts::{Inserted, NewAccount};
use crate::db::audit_log::Actor;
use crate::db::invitations::TakenInvitation;
use crate::db::{self, AccountKey};
use crate::error::{ApiResult, broken_rule, invalid, invalid_envelope};
use crate::random;
use crate::state::{AppState, commit};

/// May one register here?
pub async fn find_registration(State(state): State<AppState>) -> ApiResult<axum::Json<RegistrationResponse>> {
    let setup_required = !db::accounts::any(&mut *state.connection().await?).await?;
    Ok(axum::Json(RegistrationResponse { setup_required, mode: state.settings.registration.into() }))
}

/// How does a password become a key? An unknown login is answered as if it were known.
pub async fn find_key_derivation(
    State(state): State<AppState>,
    network: ClientNetwork,
    Json(request): Json<PreloginRequest>,
) -> ApiResult<axum::Json<PreloginResponse>> {
    admit_question(&state, &network).await?;
    check_login(&request.login)?;
    let fake = PreloginResponse {
        account_salt: Base64Array(state.secrets.pepper.derive_fake_salt(&request.login)),
        kdf_id: 1,
        iterations: KDF_ITERATIONS_DEFAULT,
    };
    let known = db::accounts::find_credentials(&mut *state.connection().await?, &request.login).await?;
    Ok(axum::Json(known.map_or(fake, |credentials| credentials.kdf)))
}

/// Makes an account with its first state and vault, all or nothing. Whoever asks again, because the first answer was
/// lost, gets it again.
pub async fn make_account(
    State(state): State<AppState>,
    _: SameOrigin,
    network: ClientNetwork,
    ClientAddress(client): ClientAddress,
    Json(request): Json<RegisterRequest>,
) -> ApiResult<Created> {
    admit_question(&state, &network).await?;
    check_keys(&request)?;
    let account_state = check_first_state(&request)?;
    let genesis = vaults::check_new(&request.vault, &account_state, &request.identity)?;
    match create(&state, &request, &genesis, client).await {
        Ok(()) => Ok(Created),
        // Looked for only now: a repetition may come while the first one is still on its way.
        Err(refusal) if is_registered(&state, &request).await? => {
            tracing::info!(%refusal, "a registration was repeated");
            Ok(Created)
        }
        Err(refusal) => Err(refusal),
    }
}

async fn create(
    state: &AppState,
    request: &RegisterRequest,
    genesis: &CommitEnvelope,
    client: IpAddr,
) -> ApiResult<()> {
    let mut tx = state.begin().await?;
    let right = authorize(state, &mut tx, request).await?;
    let Right { role, ref invitation, .. } = right;
    let account = insert_account(state, &mut tx, request, &right).await?;
    db::account_states::insert(&mut tx, account, 0, &request.account_state.0).await?;
    vaults::insert_new(&mut tx, account, &request.vault, genesis).await?;
    let actor = Actor { account: Some(account), client: Some(client) };
    let role_name = db::accounts::role_name(role);
    db::audit_log::note(&mut tx, actor, AuditEvent::AccountMade, Some(role_name)).await?;
    if let Some(invitation) = invitation {
        let about = invitation.to_string();
        db::audit_log::note(&mut tx, actor, AuditEvent::InvitationUsed, Some(&about)).await?;
    }
    commit(tx).await?;
    if request.setup_token.is_some()
        && let Err(error) = state.secrets.remove_setup_link()
    {
        // The token in it is used up; only the file stays behind.
        tracing::warn!(error = &error as &dyn std::error::Error, "the used setup link stays behind");
    }
    Ok(())
}

/// Is the account there, with this login, password, identity and first state?
async fn is_registered(state: &AppState, request: &RegisterRequest) -> ApiResult<bool> {
    let mut conn = state.connection().await?;
    let Some(known) = db::accounts::find_credentials(&mut conn, &request.login).await? else {
        return Ok(false);
    };
    let first_state = db::account_states::find(&mut conn, known.account, 0).await?;
    Ok(known.public_id == request.account
        && known.identity == request.identity
        && first_state.as_ref() == Some(&request.account_state.0)
        && state.secrets.pepper.verifies(&request.account, &request.auth_key.0, &known.auth_verifier))
}

/// 1 to 64 printable ASCII characters without spaces, in lower case.
pub(super) fn check_login(login: &str) -> ApiResult<()> {
    let printable = login.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
    if printable && (1..=LOGIN_CHARS_MAX).contains(&login.len()) {
        return Ok(());
    }
    Err(invalid("a login is 1 to 64 printable characters without spaces, in lower case"))
}

fn check_keys(request: &RegisterRequest) -> ApiResult<()> {
    check_login(&request.login)?;
    if request.kdf_id != 1 || !(KDF_ITERATIONS_MIN..=KDF_ITERATIONS_MAX).contains(&request.iterations) {
        return Err(invalid("the password's derivation is outside the limits"));
    }
    let RegisterRequest { password_wrap, recovery_wrap, recovery_key_wrap, .. } = request;
    [password_wrap, recovery_wrap, recovery_key_wrap].into_iter().try_for_each(check_sealed_key)
}

/// State 0 must say what the request says.
fn check_first_state(request: &RegisterRequest) -> ApiResult<AccountState> {
    let state =
        AccountState::verify(&request.account_state.0, &request.identity).map_err(invalid_envelope)?;
    let kdf = &state.body.kdf;
    if state.account != request.account || state.seq != 0 {
        return Err(broken_rule("not this account's first state"));
    }
    if (kdf.kdf_id, kdf.iterations, kdf.account_salt)
        != (request.kdf_id, request.iterations, request.account_salt.0)
    {
        return Err(broken_rule("the state names another derivation of the password"));
    }
    if state.body.recovery_wrap_hash != sha256(&[&request.recovery_wrap.0]) {
        return Err(broken_rule("the state names another recovery wrap"));
    }
    if state.newest_epoch(&request.vault.vault) != Some(1) || state.body.vault_keys.len() != 1 {
        return Err(broken_rule("the state does not list exactly the vault's first key"));
    }
    Ok(state)
}

/// As what somebody may register.
struct Right {
    role: AccountRole,
    quota_bytes: Option<u64>,
    invitation: Option<InvitationId>,
}

/// The first account is the operator's and needs the setup link; the others need an invitation or an open
/// registration.
async fn authorize(state: &AppState, conn: &mut PgConnection, request: &RegisterRequest) -> ApiResult<Right> {
    let member = Right { role: AccountRole::Member, quota_bytes: None, invitation: None };
    if let Some(token) = &request.setup_token {
        // Taking the token locks it: of two requests at once, one makes the operator.
        if db::tokens::take_setup(conn, &random::token_hash(token)).await? {
            return Ok(Right { role: AccountRole::Operator, ..member });
        }
        return Err(ApiError::new(ErrorCode::InvalidSetupToken, "the setup link is wrong or was used"));
    }
    if !db::accounts::any(conn).await? {
        return Err(ApiError::new(ErrorCode::InvalidSetupToken, "the first account needs the setup link"));
    }
    match (state.settings.registration, &request.invitation) {
        (Registration::Closed, _) => {
            Err(ApiError::new(ErrorCode::RegistrationClosed, "registration is closed"))
        }
        (Registration::Open | Registration::Invite, Some(token)) => {
            let invitation = db::invitations::take(conn, &random::token_hash(token)).await?;
            let refused = "the invitation is wrong or was used, has expired or was taken back";
            let invitation =
                invitation.ok_or_else(|| ApiError::new(ErrorCode::InvalidInvitation, refused))?;
            let TakenInvitation { id, role, quota_bytes } = invitation;
            Ok(Right { role, quota_bytes, invitation: Some(id) })
        }
        (Registration::Open, None) => Ok(member),
        (Registration::Invite, None) => {
            Err(ApiError::new(ErrorCode::RegistrationClosed, "registration needs an invitation"))
        }
    }
}

async fn insert_account(
    state: &AppState,
    conn: &mut PgConnection,
    request: &RegisterRequest,
    right: &Right,
) -> ApiResult<AccountKey> {
    let pepper = &state.secrets.pepper;
    let kdf = PreloginResponse {
        account_salt: request.account_salt,
        kdf_id: request.kdf_id,
        iterations: request.iterations,
    };
    let account = NewAccount {
        public_id: &request.account,
        login: &request.login,
        role: right.role,
        quota_bytes: right.quota_bytes,
        identity: &request.identity,
        kdf: &kdf,
        auth_verifier: &pepper.derive_verifier(&request.account, &request.auth_key.0),
        recovery_auth_hash: &sha256(&[&request.recovery_auth.0]),
        password_wrap: &pepper.seal(&request.account, &request.password_wrap.0, random::bytes()),
        recovery_wrap: &request.recovery_wrap.0,
        recovery_key_wrap: &request.recovery_key_wrap.0,
    };
    match db::accounts::insert(conn, &account).await? {
        Inserted::Account(key) => Ok(key),
        Inserted::LoginTaken => Err(ApiError::new(ErrorCode::LoginTaken, "somebody else has this login")),
        Inserted::IdTaken => Err(invalid("this account id is taken")),
    }
}
