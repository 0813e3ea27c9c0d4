//! Which person calls. A handler that takes one of these types cannot run for anybody else.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use protocol::error::ErrorCode;
use protocol::sessions::{AccountRole, SessionResponse};
use protocol::signature::PublicKey;
use server::error::ApiError;

use crate::db::audit_log::Actor;
use crate::db::sessions::SessionRow;
use crate::db::{self, AccountKey};
use crate::error::ApiResult;
use crate::random;
use crate::state::AppState;

/// Browsers send this header only for scripts of the same origin, unless asked first.
const CHANGE_HEADER: &str = "x-triplicate";

/// A signed-in person. For requests that change something, made by our own page or by a native client.
#[derive(Debug)]
pub struct Session {
    /// Whose session it is.
    pub account: AccountKey,
    /// Who that is.
    pub who: SessionResponse,
    /// Verifies the account's envelopes.
    pub identity: PublicKey,
    /// Names the session.
    pub token_hash: [u8; 32],
    /// The passphrase was proven in it within the last minutes.
    is_stepped_up: bool,
}

impl FromRequestParts<AppState> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let unauthenticated = || ApiError::new(ErrorCode::Unauthenticated, "sign in first");
        let jar = CookieJar::from_headers(&parts.headers);
        let cookie = jar.get(cookie_name(&state.settings.public_url)).ok_or_else(unauthenticated)?;
        let token_hash = random::token_hash(cookie.value());
        let mut conn = state.connection().await?;
        let step_up_s = state.settings.step_up_seconds;
        let row = db::sessions::find(&mut conn, &token_hash, step_up_s).await?.ok_or_else(unauthenticated)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            check_same_origin(&parts.headers)?;
        }
        let SessionRow { account, who, identity, is_stepped_up } = row;
        Ok(Self { account, who, identity, token_hash, is_stepped_up })
    }
}

/// A signed-in person who proved the passphrase within the last minutes: whoever found the browser open, or took its
/// cookie, does not have this.
#[derive(Debug)]
pub struct SteppedUp(Session);

impl SteppedUp {
    /// The session that it is.
    pub fn session(&self) -> &Session {
        &self.0
    }
}

impl From<SteppedUp> for Session {
    fn from(SteppedUp(session): SteppedUp) -> Self {
        session
    }
}

impl FromRequestParts<AppState> for SteppedUp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let session = Session::from_request_parts(parts, state).await?;
        session.check_stepped_up()?;
        Ok(Self(session))
    }
}

/// That the caller of a route which others share is a [`SteppedUp`] one.
#[derive(Debug)]
pub struct StepUpProof(());

impl Session {
    /// # Errors
    /// [`ErrorCode::StepUpRequired`].
    pub fn check_stepped_up(&self) -> ApiResult<StepUpProof> {
        if self.is_stepped_up {
            return Ok(StepUpProof(()));
        }
        Err(ApiError::new(ErrorCode::StepUpRequired, "this needs your passphrase once more"))
    }
}

/// A signed-in operator, and from where.
#[derive(Debug)]
pub struct Operator(pub Actor);

impl FromRequestParts<AppState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let session = Session::from_request_parts(parts, state).await?;
        if session.who.role == AccountRole::Operator {
            let address = ClientAddress::from_request_parts(parts, state).await?;
            return Ok(Self(address.actor(&session)));
        }
        Err(ApiError::new(ErrorCode::Forbidden, "only the operator may do this"))
    }
}

/// The same, in a session in which the passphrase was proven within the last minutes.
#[derive(Debug)]
pub struct SteppedUpOperator(pub Actor);

impl FromRequestParts<AppState> for SteppedUpOperator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let Operator(actor) = Operator::from_request_parts(parts, state).await?;
        SteppedUp::from_request_parts(parts, state).await?;
        Ok(Self(actor))
    }
}

/// A change by somebody who need not be signed in, but not by another site's page.
#[derive(Debug, Clone, Copy)]
pub struct SameOrigin;

impl<S: Sync> FromRequestParts<S> for SameOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        check_same_origin(&parts.headers).map(|()| Self)
    }
}

fn check_same_origin(headers: &HeaderMap) -> ApiResult<()> {
    // Native clients do not send Sec-Fetch-Site, browsers always do on a secure origin.
    let same_origin = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let ours = headers.get(CHANGE_HEADER).is_some_and(|value| value == "1");
    if same_origin && ours {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::Forbidden,
        "a change needs the header X-Triplicate: 1 and the page's own origin",
    ))
}

/// The client's network: what attempts are counted by. A /24 of IPv4, a /64 of IPv6.
#[derive(Debug, Clone)]
pub struct ClientNetwork(pub String);

impl FromRequestParts<AppState> for ClientNetwork {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, state).await?;
        Ok(Self(network_of(address)))
    }
}

/// The client's address, as far as it is known: for the audit log.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Who acts: this session, from here.
    pub fn actor(self, session: &Session) -> Actor {
        Actor { account: Some(session.account), client: Some(self.0) }
    }
}

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .ok_or_else(|| ApiError::Internal(anyhow::anyhow!("the server does not pass addresses on")))?;
        let told = state.settings.client_address_header.as_ref();
        let told = told.and_then(|name| last_address(&parts.headers, name));
        Ok(Self(told.unwrap_or(peer.ip())))
    }
}

/// The address that the nearest proxy appended; those before it may be anybody's word.
fn last_address(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next()?.trim().parse().ok()
}

fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Browsers keep a `__Host-` cookie from other hosts' hands; they take it on https and on localhost alone.
fn is_secure(public_url: &str) -> bool {
    public_url.starts_with("https://")
        || public_url == "http://localhost"
        || public_url.starts_with("http://localhost:")
}

fn cookie_name(public_url: &str) -> &'static str {
    if is_secure(public_url) { "__Host-sid" } else { "sid" }
}

/// The cookie of a session. It ends with the browser's session, or earlier by the server's clock.
pub fn session_cookie(public_url: &str, token: String) -> Cookie<'static> {
    Cookie::build((cookie_name(public_url), token))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure(public_url))
        .build()
}

/// Takes the cookie out of the browser.
pub fn removal_cookie(public_url: &str) -> Cookie<'static> {
    let mut cookie = session_cookie(public_url, String::new());
    cookie.make_removal();
    cookie
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn attempts_are_counted_by_network() {
        let network = |text: &str| network_of(text.parse().expect("an address"));
        assert_eq!(network("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn the_nearest_proxys_word_counts() {
        let name = HeaderName::from_static("x-forwarded-for");
        let told = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (name.clone(), HeaderValue::from_static(line)));
            last_address(&lines.collect(), &name).map(|address| address.to_string())
        };
        assert_eq!(told(&["203.0.113.9, 192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(told(&["192.0.2.1", "2001:db8::1"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(told(&["192.0.2.1, unknown"]), None);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn the_cookie_fits_the_origin() {
        let cookie = |url| session_cookie(url, "token".into()).to_string();
        let secure = "__Host-sid=token; HttpOnly; SameSite=Strict; Secure; Path=/";
        assert_eq!(cookie("https://backup.example"), secure);
        assert_eq!(cookie("http://localhost:8080"), secure);
        assert_eq!(cookie("http://127.0.0.1:8080"), "sid=token; HttpOnly; SameSite=Strict; Path=/");
        assert_eq!(cookie("http://localhost.example"), "sid=token; HttpOnly; SameSite=Strict; Path=/");
    }
}
