//! What the coordinator and, through it, the web app say, and what they are told.

use client::message::{DryRunResult, ExcludedEntry, FileTotals, FromDevice, ToDevice, Vanished};
use protocol::events::Event as ServerEvent;
use protocol::id::SourceId;
use protocol::messages::Message;

use super::requests::run_dry;
use super::{Engine, Happened, Parts};
use crate::platform::boot_ms;
use crate::report::AgentReport;
use crate::scan::{DryRun, Exclude};

/// Who asked is told of changes for this long; a page that is still open asks again.
const LISTEN_MS: u64 = 120_000;
/// Not more often than this.
const TELL_EVERY_MS: u64 = 1_000;
/// The largest of what a dry run leaves out.
const EXAMPLES_MAX: usize = 100;

/// Whether somebody looks on.
#[derive(Default)]
pub(super) struct Listeners {
    until_ms: u64,
    told_ms: u64,
    told: Option<AgentReport>,
}

impl Listeners {
    pub(super) fn are_there(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }
}

impl Engine {
    /// What the coordinator says.
    pub(super) fn hear(&mut self, event: ServerEvent) {
        self.online = true;
        let parts = self.parts.clone();
        match event {
            ServerEvent::Head { vault, .. } if vault == parts.vault_id => {
                self.beside.push(Box::pin(async move { read_on(&parts).await }));
            }
            ServerEvent::Message { message } => {
                self.beside.push(Box::pin(async move { open(&parts, message).await }));
            }
            _ => {}
        }
    }

    /// What the web app wants.
    pub(super) fn obey(&mut self, message: ToDevice) {
        match message {
            ToDevice::SyncNow { source } => {
                if let Some(folder) = self.folders.get_mut(&source) {
                    tracing::info!(source = %source.short(), "asked for by the web app");
                    folder.schedule.ask(boot_ms());
                }
            }
            ToDevice::Confirm { source, vanished } => self.take_confirmation(source, vanished),
            ToDevice::Report => {
                self.listeners = Listeners { until_ms: boot_ms() + LISTEN_MS, told_ms: 0, told: None };
            }
            ToDevice::DryRun { id, source, exclude, larger_than } => {
                let Some(folder) = self.folders.get(&source) else { return };
                let (one_file_system, path) = (folder.settings.one_file_system, folder.path.clone());
                let parts = self.parts.clone();
                self.beside.push(Box::pin(async move {
                    let counted = async {
                        let exclude = Exclude::parse(&exclude)?.with_limits(larger_than, one_file_system);
                        run_dry(path, exclude, parts.own.clone()).await
                    };
                    let result = match counted.await {
                        Ok(dry_run) => result(id, dry_run),
                        Err(error) => DryRunResult {
                            id,
                            included: FileTotals::default(),
                            excluded: FileTotals::default(),
                            examples: Vec::new(),
                            error: Some(error.chain()),
                        },
                    };
                    let message = FromDevice::DryRunResult(result);
                    tell(parts.account.send_from_device(parts.vault_id, &message).await);
                    Happened::Nothing
                }));
            }
        }
    }

    /// Whoever confirmed saw a question. Another one by now, as when more is gone, is asked anew.
    fn take_confirmation(&mut self, source: SourceId, vanished: Vanished) {
        let state = self.parts.index.folder(&source).unwrap_or_default();
        if state.hold.is_none_or(|hold| hold.reason.vanished() != vanished) {
            tracing::warn!(source = %source.short(), "the web app confirmed something that is not asked any more");
            return;
        }
        tracing::info!(source = %source.short(), ?vanished, "confirmed by the web app");
        if let Err(error) = self.release(source) {
            tracing::warn!(error = error.chain(), "the confirmation is lost; it is asked again");
        }
    }

    /// Tells whoever looks on what changed.
    pub(super) fn tell_listeners(&mut self) {
        let now = boot_ms();
        if !self.listeners.are_there(now) || now < self.listeners.told_ms + TELL_EVERY_MS {
            return;
        }
        let report = self.report();
        if self.listeners.told.as_ref() == Some(&report) {
            return;
        }
        let message = FromDevice::Status(report.to_status());
        self.listeners.told = Some(report);
        self.listeners.told_ms = now;
        let parts = self.parts.clone();
        self.beside.push(Box::pin(async move {
            tell(parts.account.send_from_device(parts.vault_id, &message).await);
            Happened::Nothing
        }));
    }
}

/// Somebody wrote to the vault: perhaps its settings.
async fn read_on(parts: &Parts) -> Happened {
    match parts.vault.refresh().await {
        Ok(_) => Happened::Settings,
        Err(error) => {
            tracing::warn!(%error, "the vault's log cannot be read on");
            Happened::Nothing
        }
    }
}

async fn open(parts: &Parts, message: Message) -> Happened {
    match parts.account.open_to_device(&message).await {
        Ok(message) => Happened::Told(message),
        Err(error) => {
            tracing::debug!(%error, "a message that is not for this agent");
            Happened::Nothing
        }
    }
}

/// A message that does not arrive is not sent again: the next one says more.
fn tell(sent: Result<(), client::Error>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "the web app was not told");
    }
}

fn result(id: u64, dry_run: DryRun) -> DryRunResult {
    let mut excluded = FileTotals::default();
    let mut examples = Vec::new();
    for (rule, matched) in dry_run.excluded {
        excluded.files += matched.files;
        excluded.bytes += matched.bytes;
        let entry = |(path, bytes): (crate::scan::TreePath, u64)| ExcludedEntry {
            path: path.to_string(),
            bytes,
            rule: rule.clone(),
        };
        examples.extend(matched.examples.into_iter().map(entry));
    }
    examples.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
    examples.truncate(EXAMPLES_MAX);
    let included = FileTotals { files: dry_run.files, bytes: dry_run.bytes };
    DryRunResult { id, included, excluded, examples, error: None }
}
