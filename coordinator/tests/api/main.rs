//! The coordinator through its HTTP edge, on a real PostgreSQL. A node is to it what signs heartbeats and receipts:
//! the tests hold the nodes' keys and do so themselves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod account_states;
mod accounts;
mod audit_log;
mod blobs;
mod collection_race;
mod commits;
mod configuration;
mod contention;
mod contract;
mod devices;
mod enrolments;
mod events;
mod examples;
mod garbage;
mod invitations;
mod messages;
mod metrics;
mod nodes;
mod openapi;
mod operator;
mod quota;
mod rebalance;
mod receipts;
mod reclaim;
mod recount;
mod references;
mod repair;
mod retention;
mod revocation;
mod routes;
mod sessions;
mod sources;
mod support;
mod uploads;
mod users;
mod vaults;
mod verification;
mod web;
