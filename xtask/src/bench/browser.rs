//! The web app's worker in a Chromium that nothing debugs, against a whole Triplicate on this machine.
//! The page is e2e/bench; it tells its figures on the console, which Chromium writes to its log.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use supervise::{
    net::free_ports,
    process::{DeathSignal, Launch, Process},
};
use tempfile::TempDir;

use super::{Options, table::Table, usage::Usage};
use crate::{
    console::say,
    start::{self, Profile, Running},
    workspace::{has, root, target},
};

const NODES: u16 = 4;
const SAMPLE: Duration = Duration::from_millis(250);
/// Nothing takes so long on any machine of use.
const SILENCE_MAX: Duration = Duration::from_mins(10);
/// How the page begins its lines, and what Chromium puts behind them.
const MARK: &str = "triplicate-bench ";
const MARK_END: &str = "\", source: ";

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--disable-dev-shm-usage",
];

/// What the page tells.
#[derive(Deserialize)]
enum Told {
    /// A row begins.
    Begin,
    Row(Measured),
    Failed(String),
    Done,
}

#[derive(Deserialize)]
struct Measured {
    row: String,
    seconds: f64,
    files: u64,
    bytes: u64,
    /// Sealed bytes, one copy counted; of backups.
    sent: Option<u64>,
}

pub(super) fn run(options: &Options) -> Result<()> {
    ensure!(has("chromium"), "the browser's rows need chromium");
    let (app, programs) = match &options.web {
        Some(web) => (web.clone(), target()?.join("release")),
        None => (start::build::web(Profile::Release)?, start::build::servers(Profile::Release)?),
    };
    let mut table = Table::default();
    for (replicas, rows) in [(3, "up,back,small"), (2, "up")] {
        measure(options, (&app, &programs), replicas, rows, &mut table)?;
    }
    let (mib, files) = (options.size, options.files);
    table.show(&format!("browser, {NODES} nodes, {mib} MiB, {files} × 4 KiB"));
    Ok(())
}

fn measure(
    options: &Options,
    built: (&Path, &Path),
    replicas: u8,
    rows: &str,
    table: &mut Table,
) -> Result<()> {
    let (app, programs) = built;
    let folder = TempDir::with_prefix("triplicate-bench-")?;
    let web = folder.path().join("web");
    copy(app, &web)?;
    copy(&root().join("e2e/bench"), &web)?;
    let port = free_ports(NODES + 1)?;
    let started = Running::start(&start::Options {
        nodes: NODES,
        data: Some(folder.path().join("data")),
        port,
        replicas: Some(replicas),
        tls: false,
        host: None,
        cloud: Vec::new(),
        profile: Profile::Release,
        built: Some((programs.to_owned(), web)),
    })?;
    let Some(running) = started else { bail!("told to stop") };

    let link = running.setup_link().context("a new coordinator has no setup link")?;
    let (_, token) = link.split_once('#').context("a setup link has no token")?;
    let Options { size, files, runs, .. } = options;
    let settings = format!("token={token}&rows={rows}&mib={size}&files={files}&runs={runs}");
    let url = format!("http://localhost:{port}/bench.html#{settings}");
    let log = folder.path().join("chromium.log");
    let mut chromium = Command::new("chromium");
    chromium.args(FLAGS).arg(format!("--user-data-dir={}", folder.path().join("profile").display())).arg(url);
    let launch = Launch { user: None, death_signal: DeathSignal::Kill, log: &log };
    let chromium = Process::spawn(&chromium, launch)?;
    listen(&chromium, &running, replicas, table)
}

/// Reads what the page tells until it is done.
fn listen(chromium: &Process, running: &Running, replicas: u8, table: &mut Table) -> Result<()> {
    let mut usage = Usage::begin();
    let mut heard = 0;
    let mut last = Instant::now();
    loop {
        sleep(SAMPLE);
        usage.sample();
        for told in read(chromium.log())?.into_iter().skip(heard) {
            (heard, last) = (heard + 1, Instant::now());
            match told {
                Told::Begin => usage = Usage::begin(),
                Told::Row(measured) => add(&measured, &usage, replicas, table),
                Told::Failed(why) => bail!("the page failed: {why}"),
                Told::Done => return Ok(()),
            }
        }
        ensure!(!running.is_told_to_stop(), "told to stop");
        if let Some(status) = chromium.exited() {
            bail!("Chromium ended ({status}): {}", chromium.log_tail(1));
        }
        ensure!(last.elapsed() < SILENCE_MAX, "the page fell silent: {}", chromium.log_tail(3));
    }
}

/// All that was told so far.
fn read(log: &Path) -> Result<Vec<Told>> {
    let log = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let log = String::from_utf8_lossy(&log);
    let messages = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once(MARK)?;
        rest.rsplit_once(MARK_END).map(|(message, _)| message)
    });
    messages.map(|message| serde_json::from_str(message).context("the page told something strange")).collect()
}

fn add(measured: &Measured, usage: &Usage, replicas: u8, table: &mut Table) {
    let Measured { seconds, files, bytes, .. } = *measured;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let (work, figure, unit) = match measured.row.as_str() {
        "up" => ("large file up", megabytes(bytes) / seconds, "MB/s"),
        "back" => ("large file back", megabytes(bytes) / seconds, "MB/s"),
        _ => ("small files up", files as f64 / seconds, "files/s"),
    };
    let work = format!("{work}, R={replicas}");
    table.add(&work, unit, figure);
    if measured.row != "small" {
        table.add(&work, "CPU s/GB", usage.cpu_seconds() / megabytes(bytes) * 1000.0);
    }
    if measured.row == "up" {
        table.add(&work, "MB of browser", megabytes(usage.browser_memory));
        table.add(&work, "MB of tab", megabytes(usage.memory_of("browser: tab")));
        if let Some(sent) = measured.sent {
            table.add(&work, "% more", (sent as f64 / bytes as f64 - 1.0) * 100.0);
        }
    }
    say(&format!("{work}: {figure:.0} {unit} in {seconds:.1} s: {}", usage.describe()));
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let cannot = || format!("cannot copy {}", from.display());
    fs::create_dir_all(to).with_context(cannot)?;
    for entry in fs::read_dir(from).with_context(cannot)? {
        let path: PathBuf = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).with_context(cannot)?;
        }
    }
    Ok(())
}
