//! Settings of a vault and of its folders: as they are in force, and changing them. A change, of these or of what else
//! needs no upload, is one signed commit, made again on top of somebody else's that came first.

use crypto::commit::{DeviceName, NewBody, NewCommit, Purge, Settings, Source, SourceSettings, seal_commit};
use protocol::bytes::Base64;
use protocol::commits::AppendCommitRequest;
use protocol::error::ErrorCode;
use protocol::id::{BlobId, DeviceId, SourceId, UploadId};
use protocol::snapshots::{self, SnapshotId};
use protocol::{purge, refs};

use crate::error::Error;
use crate::snapshot::RACES_MAX;
use crate::vault::Vault;

/// What a commit without an upload says.
pub(crate) enum Change {
    Settings(Settings),
    Source(SourceId, SourceSettings),
    Closed(SourceId),
    Forget(Vec<SnapshotId>),
    /// With the session in which the list is staged, if it is.
    Purge(Vec<BlobId>, Option<UploadId>, Purge),
}

impl Vault {
    /// The settings in force: for each source the newest, whoever set them.
    pub fn settings(&self) -> Settings {
        self.chain().settings().cloned().expect("an opened vault has settings")
    }

    /// Adds a source, or replaces the settings of one. Returns the commit's number.
    ///
    /// # Errors
    /// [`Error::Settings`] beyond a limit. Refused by the server: a closed source, and on a device that may only
    /// append, one that is not its own.
    pub async fn put_source(&self, source: Source) -> Result<u64, Error> {
        self.change(|settings| {
            let mut settings = settings.clone();
            settings.put(source.clone());
            settings.check()?;
            let body = SourceSettings { entry: Some(source.clone()), extensions: Vec::new() };
            Ok(Change::Source(source.source, body))
        })
        .await
    }

    /// Takes a source out of the settings. Its snapshots stay, and it can be put back.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not there; else as [`Vault::put_source`].
    pub async fn remove_source(&self, source: SourceId) -> Result<u64, Error> {
        self.change(|settings| {
            if settings.sources.iter().any(|listed| listed.source == source) {
                let body = SourceSettings { entry: None, extensions: Vec::new() };
                Ok(Change::Source(source, body))
            } else {
                Err(Error::NotFound("this folder".to_owned()))
            }
        })
        .await
    }

    /// Closes a source for good: it takes no more commits. Its snapshots stay.
    ///
    /// # Errors
    /// Refused by the server: on a device that may only append, and where the source is closed already.
    pub async fn close_source(&self, source: SourceId) -> Result<u64, Error> {
        self.change(|_| Ok(Change::Closed(source))).await
    }

    /// Gives the vault another name.
    ///
    /// # Errors
    /// Refused by the server on a device that may only append.
    pub async fn rename(&self, name: &str) -> Result<u64, Error> {
        self.change(|settings| {
            Ok(Change::Settings(Settings { vault_name: name.to_owned(), ..settings.clone() }))
        })
        .await
    }

    /// Gives a device another name.
    ///
    /// # Errors
    /// As [`Vault::rename`].
    pub async fn rename_device(&self, device: DeviceId, name: &str) -> Result<u64, Error> {
        self.change(|settings| {
            let mut settings = settings.clone();
            settings.devices.retain(|named| named.device != device);
            settings.devices.push(DeviceName { device, name: name.to_owned() });
            Ok(Change::Settings(settings))
        })
        .await
    }

    /// Signs the settings on as they are, by the newest account state and under the newest key.
    pub(crate) async fn carry_settings_on(&self) -> Result<u64, Error> {
        self.change(|settings| Ok(Change::Settings(settings.clone()))).await
    }

    /// Signs and appends what `make` makes of the settings in force.
    pub(crate) async fn change(
        &self,
        make: impl Fn(&Settings) -> Result<Change, Error>,
    ) -> Result<u64, Error> {
        for _ in 0..RACES_MAX {
            let change = make(&self.settings())?;
            match self.append(&change).await {
                Ok(seq) => {
                    self.refresh().await?;
                    return Ok(seq);
                }
                Err(error) if error.code() == Some(ErrorCode::ChainConflict) => {
                    self.account().refresh_states().await?;
                    self.refresh().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy)
    }

    async fn append(&self, change: &Change) -> Result<u64, Error> {
        let (seq, prev) = self.chain().next();
        let client = self.client();
        let body = match change {
            Change::Settings(settings) => NewBody::Settings(settings),
            Change::Source(source, body) => NewBody::SourceSettings { source: *source, body },
            Change::Closed(source) => NewBody::SourceClosed(*source),
            Change::Forget(_) => NewBody::Forget,
            Change::Purge(_, _, body) => NewBody::Purge(body),
        };
        let (digest, list, staged) = match change {
            Change::Settings(_) | Change::Source(..) | Change::Closed(_) => (refs::digest(&[]), None, None),
            Change::Forget(list) => (snapshots::digest(list), Some(snapshots::pack(list)), None),
            Change::Purge(list, None, _) => (purge::digest(list), Some(purge::pack(list)), None),
            Change::Purge(list, staged, _) => (purge::digest(list), None, *staged),
        };
        let account_state_seq = self.account().newest_state().seq;
        let commit = NewCommit { body, seq, prev, digest, account_state_seq };
        let backend = client.platform.backend();
        let author = self.account().author();
        let envelope = seal_commit(&backend, &self.keys(), author, &commit, client.platform.salt()).await?;
        let key = self.idempotency_key();
        let request = AppendCommitRequest { envelope: Base64(envelope), key, list, staged };
        Ok(client.append_commit(self.id(), &request).await?.seq)
    }
}
