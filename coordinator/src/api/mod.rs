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
mod seals;
pub mod sessions;
pub mod snapshots;
pub mod sources;
pub mod uploads;
pub mod users;
pub mod vaults;

use axum::extract::{FromRequest, FromRequestParts};
use server::error::ApiError;

/// A JSON body; one that is not answers in the error envelope.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub struct Json<T>(pub T);

/// The variable parts of the path, parsed into their types.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

/// The query, parsed into its type.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);
