//! Small numbers from a seed: the same for the same seed.

use protocol::digest::sha256;

pub(crate) struct Dice {
    seed: u64,
    rolled: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, rolled: 0 }
    }

    /// One of 0 to `sides` - 1.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.rolled += 1;
        let hash = sha256(&[&self.seed.to_be_bytes(), &self.rolled.to_be_bytes()]);
        u64::from_be_bytes(*hash.first_chunk().unwrap()) % sides
    }

    /// True once in so many.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }
}
