//! The client of coordinator and storage nodes: accounts, verified vaults, backup and restore.
//!
//! It trusts no server: what one says is checked against signatures, pins and hashes before it is used. It must not
//! know clocks, threads, files or random sources of its own: they come in through [`Platform`] and [`ReadAt`], so
//! that the same code runs in a browser's worker and in a native program. Its futures need not be `Send`; dropping
//! one cancels what it does.

mod account;
mod admission;
mod api;
mod archive;
mod backup;
mod browse;
mod chain;
mod check;
mod clash;
mod compare;
mod content;
mod contents;
mod device;
mod device_api;
mod device_session;
mod devices;
mod download;
mod enrolment;
mod error;
mod events;
mod fetch;
mod find;
mod history;
mod keys;
mod mailbox;
pub mod message;
mod node;
mod path;
mod pin;
mod platform;
mod progress;
mod prove;
mod repair;
mod restore;
mod settings;
mod sign_in;
mod sign_up;
mod snapshot;
mod states;
mod upload;
mod upload_api;
mod vault;
mod writer;

pub use ::backup::{Metadata, StoredContent};
pub use account::Account;
pub use api::Client;
pub use backup::{BackupSummary, NewFile, Removed, UnreadableFile};
pub use browse::{EntryKind, ListedEntry, TreeEntry, TreeNode};
pub use chain::UnreadableCommit;
pub use check::{CheckEvent, CheckSummary, Sample};
pub use compare::{Difference, DifferenceTotals, FilesAndBytes};
pub use content::{FindChunk, Fingerprint, KnownChunks};
pub use contents::LeftOver;
pub use crypto::commit::{DeviceName, Settings, Source};
pub use crypto::device::{DeviceStore, StoreError};
pub use crypto::enrolment::{EnrolmentLink, LinkError};
pub use crypto::seal::DeviceStoreKey;
pub use devices::DeviceInfo;
pub use download::{FileDownload, FolderDownload};
pub use enrolment::Enrolment;
pub use error::Error;
pub use find::Found;
pub use history::{At, SnapshotInfo, SnapshotRef};
pub use path::Path;
pub use pin::Pin;
pub use platform::{Job, Platform, ReadAt};
pub use progress::{Phase, Progress, ProgressSnapshot};
pub use protocol::envelope::device_certificate::Role;
pub use prove::{FileProof, Flaw, Prover};
pub use repair::Repair;
pub use restore::{RestoreSink, RestoreSummary, WriteAt};
pub use sign_up::PendingAccount;
pub use upload::Pace;
pub use vault::{SourceInfo, Vault};
pub use writer::{TreeChange, TreeEdits, TreeTarget, TreeWriter, WrittenSnapshot};
