//! The agent as a real process, on real folders, against a real cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod enrolment;
mod proof;
mod restore;
mod snapshots;
mod storms;
mod support;
