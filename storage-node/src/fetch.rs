//! Reading blobs from another node, verified as they arrive.
//!
//! A node ends its answer at a blob that it cannot read. Then the rest is asked for one by one: a bad blob costs itself.

use std::pin::pin;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::stream::{Stream, StreamExt as _};
use protocol::blob_list::StoredBlob;
use protocol::data_plane::ReadRequest;
use protocol::maintenance::PullRequest;
use protocol::routes::storage_node::READ_BLOBS;
use reqwest::StatusCode;
use tokio::time::timeout;

use crate::peers::Peers;
use crate::store::{IncomingBlob, VerifiedBlob};

/// Where blobs come from.
pub(crate) struct Source<'a> {
    pub(crate) peers: &'a Peers,
    /// The directory's.
    pub(crate) url: &'a str,
    /// Silence that ends a transfer.
    pub(crate) idle: Duration,
    pub(crate) request: &'a PullRequest,
}

/// What came of it, by places in the list.
#[derive(Default)]
pub(crate) struct Fetched {
    pub(crate) blobs: Vec<(u32, VerifiedBlob)>,
    pub(crate) failed: Vec<u32>,
}

/// The source gives nothing at all now.
struct Unreachable;

impl Source<'_> {
    /// Fetches the whole list, or as much of it as there is.
    pub(crate) async fn fetch(&self, list: &[StoredBlob]) -> Fetched {
        let places: Vec<u32> = (0..).take(list.len()).collect();
        let mut fetched = Fetched::default();
        let mut reachable = self.read(list, &places, &mut fetched).await;
        let missing = &places[fetched.blobs.len()..];
        for place in missing {
            let before = fetched.blobs.len();
            // Of one blob alone it is known already that it does not come.
            if reachable.is_ok() && list.len() > 1 {
                reachable = self.read(list, &[*place], &mut fetched).await;
            }
            if fetched.blobs.len() == before {
                fetched.failed.push(*place);
            }
        }
        fetched
    }

    /// Reads these blobs in order, up to the first that does not arrive or is another.
    async fn read(
        &self,
        list: &[StoredBlob],
        places: &[u32],
        fetched: &mut Fetched,
    ) -> Result<(), Unreachable> {
        let PullRequest { from, from_grant, blobs, .. } = self.request;
        let body = ReadRequest { grant: from_grant.clone(), blobs: blobs.clone(), wanted: places.to_vec() };
        let refused =
            |why: &dyn std::fmt::Display| tracing::warn!(node = %from, %why, "blobs are not fetched");
        let Some(request) = self.peers.post(self.url, READ_BLOBS) else {
            refused(&"the node's address is private, and this node's is not");
            return Err(Unreachable);
        };
        let response = match timeout(self.idle, request.json(&body).send()).await {
            Ok(Ok(response)) if response.status().is_success() => response,
            Ok(Ok(response)) => {
                refused(&response.status());
                // One of them is not there; of the others nothing is said.
                let absent = response.status() == StatusCode::NOT_FOUND;
                return if absent { Ok(()) } else { Err(Unreachable) };
            }
            Ok(Err(error)) => {
                let gone = error.is_connect();
                refused(&error.without_url());
                // A connection that was closed may be an answer that ended before its first bytes were sent.
                return if gone { Err(Unreachable) } else { Ok(()) };
            }
            Err(_) => {
                refused(&"it does not answer");
                return Err(Unreachable);
            }
        };
        let mut pieces = pin!(response.bytes_stream());
        let mut pending = Bytes::new();
        for place in places {
            match self.next_blob(list[*place as usize], &mut pieces, &mut pending).await? {
                Some(blob) => fetched.blobs.push((*place, blob)),
                None => break,
            }
        }
        Ok(())
    }

    /// None: the answer ended, or the bytes are another blob's. A source that falls silent is not asked again.
    async fn next_blob(
        &self,
        blob: StoredBlob,
        pieces: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin),
        pending: &mut Bytes,
    ) -> Result<Option<VerifiedBlob>, Unreachable> {
        let mut incoming = IncomingBlob::new(blob);
        while incoming.missing() > 0 {
            if !pending.has_remaining() {
                match timeout(self.idle, pieces.next()).await.map_err(|_| Unreachable)? {
                    Some(Ok(piece)) => *pending = piece,
                    Some(Err(_)) | None => return Ok(None),
                }
            }
            incoming.push(&pending.split_to(pending.len().min(incoming.missing())));
        }
        Ok(incoming.finish().ok())
    }
}
