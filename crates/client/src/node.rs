//! Calls to storage nodes: batches of puts with fan-out, batches of reads. Grants are opaque here.

use std::time::Duration;

use bytes::Bytes;
use protocol::blob_list::{StoredBlob, pack_stored};
use protocol::data_plane::{FanOutGrant, PutEvent, PutHeader, ReadRequest};
use protocol::error::ErrorBody;
use protocol::routes::storage_node as routes;
use protocol::uploads::NodeGrant;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};

use crate::api::{Client, with_timeout};

/// A node that takes longer over one batch counts as failed.
const PUT_TIMEOUT: Duration = Duration::from_mins(2);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
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
        let url = format!("{}{}", target.url, routes::PUT_BLOBS.path);
        let request = self.http.post(url).header(CONTENT_TYPE, "application/octet-stream").body(body);
        let answer = async {
            let bytes = checked(request.send().await?).await?.bytes().await?;
            if bytes.len() > PUT_ANSWER_BYTES_MAX {
                return Err(Reason("an answer that is too long".to_owned()));
            }
            let events = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            Ok(events.filter_map(|line| serde_json::from_slice(line).ok()).collect())
        };
        self.within(PUT_TIMEOUT, target, answer).await
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
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        let answer = async {
            let mut rest = checked(request.send().await?).await?.bytes().await?;
            let size = |index: &usize| blobs[*index].size as usize;
            if rest.len() != wanted.iter().map(size).sum::<usize>() {
                return Err(Reason("another number of bytes than was asked for".to_owned()));
            }
            Ok(wanted.iter().map(|index| rest.split_to(size(index))).collect())
        };
        self.within(READ_TIMEOUT, replica, answer).await
    }

    async fn within<T>(
        &self,
        time: Duration,
        node: &NodeGrant,
        answer: impl Future<Output = Result<T, Reason>>,
    ) -> Result<T, NodeError> {
        let error = |reason| NodeError { url: node.url.clone(), reason };
        match with_timeout(&*self.platform, time, answer).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(Reason(reason))) => Err(error(reason)),
            None => Err(error(format!("no answer within {} seconds", time.as_secs()))),
        }
    }
}

struct Reason(String);

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
    let message = match serde_json::from_slice::<ErrorBody>(&response.bytes().await?) {
        Ok(body) => body.message,
        Err(_) => status.to_string(),
    };
    Err(Reason(message))
}
