//! The agent of this machine: enrolled by pasting a link of the web app's Devices page into the terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use rustix::{process::getpgrp, termios::tcgetpgrp};

use super::{authority::Authority, data::DataFolder};
use crate::console::{complain, say};

/// Names its state folder, log and pid file.
pub(super) const NAME: &str = "agent";
/// The agent's exit code when its device was revoked, or its keys do not open.
pub(super) const NOT_ADMITTED: i32 = 12;
/// What every link has before its code.
const LINK_PART: &str = "/enroll#";

/// The agent's program with its state folder.
pub(super) fn command(programs: &Path, data: &DataFolder, authority: Option<&Authority>) -> Command {
    let mut command = Command::new(programs.join("triplicate-agent"));
    command.arg("--state").arg(data.path().join(NAME));
    if let Some(authority) = authority {
        command.arg("--tls-ca").arg(authority.root());
    }
    command
}

/// From now on, a link on standard input enrols the agent. It ends with standard input.
pub(super) fn enrol_by_links_from_stdin(programs: &Path, data: &DataFolder, authority: Option<&Authority>) {
    let stdin = io::stdin();
    // The kernel stops a program that reads from a terminal in whose background it runs.
    let is_background = stdin.is_terminal() && tcgetpgrp(&stdin).ok() != Some(getpgrp());
    if is_background {
        return;
    }
    let mut enroll = command(programs, data, authority);
    enroll.args(["enroll", "--yes"]);
    thread::spawn(move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { return };
            if !line.contains(LINK_PART) {
                continue;
            }
            if let Err(error) = enrol(&mut enroll, line.trim()) {
                complain(&format!("the agent cannot be enrolled: {error}"));
            }
        }
    });
}

fn enrol(enroll: &mut Command, link: &str) -> io::Result<()> {
    let mut child = enroll.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{link}")?;
    }
    say("Confirm the new device in the web app.");
    let output = child.wait_with_output()?;
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    String::from_utf8_lossy(text).lines().for_each(say);
    Ok(())
}
