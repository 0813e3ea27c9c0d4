//! `start`: the whole of Triplicate on this machine, for trying it out and for the end-to-end tests.
//! Checks first, then builds, starts from the bottom up, and stops from the top down.

mod build;
mod checks;
mod data;
mod leftovers;
mod log;
mod servers;
mod stack;

use std::{fs, path::PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::{console::say, setup, workspace::root};
use data::DataFolder;
use stack::Stack;

#[derive(Args)]
pub(crate) struct Options {
    /// Storage nodes to run, each a zone of its own.
    #[arg(default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    nodes: u16,
    /// Where everything is kept [default: data, in the checkout].
    #[arg(long)]
    data: Option<PathBuf>,
    /// The coordinator's port; the nodes take the ports after it.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Copies to keep of everything [default: chosen from the number of zones].
    #[arg(long)]
    replicas: Option<u8>,
    /// How the programs are compiled.
    #[arg(long, value_enum, default_value_t = Profile::Release, hide = true)]
    profile: Profile,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    Dev,
    Release,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let last_port = options.port.checked_add(options.nodes);
    ensure!(options.port > 0 && last_port.is_some(), "--port {} leaves no ports for the nodes", options.port);
    let data = DataFolder::open(options.data.as_deref().unwrap_or(&root().join("data")))?;
    leftovers::stop(&data)?;
    checks::ports_are_free(options.port, options.nodes)?;
    checks::space_is_left(data.path())?;

    setup::for_running()?;
    let programs = build::servers(options.profile)?;
    let web = build::web(options.profile)?;

    let plan = servers::Plan { options, data: &data, programs: &programs, web: &web };
    let Some(mut stack) = Stack::start(&plan)? else { return Ok(()) };
    announce(options, &data)?;
    let watched = stack.watch(&data);
    say("Stopping.");
    drop(stack);
    watched
}

fn announce(options: &Options, data: &DataFolder) -> Result<()> {
    let on_disk = data.nodes_on_disk()?;
    if on_disk > usize::from(options.nodes) {
        let folder = data.path().display();
        say(&format!("Note: {} of the {on_disk} nodes in {folder} are running.", options.nodes));
    }
    say(&format!("Triplicate is ready at http://localhost:{}", options.port));
    if let Ok(link) = fs::read_to_string(data.path().join("coordinator/setup-link")) {
        say(&format!("Create the operator's account: {}", link.trim()));
    }
    Ok(())
}
