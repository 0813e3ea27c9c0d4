//! Runs the benchmarks and shows their figures beside their targets. Asserts nothing: figures depend on the machine.
#![expect(clippy::cast_precision_loss, reason = "times and lengths are far below 2^52")]

mod agent;
mod browser;
mod cluster;
mod programs;
mod stack;
mod table;
mod targets;
mod usage;

use std::{fs, path::PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use crate::console::say;

type Group = (&'static str, fn(&Options) -> Result<()>);

/// What there is to measure, in the order of the layers.
const GROUPS: [Group; 6] = [
    ("crypto", |_| programs::run("crypto", "primitives")),
    ("backup", |_| programs::run("backup", "engine")),
    ("storage-node", |_| programs::run("storage-node", "store")),
    ("cluster", cluster::run),
    ("agent", agent::run),
    ("browser", browser::run),
];

#[derive(Args)]
pub(crate) struct Options {
    /// crypto, backup, storage-node, cluster, agent, browser [default: all].
    rows: Vec<String>,
    /// The size of the browser's large file, in MiB.
    #[arg(long, default_value_t = 1024)]
    size: u32,
    /// The number of the browser's small files.
    #[arg(long, default_value_t = 10_000)]
    files: u32,
    /// How often the agent's and the browser's rows are measured; medians are shown.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// A large tree of source code for the agent, such as that of Linux.
    #[arg(long)]
    tree: Option<PathBuf>,
    /// Gigabytes on the node that is lost; the cluster takes five times as much on the disk.
    #[arg(long, default_value_t = 5)]
    gigabytes: u64,
    /// Measure this built web app, and the servers as they were built last; to compare two builds.
    #[arg(long)]
    web: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let names = GROUPS.map(|(name, _)| name);
    if let Some(unknown) = options.rows.iter().find(|row| !names.contains(&row.as_str())) {
        bail!("there is no benchmark {unknown}; there are {}", names.join(", "));
    }
    for (name, group) in GROUPS {
        if options.rows.is_empty() || options.rows.iter().any(|row| row == name) {
            group(options)?;
            say(&format!("load average after {name}: {}", load_average()?));
        }
    }
    Ok(())
}

/// Of the last minute: what else the machine did.
fn load_average() -> Result<String> {
    let line = fs::read_to_string("/proc/loadavg")?;
    Ok(line.split(' ').next().unwrap_or_default().to_owned())
}
