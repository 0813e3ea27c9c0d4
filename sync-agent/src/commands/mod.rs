//! The verbs of the command line.

pub mod backup;
pub mod check;
pub mod completions;
pub mod diff;
pub mod dump;
pub mod enroll;
mod entry;
pub mod find;
pub mod folders;
pub mod ls;
pub mod man;
pub mod prove;
pub mod restore;
pub mod run;
mod select;
pub mod service;
pub mod snapshots;
pub mod status;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use client::{Client, DeviceStore, Patience};
use tls::Roots;
use tokio::sync::mpsc;

use crate::cli::{Global, Verb};
use crate::config::{Config, usual_state};
use crate::control::{self, Answer, Question, Reply, Request};
use crate::engine::{Engine, EngineError, Mode, Parts};
use crate::exit::Exit;
use crate::index::Index;
use crate::keys::{self, KeysError};
use crate::output::Output;
use crate::platform::Native;
use crate::state::{Lock, StateDir};

/// What every verb has.
pub struct Context {
    /// The state folder.
    pub state: StateDir,
    /// The configuration.
    pub config: Rc<Config>,
    /// Where that is, if it was named.
    pub config_file: Option<PathBuf>,
    /// Where results go.
    pub output: Output,
}

/// Why a command ends other than well.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What its caller is told.
    pub exit: Exit,
    /// Why, for a person.
    pub message: String,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let exit = match error.downcast_ref::<KeysError>() {
            Some(KeysError::NotEnrolled) => Exit::NotEnrolled,
            // A disk that does not answer is not a key that does not open: it may answer later.
            Some(KeysError::State(_)) => Exit::Failed,
            Some(_) => Exit::WrongKey,
            None if is_not_admitted(&error) => Exit::WrongKey,
            None => Exit::Failed,
        };
        Self { exit, message: EngineError::chain_of(error.as_ref()) }
    }
}

fn is_not_admitted(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(client::Error::NotAdmitted(_))))
        || error.downcast_ref::<EngineError>().is_some_and(EngineError::is_missing_key)
}

impl Context {
    /// Opens what the options name.
    ///
    /// # Errors
    /// If the configuration or the state folder cannot be used.
    pub fn new(global: &Global) -> anyhow::Result<Self> {
        let state = match &global.state {
            Some(path) => path.clone(),
            None => usual_state()?,
        };
        Ok(Self {
            state: StateDir::open(&state)?,
            config: Rc::new(global.config.clone()),
            config_file: global.config.named_file.as_deref().map(absolute).transpose()?,
            output: Output { json: global.json, quiet: global.quiet },
        })
    }

    /// A client of a coordinator.
    ///
    /// # Errors
    /// If what was verified before cannot be read.
    pub fn client(&self, origin: &str) -> anyhow::Result<Client> {
        Ok(Client::trusting(origin, Rc::new(Native::new(self.state.pin())?), &self.roots()?))
    }

    fn roots(&self) -> anyhow::Result<Roots> {
        Ok(Roots::with(self.config.tls_ca.as_deref())?)
    }

    /// Signs in as the device and opens its vault.
    ///
    /// # Errors
    /// [`KeysError`] without keys; else those of the client and the index.
    pub async fn open(&self, store: &DeviceStore) -> anyhow::Result<Parts> {
        // The engine says that it is offline and tries again by itself, sending nothing twice.
        let at_once = Patience { outage: Duration::ZERO, ..Patience::default() };
        let account = self.client(&store.origin)?.with_patience(at_once).open_device(store).await?;
        let vault = account.open_vault().await?;
        let first = store.vaults.first().context("the device was admitted to no vault")?;
        let index = Index::open(&self.state.index())?;
        Ok(Parts {
            account,
            vault,
            vault_id: first.vault,
            device: store.device,
            origin: store.origin.clone(),
            host: host(),
            index: Arc::new(index),
            config: self.config.clone(),
            own: self.own_folders(),
        })
    }

    /// Folders that are never backed up.
    pub(crate) fn own_folders(&self) -> Vec<PathBuf> {
        std::iter::once(self.state.path().to_owned()).chain(self.config.never.iter().cloned()).collect()
    }

    /// Asks the running agent, or does what it would do.
    ///
    /// # Errors
    /// What was answered, if it is no success.
    pub async fn ask(&self, request: Request, mut on_reply: impl FnMut(&Reply)) -> Result<Answer, Failure> {
        let socket = self.state.socket();
        let asked = control::ask(&socket, &request, &mut on_reply).await;
        let reply = match asked.context("the running agent cannot be asked")? {
            Some(reply) => reply,
            None => self.answer(request, on_reply).await?,
        };
        match reply {
            Reply::Done { answer } => Ok(answer),
            Reply::Failed { exit, message } => Err(Failure { exit: Exit::from_code(exit), message }),
            Reply::Problem { message, .. } => Err(Failure { exit: Exit::Failed, message }),
        }
    }

    /// Without a running agent: is one until the answer is there.
    async fn answer(&self, request: Request, mut on_reply: impl FnMut(&Reply)) -> anyhow::Result<Reply> {
        let _lock = self.state.lock()?;
        let store = keys::load(&self.state, &self.config).await?;
        let parts = self.open(&store).await?;
        let (questions, asked) = mpsc::unbounded_channel();
        let (replies, mut answers) = mpsc::unbounded_channel();
        questions.send(Question { request, replies }).context("the engine listens")?;
        let mut last = None;
        let answered = async {
            while let Some(reply) = answers.recv().await {
                if matches!(reply, Reply::Problem { .. }) {
                    on_reply(&reply);
                } else {
                    last = Some(reply);
                    return;
                }
            }
        };
        Engine::new(parts, Mode::Command).run(asked, answered).await?;
        last.context("the engine ended without an answer")
    }

    /// The lock, for whoever is the agent.
    ///
    /// # Errors
    /// If another one is.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        Ok(self.state.lock()?)
    }
}

/// Does what the command line says.
///
/// # Errors
/// [`Failure`] with the program's exit code.
pub async fn dispatch(verb: Verb, context: &Context) -> Result<Exit, Failure> {
    match verb {
        Verb::Enroll(args) => enroll::run(args, context).await,
        Verb::Run(args) => run::run(args, context).await,
        Verb::Status(args) => status::run(args, context).await,
        Verb::Folders(args) => folders::run(args, context).await,
        Verb::Backup(args) => backup::run(args, context).await,
        Verb::Snapshots(args) => snapshots::run(args, context).await,
        Verb::Ls(args) => ls::run(args, context).await,
        Verb::Find(args) => find::run(args, context).await,
        Verb::Diff(args) => diff::run(args, context).await,
        Verb::Restore(args) => restore::run(args, context).await,
        Verb::Dump(args) => dump::run(args, context).await,
        Verb::Check(args) => check::run(args, context).await,
        Verb::Prove(args) => prove::run(args, context).await,
        Verb::Service(args) => service::run(&args, context),
        Verb::Completions(args) => Ok(completions::run(&args, context)),
        Verb::Man => man::run(context),
    }
}

/// This machine's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// An absolute path of what was typed, without following the last name if it is a link.
///
/// # Errors
/// If the current folder is gone.
pub fn absolute(path: &std::path::Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path).context("the current folder is gone")?;
    // A slash at the end is no part of a folder's name.
    Ok(path.components().collect())
}
