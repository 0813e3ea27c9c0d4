//! How the command line speaks to a running agent: one JSON line asks, JSON lines answer, over a socket that only
//! their user may open.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::id::SourceId;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use crate::report::{AgentReport, DryRunReport};

/// Bytes of a question: paths and patterns.
const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// The wait after somebody could not be let in.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// What may be asked of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", content = "with", rename_all = "snake_case")]
pub enum Request {
    /// How are you?
    Status,
    /// Back a folder up from now on.
    AddFolder {
        /// Where it is.
        #[serde(with = "crate::native_path")]
        path: PathBuf,
        /// What to call it, if not by its path.
        name: Option<String>,
        /// What to leave out.
        exclude: Vec<String>,
        /// Leave out files of more bytes.
        larger_than: Option<u64>,
        /// Leave out other file systems.
        one_file_system: bool,
    },
    /// No longer back a folder up. Its snapshots stay.
    RemoveFolder(#[serde(with = "crate::native_path")] PathBuf),
    /// Make no snapshots of a folder for now.
    PauseFolder(#[serde(with = "crate::native_path")] PathBuf),
    /// Make them again.
    ResumeFolder(#[serde(with = "crate::native_path")] PathBuf),
    /// What vanished from a folder may vanish from its next snapshot.
    ConfirmFolder(#[serde(with = "crate::native_path")] PathBuf),
    /// What would be left out?
    DryRun {
        /// Of which folder.
        #[serde(with = "crate::native_path")]
        path: PathBuf,
        /// By these patterns, or by those that the folder has.
        exclude: Option<Vec<String>>,
    },
    /// Back a folder up now, and answer when that is done.
    BackUp(#[serde(with = "crate::native_path")] PathBuf),
    /// Restore a sample of a folder's newest snapshot now, and answer when that is done.
    Prove(#[serde(with = "crate::native_path")] PathBuf),
}

/// One line of an answer. The last one is [`Reply::Done`] or [`Reply::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Something was passed over.
    Problem {
        /// The path.
        item: String,
        /// Why.
        message: String,
    },
    /// It is done.
    Done {
        /// What was asked for.
        answer: Answer,
    },
    /// It could not be done.
    Failed {
        /// See [`crate::exit::Exit`].
        exit: u8,
        /// Why.
        message: String,
    },
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing but that it be done.
    Nothing,
    /// To [`Request::Status`].
    Status(Box<AgentReport>),
    /// To [`Request::DryRun`].
    DryRun(DryRunReport),
    /// To [`Request::BackUp`], one for each folder.
    Backup(Box<BackupReport>),
    /// To [`Request::Prove`]: everything that was tried came back.
    Proof(ProofReport),
}

/// One folder's backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The folder.
    #[serde(with = "crate::native_path")]
    pub path: PathBuf,
    /// Its source.
    pub source: SourceId,
    /// The commit, unless nothing had changed.
    pub seq: Option<u64>,
    /// Files that were not there before.
    pub files_new: u64,
    /// Files that had changed.
    pub files_changed: u64,
    /// Files that had not.
    pub files_unmodified: u64,
    /// Files that are gone.
    pub files_removed: u64,
    /// Bytes of new blobs, one copy counted.
    pub data_added: u64,
    /// Files looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are missing from it.
    pub unreadable: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// What was restored to prove a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofReport {
    /// Files, or parts of large ones.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that were compared with the disk: of files that have not changed since.
    pub compared_bytes: u64,
}

/// A question with the way back.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. Whoever asked may have gone.
    pub replies: mpsc::UnboundedSender<Reply>,
}

/// Listens, and passes questions on. One that was left by an agent that died is replaced: the lock is ours.
///
/// # Errors
/// If the socket cannot be made.
pub fn listen(path: &Path, questions: mpsc::UnboundedSender<Question>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(answer(stream, questions.clone()))),
                Err(error) => {
                    // As when no more files may be open: later it goes on.
                    tracing::warn!(%error, "somebody on this machine could not ask");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    });
    Ok(())
}

async fn answer(stream: UnixStream, questions: mpsc::UnboundedSender<Question>) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(REQUEST_BYTES_MAX));
    let Ok(_) = reader.read_line(&mut line).await else { return };
    let (replies, mut answers) = mpsc::unbounded_channel();
    match serde_json::from_str(&line) {
        Ok(request) => drop(questions.send(Question { request, replies })),
        Err(error) => {
            let message = format!("this agent does not understand the request: {error}");
            drop(replies.send(Reply::Failed { exit: 1, message }));
        }
    }
    while let Some(reply) = answers.recv().await {
        let mut line = serde_json::to_vec(&reply).expect("replies are JSON");
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// Asks a running agent; `None` if none runs.
///
/// # Errors
/// If it hangs up before the last line.
pub async fn ask(
    socket: &Path,
    request: &Request,
    mut on_reply: impl FnMut(&Reply),
) -> io::Result<Option<Reply>> {
    let mut stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut line = serde_json::to_vec(request).expect("requests are JSON");
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        let reply: Reply = serde_json::from_str(&line)?;
        if matches!(reply, Reply::Done { .. } | Reply::Failed { .. }) {
            return Ok(Some(reply));
        }
        on_reply(&reply);
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the agent stopped before it was done"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn paths_that_are_not_utf8_are_asked_for_and_told_like_all_others() {
        let paths: [PathBuf; 2] = ["/home/é".into(), OsString::from_vec(b"/home/caf\xe9".to_vec()).into()];
        for path in paths {
            let exclude = None;
            for request in [Request::BackUp(path.clone()), Request::DryRun { path: path.clone(), exclude }] {
                let line = serde_json::to_string(&request).unwrap();
                assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request, "{line}");
            }
        }
        let line = serde_json::to_value(Request::BackUp("/home/me".into())).unwrap();
        assert_eq!(line["with"], "/home/me");
        let raw = Request::BackUp(OsString::from_vec(b"/\xff".to_vec()).into());
        let line = serde_json::to_value(raw).unwrap();
        assert_eq!(line["with"], serde_json::json!({ "text": "/\u{fffd}", "hex": "2fff" }));
    }
}
