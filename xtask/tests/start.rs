//! `start` through the built program: what is refused is one clear line and exit code 1.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use supervise::net::free_ports;

fn start(data: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["start", "2", "--profile", "dev", "--port", &port.to_string(), "--data"]).arg(data);
    command
}

/// The one line that a refused start prints.
fn refusal(output: &Output) -> &str {
    let text = str::from_utf8(&output.stderr).unwrap().trim_end();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn a_taken_port_of_a_node_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_ports(3).unwrap();
    let _other = TcpListener::bind(("127.0.0.1", port + 2)).unwrap();
    let output = start(&folder.path().join("data"), port).output().unwrap();
    let expected = format!("error: port {} is taken by another program; choose others with --port", port + 2);
    assert_eq!(refusal(&output), expected);
}

#[test]
fn data_of_another_version_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("VERSION"), "2\n").unwrap();
    let output = start(folder.path(), free_ports(3).unwrap()).output().unwrap();
    assert!(refusal(&output).contains("has data version 2, this program reads version 1"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "").unwrap();
    let output = start(folder.path(), free_ports(3).unwrap()).output().unwrap();
    assert!(refusal(&output).contains("holds other files"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_in_use_is_refused_with_the_process_that_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("VERSION"), "1\n").unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    fs::write(folder.path().join("run/lock"), "4711").unwrap();
    let lock = fs::File::open(folder.path().join("run/lock")).unwrap();
    lock.lock().unwrap();
    let output = start(folder.path(), free_ports(3).unwrap()).output().unwrap();
    assert!(refusal(&output).ends_with("is in use by another start (process 4711)"));
}

#[test]
fn ports_beyond_the_last_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = start(folder.path(), 65_534).output().unwrap();
    assert_eq!(refusal(&output), "error: --port 65534 leaves no ports for the nodes");
}

#[test]
fn a_program_left_by_a_killed_launcher_is_stopped_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let sleep = |argument: &str| {
        // The shell's own command line carries the argument.
        Command::new("sh").args(["-c", "while :; do sleep 0.05; done", argument]).spawn().unwrap()
    };
    let mut leftover = sleep(data.join("node-1").to_str().unwrap());
    let mut foreign = sleep("/elsewhere/node-1");
    fs::create_dir_all(data.join("run")).unwrap();
    fs::write(data.join("VERSION"), "1").unwrap();
    fs::write(data.join("run/node-1.pid"), leftover.id().to_string()).unwrap();
    fs::write(data.join("run/node-2.pid"), foreign.id().to_string()).unwrap();

    let port = free_ports(3).unwrap();
    let _ends_the_start_early = TcpListener::bind(("127.0.0.1", port)).unwrap();
    // The leftover is our child: it must be reaped for its command line to go.
    let start = start(&data, port).stderr(std::process::Stdio::piped()).spawn().unwrap();
    assert!(!leftover.wait().unwrap().success());
    refusal(&start.wait_with_output().unwrap());
    assert!(foreign.try_wait().unwrap().is_none());
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}
