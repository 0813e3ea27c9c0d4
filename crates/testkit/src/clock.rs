//! A clock that is right until it is set, for programs that go by it.

use std::fs;
use std::path::PathBuf;

use tempfile::{TempDir, tempdir};

/// Expanded by the dynamic linker.
const FAKETIME: &str = "/usr/$LIB/faketime/libfaketime.so.1";

/// The clock. Waiting is measured by another one, which stays right.
pub struct Clock(TempDir);

impl Clock {
    /// One that is right.
    ///
    /// # Panics
    /// If there is no room for a small file.
    #[expect(clippy::new_without_default, reason = "it is a file, and not a value")]
    pub fn new() -> Self {
        let clock = Self(tempdir().expect("a folder for the clock"));
        clock.set("+0");
        clock
    }

    /// From now on it is off by so much, like `-1h` or `+400d`.
    ///
    /// # Panics
    /// If there is no room for a small file.
    pub fn set(&self, offset: &str) {
        let new = self.0.path().join("new");
        fs::write(&new, offset).expect("a folder of our own takes a file");
        fs::rename(new, self.offset()).expect("a folder of our own takes a file");
    }

    /// What makes a program go by it.
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", FAKETIME.into()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    fn offset(&self) -> PathBuf {
        self.0.path().join("offset")
    }
}
