//! A private PostgreSQL server: own data directory, reached over a unix socket in a folder that only its
//! user (and root) can enter, no TCP port, no password. Uses the programs that Debian installs.

use std::{
    fs, io,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::process::{self, DeathSignal, Launch, Process, Signal};

mod installation;

pub use installation::is_installed;
use installation::{installation, newest_installation};

/// PostgreSQL refuses to run as root; Debian's package makes this user for it.
const SYSTEM_USER: &str = "postgres";
/// The superuser inside the server, and the database that it always has.
const SUPERUSER: &str = "postgres";
/// Part of the socket's file name only: nothing listens on TCP.
const SOCKET_PORT: &str = "5432";
const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("PostgreSQL is not installed (Debian package: postgresql)")]
    NotInstalled,
    #[error("{} was made by PostgreSQL {version}, which is not installed (Debian package: postgresql-{version})", data.display())]
    OtherVersion { data: PathBuf, version: String },
    #[error("{program} failed: {output}")]
    Program { program: &'static str, output: String },
    #[error("PostgreSQL stopped while starting: {log}")]
    Stopped { log: String },
    #[error("PostgreSQL was not ready after {} s: {log}", READY_LIMIT.as_secs())]
    NotReady { log: String },
    #[error("cannot prepare {}", path.display())]
    Prepare { path: PathBuf, source: io::Error },
    #[error("user {SYSTEM_USER} cannot enter {}: a folder above it is private; choose another place", path.display())]
    Unreachable { path: PathBuf },
    #[error(transparent)]
    Process(#[from] process::Error),
}

/// What a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// PostgreSQL's defaults: what is committed stays.
    Full,
    /// No fsync: for tests, whose data are thrown away.
    None,
}

/// A running server. Dropping it stops the server.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    bin: PathBuf,
    data: PathBuf,
    durability: Durability,
    sockets: TempDir,
    /// Holds the data of a temporary server, removed after the stop.
    _folder: Option<TempDir>,
}

impl Postgres {
    /// Starts a server on `data`, which is created on first use (the parent folder must exist), and waits
    /// until it accepts connections. Its output is appended to `log`.
    pub fn start(data: &Path, log: &Path, durability: Durability) -> Result<Self, Error> {
        Self::start_owning(data, log, durability, None)
    }

    /// Starts a server for a test: its data lie in a temporary folder and go away with it.
    pub fn temporary() -> Result<Self, Error> {
        Self::temporary_with(Durability::None)
    }

    /// The same for a test that crashes the server and counts on what was committed.
    pub fn temporary_with(durability: Durability) -> Result<Self, Error> {
        let folder = temporary_folder()?;
        Owner::current()?.give(folder.path())?;
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        Self::start_owning(&data, &log, durability, Some(folder))
    }

    fn start_owning(
        data: &Path,
        log: &Path,
        durability: Durability,
        folder: Option<TempDir>,
    ) -> Result<Self, Error> {
        let owner = Owner::current()?;
        let bin = installation(data)?;
        create(&bin, data, owner, durability)?;
        // Paths of unix sockets end at 107 bytes, so the folder is never inside `data`.
        let sockets = temporary_folder()?;
        owner.give(sockets.path())?;
        let process = launch(&bin, data, sockets.path(), log, owner, durability)?;
        let server = Self { process, bin, data: data.to_owned(), durability, sockets, _folder: folder };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ends the server as `pg_ctl stop -m immediate` does: all of it at once, with nothing written.
    pub fn crash(&self) {
        self.process.stop(Signal::QUIT, STOP_LIMIT);
    }

    /// Starts the server again after [`Self::crash`], under the same URL.
    pub fn restart(&mut self) -> Result<(), Error> {
        let log = self.process.log().to_owned();
        let owner = Owner::current()?;
        self.process = launch(&self.bin, &self.data, self.sockets.path(), &log, owner, self.durability)?;
        self.wait_until_ready()
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The connection URL of `role` to `database`.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@localhost/{database}?host={}", self.sockets.path().display())
    }

    /// The connection URL of the superuser, for tools and for [`run_sql`].
    pub fn admin_url(&self) -> String {
        self.url(SUPERUSER, SUPERUSER)
    }

    /// Makes sure that a role without any privilege exists, and a database of the same name that it owns.
    pub fn ensure_database(&self, name: &str) -> Result<(), Error> {
        let admin = self.admin_url();
        if run_sql(&admin, &format!("SELECT 1 FROM pg_roles WHERE rolname = '{name}'"))?.is_empty() {
            run_sql(&admin, &format!("CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"))?;
        }
        if run_sql(&admin, &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"))?.is_empty() {
            run_sql(&admin, &format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0"))?;
        }
        Ok(())
    }

    /// The folder of its socket.
    pub fn sockets(&self) -> &Path {
        self.sockets.path()
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    fn wait_until_ready(&self) -> Result<(), Error> {
        let pause = Duration::from_millis(30);
        for _ in 0..READY_LIMIT.as_millis() / pause.as_millis() {
            if self.process.exited().is_some() {
                return Err(Error::Stopped { log: self.process.log_tail(3) });
            }
            let mut probe = Command::new(self.bin.join("pg_isready"));
            probe
                .args(["-q", "-U", SUPERUSER, "-d", SUPERUSER, "-p", SOCKET_PORT, "-h"])
                .arg(self.sockets.path());
            if probe.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            sleep(pause);
        }
        Err(Error::NotReady { log: self.process.log_tail(3) })
    }
}

impl Drop for Postgres {
    /// A "fast" shutdown, which ends connections and writes everything; data without durability are
    /// about to be removed, so nothing of theirs is written.
    fn drop(&mut self) {
        let signal = if self.durability == Durability::Full { Signal::INT } else { Signal::QUIT };
        self.process.stop(signal, STOP_LIMIT);
    }
}

fn launch(
    bin: &Path,
    data: &Path,
    sockets: &Path,
    log: &Path,
    owner: Owner,
    durability: Durability,
) -> Result<Process, Error> {
    let mut command = Command::new(bin.join("postgres"));
    command.arg("-D").arg(data).arg("-k").arg(sockets);
    command.args(["-p", SOCKET_PORT, "-c", "listen_addresses="]);
    if durability == Durability::None {
        command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
    }
    command.current_dir("/");
    let launch = Launch { user: owner.user, death_signal: DeathSignal::Interrupt, log };
    Ok(Process::spawn(&command, launch)?)
}

/// Runs statements through `psql` and returns what it prints: unaligned rows only.
pub fn run_sql(url: &str, statements: &str) -> Result<String, Error> {
    let mut command = Command::new(newest_installation()?.1.join("psql"));
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
    run("psql", command.arg(format!("--command={statements}")).arg(url))
}

/// Who owns the server's files.
#[derive(Clone, Copy)]
struct Owner {
    /// Set when root runs us: the user to become.
    user: Option<&'static str>,
    uid: Option<u32>,
}

impl Owner {
    fn current() -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Ok(Self { user: None, uid: None });
        }
        let uid = run("id", Command::new("id").args(["-u", SYSTEM_USER])).map_err(|_| Error::NotInstalled)?;
        let uid = uid.trim().parse().map_err(|_| Error::NotInstalled)?;
        Ok(Self { user: Some(SYSTEM_USER), uid: Some(uid) })
    }

    fn give(self, path: &Path) -> Result<(), Error> {
        match self.uid {
            Some(uid) => chown(path, Some(uid), None).map_err(prepare(path)),
            None => Ok(()),
        }
    }

    /// A command that runs as the owner.
    fn command(self, program: &Path) -> Command {
        let Some(user) = self.user else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
        command.args(["--init-groups", "--"]).arg(program);
        command
    }
}

/// Makes the data directory under another name first, so that one under its own name is whole.
fn create(bin: &Path, data: &Path, owner: Owner, durability: Durability) -> Result<(), Error> {
    if data.exists() {
        return Ok(());
    }
    let unfinished = data.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(prepare(&unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(prepare(&unfinished))?;
    owner.give(&unfinished)?;
    let mut probe = owner.command(Path::new("test"));
    if !probe.arg("-x").arg(&unfinished).status().is_ok_and(|status| status.success()) {
        fs::remove_dir(&unfinished).map_err(prepare(&unfinished))?;
        return Err(Error::Unreachable { path: data.to_owned() });
    }
    let mut initdb = owner.command(&bin.join("initdb"));
    initdb.arg("-D").arg(&unfinished).arg(format!("--username={SUPERUSER}"));
    initdb.args(["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions"]);
    if durability == Durability::None {
        initdb.arg("--no-sync");
    }
    run("initdb", initdb.current_dir("/"))?;
    fs::rename(&unfinished, data).map_err(prepare(data))
}

fn temporary_folder() -> Result<TempDir, Error> {
    tempfile::Builder::new().prefix("triplicate-").tempdir().map_err(prepare(&std::env::temp_dir()))
}

fn prepare(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Prepare { path: path.clone(), source }
}

fn run(program: &'static str, command: &mut Command) -> Result<String, Error> {
    let failed = |output| Error::Program { program, output };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
