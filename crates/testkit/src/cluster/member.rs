//! One program of a cluster.

use std::path::PathBuf;
use std::process::Command;

use supervise::net::lasting_port;
use supervise::process::{Process, Signal};

use crate::clock::Clock;

/// Where it listens, where its data lie, and the process while it runs.
pub(super) struct Program {
    pub(super) port: u16,
    pub(super) data: PathBuf,
    pub(super) clock: Option<Clock>,
    pub(super) process: Option<Process>,
}

impl Program {
    pub(super) fn new(port: u16, data: PathBuf) -> Self {
        Self { port, data, clock: None, process: None }
    }

    /// Tells it where it listens, by which URL others know it, where its data lie, and what its clock is.
    pub(super) fn tell(&self, command: &mut Command, url: &str) {
        command.args(["--listen", &format!("127.0.0.1:{}", self.port), "--public-url", url]);
        command.arg("--data").arg(&self.data).envs(self.clock.iter().flat_map(Clock::environment));
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }
}

/// A port that no program gets from the system meanwhile.
pub(super) fn port() -> u16 {
    lasting_port().expect("loopback has free ports")
}

/// The origin of who listens there.
pub(super) fn local(port: u16) -> String {
    format!("http://localhost:{port}")
}
