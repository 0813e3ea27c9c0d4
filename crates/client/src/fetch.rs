//! Reading blobs: located at the coordinator, read in batches from nodes, verified and opened one by one, and taken
//! from the next replica wherever one fails or is late. What was located is read without the coordinator for as long
//! as its grants hold.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ::backup::{BlobSource, decompress};
use bytes::Bytes;
use crypto::blob::{BlobKind, Codec, open_blob};
use futures_util::future::join_all;
use protocol::id::{BlobId, NodeId};
use protocol::limits::PLAN_BLOBS_MAX;

use crate::api::Client;
use crate::error::Error;
use crate::keys::KeyRing;

mod group;
mod hedge;
mod locations;

use hedge::Hedging;
use locations::Locations;

/// Tree blobs kept open in memory.
const CACHE_BYTES_MAX: usize = 32 << 20;

/// What trees are made of.
const TREE_KINDS: [BlobKind; 3] = [BlobKind::Directory, BlobKind::PageIndex, BlobKind::ChunkList];

/// An opened blob: its authenticated kind and its content.
pub(crate) type Opened = (BlobKind, Vec<u8>);

/// Reads the blobs of one vault. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fetcher {
    inner: Rc<Inner>,
    client: Client,
    /// Waits for a coordinator that is away.
    is_patient: bool,
}

struct Inner {
    keys: KeyRing,
    avoid_until_ms: RefCell<HashMap<NodeId, u64>>,
    hedging: RefCell<Hedging>,
    locations: RefCell<Locations>,
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
        let hedging = RefCell::new(Hedging::new(&client.patience));
        let (avoid_until_ms, locations, trees) = Default::default();
        let inner = Inner { keys, avoid_until_ms, hedging, locations, trees };
        Self { inner: Rc::new(inner), client, is_patient: false }
    }

    /// The same, for a transfer under way: it waits for a coordinator that is away, instead of failing.
    pub(crate) fn patient(&self) -> Self {
        self.patient_as(&self.client.for_operation())
    }

    /// The same as part of an operation.
    pub(crate) fn patient_as(&self, operation: &Client) -> Self {
        Self { is_patient: true, client: operation.clone(), ..self.clone() }
    }

    /// Keeps a tree blob that was just written, which no node need be asked for.
    pub(crate) fn remember_tree(&self, id: BlobId, kind: BlobKind, raw: Vec<u8>) {
        self.remember(id, Rc::new((kind, raw)));
    }

    fn remember(&self, id: BlobId, blob: Rc<Opened>) {
        let mut cache = self.inner.trees.borrow_mut();
        if cache.bytes + blob.1.len() > CACHE_BYTES_MAX {
            *cache = TreeCache::default();
        }
        cache.bytes += blob.1.len();
        cache.blobs.insert(id, blob);
    }

    /// Reads blobs, opened, in the order asked for; as [`Self::fetch_each`].
    pub(crate) async fn fetch(
        &self,
        ids: &[BlobId],
        expected: &[BlobKind],
    ) -> Result<Vec<Rc<Opened>>, Error> {
        let blobs = self.fetch_each(ids, expected).await?;
        blobs.into_iter().zip(ids).map(|(blob, id)| blob.ok_or(Error::Unreadable(*id))).collect()
    }

    /// Reads blobs, opened, in the order asked for; `None` where no node has one. At most 1000 different ones; the
    /// caller bounds their bytes.
    ///
    /// # Errors
    /// Those of the coordinator, if it had to be asked.
    pub(crate) async fn fetch_each(
        &self,
        ids: &[BlobId],
        expected: &[BlobKind],
    ) -> Result<Vec<Option<Rc<Opened>>>, Error> {
        let mut different = ids.to_vec();
        different.sort_unstable();
        different.dedup();
        debug_assert!(different.len() <= PLAN_BLOBS_MAX, "bounded by the caller");
        let unknown = self.not_located(&different);
        self.locate(&unknown).await?;
        let mut opened = self.read_located(&different, expected).await;
        // What was located earlier may have moved since.
        let is_moved = |id: &BlobId| !opened.contains_key(id) && unknown.binary_search(id).is_err();
        let moved: Vec<BlobId> = different.into_iter().filter(is_moved).collect();
        if !moved.is_empty() {
            self.inner.locations.borrow_mut().forget(&moved);
            self.locate(&moved).await?;
            opened.extend(self.read_located(&moved, expected).await);
        }
        Ok(ids.iter().map(|id| opened.get(id).cloned()).collect())
    }

    /// Locates what will be read soon, in as few requests as can be, and so that it can be read without any more.
    /// At most 1000 blobs.
    ///
    /// # Errors
    /// Those of the coordinator, if it had to be asked.
    pub(crate) async fn locate_ahead(&self, mut ids: Vec<BlobId>) -> Result<(), Error> {
        ids.sort_unstable();
        ids.dedup();
        self.locate(&self.not_located(&ids)).await
    }

    fn not_located(&self, ids: &[BlobId]) -> Vec<BlobId> {
        let now_ms = self.client.platform.now_ms();
        let locations = self.inner.locations.borrow();
        ids.iter().copied().filter(|id| !locations.has(id, now_ms)).collect()
    }

    async fn locate(&self, ids: &[BlobId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let (client, Inner { keys, locations, .. }) = (&self.client, &*self.inner);
        let ask = async || {
            let asked_ms = client.platform.now_ms();
            Ok((client.locate(keys.vault(), ids).await?, asked_ms))
        };
        let (located, asked_ms) = if self.is_patient { client.outlast(ask).await? } else { ask().await? };
        locations.borrow_mut().insert(located.groups, asked_ms)
    }

    async fn read_located(&self, ids: &[BlobId], expected: &[BlobKind]) -> HashMap<BlobId, Rc<Opened>> {
        let groups = self.inner.locations.borrow().by_group(ids);
        let reads = groups.iter().map(|(group, indices)| self.read_group(group, indices.clone(), expected));
        join_all(reads).await.into_iter().flatten().collect()
    }

    /// `None` if the bytes are not the blob, or not one of the expected kinds.
    pub(crate) async fn open(&self, id: BlobId, bytes: Bytes, expected: &[BlobKind]) -> Option<Opened> {
        let keys = self.inner.keys.get();
        let expected = expected.to_vec();
        let work = move |backend| async move {
            let frame = open_blob(&backend, &keys, &id, &bytes, &expected).await.ok()?;
            let raw = match frame.codec {
                Codec::Stored => frame.body().to_vec(),
                Codec::Zstd => decompress(frame.body(), frame.raw_len).ok()?,
            };
            Some((frame.kind, raw))
        };
        self.client.platform.run(work).await
    }
}

impl BlobSource for Fetcher {
    type Error = Error;

    async fn get(&self, id: &BlobId, expected: &[BlobKind]) -> Result<Opened, Error> {
        let cached = self.inner.trees.borrow().blobs.get(id).cloned();
        if let Some(blob) = cached.filter(|blob| expected.contains(&blob.0)) {
            return Ok((*blob).clone());
        }
        let blob = self.fetch(&[*id], expected).await?.pop().ok_or(Error::Unreadable(*id))?;
        if blob.0 != BlobKind::Chunk {
            self.remember(*id, blob.clone());
        }
        Ok((*blob).clone())
    }

    async fn prefetch(&self, ids: &[BlobId]) {
        let mut lacking = ids.to_vec();
        lacking.retain(|id| !self.inner.trees.borrow().blobs.contains_key(id));
        // One alone would be read no sooner.
        if lacking.len() < 2 {
            return;
        }
        let blobs = match self.fetch_each(&lacking, &TREE_KINDS).await {
            Ok(blobs) => blobs,
            Err(error) => return tracing::debug!(%error, "tree blobs are read one by one"),
        };
        for (id, blob) in lacking.into_iter().zip(blobs) {
            if let Some(blob) = blob {
                self.remember(id, blob);
            }
        }
    }
}
