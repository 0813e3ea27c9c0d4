//! Calls to storage nodes: batches of puts with fan-out, batches of reads. Grants are opaque here.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::StreamExt as _;
use protocol::blob_list::{StoredBlob, pack_stored};
use protocol::data_plane::{FanOutGrant, PutEvent, PutHeader, ReadRequest};
use protocol::error::ErrorBody;
use protocol::routes::storage_node as routes;
use protocol::uploads::NodeGrant;
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode};

use crate::api::{Client, with_timeout};
use crate::upload::Pace;

mod get;
mod post;

/// A node that has not answered by then counts as failed: time to connect and to sync, and for the bytes at a rate
/// that four batches at once reach on a line of 1 Mbit/s.
const PUT_TIME_MIN: Duration = Duration::from_mins(1);
const PUT_BYTES_PER_SECOND_MIN: usize = 32 << 10;
/// A node that sends nothing for so long counts as failed.
const READ_IDLE: Duration = Duration::from_secs(20);
/// Answers of puts: a receipt of 256 blobs for each of 8 nodes, in base64.
const PUT_ANSWER_BYTES_MAX: usize = 256 << 10;

/// A node did not do what was asked. The text is for a person.
#[derive(Debug, thiserror::Error)]
#[error("storage node {url}: {reason}")]
pub(crate) struct NodeError {
    url: String,
    reason: String,
}

impl Client {
    /// Sends blobs to one node, which passes them on to `fan_out`. One event for each node that it heard of.
    pub(crate) async fn put_blobs(
        &self,
        target: &NodeGrant,
        fan_out: &[NodeGrant],
        blobs: &[StoredBlob],
        contents: &[Bytes],
        pace: Option<&Pace>,
    ) -> Result<Vec<PutEvent>, NodeError> {
        let grant = |node: &NodeGrant| FanOutGrant { node: node.node, grant: node.grant.clone() };
        let header = PutHeader {
            grant: target.grant.clone(),
            fan_out: fan_out.iter().map(grant).collect(),
            blobs: pack_stored(blobs),
        };
        let header = header.to_bytes();
        let mut body = Vec::with_capacity(header.len() + contents.iter().map(Bytes::len).sum::<usize>());
        body.extend(header);
        for content in contents {
            body.extend_from_slice(content);
        }
        let time = PUT_TIME_MIN + Duration::from_secs((body.len() / PUT_BYTES_PER_SECOND_MIN) as u64);
        let url = format!("{}{}", target.url, routes::PUT_BLOBS.path);
        let answer = async {
            let (status, bytes) = post::post(self, &url, body, pace).await?;
            if status != StatusCode::OK {
                return Err(Reason::refusal(status, &bytes));
            }
            if bytes.len() > PUT_ANSWER_BYTES_MAX {
                return Err(Reason("an answer that is too long".to_owned()));
            }
            let events = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            Ok(events.filter_map(|line| serde_json::from_slice(line).ok()).collect())
        };
        let answer = with_timeout(&*self.platform, time, answer).await;
        answer.unwrap_or_else(|| Err(Reason::silence(time))).map_err(|reason| reason.of(target))
    }

    /// Reads some of the blobs of a grant. The bytes are not verified yet; there are as many as the sizes say.
    pub(crate) async fn read_blobs(
        &self,
        replica: &NodeGrant,
        blobs: &[StoredBlob],
        wanted: &[usize],
    ) -> Result<Vec<Bytes>, NodeError> {
        let request = ReadRequest {
            grant: replica.grant.clone(),
            blobs: pack_stored(blobs),
            wanted: wanted.iter().map(|index| *index as u32).collect(),
        };
        let url = format!("{}{}", replica.url, routes::READ_BLOBS.path);
        let body = serde_json::to_vec(&request).expect("messages of the protocol serialize");
        let request = self.traced(self.http.post(url)).header(CONTENT_TYPE, "application/json").body(body);
        let size = |index: &usize| blobs[*index].size as usize;
        let total = wanted.iter().map(size).sum();
        let answer = async {
            let mut rest = self.read_body(request, total).await?;
            Ok(wanted.iter().map(|index| rest.split_to(size(index))).collect())
        };
        answer.await.map_err(|reason: Reason| reason.of(replica))
    }

    /// An answer of exactly `total` bytes, as long as they keep coming.
    async fn read_body(&self, request: RequestBuilder, total: usize) -> Result<Bytes, Reason> {
        let silence = || Reason::silence(READ_IDLE);
        let platform = &*self.platform;
        let response = with_timeout(platform, READ_IDLE, request.send()).await.ok_or_else(silence)??;
        let mut stream = checked(response).await?.bytes_stream();
        let mut body = BytesMut::with_capacity(total);
        while let Some(piece) = with_timeout(platform, READ_IDLE, stream.next()).await.ok_or_else(silence)? {
            let piece = piece?;
            if body.len() + piece.len() > total {
                break;
            }
            body.extend_from_slice(&piece);
        }
        if body.len() == total {
            Ok(body.freeze())
        } else {
            Err(Reason("another number of bytes than was asked for".to_owned()))
        }
    }
}

struct Reason(String);

impl Reason {
    fn silence(time: Duration) -> Self {
        Self(format!("no answer within {} seconds", time.as_secs()))
    }

    fn refusal(status: StatusCode, body: &[u8]) -> Self {
        match serde_json::from_slice::<ErrorBody>(body) {
            Ok(body) => Self(body.message),
            Err(_) => Self(status.to_string()),
        }
    }

    fn of(self, node: &NodeGrant) -> NodeError {
        NodeError { url: node.url.clone(), reason: self.0 }
    }
}

impl From<reqwest::Error> for Reason {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

async fn checked(response: Response) -> Result<Response, Reason> {
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    let status = response.status();
    Err(Reason::refusal(status, &response.bytes().await?))
}
