//! Which node calls: requests that nodes sign. A handler that takes one of these types cannot run for anybody else.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use protocol::error::ErrorCode;
use protocol::id::NodeId;
use protocol::limits::{NONCE_SECONDS, SIGNED_REQUEST_SKEW_SECONDS};
use protocol::nodes::{JOIN_ORIGIN, JoinRequest, NodeState};
use protocol::signature::PublicKey;
use protocol::signed_request::{SignedParts, SignedRequest};
use serde::de::DeserializeOwned;
use server::error::ApiError;
use sqlx::PgConnection;

use crate::db::{self, NodeKey};
use crate::error::{ApiResult, invalid};
use crate::state::{App, AppState};

/// A request signed by a node, with its body.
#[derive(Debug)]
pub struct NodeRequest<T> {
    /// The node.
    pub node: NodeKey,
    /// The node's id.
    pub id: NodeId,
    /// Its state so far.
    pub state: NodeState,
    /// What it says.
    pub body: T,
}

impl<T: DeserializeOwned> FromRequest<AppState> for NodeRequest<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> ApiResult<Self> {
        let request = Unverified::read(request, state).await?;
        let unknown = || refused("no node has this id");
        let id = NodeId::from_bytes(request.signed.signer).map_err(|_| unknown())?;
        let mut conn = state.connection().await?;
        let node = db::nodes::find_signer(&mut conn, &id).await?.ok_or_else(unknown)?;
        request.verify(state, &state.settings.public_url, &node.public_key)?;
        // Last, because it is remembered.
        use_nonce(&mut conn, node.key, &request.signed.nonce).await?;
        let body = serde_json::from_slice(&request.body).map_err(invalid)?;
        Ok(Self { node: node.key, id, state: node.state, body })
    }
}

/// A node that introduces itself, and has proven the key that it brings.
#[derive(Debug)]
pub struct Introduction {
    /// What it says of itself.
    pub join: JoinRequest,
    nonce: [u8; 16],
}

impl FromRequest<AppState> for Introduction {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> ApiResult<Self> {
        let request = Unverified::read(request, state).await?;
        let join: JoinRequest = serde_json::from_slice(&request.body).map_err(invalid)?;
        if request.signed.signer != *join.node.as_bytes() {
            return Err(refused("signed by another node than it introduces"));
        }
        request.verify(state, JOIN_ORIGIN, &join.public_key)?;
        Ok(Self { join, nonce: request.signed.nonce })
    }
}

impl Introduction {
    /// Remembers that this node introduced itself by this request.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthenticated`] if it did before.
    pub async fn use_once(&self, conn: &mut PgConnection, node: NodeKey) -> ApiResult<()> {
        use_nonce(conn, node, &self.nonce).await
    }
}

/// A request with a signature that is not yet verified, read whole.
struct Unverified {
    signed: SignedRequest,
    method: Method,
    path_and_query: String,
    body: Bytes,
}

impl Unverified {
    async fn read(request: Request, state: &AppState) -> ApiResult<Self> {
        let signed = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| SignedRequest::from_header(value.to_str().ok()?))
            .ok_or_else(|| refused("the request is not signed"))?;
        let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let method = request.method().clone();
        Ok(Self { signed, method, path_and_query, body: Bytes::from_request(request, state).await? })
    }

    /// Checks signature and time; the nonce is the caller's to check.
    fn verify(&self, app: &App, origin: &str, key: &PublicKey) -> ApiResult<()> {
        let Self { signed, method, path_and_query, body } = self;
        let parts = SignedParts { origin, method: method.as_str(), path_and_query, body };
        signed.verify(key, parts).map_err(|_| refused("the signature does not verify"))?;
        if app.clock.now_ms().abs_diff(signed.time_ms) > SIGNED_REQUEST_SKEW_SECONDS * 1000 {
            return Err(refused("the clocks differ by more than two minutes"));
        }
        Ok(())
    }
}

async fn use_nonce(conn: &mut PgConnection, node: NodeKey, nonce: &[u8; 16]) -> ApiResult<()> {
    if !db::nodes::insert_nonce(conn, node, nonce).await? {
        return Err(refused("the request was sent before"));
    }
    Ok(db::nodes::delete_old_nonces(conn, NONCE_SECONDS).await?)
}

fn refused(why: &'static str) -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, why)
}
