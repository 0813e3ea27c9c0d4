//! Chaos: real processes and a network that fail by a schedule from a seed, clients that work meanwhile, and a check of
//! what they were told against what is there in the end.
//!
//! Each run has a phase of chaos, in which nothing wrong may ever be seen, and then a time without faults, in which
//! everything must become whole. `cargo xtask chaos` runs one for as long as it is told.
#![expect(clippy::print_stdout, reason = "whoever waits for a long run sees what happens")]

mod canary;
mod checker;
mod damage;
mod dice;
mod history;
mod inventory;
mod nemesis;
#[path = "../support/platform.rs"]
mod platform;
mod reading;
mod rest;
mod run;
mod schedule;
mod watch;
mod workload;

use testkit::long::for_each_seed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_kept_whatever_fails_and_all_becomes_whole_again() {
    for_each_seed(1, 30, run::run).await;
}
