//! The messages between the page and the worker that holds the keys.
//!
//! A page asks for operations, never for keys. What structured clone must carry, files and message ports, travels
//! beside a request as its attachments.

use protocol::accounts::RegistrationResponse;
use protocol::sessions::AccountRole;
use protocol::sources::SourcesResponse;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Counts the page's requests; answers and progress name it.
pub type CallId = u32;

/// From the page to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Do something.
    Call(CallId, Request),
    /// Stop doing it; there will be no answer.
    Cancel(CallId),
}

/// From the worker to the page.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The worker listens.
    Ready,
    /// How far a backup is.
    Progress(CallId, BackupProgress),
    /// How far a restore is, in bytes.
    Restored(CallId, u64),
    /// The end of a request: its operation's answer, as JSON.
    Answer(CallId, Result<String, Failure>),
}

/// A request with the type of its answer.
pub trait Operation: Into<Request> {
    /// What it gives.
    type Answer: Serialize + DeserializeOwned;
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* } => $answer:ty;)*) => {
        /// Everything a page can ask for.
        #[derive(Debug, Serialize, Deserialize)]
        pub enum Request { $($(#[$doc])* $name($name),)* }

        $(
            $(#[$doc])*
            #[derive(Debug, Serialize, Deserialize)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

            impl From<$name> for Request {
                fn from(operation: $name) -> Self {
                    Self::$name(operation)
                }
            }

            impl Operation for $name {
                type Answer = $answer;
            }
        )*
    };
}

operations! {
    /// May one make an account here?
    Registration {} => RegistrationResponse;
    /// Six random words.
    SuggestPassphrase {} => String;
    /// How long would guessing take?
    JudgePassphrase {
        /// As typed.
        passphrase: String,
        /// Words that a guesser tries first.
        known: Vec<String>,
    } => Strength;
    /// Makes all keys of a new account and shows its recovery key. Sends nothing.
    PrepareAccount {
        /// As typed.
        login: String,
        /// As typed.
        passphrase: String,
    } => RecoveryKit;
    /// Makes the prepared account, if the person has written its recovery key down.
    Register {
        /// The group that was asked for, from 0.
        group: usize,
        /// What was typed.
        typed: String,
        /// From the setup link.
        setup_token: Option<String>,
    } => Registered;
    /// Signs in and opens the vault.
    SignIn {
        /// As typed.
        login: String,
        /// As typed.
        passphrase: String,
    } => SignedIn;
    /// Ends the session.
    SignOut {} => ();
    /// What a folder of the uploads holds.
    List {
        /// The folder.
        folder: Vec<String>,
    } => Vec<Entry>;
    /// What is protected, and how well.
    Survey {} => Overview;
    /// Backs up the attached files.
    Backup {
        /// One each, in the attachments' order.
        files: Vec<NewFile>,
    } => BackupSummary;
    /// Deletes to the bin.
    Remove {
        /// Files and folders.
        paths: Vec<Vec<String>>,
    } => RemovalId;
    /// Takes a removal back.
    UndoRemove {
        /// Which.
        removal: RemovalId,
    } => ();
    /// Opens a file, or a folder as a zip. Its bytes come through the attached port once the page has named a place
    /// for them, by [`Stream`].
    Open {
        /// The file or folder.
        path: Vec<String>,
        /// It is a folder.
        folder: bool,
    } => Opened;
    /// Streams what was opened into the attached port, as its reader pulls. Answers after the last byte was verified.
    Stream {
        /// From [`Opened`].
        download: u32,
    } => ();
}

/// The judgement of a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strength {
    /// Guesses that it takes, as a power of ten.
    pub guesses_log10: u32,
}

/// What opens an account when the passphrase is lost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryKit {
    /// The login it belongs to.
    pub login: String,
    /// Seven groups of eight characters.
    pub groups: Vec<String>,
}

impl std::fmt::Debug for RecoveryKit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKit(***)")
    }
}

/// What became of a prepared account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Registered {
    /// It exists, and is signed in.
    Done(SignedIn),
    /// What was typed is not that group.
    WrongGroup,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The login.
    pub login: String,
    /// What they may do.
    pub role: AccountRole,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of the file, or of all files beneath the folder.
    pub bytes: u64,
    /// Files beneath a folder.
    pub files: u64,
    /// Last change, in Unix milliseconds.
    pub modified_ms: i64,
}

/// What is protected, and how well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Documents, images, video, audio, archives, code, other.
    pub categories: [Tally; 7],
    /// One each.
    pub sources: Vec<Source>,
    /// Copies of the blobs of each source.
    pub status: SourcesResponse,
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Number of files.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// One source of backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its id, as the server's status names it.
    pub source: protocol::id::SourceId,
    /// Its name.
    pub name: String,
    /// Files in the newest snapshot.
    pub tally: Tally,
    /// When the newest snapshot was made, in Unix milliseconds.
    pub newest_ms: Option<u64>,
}

/// A file to back up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFile {
    /// Where it goes.
    pub path: Vec<String>,
    /// Its size.
    pub bytes: u64,
    /// Last change, in Unix milliseconds.
    pub modified_ms: i64,
}

/// What a backup is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Reading what is there.
    Preparing,
    /// Reading, encrypting and sending.
    Transferring,
    /// Writing the snapshot.
    Committing,
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupProgress {
    /// What it is doing.
    pub phase: Phase,
    /// Files done.
    pub files_done: u64,
    /// Bytes read from the files. What was read last is still on its way to the nodes.
    pub bytes_done: u64,
    /// Encrypted bytes that nodes took, one copy counted.
    pub bytes_sent: u64,
}

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Files backed up.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were sent; the rest was there already.
    pub sent_bytes: u64,
    /// Files that could not be read, and why.
    pub unreadable: Vec<(Vec<String>, String)>,
}

/// A removal that can be taken back.
pub type RemovalId = u32;

/// An opened file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Names it to [`Stream`].
    pub download: u32,
    /// The file's name.
    pub name: String,
    /// Its bytes; not known of a zip.
    pub bytes: Option<u64>,
}
