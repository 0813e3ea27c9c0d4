//! The engine through its public edge.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chunks;
mod compare;
mod compression;
mod edits;
mod format;
mod pages;
mod restore;
mod store;
mod walks;
