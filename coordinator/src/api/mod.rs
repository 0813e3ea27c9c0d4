//! One file per noun: what the routes take, check and answer. No SQL here.

pub mod account_states;
pub mod accounts;
pub mod audit_log;
pub mod blobs;
pub mod commits;
pub mod devices;
pub mod enrolments;
pub mod events;
pub mod health;
pub mod heartbeats;
pub mod invitations;
pub mod messages;
pub mod nodes;
mod reclaim;
pub mod relay;
mod seals;
pub mod sessions;
pub mod snapshots;
pub mod sources;
pub mod uploads;
pub mod users;
pub mod vaults;

use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::de::DeserializeOwned;
use server::error::ApiError;

use crate::object::Object;

/// A JSON object as the body; what is none answers in the error envelope.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let axum::Json(Object(body)) = axum::Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// The variable parts of the path, parsed into their types.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

/// The query, parsed into its type.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);
