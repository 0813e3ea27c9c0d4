//! Every route of the node with every kind of bad credential. A route that is missing here fails the test.

use protocol::blob_list::pack_stored;
use protocol::bytes::Base64Array;
use protocol::data_plane::{PutHeader, ReadRequest};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::NodeId;
use protocol::maintenance::{AuditRequest, DeleteRequest, PullRequest};
use protocol::routes::{Caller, Route, storage_node as routes};
use protocol::signature::SigningKey;
use server::grants::GrantIssuer;

use crate::support::{Blob, Coordinator, Node, Setup, batch_body, refusal};

/// What each route does. None: anyone may.
fn operation(route: Route) -> Option<Operation> {
    match route {
        routes::PUT_BLOB | routes::PUT_BLOBS => Some(Operation::Put),
        routes::GET_BLOB | routes::HEAD_BLOB | routes::READ_BLOBS => Some(Operation::Get),
        routes::PULL => Some(Operation::Pull),
        routes::DELETE => Some(Operation::Delete),
        routes::AUDIT => Some(Operation::Audit),
        routes::INVENTORY | routes::INVENTORY_PART => Some(Operation::Inventory),
        routes::OPENAPI | routes::LIVEZ | routes::READYZ | routes::METRICS => None,
        other => panic!("{other:?} is not in this table"),
    }
}

const OPERATIONS: [Operation; 6] = [
    Operation::Put,
    Operation::Get,
    Operation::Pull,
    Operation::Delete,
    Operation::Audit,
    Operation::Inventory,
];

/// A request as it should be, but for the grant.
async fn call(node: &Node, route: Route, blob: &Blob, other: NodeId, grant: &str) -> reqwest::Response {
    let (grant, blobs) = (grant.to_owned(), pack_stored(&[blob.stored]));
    let path = match route.path.rsplit_once('{') {
        Some((_, "blob}")) => route.fill(&[&blob.stored.id]),
        Some((_, "prefix}")) => route.fill(&[&"00"]),
        _ => route.path.to_owned(),
    };
    let request = node.http.request(route.method.parse().unwrap(), node.at_path(&path));
    let request = match route {
        routes::PUT_BLOBS => {
            let header = PutHeader { grant, fan_out: Vec::new(), blobs };
            request.body(batch_body(&header, std::slice::from_ref(blob)))
        }
        routes::READ_BLOBS => request.json(&ReadRequest { grant, blobs, wanted: vec![0] }),
        routes::PULL => request.json(&PullRequest { from_grant: grant.clone(), grant, from: other, blobs }),
        routes::DELETE => request.json(&DeleteRequest { grant, blobs }),
        routes::AUDIT => request.json(&AuditRequest { grant, blobs, nonce: Base64Array([0; 32]) }),
        routes::PUT_BLOB => request.bearer_auth(grant).body(blob.bytes.clone()),
        _ => request.bearer_auth(grant),
    };
    request.send().await.unwrap()
}

#[tokio::test]
async fn every_route_refuses_every_bad_credential() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let blob = Blob::random(1, 5000);
    assert_eq!(node.put(&blob).await.status(), 200);
    let other = NodeId::from_bytes([0x77; 16]).unwrap();
    for route in routes::ALL {
        let Some(op) = operation(*route) else {
            assert!(matches!(route.caller, Caller::Anyone | Caller::Monitoring));
            continue;
        };
        assert_eq!(route.caller, Caller::Grant);
        let list = if op == Operation::Inventory { vec![] } else { vec![blob.stored] };
        let good = coordinator.claims(node.id, op, &list);
        let mut bad = vec![
            String::new(),
            "v4.public.x".into(),
            GrantIssuer::new(&SigningKey::from_bytes(&[8; 32])).issue(&good),
            coordinator.issue(&coordinator.claims(other, op, &list)),
            coordinator.issue(&coordinator.claims(node.id, op, &[Blob::random(2, 5000).stored])),
        ];
        let mut expired = good.clone();
        (expired.iat, expired.exp) = (expired.iat - 1000, expired.iat - 400);
        bad.push(coordinator.issue(&expired));
        for wrong in OPERATIONS.into_iter().filter(|wrong| *wrong != op) {
            bad.push(coordinator.grant(node.id, wrong, &list));
        }
        for (case, grant) in bad.iter().enumerate() {
            let response = call(&node, *route, &blob, other, grant).await;
            if route.method == "HEAD" {
                // The answer has no body; a list that was guessed wrong looks like a blob that is not here.
                assert_eq!(response.status(), if case == 4 { 404 } else { 403 }, "{route:?}, case {case}");
                continue;
            }
            let guessed = *route == routes::GET_BLOB && case == 4;
            let expected = if guessed { (404, ErrorCode::NotFound) } else { (403, ErrorCode::InvalidGrant) };
            assert_eq!(refusal(response).await, expected, "{route:?}, case {case}");
        }
        assert!(node.has(&blob).await, "{route:?}");
    }
    node.stop().await;
}
