//! One upload session: batches are planned at the coordinator, sent to nodes, and proven by their receipts.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use protocol::blob_list::{SizedBlob, StoredBlob, unpack_ids, unpack_stored};
use protocol::bytes::Base64;
use protocol::data_plane::PutEvent;
use protocol::id::{BlobId, NodeId};
use protocol::uploads::{NodeGrant, OpenUploadResponse, PlanResponse, PlannedGroup};
use tokio::sync::Mutex;

use super::{OpenUpload, Outgoing, Pace, Sent};
use crate::api::Client;
use crate::error::Error;
use crate::progress::Progress;

/// Waits between attempts to place a batch: in all longer than the coordinator takes to see that a node is gone.
const PLACE_WAITS_S: [u64; 5] = [1, 2, 4, 8, 16];

/// An open upload session and what it came to so far.
pub(super) struct Session {
    client: Client,
    opened: OpenUploadResponse,
    progress: Rc<Progress>,
    pace: Option<Pace>,
    /// Held by whose bytes leave while there is a limit: one batch after the other keeps to the times of nodes and grants.
    turn: Mutex<()>,
    sent: Cell<Sent>,
    claimed: RefCell<Vec<BlobId>>,
}

/// Makes a batch durable: plans it, sends its groups, and plans again what too few nodes took.
pub(super) async fn place(session: &Session, batch: Vec<Outgoing>) -> Result<(), Error> {
    let mut left: HashMap<BlobId, Outgoing> = batch.into_iter().map(|blob| (blob.id, blob)).collect();
    for wait_s in PLACE_WAITS_S {
        match session.try_place(&mut left).await {
            Ok(()) => return Ok(()),
            // An outage was waited for already.
            Err(error) if error.is_retryable() && !error.is_outage() => {
                tracing::warn!(%error, wait_s, "placing blobs again");
            }
            Err(error) => return Err(error),
        }
        session.client.platform.sleep(Duration::from_secs(wait_s)).await;
    }
    session.try_place(&mut left).await
}

impl Session {
    pub(super) fn new(upload: OpenUpload, progress: Rc<Progress>, pace: Option<Pace>) -> Self {
        let OpenUpload { client, opened } = upload;
        let (turn, sent, claimed) = Default::default();
        Self { client, opened, progress, pace, turn, sent, claimed }
    }

    /// What it came to, and the blobs that the coordinator said the vault holds already.
    pub(super) fn finish(self) -> (Sent, Vec<BlobId>) {
        (self.sent.get(), self.claimed.take())
    }

    /// One attempt; what became durable is taken out of `left`.
    async fn try_place(&self, left: &mut HashMap<BlobId, Outgoing>) -> Result<(), Error> {
        let plan = self.plan(left).await?;
        if !plan.have.0.is_empty() {
            for id in unpack_ids(&plan.have).map_err(|error| Error::untrusted(error.to_string()))? {
                if left.remove(&id).is_some() {
                    self.claimed.borrow_mut().push(id);
                }
            }
        }
        let blobs = &*left;
        let groups = join_all(plan.groups.iter().map(|group| self.send_group(group, blobs))).await;
        let mut failure = None;
        for outcome in groups {
            match outcome {
                Ok(stored) => stored.iter().for_each(|blob| drop(left.remove(&blob.id))),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error),
            None if left.is_empty() => Ok(()),
            None => Err(Error::untrusted("the server's plan leaves blobs out")),
        }
    }

    async fn plan(&self, left: &HashMap<BlobId, Outgoing>) -> Result<PlanResponse, Error> {
        let sized = |blob: &Outgoing| SizedBlob { id: blob.id, size: blob.bytes.len() as u32 };
        let mut plan = PlanResponse { have: Base64(Vec::new()), groups: Vec::new() };
        for again in [false, true] {
            let blobs: Vec<SizedBlob> = left.values().filter(|blob| blob.again == again).map(sized).collect();
            if !blobs.is_empty() {
                let planned =
                    self.client.outlast(|| self.client.plan(self.opened.upload, &blobs, again)).await?;
                plan.have.0.extend(planned.have.0);
                plan.groups.extend(planned.groups);
            }
        }
        Ok(plan)
    }

    /// Sends a group to its first target, and directly to each that did not get it from there.
    async fn send_group(
        &self,
        group: &PlannedGroup,
        left: &HashMap<BlobId, Outgoing>,
    ) -> Result<Vec<StoredBlob>, Error> {
        let blobs = unpack_stored(&group.blobs).map_err(|error| Error::untrusted(error.to_string()))?;
        let content = |blob: &StoredBlob| left.get(&blob.id).map(|outgoing| outgoing.bytes.clone());
        let contents: Vec<Bytes> = blobs
            .iter()
            .map(|blob| content(blob).filter(|bytes| bytes.len() == blob.size as usize))
            .collect::<Option<_>>()
            .ok_or_else(|| Error::untrusted("the server plans blobs that it was not asked about"))?;
        let mut outcome = Outcome::default();
        if let Some((first, others)) = group.targets.split_first() {
            outcome.take(self.put(first, others, &blobs, &contents).await);
        }
        for target in group.targets.iter().skip(1) {
            // One after the other: whoever has a slow line must not send the same bytes twice at once.
            if !outcome.nodes.contains(&target.node) {
                outcome.take(self.put(target, &[], &blobs, &contents).await);
            }
        }
        if !outcome.receipts.is_empty() {
            // They prove what the nodes have also after an outage: nothing is sent again for it.
            let hand_in = || self.client.receipts(self.opened.upload, &outcome.receipts);
            let answer = self.client.outlast(hand_in).await?;
            outcome.failures.extend(answer.refused.into_iter().map(|refused| refused.reason));
            if answer.accepted >= self.opened.write_zones {
                let bytes = blobs.iter().map(|blob| u64::from(blob.size)).sum::<u64>();
                self.sent.set(Sent { new_bytes: self.sent.get().new_bytes + bytes });
                self.progress.update(|progress| progress.bytes_sent += bytes);
                return Ok(blobs);
            }
        }
        Err(Error::TooFewCopies(outcome.failures.join("; ")))
    }

    async fn put(
        &self,
        target: &NodeGrant,
        fan_out: &[NodeGrant],
        blobs: &[StoredBlob],
        contents: &[Bytes],
    ) -> Result<Vec<PutEvent>, String> {
        let pace = self.pace.as_ref().filter(|pace| pace(0).is_some());
        let _turn = if pace.is_some() { Some(self.turn.lock().await) } else { None };
        let sent = self.client.put_blobs(target, fan_out, blobs, contents, pace).await;
        sent.map_err(|error| error.to_string())
    }
}

/// What nodes said about one group.
#[derive(Default)]
struct Outcome {
    nodes: HashSet<NodeId>,
    receipts: Vec<Base64>,
    failures: Vec<String>,
}

impl Outcome {
    fn take(&mut self, events: Result<Vec<PutEvent>, String>) {
        match events {
            Err(failure) => self.failures.push(failure),
            Ok(events) => events.into_iter().for_each(|event| match event {
                PutEvent::Stored { node, receipt } => {
                    self.nodes.insert(node);
                    self.receipts.push(receipt);
                }
                PutEvent::Failed { node, message, .. } => {
                    self.failures.push(format!("node {}: {message}", node.short()));
                }
            }),
        }
    }
}
