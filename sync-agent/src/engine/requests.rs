//! What people on this machine ask for.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use client::Source;
use protocol::id::SourceId;
use tokio::sync::mpsc;

use super::folder::{Folder, Waiting, exclude_of, is_own, path_of};
use super::snapshot::BackedUp;
use super::{Engine, EngineError, Happened, Parts, backup_report};
use crate::control::{Answer, Question, Reply, Request};
use crate::exit::Exit;
use crate::platform::{boot_ms, now_ms, random};
use crate::scan::{DryRun, Exclude, Root, dry_run};

impl Engine {
    /// Answers at once, or beside the loop, or when a backup ends.
    pub(super) fn answer(&mut self, question: Question) {
        let Question { request, replies } = question;
        match request {
            Request::Status => done(&replies, Answer::Status(Box::new(self.report()))),
            Request::BackUp(path) => self.ask_for_backup(&path, replies),
            Request::Prove(path) => self.ask_for_proof(&path, replies),
            Request::ConfirmFolder(path) => match self.confirm(&path) {
                Ok(()) => done(&replies, Answer::Nothing),
                Err(error) => failed(&replies, &error),
            },
            other => {
                let parts = self.parts.clone();
                self.beside.push(Box::pin(async move {
                    match change(&parts, other).await {
                        Ok(answer) => done(&replies, answer),
                        Err(error) => failed(&replies, &error),
                    }
                    Happened::Settings
                }));
            }
        }
    }

    fn ask_for_backup(&mut self, path: &Path, replies: mpsc::UnboundedSender<Reply>) {
        match self.folders.values_mut().find(|folder| folder.path == path) {
            Some(folder) => {
                folder.schedule.ask(boot_ms());
                folder.waiting.push(replies);
            }
            None => failed(&replies, &EngineError::NoSuchFolder(path.display().to_string())),
        }
    }

    fn confirm(&mut self, path: &Path) -> Result<(), EngineError> {
        let found = self.folders.iter().find(|(_, folder)| folder.path == path);
        let (source, _) = found.ok_or_else(|| EngineError::NoSuchFolder(path.display().to_string()))?;
        self.release(*source)
    }

    /// What vanished from a folder may vanish from its next snapshot.
    pub(super) fn release(&mut self, source: SourceId) -> Result<(), EngineError> {
        let Some(folder) = self.folders.get_mut(&source) else { return Ok(()) };
        self.parts.index.update_folder(&source, |state| {
            state.is_confirmed = true;
            state.hold = None;
        })?;
        folder.schedule.ask(boot_ms());
        Ok(())
    }
}

/// Tells those who wait for a folder's backup that it is there.
pub(super) fn answer_waiting(folder: &Folder, waiting: Vec<Waiting>, out: &BackedUp, duration_ms: u64) {
    let report = backup_report(folder, out, duration_ms);
    for waiting in waiting {
        for note in &out.notes {
            let item = folder.path.join(note.path.to_path()).display().to_string();
            // Whoever asked may have gone.
            let _ = waiting.send(Reply::Problem { item, message: note.to_string() });
        }
        if let Some(hold) = &out.hold {
            let hold = crate::index::Hold { reason: hold.clone(), since_ms: now_ms() };
            let message = format!("{}: {}", folder.path.display(), hold.in_words());
            let _ = waiting.send(Reply::Failed { exit: Exit::Failed.code(), message });
        } else {
            done(&waiting, Answer::Backup(Box::new(report.clone())));
        }
    }
}

fn done(replies: &mpsc::UnboundedSender<Reply>, answer: Answer) {
    // Whoever asked may have gone.
    let _ = replies.send(Reply::Done { answer });
}

pub(super) fn failed(replies: &mpsc::UnboundedSender<Reply>, error: &EngineError) {
    let exit = if error.is_missing_key() { Exit::WrongKey } else { Exit::Failed };
    let _ = replies.send(Reply::Failed { exit: exit.code(), message: error.chain() });
}

/// Changes the settings, or looks what another setting would do.
async fn change(parts: &Parts, request: Request) -> Result<Answer, EngineError> {
    match request {
        Request::AddFolder { path, name, exclude, larger_than, one_file_system } => {
            check_folder(parts, &path)?;
            Exclude::parse(&exclude)?;
            let source = SourceId::from_bytes(random()).expect("16 random bytes are not all zero");
            let name = name.unwrap_or_else(|| path.display().to_string());
            let settings = Source {
                path: path.as_os_str().as_bytes().to_vec(),
                exclude: exclude.into_iter().map(String::into_bytes).collect(),
                larger_than,
                one_file_system,
                ..Source::new(source, name, Some(parts.device))
            };
            parts.vault.put_source(settings).await?;
        }
        Request::RemoveFolder(path) => {
            let settings = find(parts, &path)?;
            parts.vault.remove_source(settings.source).await?;
        }
        Request::PauseFolder(path) => set_paused(parts, &path, true).await?,
        Request::ResumeFolder(path) => set_paused(parts, &path, false).await?,
        Request::DryRun { path, exclude } => {
            let exclude = match exclude {
                Some(lines) => Exclude::parse(&lines)?,
                None => {
                    find(parts, &path).map_or(Ok(Exclude::default()), |settings| exclude_of(&settings))?
                }
            };
            return Ok(Answer::DryRun(run_dry(path, exclude, parts.own.clone()).await?.into()));
        }
        Request::Status | Request::BackUp(_) | Request::Prove(_) | Request::ConfirmFolder(_) => {}
    }
    Ok(Answer::Nothing)
}

/// Looks what a backup would take and leave, on a thread that may wait for the disk.
pub(super) async fn run_dry(
    path: PathBuf,
    exclude: Exclude,
    own: Vec<PathBuf>,
) -> Result<DryRun, EngineError> {
    let run = move || {
        let root = Root::open(&path, exclude, &own)?;
        let unfiltered = Root::open(&path, Exclude::default(), &own)?;
        let dry = dry_run(&root, &unfiltered);
        dry.map_err(|source| crate::scan::ScanError::Root { path: path.clone(), source })
    };
    Ok(tokio::task::spawn_blocking(run).await.expect("scanning does not panic")?)
}

fn check_folder(parts: &Parts, path: &Path) -> Result<(), EngineError> {
    let refuse = |reason| Err(EngineError::NotAFolder { path: path.display().to_string(), reason });
    if !path.is_absolute() {
        return refuse("its path is not absolute");
    }
    if !path.is_dir() {
        return refuse("it is not a folder");
    }
    if find(parts, path).is_ok() {
        return refuse("it is backed up already");
    }
    Ok(())
}

fn find(parts: &Parts, path: &Path) -> Result<Source, EngineError> {
    let sources = parts.vault.settings().sources;
    let found = sources.into_iter().find(|it| is_own(it, parts.device) && path_of(it) == path);
    found.ok_or_else(|| EngineError::NoSuchFolder(path.display().to_string()))
}

async fn set_paused(parts: &Parts, path: &Path, paused: bool) -> Result<(), EngineError> {
    let settings = find(parts, path)?;
    if settings.paused != paused {
        parts.vault.put_source(Source { paused, ..settings }).await?;
    }
    Ok(())
}
