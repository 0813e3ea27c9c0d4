//! The coordinator, the nodes and the agent: their command lines, and one of them as a running program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use supervise::process::{DeathSignal, Launch, Process, Signal};

use super::{
    Options, agent,
    authority::Authority,
    cloud::{self, StandIn},
    data::DataFolder,
    log,
    ready::Probe,
};
use crate::console::complain;

const STOP_LIMIT: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After running this long, the next restart is prompt again.
const STABLE: Duration = Duration::from_mins(1);

/// Everything that the command lines are made of.
pub(super) struct Plan<'a> {
    pub(super) options: &'a Options,
    pub(super) data: &'a DataFolder,
    /// The folder with the built programs.
    pub(super) programs: &'a Path,
    /// The folder with the built web app.
    pub(super) web: &'a Path,
    /// With it, all servers speak https.
    pub(super) authority: Option<&'a Authority>,
    pub(super) clouds: Clouds,
}

/// The clouds that nodes are in.
pub(super) struct Clouds {
    /// Of each node.
    pub(super) kinds: Vec<Option<cloud::Kind>>,
    pub(super) stand_ins: Vec<StandIn>,
    /// The stand-ins' program, if there are any.
    pub(super) program: Option<PathBuf>,
}

impl Plan<'_> {
    pub(super) fn coordinator(&self, database_url: &str) -> Result<Server> {
        let port = self.options.port;
        let mut command = Command::new(self.programs.join("triplicate-coordinator"));
        command.arg("serve").env("TRIPLICATE_DATABASE_URL", database_url);
        command.args(["--listen", &self.options.listen(port).to_string()]);
        command.args(["--public-url", &self.options.origin(port)]);
        command.arg("--data").arg(self.data.path().join("coordinator"));
        command.arg("--web").arg(self.web);
        if let Some(replicas) = self.options.replicas {
            command.args(["--replicas", &replicas.to_string()]);
        }
        self.server("coordinator".to_owned(), port, command)
    }

    /// `number` counts from 1.
    pub(super) fn node(&self, number: u16) -> Result<Server> {
        let coordinator = self.options.port;
        let port = coordinator + number;
        let name = format!("node-{number}");
        let mut command = Command::new(self.programs.join("triplicate-node"));
        command.arg("--data").arg(self.data.path().join(&name));
        command.args(["--listen", &self.options.listen(port).to_string()]);
        command.args(["--public-url", &self.options.origin(port)]);
        command.args(["--coordinator", &self.options.origin(coordinator)]);
        let mut zone = format!("zone-{number}");
        if let Some(kind) = self.clouds.kinds[usize::from(number) - 1] {
            let account = cloud::place(&mut command, kind, &self.clouds.stand_ins);
            zone = account.map_or(zone, str::to_owned);
        }
        command.args(["--zone", &zone]);
        command.env("TRIPLICATE_JOIN_TOKEN_FILE", self.data.path().join("coordinator/join-token"));
        self.server(name, port, command)
    }

    fn server(&self, name: String, port: u16, mut command: Command) -> Result<Server> {
        if let Some(authority) = self.authority {
            command.arg("--tls-certificate").arg(authority.certificate());
            command.arg("--tls-key").arg(authority.key());
            command.arg("--tls-ca").arg(authority.root());
        }
        let tls = self.authority.map(Authority::client).transpose()?;
        Server::start(name, Some(Probe { port, tls }), command, self.data)
    }

    /// The clouds that are stood in for. Nodes wait for them.
    pub(super) fn stand_ins(&self) -> Result<Vec<Server>> {
        let Some(program) = &self.clouds.program else { return Ok(Vec::new()) };
        let start = |stand_in: &StandIn| {
            let name = format!("cloud-{}", stand_in.kind.name());
            Server::start(name, None, stand_in.command(program, self.data), self.data)
        };
        self.clouds.stand_ins.iter().map(start).collect()
    }

    /// The agent of this machine, which serves no port.
    pub(super) fn agent(&self) -> Result<Server> {
        let mut command = agent::command(self.programs, self.data, self.authority);
        command.args(["run", "--wait-for-enrolment"]);
        let mut server = Server::start(agent::NAME.to_owned(), None, command, self.data)?;
        server.final_exit = Some(agent::NOT_ADMITTED);
        Ok(server)
    }
}

/// A running server that is started again when it dies.
pub(super) struct Server {
    name: String,
    /// Where it says whether it is ready, if it does.
    probe: Option<Probe>,
    command: Command,
    process: Process,
    started: Instant,
    /// Waited before the next restart.
    pause: Duration,
    /// Set while it is down.
    restart_at: Option<Instant>,
    /// After ending with this code, it stays down: it would only end the same way again.
    final_exit: Option<i32>,
    is_given_up: bool,
}

impl Server {
    fn start(name: String, probe: Option<Probe>, mut command: Command, data: &DataFolder) -> Result<Self> {
        command.env("NO_COLOR", "1");
        log::rotate(&data.log(&name))?;
        let process = spawn(&name, &command, data)?;
        let pause = Duration::from_secs(1);
        Ok(Self {
            name,
            probe,
            command,
            process,
            started: Instant::now(),
            pause,
            restart_at: None,
            final_exit: None,
            is_given_up: false,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_ready(&self) -> bool {
        self.probe.as_ref().is_none_or(Probe::is_ready)
    }

    /// One line about its death, if it is dead.
    pub(super) fn obituary(&self) -> Option<String> {
        let status = self.process.exited()?;
        let last = self.process.log_tail(1);
        Some(format!("{} ended ({status}): {last} (more in {})", self.name, self.process.log().display()))
    }

    /// Starts it again if it died and has paused long enough.
    pub(super) fn keep_alive(&mut self, now: Instant, data: &DataFolder) -> Result<()> {
        match self.restart_at {
            None => {
                let Some(obituary) = self.obituary().filter(|_| !self.is_given_up) else { return Ok(()) };
                let code = self.process.exited().and_then(|status| status.code());
                if code.is_some() && code == self.final_exit {
                    complain(&obituary);
                    self.is_given_up = true;
                    return Ok(());
                }
                if now.duration_since(self.started) > STABLE {
                    self.pause = Duration::from_secs(1);
                }
                complain(&format!("{obituary}; it starts again in {} s", self.pause.as_secs()));
                self.restart_at = Some(now + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            Some(at) if now >= at => {
                self.process = spawn(&self.name, &self.command, data)?;
                self.started = now;
                self.restart_at = None;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Asks it to stop, without waiting.
    pub(super) fn ask_to_stop(&self) {
        self.process.signal(Signal::TERM);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.stop(Signal::TERM, STOP_LIMIT);
    }
}

fn spawn(name: &str, command: &Command, data: &DataFolder) -> Result<Process> {
    let log = data.log(name);
    let process =
        Process::spawn(command, Launch { user: None, death_signal: DeathSignal::Terminate, log: &log })?;
    let file = data.pid_file(name);
    fs::write(&file, process.pid().to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(process)
}
