//! What two programs must agree on: ids, routes, requests and answers, signed envelopes and their verification,
//! grants, receipts, limits and error codes.
//!
//! Owns every byte that crosses a process boundary and needs no secret to be read. It must not know IO, clocks,
//! randomness or ciphers, and builds for wasm32 and native alike.
#![warn(missing_docs)]

pub mod accounts;
pub mod audit_log;
pub mod blob_list;
pub mod blobs;
pub mod bytes;
pub mod cbor;
pub mod commits;
pub mod data_plane;
pub mod devices;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod events;
pub mod grant;
pub mod id;
pub mod invitations;
pub mod limits;
pub mod maintenance;
pub mod messages;
pub mod nodes;
pub mod purge;
pub mod receipt;
pub mod refs;
pub mod routes;
#[cfg(feature = "openapi")]
mod schema;
pub mod sessions;
pub mod signature;
pub mod signed_request;
pub mod snapshots;
pub mod sources;
pub mod uploads;
pub mod users;
pub mod vaults;
