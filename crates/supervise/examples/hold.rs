//! Runs a command that lives as long as this program: `hold LOG PROGRAM ARGUMENTS…`. Prints its pid.

use std::{env, io::Write, path::Path, process::Command, time::Duration};

use supervise::process::{DeathSignal, Launch, Process};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args_os().skip(1);
    let usage = "usage: hold LOG PROGRAM ARGUMENTS…";
    let log = arguments.next().ok_or(usage)?;
    let mut command = Command::new(arguments.next().ok_or(usage)?);
    let launch = Launch { user: None, death_signal: DeathSignal::Terminate, log: Path::new(&log) };
    let process = Process::spawn(command.args(arguments), launch)?;
    writeln!(std::io::stdout(), "{}", process.pid())?;
    process.wait(Duration::MAX);
    Ok(())
}
