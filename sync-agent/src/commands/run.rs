//! `run`: the agent itself.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use client::EnrolmentLink;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Context, Failure, enroll};
use crate::control;
use crate::engine::{Engine, EngineError, Mode, Parts};
use crate::exit::Exit;
use crate::keys::{self, KeysError};
use crate::observe;
use crate::platform::now_ms;

/// Waits before the coordinator is asked again when the agent starts, from the first to the last.
const START_WAITS_S: [u64; 5] = [1, 2, 5, 15, 60];

/// How often is looked whether `enroll` was run beside an agent that waits for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Options of `run`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Without keys, read links from standard input until one of them enrols this machine
    #[arg(long)]
    wait_for_enrolment: bool,
}

/// Runs until SIGINT or SIGTERM.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let will_wait = args.wait_for_enrolment && !keys::are_there(&context.state);
    // While it waits, `enroll` may be run beside it.
    let mut lock = if will_wait { None } else { Some(context.lock()?) };
    step_back(context.config.nice);
    let stop = stopped()?;
    let mut stop = std::pin::pin!(stop);
    if will_wait {
        tokio::select! {
            biased;
            () = &mut stop => return Ok(Exit::Ok),
            waited = wait_for_enrolment(context) => waited?,
        }
        lock = Some(context.lock()?);
    }
    let parts = tokio::select! {
        biased;
        () = &mut stop => return Ok(Exit::Ok),
        parts = begin(context) => parts?,
    };
    let (questions, asked) = mpsc::unbounded_channel();
    if let Some(address) = context.config.metrics_listen {
        let listening = observe::listen(address, questions.clone(), now_ms()).await;
        listening.with_context(|| format!("cannot listen on {address} for metrics"))?;
    }
    control::listen(&context.state.socket(), questions).context("the control socket cannot be made")?;
    tracing::info!(device = %parts.device.short(), origin = parts.origin, "running");
    let ended = Engine::new(parts, Mode::Service).run(asked, stop).await;
    remove(&context.state.socket());
    ended.map_err(anyhow::Error::from)?;
    tracing::info!("stopped");
    drop(lock);
    Ok(Exit::Ok)
}

async fn begin(context: &Context) -> anyhow::Result<Parts> {
    for attempt in 0.. {
        let opened = async {
            let store = keys::load(&context.state, &context.config).await?;
            context.open(&store).await
        };
        match opened.await {
            Err(error) if may_pass(&error) => {
                let wait_s = START_WAITS_S[attempt.min(START_WAITS_S.len() - 1)];
                tracing::warn!(error = EngineError::chain_of(error.as_ref()), wait_s, "cannot begin yet");
                tokio::time::sleep(Duration::from_secs(wait_s)).await;
            }
            opened => return opened,
        }
    }
    unreachable!("attempts do not end")
}

/// The network comes back, and a keyring is unlocked when its owner signs in.
fn may_pass(error: &anyhow::Error) -> bool {
    error.downcast_ref::<client::Error>().is_some_and(client::Error::is_retryable)
        || matches!(error.downcast_ref(), Some(KeysError::Keyring { .. }))
}

/// Until there are keys: by a link on standard input, or by `enroll` that is run beside this.
async fn wait_for_enrolment(context: &Context) -> anyhow::Result<()> {
    context.output.line("Not enrolled yet: waiting for a link from the web app's Devices page.");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut is_open = true;
    while !keys::are_there(&context.state) {
        tokio::select! {
            line = lines.next_line(), if is_open => match line.context("standard input cannot be read")? {
                Some(line) => take_link(context, line.trim()).await,
                None => is_open = false,
            },
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    Ok(())
}

/// A link that does not work is told, and the next one may.
async fn take_link(context: &Context, text: &str) {
    if text.is_empty() {
        return;
    }
    let enrolled = async {
        let _lock = context.lock()?;
        enroll::enroll(context, &EnrolmentLink::parse(text)?).await
    };
    if let Err(error) = enrolled.await {
        context.output.line(EngineError::chain_of(error.as_ref()));
    }
}

/// Others on this machine go first, with the disk too: Linux derives the priority of reading from this, the lowest from
/// 19. No safe call sets that priority by itself; the unit that `service` prints asks systemd for the idle class. A walk
/// of a deep tree, and every folder that is watched, takes files.
fn step_back(nice: u8) {
    if let Err(error) = setpriority_process(None, nice.min(19).into()) {
        tracing::warn!(%error, "the priority stays as it is");
    }
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the number of open files stays limited");
    }
}

/// Resolves at SIGINT or SIGTERM.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be handled")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be handled")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn remove(socket: &Path) {
    // One that stays behind is replaced by the next run.
    let _ = std::fs::remove_file(socket);
}
