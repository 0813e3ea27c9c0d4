//! One running program: its output goes to a file, and it never outlives the program that started it.
//!
//! A program is started through `setpriv --pdeathsig` (util-linux), so the kernel signals it even when we
//! are killed with SIGKILL. The kernel ties that signal to the *thread* that started the program, so each
//! program has a thread of its own, which starts it and then waits for it.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};

pub use rustix::process::Signal;

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open the log {}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("cannot start {program}")]
    Start { program: String, source: io::Error },
}

/// What the kernel sends a program when the process that started it dies.
#[derive(Clone, Copy, Debug)]
pub enum DeathSignal {
    Interrupt,
    Terminate,
    Kill,
}

/// How a program is started.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The user it runs as, if not the current one; only root can choose.
    pub user: Option<&'a str>,
    pub death_signal: DeathSignal,
    /// Standard output and standard error are appended here.
    pub log: &'a Path,
}

/// A running program. Dropping it kills the program (SIGKILL) and waits for its end.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    exit: Arc<Exit>,
    log: PathBuf,
}

#[derive(Debug, Default)]
struct Exit {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Process {
    /// Starts `command` (its program, arguments, environment and folder; its stdio is replaced) in a
    /// process group of its own, so that Ctrl-C in a terminal reaches us alone and we choose the order.
    pub fn spawn(command: &Command, launch: Launch<'_>) -> Result<Self, Error> {
        let open_log = || File::options().create(true).append(true).open(launch.log);
        let log_error = |source| Error::Log { path: launch.log.to_owned(), source };
        let (stdout, stderr) = (open_log().map_err(log_error)?, open_log().map_err(log_error)?);

        let mut wrapped = through_setpriv(command, launch.user, launch.death_signal);
        wrapped.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);

        let program = command.get_program().to_string_lossy().into_owned();
        let exit = Arc::new(Exit::default());
        let (started, start) = mpsc::channel();
        let recorder = Arc::clone(&exit);
        let start_error = |source| Error::Start { program, source };
        thread::Builder::new()
            .name("wait".to_owned())
            .spawn(move || match wrapped.spawn() {
                Ok(child) => {
                    let pid = Pid::from_child(&child);
                    // The receiver waits right below; if it is gone, so is the reason to report.
                    let _ = started.send(Ok(pid));
                    recorder.record(child, pid);
                }
                Err(error) => drop(started.send(Err(error))),
            })
            .map_err(|source| Error::Start { program: "a thread".to_owned(), source })?;
        let pid = start
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
            .map_err(start_error)?;
        Ok(Self { pid, exit, log: launch.log.to_owned() })
    }

    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Sends a signal; nothing happens once it has exited.
    pub fn signal(&self, signal: Signal) {
        let status = self.exit.lock();
        if status.is_none() {
            // Not reaped while the lock is held, so the pid is still ours; the one error left is a
            // program of another user, which we never start without being root.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&self) -> Option<ExitStatus> {
        *self.exit.lock()
    }

    /// Waits for its end for at most `limit`.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let waited = self.exit.changed.wait_timeout_while(self.exit.lock(), limit, |status| status.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Sends `signal`, waits for at most `grace`, then kills it. Returns after its end.
    pub fn stop(&self, signal: Signal, grace: Duration) {
        self.signal(signal);
        if self.wait(grace).is_none() {
            self.kill();
        }
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        let status = self.exit.lock();
        drop(self.exit.changed.wait_while(status, |status| status.is_none()));
    }

    /// The last `lines` lines of its output.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Exit {
    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end without reaping, then reaps under the lock: whoever holds the lock and sees no
    /// status may use the pid.
    fn record(&self, mut child: Child, pid: Pid) {
        while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_err() {}
        let mut status = self.lock();
        *status = Some(child.wait().expect("an exited child of ours is reaped by nobody else"));
        self.changed.notify_all();
    }
}

/// The last `lines` lines of a file, empty if it cannot be read.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn through_setpriv(command: &Command, user: Option<&str>, death_signal: DeathSignal) -> Command {
    let mut wrapped = Command::new("setpriv");
    if let Some(user) = user {
        wrapped.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--init-groups");
    }
    let signal = match death_signal {
        DeathSignal::Interrupt => "INT",
        DeathSignal::Terminate => "TERM",
        DeathSignal::Kill => "KILL",
    };
    wrapped.arg(format!("--pdeathsig={signal}")).arg("--");
    wrapped.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}
