//! Backing up the files that a page attached.

use std::rc::Rc;

use client::{NewFile, Progress, Vault};
use gloo_timers::callback::Interval;
use wasm_bindgen::{JsCast, JsValue};

use super::desk::Desk;
use super::failure;
use super::picked::PickedFile;
use crate::failure::Failure;
use crate::message::{Backup, BackupProgress, BackupSummary, CallId, FromWorker, Phase};

/// Often enough for a smooth bar.
const REPORT_MS: u32 = 250;

pub(super) async fn backup(
    desk: &Rc<Desk>,
    call: CallId,
    ask: Backup,
    attachments: Vec<JsValue>,
) -> Result<BackupSummary, Failure> {
    let vault = desk.uploads()?;
    let files = ask.files.into_iter().zip(attachments).map(|(file, attached)| NewFile {
        path: file.path,
        mtime_ms: file.modified_ms,
        size: file.bytes,
        reader: Box::new(PickedFile::new(attached.unchecked_into())),
    });
    let files: Vec<NewFile> = files.collect();
    if let Some(unreadable) = all_unreadable(&files).await {
        return Ok(BackupSummary { files: 0, bytes: 0, sent_bytes: 0, unreadable });
    }
    let progress = Rc::new(Progress::default());
    let _reports = report(desk, call, &vault, &progress);
    let summary = vault.backup(files, &progress).await.map_err(|error| failure::told(&error))?;
    Ok(BackupSummary {
        files: summary.files,
        bytes: summary.bytes,
        sent_bytes: summary.new_bytes_sent,
        unreadable: summary.unreadable.into_iter().map(|file| (file.path, file.reason)).collect(),
    })
}

/// Why each file cannot be read, unless one can. A snapshot without any of what was asked for would be none.
async fn all_unreadable(files: &[NewFile]) -> Option<Vec<(Vec<String>, String)>> {
    let mut reasons = Vec::new();
    for file in files {
        match file.reader.read_at(0, 1).await {
            Ok(_) => return None,
            Err(reason) => reasons.push((file.path.clone(), reason)),
        }
    }
    Some(reasons)
}

/// Tells the page how far it is, until it is dropped.
fn report(desk: &Rc<Desk>, call: CallId, vault: &Vault, progress: &Rc<Progress>) -> Interval {
    let (desk, vault, progress) = (desk.clone(), vault.clone(), progress.clone());
    Interval::new(REPORT_MS, move || {
        let now = progress.get();
        let phase = match now.phase {
            _ if vault.is_waiting() => Phase::Waiting,
            client::Phase::Preparing => Phase::Preparing,
            client::Phase::Transferring => Phase::Transferring,
            client::Phase::Committing | client::Phase::Done => Phase::Committing,
        };
        let told = BackupProgress {
            phase,
            files_done: now.files_done,
            bytes_done: now.bytes_read,
            bytes_sent: now.bytes_sent,
        };
        desk.port.post(&FromWorker::Progress(call, told));
    })
}
