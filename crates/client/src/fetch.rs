//! Reading blobs: located at the coordinator, read in batches from nodes, verified and opened one by one, and taken
//! from the next replica wherever one fails.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ::backup::{BlobSource, decompress};
use bytes::Bytes;
use crypto::blob::{BlobKind, Codec, open_blob};
use futures_util::future::try_join_all;
use protocol::blob_list::{StoredBlob, unpack_stored};
use protocol::blobs::LocatedGroup;
use protocol::id::{BlobId, NodeId};
use protocol::limits::PLAN_BLOBS_MAX;
use protocol::uploads::NodeGrant;

use crate::api::Client;
use crate::error::Error;
use crate::keys::KeyRing;

/// A node that failed is asked last for this long.
const AVOID_MS: u64 = 30_000;
/// Tree blobs kept open in memory.
const CACHE_BYTES_MAX: usize = 32 << 20;

/// An opened blob: its authenticated kind and its content.
pub(crate) type Opened = (BlobKind, Vec<u8>);

/// Reads the blobs of one vault. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fetcher(Rc<Inner>);

struct Inner {
    client: Client,
    keys: KeyRing,
    avoid_until_ms: RefCell<HashMap<NodeId, u64>>,
    trees: RefCell<TreeCache>,
}

/// Tree blobs by id, dropped all at once when they become too many.
#[derive(Default)]
struct TreeCache {
    blobs: HashMap<BlobId, Rc<Opened>>,
    bytes: usize,
}

impl Fetcher {
    pub(crate) fn new(client: Client, keys: KeyRing) -> Self {
        Self(Rc::new(Inner { client, keys, avoid_until_ms: RefCell::default(), trees: RefCell::default() }))
    }

    /// Keeps a tree blob that was just written, which no node need be asked for.
    pub(crate) fn remember_tree(&self, id: BlobId, kind: BlobKind, raw: Vec<u8>) {
        let mut cache = self.0.trees.borrow_mut();
        if cache.bytes + raw.len() > CACHE_BYTES_MAX {
            *cache = TreeCache::default();
        }
        cache.bytes += raw.len();
        cache.blobs.insert(id, Rc::new((kind, raw)));
    }

    /// Reads blobs, opened, in the order asked for. At most 1000 different ones; the caller bounds their bytes.
    pub(crate) async fn fetch(
        &self,
        ids: &[BlobId],
        expected: &[BlobKind],
    ) -> Result<Vec<Rc<Opened>>, Error> {
        let mut different = ids.to_vec();
        different.sort_unstable();
        different.dedup();
        debug_assert!(different.len() <= PLAN_BLOBS_MAX, "bounded by the caller");
        let located = self.0.client.locate(self.0.keys.vault(), &different).await?;
        let groups = located.groups.iter().map(|group| self.read_group(group, expected));
        let opened: HashMap<BlobId, Rc<Opened>> = try_join_all(groups).await?.into_iter().flatten().collect();
        let find = |id: &BlobId| opened.get(id).cloned().ok_or(Error::Unreadable(*id));
        ids.iter().map(find).collect()
    }

    /// Reads a group from its replicas, best first, until all of its blobs came and opened.
    async fn read_group(
        &self,
        group: &LocatedGroup,
        expected: &[BlobKind],
    ) -> Result<Vec<(BlobId, Rc<Opened>)>, Error> {
        let blobs = unpack_stored(&group.blobs).map_err(|error| Error::untrusted(error.to_string()))?;
        let mut wanted: Vec<usize> = (0..blobs.len()).collect();
        let mut opened = Vec::with_capacity(blobs.len());
        for replica in self.in_order(&group.replicas) {
            let contents = match self.0.client.read_blobs(replica, &blobs, &wanted).await {
                Ok(contents) => contents.into_iter().map(Some).collect(),
                Err(error) => {
                    tracing::warn!(%error, "reading from the next replica");
                    self.avoid(replica.node);
                    // A batch fails as a whole where one blob is missing; the others may still be there.
                    self.read_singly(replica, &blobs, &wanted).await
                }
            };
            wanted = self.open_all(&blobs, &wanted, contents, expected, &mut opened).await?;
            if wanted.is_empty() {
                return Ok(opened);
            }
        }
        Err(Error::Unreadable(blobs[wanted[0]].id))
    }

    /// After a failed batch of several: each blob by itself, unless the node does not answer at all.
    async fn read_singly(
        &self,
        replica: &NodeGrant,
        blobs: &[StoredBlob],
        wanted: &[usize],
    ) -> Vec<Option<Bytes>> {
        let mut contents = vec![None; wanted.len()];
        if wanted.len() < 2 {
            return contents;
        }
        let mut failures = 0;
        for (content, index) in contents.iter_mut().zip(wanted) {
            match self.0.client.read_blobs(replica, blobs, &[*index]).await {
                Ok(mut one) => *content = one.pop(),
                Err(_) => failures += 1,
            }
            if failures > 2 {
                break;
            }
        }
        contents
    }

    /// Opens what came, and returns the indices of what did not come or is not what was asked for.
    async fn open_all(
        &self,
        blobs: &[StoredBlob],
        wanted: &[usize],
        contents: Vec<Option<Bytes>>,
        expected: &[BlobKind],
        opened: &mut Vec<(BlobId, Rc<Opened>)>,
    ) -> Result<Vec<usize>, Error> {
        let mut missing = Vec::new();
        for (index, content) in wanted.iter().zip(contents) {
            let id = blobs[*index].id;
            let blob = match content {
                Some(content) => self.open(id, content, expected).await?,
                None => None,
            };
            match blob {
                Some(blob) => opened.push((id, Rc::new(blob))),
                None => missing.push(*index),
            }
        }
        Ok(missing)
    }

    /// `None` if the bytes are not the blob, or not one of the expected kinds.
    pub(crate) async fn open(
        &self,
        id: BlobId,
        bytes: Bytes,
        expected: &[BlobKind],
    ) -> Result<Option<Opened>, Error> {
        let keys = self.0.keys.get();
        let expected = expected.to_vec();
        let work = move |backend| async move {
            let frame = open_blob(&backend, &keys, &id, &bytes, &expected).await.ok()?;
            let raw = match frame.codec {
                Codec::Stored => frame.body().to_vec(),
                Codec::Zstd => decompress(frame.body(), frame.raw_len).ok()?,
            };
            Some((frame.kind, raw))
        };
        Ok(self.0.client.platform.run(work).await)
    }

    fn avoid(&self, node: NodeId) {
        let until = self.0.client.platform.now_ms() + AVOID_MS;
        self.0.avoid_until_ms.borrow_mut().insert(node, until);
    }

    fn in_order<'a>(&self, replicas: &'a [NodeGrant]) -> Vec<&'a NodeGrant> {
        let now = self.0.client.platform.now_ms();
        let avoided = self.0.avoid_until_ms.borrow();
        let mut ordered: Vec<&NodeGrant> = replicas.iter().collect();
        ordered.sort_by_key(|replica| avoided.get(&replica.node).is_some_and(|until| *until > now));
        ordered
    }
}

impl BlobSource for Fetcher {
    type Error = Error;

    async fn get(&self, id: &BlobId, expected: &[BlobKind]) -> Result<Opened, Error> {
        let cached = self.0.trees.borrow().blobs.get(id).cloned();
        if let Some(blob) = cached.filter(|blob| expected.contains(&blob.0)) {
            return Ok((*blob).clone());
        }
        let blob = self.fetch(&[*id], expected).await?.pop().ok_or(Error::Unreadable(*id))?;
        if blob.0 != BlobKind::Chunk {
            self.remember_tree(*id, blob.0, blob.1.clone());
        }
        Ok((*blob).clone())
    }
}
