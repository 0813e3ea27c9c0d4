//! The agent as a real process, on real folders, against a real cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod commits;
mod enrolment;
mod keyring;
mod proof;
mod restore;
mod service;
mod snapshots;
mod storms;
mod support;
