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
        let folder = temporary_folder()?;
        Owner::current()?.give(folder.path())?;
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        Self::start_owning(&data, &log, Durability::None, Some(folder))
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

        let mut command = Command::new(bin.join("postgres"));
        command.arg("-D").arg(data).arg("-k").arg(sockets.path());
        command.args(["-p", SOCKET_PORT, "-c", "listen_addresses="]);
        if durability == Durability::None {
            command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
        }
        command.current_dir("/");
        let process =
            Process::spawn(&command, Launch { user: owner.user, death_signal: DeathSignal::Interrupt, log })?;
        let server = Self { process, bin, durability, sockets, _folder: folder };
        server.wait_until_ready()?;
        Ok(server)
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

/// The folder of the programs that can run `data`: those that made it, or the newest.
fn installation(data: &Path) -> Result<PathBuf, Error> {
    let Ok(version) = fs::read_to_string(data.join("PG_VERSION")) else {
        return Ok(newest_installation()?.1);
    };
    let version = version.trim().to_owned();
    installations()
        .into_iter()
        .find_map(|(major, bin)| (major.to_string() == version).then_some(bin))
        .ok_or_else(|| Error::OtherVersion { data: data.to_owned(), version })
}

fn newest_installation() -> Result<(u32, PathBuf), Error> {
    installations().into_iter().max().ok_or(Error::NotInstalled)
}

/// Debian keeps each major version apart and off PATH; elsewhere `pg_config` knows.
fn installations() -> Vec<(u32, PathBuf)> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    if found.is_empty()
        && let Ok(bin) = run("pg_config", Command::new("pg_config").arg("--bindir"))
        && let bin = PathBuf::from(bin.trim())
        && bin.join("initdb").exists()
        && let Ok(version) = run("pg_config", Command::new("pg_config").arg("--version"))
        && let Some(major) = version.split([' ', '.']).nth(1).and_then(|major| major.parse().ok())
    {
        found.push((major, bin));
    }
    found
}

/// Whether some version is installed.
pub fn is_installed() -> bool {
    newest_installation().is_ok()
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
