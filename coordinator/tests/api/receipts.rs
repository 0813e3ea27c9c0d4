//! Which receipts count.

use coordinator::random;
use protocol::blob_list::{StoredBlob, unpack_stored};
use protocol::bytes::Base64;
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::{GrantId, Pseudonym, StoreId, UploadId};
use protocol::limits::RECEIPTS_MAX;
use protocol::receipt::Receipt;
use protocol::routes::coordinator as routes;
use protocol::uploads::{NodeGrant, ReceiptsRequest};

use crate::support::{Node, Registered, Server, blob_id};

/// One planned blob, and the target that is asked for receipts.
struct Planned {
    server: Server,
    operator: Registered,
    nodes: Vec<Node>,
    upload: UploadId,
    blobs: Vec<StoredBlob>,
    target: NodeGrant,
}

impl Planned {
    async fn new() -> Self {
        let (server, operator, nodes) = Server::with_zones(2).await;
        let upload = operator.open(&server).await;
        let plan = operator.plan(&server, upload, &[blob_id(1)]).await;
        let group = &plan.groups[0];
        let (blobs, target) = (unpack_stored(&group.blobs).unwrap(), group.targets[0].clone());
        Self { server, operator, nodes, upload, blobs, target }
    }

    fn node(&self) -> &Node {
        self.nodes.iter().find(|node| node.id == self.target.node).unwrap()
    }

    fn other_node(&self) -> &Node {
        self.nodes.iter().find(|node| node.id != self.target.node).unwrap()
    }

    fn receipt(&self) -> Receipt {
        self.node().receipt(&self.server, &self.target.grant, &self.blobs)
    }

    /// Why a changed receipt is refused; empty if it counted.
    async fn refusal(&self, change: impl FnOnce(&mut Receipt)) -> String {
        let mut receipt = self.receipt();
        change(&mut receipt);
        self.refusal_of(receipt.issue(&self.node().key)).await
    }

    async fn refusal_of(&self, receipt: Base64) -> String {
        let answer = self.operator.hand_in(&self.server, self.upload, vec![receipt]).await;
        assert_eq!(answer.accepted as usize + answer.refused.len(), 1);
        answer.refused.into_iter().map(|refused| refused.reason).collect()
    }
}

#[tokio::test]
async fn each_fault_has_its_own_refusal() {
    let planned = Planned::new().await;
    let grant = planned.node().read_grant(&planned.server, &planned.target.grant);
    let foreign = StoredBlob { id: blob_id(2), ..planned.blobs[0] };
    let larger = StoredBlob { size: planned.blobs[0].size + 1, ..planned.blobs[0] };
    let newer = StoredBlob { generation: 2, ..planned.blobs[0] };
    let mut changed = planned.receipt().issue(&planned.node().key);
    changed.0[90] ^= 1;
    let refusals = [
        planned.refusal_of(Base64(vec![1; 200])).await,
        planned.refusal_of(changed).await,
        planned.refusal_of(planned.receipt().issue(&planned.other_node().key)).await,
        planned.refusal(|r| r.node = Node::new("unknown").id).await,
        planned.refusal(|r| r.grant = random::id(GrantId::from_bytes)).await,
        planned.refusal(|r| r.op = Operation::Get).await,
        planned.refusal(|r| r.sub = random::id(Pseudonym::from_bytes)).await,
        planned.refusal(|r| r.store = random::id(StoreId::from_bytes)).await,
        planned.refusal(|r| r.time_ms = (grant.iat - 60) * 1000 - 1).await,
        planned.refusal(|r| r.time_ms = (grant.exp + 7200) * 1000 + 1).await,
        planned.refusal(|r| r.blobs = vec![foreign]).await,
        planned.refusal(|r| r.blobs = vec![larger]).await,
        planned.refusal(|r| r.blobs = vec![newer]).await,
    ];
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "not a well-formed receipt",
        "the signature does not verify",
        "the signature does not verify",
        "no node has this id",
        "its grant was not issued to this upload",
        "not a receipt of a write",
        "it names another vault",
        "the node's store has changed",
        "its time does not fit its grant",
        "its time does not fit its grant",
        "a blob is not the grant's",
        "a blob is not the grant's",
        "a blob is not the grant's",
    ]
    "#);
    assert_eq!(planned.server.sql_value("SELECT count(*)::text FROM replicas").await, "0");
}

#[tokio::test]
async fn times_count_up_to_their_limits() {
    let planned = Planned::new().await;
    let grant = planned.node().read_grant(&planned.server, &planned.target.grant);
    assert_eq!(planned.refusal(|r| r.time_ms = (grant.iat - 60) * 1000).await, "");
    assert_eq!(planned.refusal(|r| r.time_ms = (grant.exp + 7200) * 1000).await, "");
}

#[tokio::test]
async fn a_receipt_under_another_nodes_grant_does_not_count() {
    let planned = Planned::new().await;
    let other = planned.other_node();
    let receipt = Receipt { node: other.id, store: other.store, ..planned.receipt() };
    let refusal = planned.refusal_of(receipt.issue(&other.key)).await;
    assert_eq!(refusal, "its grant is for another node");
}

#[tokio::test]
async fn a_receipt_of_another_upload_does_not_count() {
    let planned = Planned::new().await;
    let receipt = planned.receipt().issue(&planned.node().key);
    let other = planned.operator.open(&planned.server).await;
    let answer = planned.operator.hand_in(&planned.server, other, vec![receipt]).await;
    assert_eq!(answer.refused[0].reason, "its grant was not issued to this upload");
}

#[tokio::test]
async fn an_old_generation_proves_nothing() {
    let planned = Planned::new().await;
    planned.server.sql("UPDATE blobs SET generation = 2").await;
    assert_eq!(planned.refusal(|_| {}).await, "a blob's generation is not the present one");
    let again = planned.operator.plan(&planned.server, planned.upload, &[blob_id(1)]).await;
    assert_eq!(unpack_stored(&again.groups[0].blobs).unwrap()[0].generation, 2);
}

#[tokio::test]
async fn good_receipts_count_beside_bad_ones() {
    let planned = Planned::new().await;
    let good = planned.receipt().issue(&planned.node().key);
    let answer = planned
        .operator
        .hand_in(&planned.server, planned.upload, vec![Base64(vec![0; 9]), good.clone(), good])
        .await;
    assert_eq!(answer.accepted, 2);
    assert_eq!(answer.refused.iter().map(|refused| refused.index).collect::<Vec<_>>(), [0]);
    assert_eq!(planned.server.sql_value("SELECT count(*)::text FROM replicas").await, "1");
}

#[tokio::test]
async fn receipts_have_a_limit() {
    let planned = Planned::new().await;
    let good = planned.receipt().issue(&planned.node().key);
    let most = vec![good.clone(); RECEIPTS_MAX];
    let answer = planned.operator.hand_in(&planned.server, planned.upload, most).await;
    assert_eq!(answer.accepted as usize, RECEIPTS_MAX);
    let request = ReceiptsRequest { receipts: vec![good; RECEIPTS_MAX + 1] };
    let answer = planned.operator.send(&planned.server, routes::RECEIPTS, &[&planned.upload], &request).await;
    answer.expect_code(ErrorCode::InvalidRequest);
}
