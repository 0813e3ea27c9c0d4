//! What a coordinator asks of a node.

use protocol::blob_list::pack_stored;
use protocol::bytes::{Base64, Base64Array};
use protocol::grant::Operation;
use protocol::id::NodeId;
use protocol::maintenance::{AuditRequest, AuditResponse, DeleteRequest, DeleteResponse, PullRequest};
use protocol::routes::{Route, storage_node as routes};

use super::{Blob, Node, list};

impl Node {
    /// A request with a JSON body.
    pub async fn post(&self, route: Route, body: &impl serde::Serialize) -> reqwest::Response {
        self.http.post(self.at_path(route.path)).json(body).send().await.expect("an answer")
    }

    /// What a pull of these blobs from another node is answered.
    pub async fn pull(&self, from: NodeId, blobs: &[Blob]) -> reqwest::Response {
        let list = list(blobs);
        let grant = self.coordinator.grant(self.id, Operation::Pull, &list);
        let from_grant = self.coordinator.grant(from, Operation::Get, &list);
        self.post(routes::PULL, &PullRequest { grant, from, from_grant, blobs: pack_stored(&list) }).await
    }

    /// Proofs for these blobs.
    pub async fn audit(&self, blobs: &[Blob], nonce: [u8; 32]) -> Vec<Option<[u8; 32]>> {
        let list = list(blobs);
        let grant = self.coordinator.grant(self.id, Operation::Audit, &list);
        let request = AuditRequest { grant, blobs: pack_stored(&list), nonce: Base64Array(nonce) };
        let response = self.post(routes::AUDIT, &request).await.error_for_status().expect("a success");
        let digests = response.json::<AuditResponse>().await.expect("an answer").digests;
        digests.into_iter().map(|digest| digest.map(|digest| digest.0)).collect()
    }

    /// The content of an inventory route.
    pub async fn inventory(&self, path: &str) -> Vec<u8> {
        let grant = self.coordinator.grant(self.id, Operation::Inventory, &[]);
        let response = self.http.get(self.at_path(path)).bearer_auth(grant).send().await.expect("an answer");
        response.error_for_status().expect("a success").bytes().await.expect("a body").to_vec()
    }

    /// The receipt for a deletion of these blobs.
    pub async fn delete(&self, blobs: &[Blob]) -> Base64 {
        let list = list(blobs);
        let grant = self.coordinator.grant(self.id, Operation::Delete, &list);
        let request = DeleteRequest { grant, blobs: pack_stored(&list) };
        let response = self.post(routes::DELETE, &request).await.error_for_status().expect("a success");
        response.json::<DeleteResponse>().await.expect("an answer").receipt
    }
}
