//! Tests that are worth more the longer they run: little of them always, all of them with `./test --long`.

use std::env;
use std::ops::RangeInclusive;

/// Set by `./test --long`.
pub const LONG_VARIABLE: &str = "TRIPLICATE_TEST_LONG";
/// Names the one seed to run, to see a failure again.
pub const SEED_VARIABLE: &str = "TRIPLICATE_TEST_SEED";

/// The one of two numbers that this run is for.
pub fn scale(short: u64, long: u64) -> u64 {
    if is_long() { long } else { short }
}

/// Runs a test for so many seeds, one after the other. The first that fails ends it, with a line that says how to run
/// it again.
///
/// # Panics
/// If the variable names no seed.
pub async fn for_each_seed(short: u64, long: u64, mut test: impl AsyncFnMut(u64)) {
    for seed in seeds(scale(short, long)) {
        let on_failure = Replay(seed);
        test(seed).await;
        drop(on_failure);
        eprintln!("seed {seed} passed");
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads how long tests run")]
fn is_long() -> bool {
    env::var(LONG_VARIABLE).is_ok_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads which seed is run")]
fn seeds(count: u64) -> RangeInclusive<u64> {
    match env::var(SEED_VARIABLE) {
        Ok(seed) => {
            let seed = seed.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={seed} is not a number"));
            seed..=seed
        }
        Err(_) => 1..=count,
    }
}

/// Tells of its seed when a panic drops it.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let long = scale(0, 1);
            eprintln!(
                "to see this again: {LONG_VARIABLE}={long} {SEED_VARIABLE}={} and this test's name",
                self.0
            );
        }
    }
}
