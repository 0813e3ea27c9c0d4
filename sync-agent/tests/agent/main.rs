//! The agent as a real process, on real folders, against a real cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod busy_file;
mod clocks;
mod commits;
mod configuration;
mod enrolment;
mod full_state;
mod keyring;
mod kills;
mod metrics;
mod outages;
mod proof;
mod restore;
mod service;
mod snapshots;
mod storms;
mod support;
mod watching;
