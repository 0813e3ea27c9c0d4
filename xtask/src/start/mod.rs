//! `start`: the whole of Triplicate on this machine, for trying it out and for the end-to-end tests.
//! Checks first, then builds, starts from the bottom up, and stops from the top down.

mod agent;
mod authority;
pub(crate) mod build;
mod checks;
pub(crate) mod cloud;
mod data;
mod leftovers;
mod log;
mod ready;
mod servers;
mod stack;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use rustls::pki_types::ServerName;

use crate::{console::say, setup, workspace::root};
use authority::Authority;
use data::DataFolder;
use stack::Stack;

/// One for each kind of cloud.
const STAND_INS_MAX: u16 = 2;

#[derive(Args)]
pub(crate) struct Options {
    /// Storage nodes to run, each a zone of its own.
    #[arg(default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) nodes: u16,
    /// Where everything is kept [default: data, in the checkout].
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// The coordinator's port; the nodes take the ports after it.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Serve https, with certificates of an authority that is made in the data folder.
    #[arg(long)]
    pub(crate) tls: bool,
    /// The name or address by which other machines of the network reach this one, so that their browsers and agents can
    /// use it too. It is for good: agents and bookmarks know the server by it.
    #[arg(long, requires = "tls", value_parser = parse_host)]
    pub(crate) host: Option<ServerName<'static>>,
    /// Copies to keep of everything [default: chosen from the number of zones].
    #[arg(long)]
    pub(crate) replicas: Option<u8>,
    /// Nodes that keep blobs in a cloud: `s3` or `dropbox` for all, `dropbox=1` for the last one, `s3=1,dropbox=1`. The
    /// account is the one that `TRIPLICATE_S3_…` or `TRIPLICATE_DROPBOX_…` name, else a stand-in on this machine.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cloud: Vec<cloud::Share>,
    /// How the programs are compiled.
    #[arg(long, value_enum, default_value_t = Profile::Release, hide = true)]
    pub(crate) profile: Profile,
    /// Folders with the programs and the web app, if they are built already.
    #[arg(skip)]
    pub(crate) built: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// All of Triplicate, running until it is dropped.
pub(crate) struct Running {
    stack: Stack,
    data: DataFolder,
    /// The folder with the built programs.
    programs: PathBuf,
    authority: Option<Authority>,
}

impl Options {
    /// Where this port of this machine is reached by browsers and by the other programs.
    fn origin(&self, port: u16) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        match self.host.as_ref().map(ServerName::to_str) {
            Some(address) if address.contains(':') => format!("{scheme}://[{address}]:{port}"),
            Some(host) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://localhost:{port}"),
        }
    }

    /// Where programs listen.
    fn listen(&self, port: u16) -> SocketAddr {
        let address = match &self.host {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(host) if host.to_str().contains(':') => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Some(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        SocketAddr::new(address, port)
    }
}

fn parse_host(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_ascii_lowercase()).map_err(|_| "neither a name nor an address".to_owned())
}

impl Running {
    /// `None` if it was told to stop while it started.
    pub(crate) fn start(options: &Options) -> Result<Option<Self>> {
        let kinds = cloud::assign(&options.cloud, options.nodes)?;
        // Stand-ins take the ports after the nodes'.
        let last_port =
            options.port.checked_add(options.nodes).and_then(|port| port.checked_add(STAND_INS_MAX));
        let Some(last_port) = last_port.filter(|_| options.port > 0) else {
            bail!("--port {} leaves no ports for the nodes", options.port)
        };
        let stand_ins = cloud::stand_ins(&kinds, last_port - STAND_INS_MAX + 1);
        let data = DataFolder::open(options.data.as_deref().unwrap_or(&root().join("data")))?;
        leftovers::stop(&data)?;
        checks::ports_are_free(options.port, options.nodes + u16::try_from(stand_ins.len())?)?;
        checks::space_is_left(data.path())?;
        checks::postgres_can_enter(data.path())?;

        setup::for_running()?;
        let (programs, web) = match &options.built {
            Some(built) => built.clone(),
            None => (build::servers(options.profile)?, build::web(options.profile)?),
        };

        let fake_cloud = if stand_ins.is_empty() { None } else { Some(cloud::build()?) };
        let clouds = servers::Clouds { kinds, stand_ins, program: fake_cloud };
        let authority =
            options.tls.then(|| Authority::open(data.path(), options.host.as_ref())).transpose()?;
        let plan = servers::Plan {
            options,
            data: &data,
            programs: &programs,
            web: &web,
            authority: authority.as_ref(),
            clouds,
        };
        Ok(Stack::start(&plan)?.map(|stack| Self { stack, data, programs, authority }))
    }

    /// Where the operator's account is made, as long as there is none.
    pub(crate) fn setup_link(&self) -> Option<String> {
        let link = fs::read_to_string(self.data.path().join("coordinator/setup-link")).ok()?;
        Some(link.trim().to_owned())
    }

    /// Ctrl-C was pressed.
    pub(crate) fn is_told_to_stop(&self) -> bool {
        self.stack.is_told_to_stop()
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let Some(mut running) = Running::start(options)? else { return Ok(()) };
    announce(options, &running)?;
    agent::enrol_by_links_from_stdin(&running.programs, &running.data, running.authority.as_ref());
    let watched = running.stack.watch(&running.data);
    say("Stopping.");
    drop(running);
    watched
}

fn announce(options: &Options, running: &Running) -> Result<()> {
    let on_disk = running.data.nodes_on_disk()?;
    if on_disk > usize::from(options.nodes) {
        let folder = running.data.path().display();
        say(&format!("Note: {} of the {on_disk} nodes in {folder} are running.", options.nodes));
    }
    say(&format!("Triplicate is ready at {}", options.origin(options.port)));
    if let Some(authority) = &running.authority {
        let root = authority.root();
        say(&format!(
            "Browsers warn until they trust {}: import it among their authorities,",
            root.display()
        ));
        say("or for the whole machine, as root:");
        say(&format!(
            "  cp {} /usr/local/share/ca-certificates/triplicate.crt && update-ca-certificates",
            root.display()
        ));
        say(&format!("It can vouch for nothing but {}.", authority.names()?.join(", ")));
    }
    if let Some(link) = running.setup_link() {
        say(&format!("Create the operator's account: {link}"));
    }
    if !running.data.path().join(agent::NAME).join("device.keys").exists() {
        say("To back up folders of this machine, add a device in the web app and paste its link here.");
    }
    Ok(())
}
