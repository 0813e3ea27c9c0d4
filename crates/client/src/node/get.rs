//! One blob by itself: an answer that tells damage from silence, which a batch cannot.

use bytes::Bytes;
use protocol::blob_list::StoredBlob;
use protocol::data_plane::GENERATION_HEADER;
use protocol::routes::storage_node as routes;
use protocol::uploads::NodeGrant;
use reqwest::StatusCode;

use super::{NodeError, READ_IDLE, Reason};
use crate::api::{Client, with_timeout};

impl Client {
    /// Asks a node for the only blob of a grant. `None`: the node answers, and does not have it undamaged. The bytes
    /// are not verified yet.
    pub(crate) async fn read_blob(
        &self,
        replica: &NodeGrant,
        blob: &StoredBlob,
    ) -> Result<Option<Bytes>, NodeError> {
        let url = format!("{}{}", replica.url, routes::GET_BLOB.fill(&[&blob.id]));
        let request = self.traced(self.http.get(url)).bearer_auth(&replica.grant);
        let request = request.header(GENERATION_HEADER, blob.generation.to_string());
        let answer = async {
            let silence = || Reason::silence(READ_IDLE);
            let sent = with_timeout(&*self.platform, READ_IDLE, request.send());
            let response = sent.await.ok_or_else(silence)??;
            let status = response.status();
            let body = with_timeout(&*self.platform, READ_IDLE, response.bytes());
            let body = body.await.ok_or_else(silence)??;
            match status {
                StatusCode::OK => Ok(Some(body)),
                StatusCode::NOT_FOUND => Ok(None),
                _ => Err(Reason::refusal(status, &body)),
            }
        };
        answer.await.map_err(|reason: Reason| reason.of(replica))
    }
}
