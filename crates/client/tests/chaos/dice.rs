//! Chance from a seed: the same each time.

use std::time::Duration;

use crate::platform::noise;

/// Numbers that look random, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0, and less than `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = u64::from_be_bytes(noise(self.0, 8).try_into().expect("as many as asked for"));
        self.0 % sides
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len() as u64) as usize]
    }

    /// A time of so many milliseconds, the first included.
    pub(crate) fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.roll(to - from))
    }
}
