//! What a source's newest snapshot has lost, and its next one stores again.

use std::collections::HashSet;
use std::rc::Rc;

use crypto::blob::BlobKind;
use protocol::id::BlobId;

/// What could not be read back. Cheap to clone; empty for most snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repair {
    /// These blobs are sent again, though the coordinator counts copies of them.
    pub blobs: Rc<HashSet<BlobId>>,
    /// A folder is among them, so nobody knows what is beneath it: the snapshot stands on none before it, its changes
    /// are all that is in it, and all of its folders are sent again.
    pub trees: bool,
}

impl Repair {
    /// Whether nothing is lost.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty() && !self.trees
    }

    /// Whether a blob is sent again.
    pub(crate) fn covers(&self, kind: BlobKind, id: &BlobId) -> bool {
        self.trees && kind != BlobKind::Chunk || self.blobs.contains(id)
    }
}
