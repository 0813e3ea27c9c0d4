//! A device's session: begun by a signed request, kept in memory, and begun again before it ends and whenever the
//! coordinator knows it no more.

use std::cell::RefCell;
use std::rc::Rc;

use crypto::sign::DeviceKey;
use protocol::devices::DeviceLoginResponse;
use protocol::error::ErrorCode;
use protocol::routes::coordinator as routes;
use protocol::signed_request::SignedParts;
use reqwest::header::AUTHORIZATION;
use tokio::sync::Mutex;

use crate::api::{Body, Client, TIMEOUT, read_json};
use crate::error::Error;

/// A token is not used when it has less than this left, in milliseconds.
const RENEW_BEFORE_MS: u64 = 60_000;

/// The session of one device. All clones of a client share it.
pub(crate) struct DeviceSession {
    key: Rc<DeviceKey>,
    token: RefCell<Option<Token>>,
    /// Held while signing in: two at a time would make a session too many.
    signing_in: Mutex<()>,
}

struct Token {
    text: Rc<str>,
    good_until_ms: u64,
}

impl DeviceSession {
    pub(crate) fn new(key: Rc<DeviceKey>) -> Self {
        Self { key, token: RefCell::default(), signing_in: Mutex::default() }
    }

    /// A token to call with.
    pub(crate) async fn token(&self, client: &Client) -> Result<Rc<str>, Error> {
        let _alone = self.signing_in.lock().await;
        if let Some(token) = self.good_token(client.platform.now_ms()) {
            return Ok(token);
        }
        self.sign_in(client).await?;
        self.good_token(client.platform.now_ms())
            .ok_or_else(|| Error::untrusted("a session that ended at once"))
    }

    /// Forgets a token that the coordinator refused, unless there is another by now.
    pub(crate) fn forget(&self, refused: &str) {
        self.token.borrow_mut().take_if(|token| &*token.text == refused);
    }

    /// Begins a session.
    ///
    /// # Errors
    /// [`Error::NotAdmitted`] for a device that was revoked, or whose certificate is not in force;
    /// [`Error::SignInRefused`] for what may be different the next time.
    pub(crate) async fn sign_in(&self, client: &Client) -> Result<DeviceLoginResponse, Error> {
        let route = routes::DEVICE_LOGIN;
        let parts = SignedParts {
            origin: client.origin(),
            method: route.method,
            path_and_query: route.path,
            body: b"",
        };
        let now_ms = client.platform.now_ms();
        let signed = self.key.sign_request(parts, now_ms, client.platform.random());
        let url = client.url(route, &[]);
        let request = client.request(route, &url, Body::Empty).header(AUTHORIZATION, signed.to_header());
        let answer = client.exchange(request, TIMEOUT).await.map_err(|error| match error {
            Error::Api { code: ErrorCode::Unauthenticated, message, .. } => Error::SignInRefused(message),
            other => other,
        })?;
        let answer: DeviceLoginResponse = read_json(&answer)?;
        let good_until_ms = now_ms.saturating_add(answer.expires_in_s.saturating_mul(1000));
        self.token.replace(Some(Token { text: answer.token.as_str().into(), good_until_ms }));
        Ok(answer)
    }

    fn good_token(&self, now_ms: u64) -> Option<Rc<str>> {
        let token = self.token.borrow();
        let token =
            token.as_ref().filter(|token| now_ms.saturating_add(RENEW_BEFORE_MS) < token.good_until_ms)?;
        Some(token.text.clone())
    }
}
