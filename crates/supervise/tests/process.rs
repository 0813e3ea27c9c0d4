//! Programs start, stop and die with the one that started them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use supervise::process::{DeathSignal, Launch, Process, Signal};

const LONG: Duration = Duration::from_secs(30);

fn sh(script: &str, log: &Path) -> Process {
    let launch = Launch { user: None, death_signal: DeathSignal::Terminate, log };
    Process::spawn(Command::new("sh").args(["-c", script]), launch).unwrap()
}

fn is_running(pid: &str) -> bool {
    // A zombie has an empty command line.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("did not happen within 30 s");
}

#[test]
fn output_of_both_streams_goes_to_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let process = sh("echo one; echo two >&2; exit 3", &folder.path().join("log"));
    assert_eq!(process.wait(LONG).unwrap().code(), Some(3));
    assert_eq!(process.log_tail(10), "one\ntwo");
    assert_eq!(process.log_tail(1), "two");
}

#[test]
fn a_program_that_ignores_the_signal_is_killed_after_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let process = sh("trap '' TERM; echo ready; while :; do sleep 0.1; done", &folder.path().join("log"));
    wait_until(|| process.log_tail(1) == "ready");
    process.stop(Signal::TERM, Duration::from_millis(300));
    let status = process.exited().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::KILL.as_raw()));
}

#[test]
fn a_signal_after_the_end_is_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let process = sh("exit 0", &folder.path().join("log"));
    process.wait(LONG).unwrap();
    process.signal(Signal::TERM);
    assert!(process.exited().unwrap().success());
}

#[test]
fn dropping_kills() {
    let folder = tempfile::tempdir().unwrap();
    let process = sh("exec sleep 1000", &folder.path().join("log"));
    let pid = process.pid().to_string();
    wait_until(|| is_running(&pid));
    drop(process);
    assert!(!is_running(&pid));
}

#[test]
fn a_missing_program_is_told_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let launch = Launch { user: None, death_signal: DeathSignal::Terminate, log: &log };
    let process = Process::spawn(&Command::new("/no/such/program"), launch).unwrap();
    assert_eq!(process.wait(LONG).unwrap().code(), Some(127));
    assert!(process.log_tail(1).contains("/no/such/program"));
}

#[test]
fn a_program_dies_with_the_one_that_started_it_even_by_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let tests = env::current_exe().unwrap();
    let hold = tests.parent().unwrap().with_file_name("examples").join("hold");
    let mut holder =
        Command::new(hold).arg(&log).args(["sleep", "1000"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut pid).unwrap();
    // Until then it is still setpriv, which may not have asked for the signal yet.
    let command_line = format!("/proc/{}/cmdline", pid.trim());
    wait_until(|| fs::read(&command_line).is_ok_and(|line| line.starts_with(b"sleep")));

    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until(|| !is_running(pid.trim()));
}
