//! Upload sessions: open, plan, commit.

use std::collections::BTreeSet;

use coordinator::random;
use protocol::blob_list::{SizedBlob, pack_sized, unpack_ids, unpack_stored};
use protocol::bytes::Base64;
use protocol::envelope::commit::SnapshotFlags;
use protocol::error::ErrorCode;
use protocol::id::{IdempotencyKey, UploadId};
use protocol::limits::{GRANT_SECONDS, GROUP_BLOBS_MAX};
use protocol::routes::coordinator as routes;
use protocol::uploads::{
    CommitResponse, CommitUploadRequest, OpenUploadRequest, OpenUploadResponse, PlanRequest, PlanResponse,
};
use reqwest::StatusCode;

use crate::support::{Answer, Node, Options, Server, blob_id, references};

const PLAIN: SnapshotFlags = SnapshotFlags { baseline: false, partial: false };

#[tokio::test]
async fn the_same_key_opens_the_same_session() {
    let (server, operator, _) = Server::with_zones(3).await;
    let open = async |key| -> OpenUploadResponse {
        let body = OpenUploadRequest { key, removes: false };
        operator.send(&server, routes::OPEN_UPLOAD, &[&operator.vault], &body).await.json()
    };
    let [a, b] = [(); 2].map(|()| random::id(IdempotencyKey::from_bytes));
    let opened = open(a).await;
    assert_eq!((opened.replicas, opened.write_zones), (3, 2));
    assert_eq!(open(a).await, opened);
    assert_ne!(open(b).await.upload, opened.upload);
}

#[tokio::test]
async fn a_plan_sends_each_blob_to_three_zones_under_grants_that_fit() {
    let (server, operator, nodes) = Server::with_zones(4).await;
    let upload = operator.open(&server).await;
    let blobs: Vec<_> = (0..300).map(blob_id).collect();
    let plan = operator.plan(&server, upload, &blobs).await;
    assert_eq!(plan.have.0.len(), 0);
    let mut planned = Vec::new();
    let mut jtis = BTreeSet::new();
    for group in &plan.groups {
        let stored = unpack_stored(&group.blobs).unwrap();
        assert!(stored.len() <= GROUP_BLOBS_MAX);
        assert_eq!(group.targets.iter().map(|target| target.node).collect::<BTreeSet<_>>().len(), 3);
        for target in &group.targets {
            let node = nodes.iter().find(|node| node.id == target.node).unwrap();
            let grant = node.read_grant(&server, &target.grant);
            assert_eq!(grant.digest.0, protocol::blob_list::digest(&stored));
            assert_eq!((grant.count as usize, grant.bytes), (stored.len(), 4160 * stored.len() as u64));
            assert_eq!(grant.exp - grant.iat, GRANT_SECONDS);
            assert!(jtis.insert(grant.jti));
            assert_eq!(target.url, node.url);
        }
        planned.extend(stored.into_iter().map(|blob| blob.id));
    }
    assert_eq!(planned, blobs);
}

#[tokio::test]
async fn a_backup_is_committed_and_then_had() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    let answer = operator.back_up(&server, &nodes, &[(1, 1), (2, 3)]).await;
    assert_eq!(answer.seq, 1);
    assert_eq!(operator.next(&server).await, (2, answer.hash.0));
    let upload = operator.open(&server).await;
    let plan = operator.plan(&server, upload, &[blob_id(1), blob_id(2), blob_id(3)]).await;
    assert_eq!(unpack_ids(&plan.have).unwrap(), [blob_id(1), blob_id(2)]);
    assert_eq!(unpack_stored(&plan.groups[0].blobs).unwrap()[0].id, blob_id(3));
}

#[tokio::test]
async fn what_could_not_be_read_back_is_taken_again() {
    let (server, operator, nodes) = Server::with_zones(2).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let upload = operator.open(&server).await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups.len(), 0);
    let blobs = pack_sized(&[SizedBlob { id: blob_id(1), size: 4160 }]);
    let request = PlanRequest { blobs, again: true };
    let plan: PlanResponse = operator.send(&server, routes::PLAN, &[&upload], &request).await.json();
    assert_eq!((plan.have.0.len(), plan.groups.len(), plan.groups[0].targets.len()), (0, 1, 2));
    let stored = unpack_stored(&plan.groups[0].blobs).unwrap();
    let node = nodes.iter().find(|node| node.id == plan.groups[0].targets[0].node).unwrap();
    let receipt = node.receipt(&server, &plan.groups[0].targets[0].grant, &stored).issue(&node.key);
    assert_eq!(operator.hand_in(&server, upload, vec![receipt]).await.refused, []);
}

#[tokio::test]
async fn a_blob_is_had_only_while_enough_zones_live() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let upload = operator.open(&server).await;
    server.sql("UPDATE nodes SET state = 'down' WHERE zone = 'zone-0'").await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups.len(), 0);
    server.sql("UPDATE nodes SET state = 'down' WHERE zone = 'zone-1'").await;
    operator.try_plan(&server, upload, &[blob_id(1)]).await.expect_code(ErrorCode::InsufficientZones);
    server.sql("UPDATE nodes SET state = 'up' WHERE zone = 'zone-1'").await;
    server.sql("DELETE FROM replicas WHERE node_id IN (SELECT id FROM nodes WHERE zone = 'zone-1')").await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups.len(), 1);
}

#[tokio::test]
async fn below_the_write_zones_nothing_is_planned() {
    let (server, operator, _) = Server::with_zones(0).await;
    let upload = operator.open(&server).await;
    operator.try_plan(&server, upload, &[blob_id(1)]).await.expect_code(ErrorCode::InsufficientZones);
    let silent = Node::new("zone-0");
    silent.join(&server, &silent.join_request(&server)).await.expect_status(StatusCode::OK);
    operator.try_plan(&server, upload, &[blob_id(1)]).await.expect_code(ErrorCode::InsufficientZones);
    silent.beat(&server).await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups[0].targets.len(), 1);
}

#[tokio::test]
async fn the_operator_may_want_another_number_of_copies() {
    let server = Server::start_with(Options { replicas: Some(2), ..Options::default() }).await;
    let operator = server.register_operator().await;
    for zone in ["a", "b", "c"] {
        Node::up(&server, zone).await;
    }
    let upload = operator.open(&server).await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups[0].targets.len(), 2);
}

#[tokio::test]
async fn a_plan_of_another_shape_is_refused() {
    let (server, operator, _) = Server::with_zones(1).await;
    let upload = operator.open(&server).await;
    let blob = |size| SizedBlob { id: blob_id(1), size };
    let lists = [
        Base64(Vec::new()),
        Base64(vec![1; 35]),
        pack_sized(&[blob(4160), blob(4160)]),
        pack_sized(&[blob(4159)]),
        pack_sized(&(0..1001).map(|n| SizedBlob { id: blob_id(n), size: 4160 }).collect::<Vec<_>>()),
    ];
    for blobs in lists {
        let answer =
            operator.send(&server, routes::PLAN, &[&upload], &PlanRequest { blobs, again: false }).await;
        answer.expect_code(ErrorCode::InvalidRequest);
    }
    let most: Vec<_> = (0..1000).map(blob_id).collect();
    operator.plan(&server, upload, &most).await;
}

#[tokio::test]
async fn a_commit_without_receipts_names_what_is_missing_and_changes_nothing() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    let upload = operator.open(&server).await;
    operator.store(&server, upload, &nodes, &[blob_id(1)]).await;
    operator.plan(&server, upload, &[blob_id(2)]).await;
    let before = operator.next(&server).await;
    let references = references(&[(1, 1), (2, 1), (3, 1)]);
    let error =
        operator.try_commit(&server, upload, PLAIN, &references).await.expect_code(ErrorCode::BlobsMissing);
    assert_eq!(unpack_ids(&error.missing.unwrap()).unwrap(), [blob_id(2), blob_id(3)]);
    assert_eq!(operator.next(&server).await, before);
    let rows = "SELECT concat((SELECT count(*) FROM refs), (SELECT count(*) FROM sources))";
    assert_eq!(server.sql_value(rows).await, "00");
    // The session is still open: what was missing is stored, and the same list commits.
    operator.store(&server, upload, &nodes, &[blob_id(2), blob_id(3)]).await;
    operator.try_commit(&server, upload, PLAIN, &references).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn a_blob_in_too_few_zones_is_missing() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    let upload = operator.open(&server).await;
    let plan = operator.plan(&server, upload, &[blob_id(1)]).await;
    let stored = unpack_stored(&plan.groups[0].blobs).unwrap();
    let receipt_of = |place: usize| {
        let target = &plan.groups[0].targets[place];
        let node = nodes.iter().find(|node| node.id == target.node).unwrap();
        node.receipt(&server, &target.grant, &stored).issue(&node.key)
    };
    let references = references(&[(1, 1)]);
    // The same receipt twice is one zone.
    for _ in 0..2 {
        assert_eq!(operator.hand_in(&server, upload, vec![receipt_of(0)]).await.accepted, 1);
        let answer = operator.try_commit(&server, upload, PLAIN, &references).await;
        answer.expect_code(ErrorCode::BlobsMissing);
    }
    operator.hand_in(&server, upload, vec![receipt_of(1)]).await;
    operator.try_commit(&server, upload, PLAIN, &references).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn receipts_that_arrive_at_once_add_up() {
    let (server, operator, nodes) = Server::with_zones(2).await;
    for number in 0..10 {
        let upload = operator.open(&server).await;
        let plan = operator.plan(&server, upload, &[blob_id(number)]).await;
        let stored = unpack_stored(&plan.groups[0].blobs).unwrap();
        let hand_in = async |place: usize| {
            let target = &plan.groups[0].targets[place];
            let node = nodes.iter().find(|node| node.id == target.node).unwrap();
            let receipt = node.receipt(&server, &target.grant, &stored).issue(&node.key);
            operator.hand_in(&server, upload, vec![receipt]).await
        };
        tokio::join!(hand_in(0), hand_in(1));
        let plan = operator.plan(&server, upload, &[blob_id(number)]).await;
        assert_eq!(plan.groups.len(), 0, "held after receipts of both zones");
    }
}

#[tokio::test]
async fn a_repeated_commit_gets_the_same_answer_after_the_session_ended() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    let upload = operator.open(&server).await;
    operator.store(&server, upload, &nodes, &[blob_id(1)]).await;
    operator.stage(&server, upload, 0, &references(&[(1, 1)])).await.expect_status(StatusCode::NO_CONTENT);
    let (seq, prev) = operator.next(&server).await;
    let body = CommitUploadRequest {
        envelope: Base64(operator.snapshot(seq, prev, PLAIN, &references(&[(1, 1)]))),
        key: random::id(IdempotencyKey::from_bytes),
    };
    let send = async || -> CommitResponse {
        operator.send(&server, routes::COMMIT_UPLOAD, &[&upload], &body).await.json()
    };
    let (first, second) = tokio::join!(send(), send());
    assert_eq!((first.seq, &second), (1, &first));
    assert_eq!(send().await, first);
    let other = CommitUploadRequest { key: random::id(IdempotencyKey::from_bytes), ..body };
    let answer = operator.send(&server, routes::COMMIT_UPLOAD, &[&upload], &other).await;
    answer.expect_code(ErrorCode::UploadExpired);
}

#[tokio::test]
async fn of_two_snapshots_for_one_place_one_wins_and_the_other_can_follow() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    let (seq, prev) = operator.next(&server).await;
    let mut uploads = Vec::new();
    for number in [1, 2] {
        let upload = operator.open(&server).await;
        operator.store(&server, upload, &nodes, &[blob_id(number)]).await;
        operator.stage(&server, upload, 0, &references(&[(number, 1)])).await;
        uploads.push((upload, operator.snapshot(seq, prev, PLAIN, &references(&[(number, 1)]))));
    }
    let [(a, envelope_a), (b, envelope_b)] = <[_; 2]>::try_from(uploads).unwrap();
    let (answer_a, answer_b) = tokio::join!(
        operator.commit_envelope(&server, a, envelope_a),
        operator.commit_envelope(&server, b, envelope_b)
    );
    let mut statuses = [answer_a.status, answer_b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    let (loser, number) = if answer_a.status == StatusCode::OK { (b, 2) } else { (a, 1) };
    let (seq, prev) = operator.next(&server).await;
    let replayed = operator.snapshot(seq, prev, PLAIN, &references(&[(number, 1)]));
    operator.commit_envelope(&server, loser, replayed).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn sessions_end_and_are_their_owners() {
    let (server, operator, _) = Server::with_zones(1).await;
    let other = server.register_member("other").await;
    let upload = operator.open(&server).await;
    other.try_plan(&server, upload, &[blob_id(1)]).await.expect_code(ErrorCode::UploadExpired);
    let never = random::id(UploadId::from_bytes);
    operator.try_plan(&server, never, &[blob_id(1)]).await.expect_code(ErrorCode::UploadExpired);
    operator.plan(&server, upload, &[blob_id(1)]).await;
    server.sql("UPDATE uploads SET expires_at = now()").await;
    operator.try_plan(&server, upload, &[blob_id(1)]).await.expect_code(ErrorCode::UploadExpired);
}

#[tokio::test]
async fn use_extends_a_session() {
    let (server, operator, _) = Server::with_zones(1).await;
    let upload = operator.open(&server).await;
    server.sql("UPDATE uploads SET expires_at = now() + interval '1 minute'").await;
    operator.plan(&server, upload, &[blob_id(1)]).await;
    let extended = "SELECT (min(expires_at) > now() + interval '23 hours')::text FROM uploads";
    assert_eq!(server.sql_value(extended).await, "true");
}

/// Row 22 of the threat model: what another account stored is neither seen nor usable.
#[tokio::test]
async fn another_accounts_blob_is_as_if_it_were_not_there() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let other = server.register_member("other").await;
    let upload = other.open(&server).await;
    let plan = other.plan(&server, upload, &[blob_id(1), blob_id(2)]).await;
    assert_eq!(plan.have.0.len(), 0);
    let blobs = unpack_stored(&plan.groups[0].blobs).unwrap();
    assert_eq!(blobs[0].generation, blobs[1].generation);
    let answer = other.try_commit(&server, upload, PLAIN, &references(&[(1, 1)])).await;
    answer.expect_code(ErrorCode::BlobsMissing);
    // Once it has stored the same bytes itself, the blob is its own.
    other.store(&server, upload, &nodes, &[blob_id(1)]).await;
    let answer = other.try_commit(&server, upload, PLAIN, &references(&[(1, 1)])).await;
    answer.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn a_wiped_node_loses_its_copies_at_once_and_for_good() {
    let (server, operator, mut nodes) = Server::with_zones(2).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let upload = operator.open(&server).await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups.len(), 0);
    let old_store = std::mem::replace(&mut nodes[0].store, random::id(protocol::id::StoreId::from_bytes));
    nodes[0].beat(&server).await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups.len(), 1);
    // Not even the old disk brings them back: nobody has looked at it since.
    nodes[0].store = old_store;
    nodes[0].beat(&server).await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups.len(), 1);
    operator.store(&server, upload, &nodes, &[blob_id(1)]).await;
    assert_eq!(operator.plan(&server, upload, &[blob_id(1)]).await.groups.len(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let (server, operator, _) = Server::with_zones(0).await;
    let upload = operator.open(&server).await;
    let request = operator.call(&server, routes::REFS, &[&upload, &0]).body(vec![1; (4 << 20) + 1]);
    Answer::read(request).await.expect_code(ErrorCode::TooLarge);
}
