//! Programs of an earlier start that are still ending, because their launcher was killed. They are known
//! by their pid files, and believed only if their command line names this data folder.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::data::DataFolder;
use crate::console::say;

const GRACE: Duration = Duration::from_secs(30);

pub(super) fn stop(data: &DataFolder) -> Result<()> {
    let folder = data.path().join("run");
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "pid") {
            if let Some(pid) = fs::read_to_string(&file).ok().and_then(|pid| pid.trim().parse().ok()) {
                end(pid, data.path());
            }
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    Ok(())
}

/// Asks with SIGINT, which each of our programs and PostgreSQL take as "stop now, cleanly".
fn end(raw: i32, data: &Path) {
    let Some(pid) = Pid::from_raw(raw) else { return };
    if !belongs_to(raw, data) {
        return;
    }
    say(&format!("Stopping process {raw} of an earlier start."));
    // An error means that it has just ended by itself.
    let _ = kill_process(pid, Signal::INT);
    let started = Instant::now();
    while belongs_to(raw, data) {
        if started.elapsed() > GRACE {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(Duration::from_millis(50));
    }
}

fn belongs_to(pid: i32, data: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let arguments = line.split(|byte| *byte == 0);
    arguments.map(String::from_utf8_lossy).any(|argument| Path::new(&*argument).starts_with(data))
}
