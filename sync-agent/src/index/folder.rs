//! What the agent remembers of each folder between its runs.

use protocol::id::{BlobId, IdempotencyKey, SourceId};
use redb::{ReadableDatabase as _, ReadableTable as _};
use serde::{Deserialize, Serialize};

use super::{FOLDERS, Index, IndexError};

/// What is remembered of a folder. Times are Unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderState {
    /// The snapshot that the rows tell of, by its commit's number. If the vault's newest is another, no row proves that
    /// an entry is in it.
    pub seq: Option<u64>,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that are missing from it.
    pub unreadable: u64,
    /// The upload that is under way: a new run goes on with it.
    pub upload: Option<IdempotencyKey>,
    /// When all of it was last compared with the index.
    pub full_scan_ms: Option<u64>,
    /// When it last became durable, changed or not.
    pub backup_ms: Option<u64>,
    /// When a sample of it was last downloaded and compared.
    pub proven_ms: Option<u64>,
    /// Device and inode of the folder itself: another one may be the place where its disk is not mounted.
    pub place: Option<(u64, u64)>,
    /// A person said that what vanished may vanish from the next snapshot.
    pub is_confirmed: bool,
    /// Waits for a person to say that what vanished may vanish.
    pub hold: Option<Hold>,
    /// What could not be restored when that was last tried.
    pub damage: Option<Damage>,
}

/// What of a folder's newest snapshot could not be restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Files in the folder and why, for a person: not all of them, if there are many.
    pub files: Vec<(String, String)>,
    /// What the next backup stores again, whatever the coordinator says of it. Empty once one did.
    pub blobs: Vec<BlobId>,
    /// A folder of the snapshot is lost: the next one is made anew.
    pub in_tree: bool,
}

impl Damage {
    /// Whether a backup is still to mend it.
    pub fn is_open(&self) -> bool {
        self.in_tree || !self.blobs.is_empty()
    }

    /// As it stands when a backup has stored everything again. What was told of files stays until they are restored.
    pub fn mended(self) -> Option<Self> {
        let told = Self { blobs: Vec::new(), in_tree: false, ..self };
        (!told.files.is_empty()).then_some(told)
    }
}

/// Why a folder waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What happened.
    pub reason: HoldReason,
    /// Since when.
    pub since_ms: u64,
}

/// What may be an accident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum HoldReason {
    /// So many files are gone at once.
    MassDeletion {
        /// Gone.
        removed: u64,
        /// Of so many.
        files: u64,
    },
    /// The folder itself is not there, or is on another file system than before, as when its disk is not mounted.
    Missing,
}

impl Index {
    /// What is remembered of a folder; nothing yet of a new one.
    pub fn folder(&self, source: &SourceId) -> Result<FolderState, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let table = read.open_table(FOLDERS).map_err(IndexError::database)?;
        let row = table.get(*source.as_bytes()).map_err(IndexError::database)?;
        row.map_or(Ok(FolderState::default()), |row| decode(row.value()))
    }

    /// Changes what is remembered of a folder, durably.
    pub fn update_folder(
        &self,
        source: &SourceId,
        change: impl FnOnce(&mut FolderState),
    ) -> Result<FolderState, IndexError> {
        let mut state = self.folder(source)?;
        let before = state.clone();
        change(&mut state);
        if state != before {
            self.write(|write| {
                write.open_table(FOLDERS)?.insert(*source.as_bytes(), &encode(&state)[..])?;
                Ok(())
            })?;
        }
        Ok(state)
    }

    /// All folders that something is remembered of.
    pub fn folders(&self) -> Result<Vec<SourceId>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let table = read.open_table(FOLDERS).map_err(IndexError::database)?;
        let mut out = Vec::new();
        for row in table.iter().map_err(IndexError::database)? {
            let (id, _) = row.map_err(IndexError::database)?;
            out.extend(SourceId::from_field(id.value()));
        }
        Ok(out)
    }
}

pub(super) fn encode(state: &FolderState) -> Vec<u8> {
    serde_json::to_vec(state).expect("ids, numbers and words are JSON")
}

fn decode(bytes: &[u8]) -> Result<FolderState, IndexError> {
    serde_json::from_slice(bytes).map_err(|_| IndexError::Damaged("a folder's state is not readable"))
}
