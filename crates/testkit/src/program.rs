//! The workspace's own programs, run as real processes by tests of other crates.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use supervise::process::{DeathSignal, Launch, Process};

/// The built program `name` of this workspace, next to the running test's own binary.
///
/// # Panics
/// When it is not built: `cargo xtask test` builds the servers first, a single crate's tests do not.
pub fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("Linux tells a program its own path");
    let profile = test.ancestors().find(|folder| folder.join("deps").is_dir());
    let program = profile.expect("tests run from cargo's target directory").join(name);
    assert!(program.exists(), "{name} is not built: run `cargo build -p coordinator -p storage-node`");
    program
}

/// Starts `command` with its output going to `log`. It is killed when the result is dropped, or when the
/// test's process dies; signal it by [`Process::signal`] (`KILL`, `TERM`, `STOP`, `CONT`).
pub fn start(command: &Command, log: &Path) -> Process {
    let launch = Launch { user: None, death_signal: DeathSignal::Kill, log };
    Process::spawn(command, launch).expect("setpriv and a writable folder for the log are there")
}
