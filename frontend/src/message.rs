//! The messages between the page and the worker that holds the keys.
//!
//! A page asks for operations, never for keys. What structured clone must carry, files and message ports, travels
//! beside a request as its attachments.

use std::collections::BTreeSet;

use client::message::{FromDevice, ToDevice};
use protocol::accounts::RegistrationResponse;
use protocol::audit_log::AuditEntry;
use protocol::id::{AccountId, DeviceId, InvitationId, NodeId, SourceId};
use protocol::invitations::InviteResponse;
use protocol::messages::Message;
use protocol::nodes::RemovalResponse;
use protocol::sessions::AccountRole;
use protocol::snapshots::{RetentionPolicy, RetentionPreview, RetentionResponse};
use protocol::users::{UsageResponse, User};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

mod account;
mod devices;
mod files;
mod folders;
mod history;
mod purge;
mod transfer;

pub use account::{RecoveryKit, Registered, SignedIn, Strength};
pub use devices::{Device, DeviceRole, Invitation, UnopenedVault};
pub use files::{Entry, EntryKind, Moment, Overview, Source, Tally};
pub use folders::{FolderRules, Watched, WatchedFolder};
pub use history::{Comparison, Difference, DifferenceKind, Snapshot, Sums};
pub use purge::{PurgePreview, StillIn};
pub use transfer::{BackupProgress, BackupSummary, NewFile, Opened, Phase, RemovalId};

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
pub trait Operation: Into<Request> + Clone {
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
            #[derive(Debug, Clone, Serialize, Deserialize)]
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
        /// From the link of an invitation.
        invitation: Option<String>,
    } => Registered;
    /// Signs in and opens the vaults.
    SignIn {
        /// As typed.
        login: String,
        /// As typed.
        passphrase: String,
    } => SignedIn;
    /// Proves the passphrase once more.
    StepUp {
        /// As typed.
        passphrase: String,
    } => ();
    /// Ends the session.
    SignOut {} => ();
    /// Reads which vaults there are now: devices came or went.
    Reopen {} => ();
    /// The vaults that do not open, and so are not in any other answer.
    Unopened {} => Vec<UnopenedVault>;
    /// All sources, the uploads first.
    Sources {} => Vec<Source>;
    /// What a folder holds.
    List {
        /// Of which snapshot.
        moment: Moment,
        /// The folder.
        folder: Vec<String>,
    } => Vec<Entry>;
    /// The snapshots of a source, the newest first.
    Timeline {
        /// The source; none for the uploads.
        source: Option<SourceId>,
    } => Vec<Snapshot>;
    /// What differs between two snapshots of a source.
    Compare {
        /// The source; none for the uploads.
        source: Option<SourceId>,
        /// The older one's number.
        from: u64,
        /// The newer one's number.
        to: u64,
    } => Comparison;
    /// Forgets snapshots of a source.
    Forget {
        /// The source; none for the uploads.
        source: Option<SourceId>,
        /// Their numbers.
        seqs: BTreeSet<u64>,
    } => ();
    /// How long the snapshots of a source are kept.
    FindRetention {
        /// The source; none for the uploads.
        source: Option<SourceId>,
    } => RetentionResponse;
    /// What a policy would do now.
    PreviewRetention {
        /// The source; none for the uploads.
        source: Option<SourceId>,
        /// The policy.
        policy: RetentionPolicy,
    } => RetentionPreview;
    /// Keeps them for so long from now on.
    PutRetention {
        /// The source; none for the uploads.
        source: Option<SourceId>,
        /// The policy.
        policy: RetentionPolicy,
    } => ();
    /// What deleting a file or folder for good would come to: of the newest moment in all versions, of an older one in
    /// the version of then, or in all if it is not there any more.
    PlanPurge {
        /// Where it is looked at.
        moment: Moment,
        /// The file or folder.
        path: Vec<String>,
    } => PurgePreview;
    /// Deletes it for good.
    DeleteForGood {
        /// Where it is looked at.
        moment: Moment,
        /// The file or folder.
        path: Vec<String>,
        /// Also forgets the older snapshots that have it.
        forget: bool,
        /// Also leaves it out of the folder's backups from now on.
        exclude: bool,
    } => ();
    /// What is protected, and how well.
    Survey {} => Overview;
    /// Backs up the attached files into the uploads.
    Backup {
        /// One each, in the attachments' order.
        files: Vec<NewFile>,
    } => BackupSummary;
    /// Deletes from the uploads to the bin.
    Remove {
        /// Files and folders.
        paths: Vec<Vec<String>>,
    } => RemovalId;
    /// Takes a removal back.
    UndoRemove {
        /// Which.
        removal: RemovalId,
    } => ();
    /// All devices that were ever added, the oldest first.
    Devices {} => Vec<Device>;
    /// Makes a link for one device. The one before it is no good any more.
    Invite {
        /// What the device may do.
        role: DeviceRole,
    } => Invitation;
    /// The name of the host that used the link, once one did.
    Guest {} => Option<String>;
    /// Adds the device that used the link.
    Admit {
        /// What its owner calls it.
        name: String,
    } => ();
    /// Makes the link no good.
    Uninvite {} => ();
    /// Takes all rights from a device.
    Revoke {
        /// Which.
        device: DeviceId,
    } => ();
    /// Empties a storage node, or lets it keep data again.
    DrainNode {
        /// Which.
        node: NodeId,
        /// Empties it.
        drain: bool,
    } => ();
    /// What goes if a storage node is removed now.
    PreviewRemoval {
        /// Which.
        node: NodeId,
    } => RemovalResponse;
    /// Removes a storage node for good.
    RemoveNode {
        /// Which.
        node: NodeId,
        /// Also if the only copies of something go with it.
        force: bool,
    } => ();
    /// What one's own account takes and may take.
    Usage {} => UsageResponse;
    /// All accounts, those that take most first.
    Users {} => Vec<User>;
    /// Lets an account hold so much.
    SetQuota {
        /// Whose.
        account: AccountId,
        /// In bytes; none for as much as there is.
        quota_bytes: Option<u64>,
    } => ();
    /// Makes an account an operator's or a member's.
    SetRole {
        /// Whose.
        account: AccountId,
        /// What it may do.
        role: AccountRole,
    } => ();
    /// Invitations of people that are open.
    Invitations {} => Vec<protocol::invitations::Invitation>;
    /// Makes a link for one person.
    InvitePerson {
        /// For how long it is good.
        expires_seconds: u64,
        /// What the account may do.
        role: AccountRole,
        /// What it may hold in bytes; none for as much as there is.
        quota_bytes: Option<u64>,
    } => InviteResponse;
    /// Makes that link no good.
    RevokeInvitation {
        /// Which.
        invitation: InvitationId,
    } => ();
    /// What happened that concerns security, a page of it, newest first.
    AuditLog {
        /// Only what was before this entry.
        before: Option<u64>,
    } => Vec<AuditEntry>;
    /// The folders that devices back up by themselves.
    ListWatched {} => Watched;
    /// Adds a folder, or changes how one is backed up.
    PutFolder {
        /// Whose it is.
        device: DeviceId,
        /// Which; none for a new one.
        source: Option<SourceId>,
        /// How it is backed up.
        rules: FolderRules,
    } => SourceId;
    /// Stops backing a folder up. Its snapshots stay.
    RemoveFolder {
        /// Which.
        source: SourceId,
    } => ();
    /// Says something to a device. One that is not there misses it.
    Tell {
        /// To which.
        device: DeviceId,
        /// What.
        message: ToDevice,
    } => ();
    /// Opens what a device said; nothing if it cannot be trusted.
    Hear {
        /// As it arrived.
        message: Message,
    } => Option<FromDevice>;
    /// Opens a file, or a folder as a zip. Its bytes come through the attached port once the page has named a place
    /// for them, by [`Stream`].
    Open {
        /// Of which snapshot.
        moment: Moment,
        /// The file or folder; empty for everything.
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
