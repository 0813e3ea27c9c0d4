//! Which node calls: requests that nodes sign. A handler that takes one of these types cannot run for anybody else.

use axum::extract::{FromRequest, Request};
use protocol::error::ErrorCode;
use protocol::id::NodeId;
use protocol::limits::NONCE_SECONDS;
use protocol::nodes::{JOIN_ORIGIN, JoinRequest};
use serde::de::DeserializeOwned;
use server::error::ApiError;
use sqlx::PgConnection;

use crate::db::{self, NodeKey};
use crate::error::{ApiResult, invalid};
use crate::health::Intent;
use crate::object::Object;
use crate::signed::{Unverified, refused};
use crate::state::AppState;

/// A request signed by a node, with its body.
#[derive(Debug)]
pub struct NodeRequest<T> {
    /// The node.
    pub node: NodeKey,
    /// The node's id.
    pub id: NodeId,
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
        if node.intent == Intent::Gone {
            return Err(ApiError::new(ErrorCode::Forbidden, "the operator removed this node"));
        }
        // Last, because it is remembered.
        use_nonce(&mut conn, node.key, &request.signed.nonce).await?;
        let Object(body) = serde_json::from_slice(&request.body).map_err(invalid)?;
        Ok(Self { node: node.key, id, body })
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
        let Object(join): Object<JoinRequest> = serde_json::from_slice(&request.body).map_err(invalid)?;
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
    /// [`protocol::error::ErrorCode::Unauthenticated`] if it did before.
    pub async fn use_once(&self, conn: &mut PgConnection, node: NodeKey) -> ApiResult<()> {
        use_nonce(conn, node, &self.nonce).await
    }
}

async fn use_nonce(conn: &mut PgConnection, node: NodeKey, nonce: &[u8; 16]) -> ApiResult<()> {
    if !db::nodes::insert_nonce(conn, node, nonce).await? {
        return Err(refused("the request was sent before"));
    }
    Ok(db::nodes::delete_old_nonces(conn, NONCE_SECONDS).await?)
}
