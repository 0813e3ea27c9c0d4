//! A storage node from outside: its HTTP edge, its folder, and what survives of both.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod batch;
mod cors;
mod crash;
mod damaged_front;
mod failing_disk;
mod fan_out;
mod grants;
mod joining;
mod limits;
mod many_packs;
mod model;
mod power_cut;
mod recovery;
mod simple;
mod store_format;
mod support;
