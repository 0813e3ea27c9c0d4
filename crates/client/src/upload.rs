//! Writing blobs: sealed, planned at the coordinator, sent to the first node of each group, which passes them on,
//! and proven by receipts. Memory is bounded: what is sealed and not yet durable counts against a budget.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use ::backup::{BlobSink, Compressor};
use bytes::Bytes;
use crypto::blob::{BlobKind, Frame, SealedBlob, seal_blob};
use crypto::vault::{SipKeys, VaultKeys};
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use protocol::id::BlobId;
use protocol::uploads::OpenUploadResponse;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::api::Client;
use crate::error::Error;
use crate::fetch::Fetcher;
use crate::keys::KeyRing;
use crate::progress::Progress;
use crate::repair::Repair;
use crate::vault::Vault;

mod session;

use session::{Session, place};

/// Bytes of content between reading and being durable.
const MEMORY_BYTES: usize = 64 << 20;
/// A batch is sent once it has this many bytes. Browsers send bodies of this size fastest.
const BATCH_BYTES: usize = 4 << 20;
/// Or this many blobs.
const BATCH_BLOBS: usize = 256;
/// Batches on their way at the same time.
const BATCHES_IN_FLIGHT: usize = 4;

/// Says when so many more bytes may leave; `None` while there is no limit. They count as sent.
pub type Pace = Rc<dyn Fn(usize) -> Option<LocalBoxFuture<'static, ()>>>;

/// A sealed blob on its way, with its share of the memory budget.
struct Outgoing {
    id: BlobId,
    bytes: Bytes,
    /// It could not be read back: what the coordinator knows of its copies does not count.
    again: bool,
    _memory: OwnedSemaphorePermit,
}

/// What a session came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// Bytes of blobs that the vault did not hold before, one copy counted.
    pub(crate) new_bytes: u64,
}

/// Where the engine's blobs go. Cheap to clone; the session's [`Sender`] ends when all clones are dropped.
#[derive(Clone)]
pub(crate) struct Uploader {
    client: Client,
    keys: KeyRing,
    compress: bool,
    fetcher: Fetcher,
    queue: mpsc::UnboundedSender<Outgoing>,
    memory: Arc<Semaphore>,
    planned: Planned,
    repair: Repair,
}

/// Drives what an [`Uploader`] queues to the nodes.
pub(crate) struct Sender {
    session: Session,
    queue: mpsc::UnboundedReceiver<Outgoing>,
}

/// The blobs of a session: those that the coordinator was or will be asked to plan. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Planned(Rc<RefCell<HashSet<BlobId>>>);

impl Planned {
    /// Whether the blob is new to the session.
    pub(crate) fn insert(&self, blob: BlobId) -> bool {
        self.0.borrow_mut().insert(blob)
    }
}

/// An upload session, and who calls for it: one operation.
#[derive(Clone)]
pub(crate) struct OpenUpload {
    pub(crate) client: Client,
    pub(crate) opened: OpenUploadResponse,
}

/// Both ends of a session's queue.
pub(crate) fn channel(
    vault: &Vault,
    upload: &OpenUpload,
    planned: Planned,
    repair: Repair,
    progress: Rc<Progress>,
    pace: Option<Pace>,
) -> (Uploader, Sender) {
    let (queue, receiver) = mpsc::unbounded_channel();
    let uploader = Uploader {
        client: upload.client.clone(),
        keys: vault.key_ring().clone(),
        compress: !vault.chain().settings().is_some_and(|settings| settings.compression_off),
        fetcher: vault.fetcher().clone(),
        queue,
        memory: Arc::new(Semaphore::new(MEMORY_BYTES)),
        planned,
        repair,
    };
    let session = Session::new(upload.clone(), progress, pace);
    (uploader, Sender { session, queue: receiver })
}

impl Uploader {
    /// The keys by which the vault's files are cut.
    pub(crate) fn sip_keys(&self) -> SipKeys {
        self.keys.get().derive_sip_keys()
    }

    /// What a chunk is recognised by.
    pub(crate) fn fingerprint(&self, chunk: &[u8]) -> [u8; 32] {
        self.keys.get().fingerprint(chunk)
    }

    /// Seals a content and queues it, unless the session has it already. Waits while the memory budget is used up.
    pub(crate) async fn store(&self, kind: BlobKind, raw: Vec<u8>) -> Result<BlobId, Error> {
        // Sealed and raw bytes are there at the same time, briefly; padding adds at most 12 %.
        let cost = u32::try_from(raw.len() + (8 << 10)).expect("a content has at most 4 MiB");
        let memory = self.memory.clone().acquire_many_owned(cost).await.expect("never closed");
        // The newest of now: a device may be revoked while others upload.
        let (keys, compress) = (self.keys.get(), self.compress);
        let work = move |backend| async move {
            let sealed = seal_content(&backend, &keys, kind, &raw, compress).await;
            (sealed, raw)
        };
        let (sealed, raw) = self.client.platform.run(work).await;
        let SealedBlob { id, bytes } = sealed?;
        if kind != BlobKind::Chunk {
            self.fetcher.remember_tree(id, kind, raw);
        }
        if self.planned.insert(id) {
            // The receiver is gone only if sending failed, and then that error ends the backup.
            let again = self.repair.covers(kind, &id);
            let _ = self.queue.send(Outgoing { id, bytes: bytes.into(), again, _memory: memory });
        }
        Ok(id)
    }
}

impl BlobSink for Uploader {
    type Error = Error;

    async fn put(&mut self, kind: BlobKind, raw: Vec<u8>) -> Result<BlobId, Error> {
        self.store(kind, raw).await
    }
}

async fn seal_content(
    backend: &crypto::Backend,
    keys: &VaultKeys,
    kind: BlobKind,
    raw: &[u8],
    compress: bool,
) -> Result<SealedBlob, Error> {
    thread_local! {
        static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new());
    }
    let compressed = compress.then(|| COMPRESSOR.with_borrow_mut(|it| it.compress(raw))).flatten();
    let frame = match &compressed {
        Some(body) => Frame::zstd(kind, raw.len(), body)?,
        None => Frame::stored(kind, raw)?,
    };
    Ok(seal_blob(backend, keys, frame).await?)
}

impl Sender {
    /// Sends until all uploaders are dropped and everything queued is durable on enough nodes.
    ///
    /// # Errors
    /// The first error that trying again did not mend.
    pub(crate) async fn run(self) -> Result<(Sent, Vec<BlobId>), Error> {
        let Self { session, mut queue } = self;
        let mut flights = FuturesUnordered::new();
        let mut batch: Vec<Outgoing> = Vec::new();
        let mut open = true;
        while open || !batch.is_empty() || !flights.is_empty() {
            // A batch that is not full waits only while others are on their way: the fewer blobs come, the sooner
            // each goes.
            let full = batch.len() >= BATCH_BLOBS || bytes_of(&batch) >= BATCH_BYTES;
            let due = full || !batch.is_empty() && (!open || flights.is_empty() && queue.is_empty());
            if due && flights.len() < BATCHES_IN_FLIGHT {
                flights.push(place(&session, std::mem::take(&mut batch)));
                continue;
            }
            let can_take = open && !full;
            let arrival = async { if can_take { queue.recv().await } else { std::future::pending().await } };
            let landing = async {
                match flights.next().await {
                    Some(result) => result,
                    None => std::future::pending().await,
                }
            };
            match select(std::pin::pin!(arrival), std::pin::pin!(landing)).await {
                Either::Left((Some(blob), _)) => batch.push(blob),
                Either::Left((None, _)) => open = false,
                Either::Right((result, _)) => result?,
            }
        }
        drop(flights);
        Ok(session.finish())
    }
}

fn bytes_of(batch: &[Outgoing]) -> usize {
    batch.iter().map(|blob| blob.bytes.len()).sum()
}
