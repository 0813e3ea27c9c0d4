//! The coordinator: accounts, vaults, commits, where blobs are and where they go, and how the nodes are.
//! It keeps metadata only; no byte of a file ever passes through it, and it holds no key that opens one.

pub mod api;
pub mod attempts;
pub mod auth;
pub mod caller;
pub mod config;
pub mod copies;
pub mod db;
pub mod device_auth;
pub mod error;
pub mod events;
pub mod groups;
pub mod health;
pub mod jobs;
pub mod node_auth;
pub mod pepper;
pub mod placement;
pub mod presence;
pub mod random;
pub mod receipts;
pub mod router;
pub mod secrets;
pub mod signed;
pub mod start;
pub mod state;
pub mod web;
