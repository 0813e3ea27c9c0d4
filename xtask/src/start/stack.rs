//! All that runs, started from the bottom up and dropped from the top down.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};
use supervise::postgres::{Durability, Postgres};

use super::{
    data::DataFolder,
    log::{self, Follower},
    servers::{Plan, Server},
};
use crate::console::say;

const DATABASE: &str = "triplicate";
const READY_LIMIT: Duration = Duration::from_mins(2);
const TICK: Duration = Duration::from_millis(100);

/// Fields are dropped in this order: agent, nodes, stand-ins of clouds, coordinator, database.
pub(super) struct Stack {
    agent: Option<Server>,
    nodes: Vec<Server>,
    stand_ins: Vec<Server>,
    coordinator: Server,
    postgres: Postgres,
    stop: Arc<AtomicBool>,
}

impl Stack {
    /// Starts everything and waits until all of it is ready; `None` if it was told to stop before.
    /// On an error, what was started is stopped again.
    pub(super) fn start(plan: &Plan<'_>) -> Result<Option<Self>> {
        let stop = stop_flag()?;
        say("Starting.");
        let data = plan.data;
        let postgres_log = data.log("postgres");
        log::rotate(&postgres_log)?;
        let postgres = Postgres::start(&data.path().join("postgres"), &postgres_log, Durability::Full)?;
        fs::write(data.pid_file("postgres"), postgres.process().pid().to_string())?;
        postgres.ensure_database(DATABASE)?;
        let database_url = postgres.url(DATABASE, DATABASE);
        data.write_database_url(&database_url)?;

        let coordinator = plan.coordinator(&database_url)?;
        // The nodes join with a token that the coordinator makes.
        if !wait_until_ready(std::slice::from_ref(&coordinator), &stop)? {
            return Ok(None);
        }
        let stand_ins = plan.stand_ins()?;
        let nodes: Result<Vec<_>> = (1..=plan.options.nodes).map(|number| plan.node(number)).collect();
        let mut stack = Self { agent: None, nodes: nodes?, stand_ins, coordinator, postgres, stop };
        if !wait_until_ready(&stack.nodes, &stack.stop)? {
            return Ok(None);
        }
        stack.agent = Some(plan.agent()?);
        Ok(Some(stack))
    }

    /// Shows the logs and restarts what dies, until told to stop or until the database dies.
    pub(super) fn watch(&mut self, data: &DataFolder) -> Result<()> {
        let names = self.servers().map(|server| Follower::new(server.name(), data.log(server.name())));
        let mut followers: Vec<Follower> = names.collect();
        while !self.is_told_to_stop() {
            followers.iter_mut().try_for_each(Follower::show)?;
            let now = Instant::now();
            self.servers().try_for_each(|server| server.keep_alive(now, data))?;
            if let Some(status) = self.postgres.process().exited() {
                bail!("PostgreSQL ended ({status}): {}", self.postgres.process().log_tail(1));
            }
            sleep(TICK);
        }
        Ok(())
    }

    pub(super) fn is_told_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn servers(&mut self) -> impl Iterator<Item = &mut Server> {
        let servers = std::iter::once(&mut self.coordinator).chain(&mut self.stand_ins);
        servers.chain(&mut self.nodes).chain(&mut self.agent)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // All nodes at once; each is waited for when its field is dropped.
        self.nodes.iter().for_each(Server::ask_to_stop);
    }
}

/// Set by Ctrl-C and by SIGTERM; a second one ends the launcher at once, and the kernel its programs.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .context("cannot handle signals")?;
    }
    Ok(stop)
}

/// `false` if told to stop while waiting.
fn wait_until_ready(servers: &[Server], stop: &AtomicBool) -> Result<bool> {
    let started = Instant::now();
    let mut waiting: Vec<&Server> = servers.iter().collect();
    while !waiting.is_empty() {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        waiting.retain(|server| !server.is_ready());
        for server in &waiting {
            if let Some(obituary) = server.obituary() {
                bail!(obituary);
            }
            if started.elapsed() > READY_LIMIT {
                bail!("{} was not ready after {} s", server.name(), READY_LIMIT.as_secs());
            }
        }
        sleep(TICK);
    }
    Ok(true)
}
