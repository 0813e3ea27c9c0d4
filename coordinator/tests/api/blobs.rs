//! Where blobs are.

use std::collections::BTreeSet;

use protocol::blob_list::{pack_ids, unpack_ids, unpack_stored};
use protocol::blobs::{LocateRequest, LocateResponse};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::BlobId;
use protocol::limits::PLAN_BLOBS_MAX;
use protocol::routes::coordinator as routes;

use crate::support::{Answer, Registered, Server, blob_id};

async fn try_locate(server: &Server, person: &Registered, ids: &[BlobId]) -> Answer {
    let request = LocateRequest { blobs: pack_ids(ids) };
    person.send(server, routes::LOCATE, &[&person.vault], &request).await
}

async fn locate(server: &Server, person: &Registered, ids: &[BlobId]) -> LocateResponse {
    try_locate(server, person, ids).await.json()
}

fn missing(response: &LocateResponse) -> Vec<BlobId> {
    if response.missing.0.is_empty() { Vec::new() } else { unpack_ids(&response.missing).unwrap() }
}

#[tokio::test]
async fn what_snapshots_need_is_found_with_grants_to_read_it() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    operator.back_up(&server, &nodes, &[(1, 1), (2, 1)]).await;
    // Gone from the newest snapshot, needed by the one before.
    operator.back_up(&server, &nodes, &[(2, -1)]).await;
    let located = locate(&server, &operator, &[blob_id(2), blob_id(1), blob_id(3)]).await;
    assert_eq!(missing(&located), [blob_id(3)]);
    let [group] = &located.groups[..] else { panic!("one set of replicas is one group") };
    let blobs = unpack_stored(&group.blobs).unwrap();
    assert_eq!(blobs.iter().map(|blob| blob.id).collect::<Vec<_>>(), [blob_id(2), blob_id(1)]);
    assert_eq!(group.replicas.len(), 3);
    for replica in &group.replicas {
        let node = nodes.iter().find(|node| node.id == replica.node).unwrap();
        let grant = node.read_grant(&server, &replica.grant);
        assert_eq!((grant.op, grant.digest.0), (Operation::Get, protocol::blob_list::digest(&blobs)));
    }
}

#[tokio::test]
async fn suspects_are_read_last_and_nodes_that_are_down_not_at_all() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    server.sql("UPDATE nodes SET state = 'suspect' WHERE zone = 'zone-0'").await;
    server.sql("UPDATE nodes SET state = 'read_only' WHERE zone = 'zone-1'").await;
    for _ in 0..8 {
        let located = locate(&server, &operator, &[blob_id(1)]).await;
        assert_eq!(located.groups[0].replicas.len(), 3);
        assert_eq!(located.groups[0].replicas[2].node, nodes[0].id);
    }
    server.sql("UPDATE nodes SET state = 'down' WHERE zone = 'zone-0'").await;
    let located = locate(&server, &operator, &[blob_id(1)]).await;
    let readers: BTreeSet<_> = located.groups[0].replicas.iter().map(|replica| replica.node).collect();
    assert_eq!(readers, BTreeSet::from([nodes[1].id, nodes[2].id]));
    server.sql("UPDATE nodes SET state = 'down'").await;
    assert_eq!(missing(&locate(&server, &operator, &[blob_id(1)]).await), [blob_id(1)]);
}

#[tokio::test]
async fn blobs_are_located_by_the_vault_that_holds_them_alone() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let other = server.register_member("other").await;
    let upload = other.open(&server).await;
    other.plan(&server, upload, &[blob_id(1)]).await;
    // Having planned it gives no right.
    assert_eq!(missing(&locate(&server, &other, &[blob_id(1)]).await), [blob_id(1)]);
    other.store(&server, upload, &nodes, &[blob_id(1)]).await;
    assert_eq!(missing(&locate(&server, &other, &[blob_id(1)]).await), []);
    // Stored, never committed, and the session over: nothing of this account needs it.
    server.sql("UPDATE uploads SET expires_at = now()").await;
    assert_eq!(missing(&locate(&server, &other, &[blob_id(1)]).await), [blob_id(1)]);
    let foreign = LocateRequest { blobs: pack_ids(&[blob_id(1)]) };
    let answer = other.send(&server, routes::LOCATE, &[&operator.vault], &foreign).await;
    answer.expect_code(ErrorCode::NotFound);
}

#[tokio::test]
async fn a_thousand_blobs_are_located_at_once_and_not_one_more() {
    let (server, operator, _) = Server::with_zones(0).await;
    let ids: Vec<_> = (0..=1000).map(blob_id).collect();
    assert_eq!(missing(&locate(&server, &operator, &ids[..PLAN_BLOBS_MAX]).await).len(), PLAN_BLOBS_MAX);
    try_locate(&server, &operator, &ids).await.expect_code(ErrorCode::InvalidRequest);
    try_locate(&server, &operator, &[]).await.expect_code(ErrorCode::InvalidRequest);
}
