//! `service`: a systemd user unit that runs the agent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::Subcommand;

use super::{Context, Failure};
use crate::config::usual_units;
use crate::exit::Exit;

const UNIT: &str = "triplicate-agent.service";

/// Options of `service`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the unit, and start it with every session
    Install {
        /// Only print it
        #[arg(long)]
        print: bool,
    },
    /// Stop it, and remove the unit
    Uninstall,
}

/// Does it.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Install { print: true } => context.output.line(unit(context)?.trim_end()),
        Verb::Install { print: false } => install(context)?,
        Verb::Uninstall => uninstall(context)?,
    }
    Ok(Exit::Ok)
}

fn install(context: &Context) -> anyhow::Result<()> {
    let path = unit_path()?;
    let folder = path.parent().context("a unit lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    fs::write(&path, unit(context)?).with_context(|| format!("{} cannot be written", path.display()))?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "--now", UNIT])?;
    context
        .output
        .line("The agent runs, and starts with your session. To run it without one: loginctl enable-linger");
    Ok(())
}

fn uninstall(context: &Context) -> anyhow::Result<()> {
    let path = unit_path()?;
    if !path.exists() {
        context.output.line("The unit is not installed.");
        return Ok(());
    }
    systemctl(&["disable", "--now", UNIT])?;
    fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
    systemctl(&["daemon-reload"])
}

fn systemctl(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("systemctl").arg("--user").args(arguments).status();
    let status = status.context("systemctl cannot be started")?;
    anyhow::ensure!(status.success(), "systemctl --user {} failed ({status})", arguments.join(" "));
    Ok(())
}

fn unit_path() -> anyhow::Result<PathBuf> {
    Ok(usual_units()?.join(UNIT))
}

/// The agent reads its user's files and writes its own state, talks to the network, and needs nothing else.
fn unit(context: &Context) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("the program does not know its own path")?;
    let state = context.state.path();
    let config = context.config_file.as_deref().map(|path| format!(" --config {}", argument(path)));
    Ok(format!(
        "[Unit]
Description=Triplicate: backs folders up as they change
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={program} run --state {state_argument}{config}
Restart=on-failure
RestartSec=10
# It does not start again without a person: not enrolled, revoked.
RestartPreventExitStatus=10 12
Nice=10
IOSchedulingClass=idle
CPUSchedulingPolicy=batch
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={state}
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
MemoryDenyWriteExecute=true
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=default.target
",
        program = argument(&program),
        state_argument = argument(state),
        state = quote(state),
        config = config.unwrap_or_default(),
    ))
}

/// As systemd reads a command line, where it also looks for variables.
fn argument(path: &Path) -> String {
    quote(path).replace('$', "$$")
}

/// As systemd reads it: percent signs are doubled, and what would end the word or the string is escaped.
fn quote(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{text}\"")
}
