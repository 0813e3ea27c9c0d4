//! Calls to storage nodes, by which the coordinator keeps every blob's copies: pull, delete, audit, inventory, read.
//!
//! Each call issues a grant of its own under a random pseudonym, so that a node cannot tell whose blobs they are. A
//! node's word counts only as a receipt that fits the grant. URLs are those of the nodes table.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::Stream;
use protocol::blob_list::{StoredBlob, pack_stored, unpack_inventory};
use protocol::bytes::Base64Array;
use protocol::data_plane::ReadRequest;
use protocol::digest::sha256;
use protocol::error::ErrorBody;
use protocol::grant::{Grant, Operation};
use protocol::id::{GrantId, NodeId, Pseudonym};
use protocol::limits::GRANT_SECONDS;
use protocol::maintenance::{
    AuditRequest, AuditResponse, DeleteRequest, DeleteResponse, INVENTORY_PARTS, PullRequest, PullResponse,
};
use protocol::routes::{Route, storage_node as routes};
use protocol::signature::SigningKey;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::clock::Clock;
use server::grants::GrantIssuer;
use server::request_id;
use tls::Roots;

use crate::db::nodes::NodeRow;
use crate::random;
use crate::receipts::{Refusal, check_answer};

/// Bytes of an answer in JSON: receipts and digests of 256 blobs take a tenth of it.
const JSON_ANSWER_BYTES_MAX: usize = 256 << 10;
/// Bytes of one part of an inventory: of a node with 400 million blobs.
const INVENTORY_PART_BYTES_MAX: usize = 64 << 20;
/// Bytes of an inventory's digests.
const INVENTORY_BYTES: usize = INVENTORY_PARTS * 32;
/// A node that moves bytes more slowly than this has failed.
const BYTES_PER_SECOND_MIN: u64 = 256 << 10;
const CONNECT: Duration = Duration::from_secs(5);

/// A node did not do what it was asked, or it is not known whether it did.
#[derive(Debug, thiserror::Error)]
#[error("storage node {node}")]
pub struct NodeError {
    /// Which.
    pub node: NodeId,
    /// Why.
    #[source]
    pub fault: Fault,
}

/// What a node did wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It did not answer, or not in time.
    #[error("no answer")]
    Silent(#[source] reqwest::Error),
    /// It refused.
    #[error("refused with {status}: {message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its reason.
        message: String,
    },
    /// It answered more than any answer takes.
    #[error("an answer that is too long")]
    TooLong,
    /// It answered something else than what was asked for.
    #[error("an answer of another form than asked for")]
    Malformed,
    /// Its receipt proves nothing.
    #[error("a receipt that does not count")]
    Receipt(#[source] Refusal),
    /// It gave other bytes than those of the blob.
    #[error("other bytes than the blob's")]
    WrongBytes,
}

/// What a node fetched from another.
#[derive(Debug, Default)]
pub struct Pulled {
    /// It holds these durably, as its receipt says.
    pub stored: Vec<StoredBlob>,
    /// The other node did not give these, or gave other bytes.
    pub failed: Vec<StoredBlob>,
}

/// Calls nodes.
pub struct NodeClient {
    http: reqwest::Client,
    grants: GrantIssuer,
    clock: Clock,
    answer: Duration,
}

impl NodeClient {
    /// `answer` is how long a node may take to answer, beside the time for the bytes themselves; `roots` say which nodes
    /// are taken for who they say they are.
    ///
    /// # Errors
    /// [`reqwest::Error`] if the system has no means to connect.
    pub fn new(
        key: &SigningKey,
        clock: Clock,
        answer: Duration,
        roots: &Roots,
    ) -> Result<Self, reqwest::Error> {
        let http = tls::http(roots).connect_timeout(CONNECT).redirect(Policy::none()).no_proxy().build()?;
        Ok(Self { http, grants: GrantIssuer::new(key), clock, answer })
    }

    /// Has `to` fetch blobs from `from`.
    ///
    /// # Errors
    /// [`NodeError`] of `to`.
    pub async fn pull(
        &self,
        to: &NodeRow,
        from: &NodeRow,
        blobs: &[StoredBlob],
    ) -> Result<Pulled, NodeError> {
        let (grant, token) = self.issue(to, Operation::Pull, blobs, GRANT_SECONDS);
        let (_, from_token) = self.issue(from, Operation::Get, blobs, GRANT_SECONDS);
        let request =
            PullRequest { grant: token, from: from.id, from_grant: from_token, blobs: pack_stored(blobs) };
        let answer = async {
            let answer: PullResponse = self.post(to, routes::PULL, &request, total(blobs)).await?;
            let failed = answer.failed.iter().map(|place| blobs.get(*place as usize).copied());
            let failed = failed.collect::<Option<Vec<_>>>().ok_or(Fault::Malformed)?;
            let stored = match &answer.receipt {
                Some(receipt) => check_answer(receipt, to, &grant, blobs).map_err(Fault::Receipt)?,
                None => Vec::new(),
            };
            Ok(Pulled { stored, failed })
        };
        answer.await.map_err(|fault| NodeError { node: to.id, fault })
    }

    /// Has a node delete what it stores of these blobs at their generations or lower ones. The grant ends with the
    /// time for the answer, so that an order which is late does nothing.
    ///
    /// # Errors
    /// [`NodeError`]: it is not known whether the blobs are gone.
    pub async fn delete(&self, node: &NodeRow, blobs: &[StoredBlob]) -> Result<(), NodeError> {
        let (grant, token) = self.issue(node, Operation::Delete, blobs, self.answer.as_secs().max(1));
        let request = DeleteRequest { grant: token, blobs: pack_stored(blobs) };
        let answer = async {
            let answer: DeleteResponse = self.post(node, routes::DELETE, &request, 0).await?;
            let deleted = check_answer(&answer.receipt, node, &grant, blobs).map_err(Fault::Receipt)?;
            if deleted.len() == blobs.len() { Ok(()) } else { Err(Fault::Malformed) }
        };
        answer.await.map_err(|fault| NodeError { node: node.id, fault })
    }

    /// A node's proofs that it has blobs, in their order; none where it says itself that it has not.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn audit(
        &self,
        node: &NodeRow,
        blobs: &[StoredBlob],
        nonce: [u8; 32],
    ) -> Result<Vec<Option<[u8; 32]>>, NodeError> {
        let (_, token) = self.issue(node, Operation::Audit, blobs, GRANT_SECONDS);
        let request = AuditRequest { grant: token, blobs: pack_stored(blobs), nonce: Base64Array(nonce) };
        let answer = async {
            let answer: AuditResponse = self.post(node, routes::AUDIT, &request, total(blobs)).await?;
            if answer.digests.len() != blobs.len() {
                return Err(Fault::Malformed);
            }
            Ok(answer.digests.into_iter().map(|digest| digest.map(|digest| digest.0)).collect())
        };
        answer.await.map_err(|fault| NodeError { node: node.id, fault })
    }

    /// The bytes of one blob, verified.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn read(&self, node: &NodeRow, blob: StoredBlob) -> Result<Vec<u8>, NodeError> {
        let (_, token) = self.issue(node, Operation::Get, &[blob], GRANT_SECONDS);
        let request = ReadRequest { grant: token, blobs: pack_stored(&[blob]), wanted: vec![0] };
        let answer = async {
            let request = self.http.post(url(node, routes::READ_BLOBS.path)).json(&request);
            let bytes = self.send(request, u64::from(blob.size), blob.size as usize).await?;
            let is_right = bytes.len() == blob.size as usize && sha256(&[&bytes]) == *blob.id.as_bytes();
            if is_right { Ok(bytes) } else { Err(Fault::WrongBytes) }
        };
        answer.await.map_err(|fault| NodeError { node: node.id, fault })
    }

    /// The digests of the [`INVENTORY_PARTS`] parts of what a node has.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn inventory(&self, node: &NodeRow) -> Result<Vec<[u8; 32]>, NodeError> {
        let answer = async {
            let bytes = self.get(node, routes::INVENTORY.path.to_owned(), INVENTORY_BYTES).await?;
            let (digests, rest) = bytes.as_chunks::<32>();
            let is_whole = rest.is_empty() && digests.len() == INVENTORY_PARTS;
            if is_whole { Ok(digests.to_vec()) } else { Err(Fault::Malformed) }
        };
        answer.await.map_err(|fault| NodeError { node: node.id, fault })
    }

    /// What a node has in one part, in ascending order of ids.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn inventory_part(&self, node: &NodeRow, part: u8) -> Result<Vec<StoredBlob>, NodeError> {
        let answer = async {
            let path = routes::INVENTORY_PART.fill(&[&format!("{part:02x}")]);
            let bytes = self.get(node, path, INVENTORY_PART_BYTES_MAX).await?;
            unpack_inventory(part, &bytes).map_err(|_| Fault::Malformed)
        };
        answer.await.map_err(|fault| NodeError { node: node.id, fault })
    }

    /// Passes a request on as it arrives, and returns the answer before its body is read. The grant is the caller's.
    ///
    /// # Errors
    /// [`NodeError`] if the node does not answer.
    pub async fn pass_on<E>(
        &self,
        node: &NodeRow,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<Response, NodeError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let request = self.http.request(method, url(node, path)).headers(headers);
        let request = request.headers(request_id::outgoing()).body(Body::wrap_stream(body));
        let answer = request.send().await;
        answer.map_err(|error| NodeError { node: node.id, fault: Fault::Silent(error) })
    }

    fn issue(
        &self,
        node: &NodeRow,
        op: Operation,
        blobs: &[StoredBlob],
        valid_seconds: u64,
    ) -> (Grant, String) {
        let now_s = self.clock.now_s();
        let grant = Grant {
            aud: node.id,
            sub: random::id(Pseudonym::from_bytes),
            op,
            count: u32::try_from(blobs.len()).expect("a group is small"),
            bytes: total(blobs),
            digest: Base64Array(protocol::blob_list::digest(blobs)),
            iat: now_s,
            exp: now_s + valid_seconds,
            jti: random::id(GrantId::from_bytes),
        };
        let token = self.grants.issue(&grant);
        (grant, token)
    }

    async fn post<A: DeserializeOwned>(
        &self,
        node: &NodeRow,
        route: Route,
        body: &impl Serialize,
        moved: u64,
    ) -> Result<A, Fault> {
        let request = self.http.post(url(node, route.path)).json(body);
        let bytes = self.send(request, moved, JSON_ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|_| Fault::Malformed)
    }

    async fn get(&self, node: &NodeRow, path: String, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        let (_, token) = self.issue(node, Operation::Inventory, &[], GRANT_SECONDS);
        let request = self.http.get(url(node, &path)).header(AUTHORIZATION, format!("Bearer {token}"));
        self.send(request, bytes_max as u64, bytes_max).await
    }

    /// The body of a success; `moved` bytes are read or written for it.
    async fn send(&self, request: RequestBuilder, moved: u64, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        let request = request.headers(request_id::outgoing());
        let time = self.answer + Duration::from_secs(moved / BYTES_PER_SECOND_MIN);
        let mut response = request.timeout(time).send().await.map_err(Fault::Silent)?;
        let status = response.status();
        let limit = if status == StatusCode::OK { bytes_max } else { JSON_ANSWER_BYTES_MAX };
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(Fault::Silent)? {
            if body.len() + piece.len() > limit {
                return Err(Fault::TooLong);
            }
            body.extend_from_slice(&piece);
        }
        if status == StatusCode::OK {
            return Ok(body);
        }
        let message = serde_json::from_slice::<ErrorBody>(&body).map(|body| body.message);
        Err(Fault::Refused { status, message: message.unwrap_or_default() })
    }
}

fn url(node: &NodeRow, path: &str) -> String {
    format!("{}{path}", node.url)
}

fn total(blobs: &[StoredBlob]) -> u64 {
    blobs.iter().map(|blob| u64::from(blob.size)).sum()
}
