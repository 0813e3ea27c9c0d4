//! A storage node from outside: its HTTP edge, its folder, and what survives of both.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod audit;
mod batch;
mod cloud;
mod cloud_troubles;
mod compaction;
mod configuration;
mod cors;
mod crash;
mod damaged_front;
mod deletion;
mod failing_disk;
mod fan_out;
mod grants;
mod inventory;
mod joining;
mod limits;
mod many_packs;
mod media;
mod metrics;
mod model;
mod openapi;
mod power_cut;
mod pull;
mod recovery;
mod routes;
mod scrub;
mod simple;
mod store_format;
mod support;
mod trash;
