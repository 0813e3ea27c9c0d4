//! The agent as a real process, on real folders, against a real cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod busy_file;
mod clocks;
mod enrolment;
mod full_state;
mod kills;
mod outages;
mod restore;
mod snapshots;
mod storms;
mod support;
mod watching;
