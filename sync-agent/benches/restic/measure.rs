//! What a program takes, and what the whole machine does meanwhile.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::files::run;

/// Linux counts processor time for user space in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one step took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    /// Of the client's program alone.
    pub(crate) client_cpu: f64,
    /// Of everything on the machine: servers, database, kernel.
    pub(crate) machine_cpu: f64,
    /// The client's largest resident set, in megabytes.
    pub(crate) memory_mb: f64,
    /// That went over loopback.
    pub(crate) sent: u64,
    /// By which what is stored grew, in bytes.
    pub(crate) stored: u64,
    /// That a Dropbox got.
    pub(crate) requests: usize,
}

/// Runs a program to its end; it must succeed.
pub(crate) fn measure(command: &Command) -> Cost {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["--format", "%U %S %M", "--output"]).arg(file.path());
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        timed.env(name, value.unwrap_or_default());
    }
    let (cpu, sent, start) = (machine_cpu(), loopback_bytes(), Instant::now());
    run(&mut timed);
    let seconds = start.elapsed().as_secs_f64();
    let (machine_cpu, sent) = (machine_cpu() - cpu, loopback_bytes() - sent);
    let told = fs::read_to_string(file.path()).unwrap();
    let told: Vec<f64> = told.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [user, system, kibibytes] = told[..] else { panic!("time told {told:?}") };
    let memory_mb = kibibytes * 1024.0 / 1e6;
    Cost { seconds, client_cpu: user + system, machine_cpu, memory_mb, sent, stored: 0, requests: 0 }
}

/// Seconds that the processors were busy since the machine started.
fn machine_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let line = stat.lines().next().unwrap();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).map(|ticks| ticks.parse().unwrap()).collect();
    let [user, nice, system, _idle, _wait, interrupts, soft_interrupts, ..] = ticks[..] else {
        panic!("/proc/stat has {line}")
    };
    (user + nice + system + interrupts + soft_interrupts) as f64 / TICKS_PER_SECOND
}

fn loopback_bytes() -> u64 {
    fs::read_to_string("/sys/class/net/lo/statistics/tx_bytes").unwrap().trim().parse().unwrap()
}
