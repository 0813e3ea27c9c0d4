//! Garbage collection: what nothing needs goes, in two cycles and by the nodes' word; what is needed again comes back.

use std::time::Duration;

use coordinator::config::Registration;
use coordinator::garbage::{Cycle, Reclaim};
use coordinator::jobs::{deletes, garbage};
use protocol::blob_list::{StoredBlob, unpack_ids, unpack_stored};
use protocol::envelope::commit::SnapshotFlags;
use protocol::id::BlobId;
use protocol::limits::BLOB_BYTES_MIN;
use reqwest::StatusCode;

use crate::support::{Node, Options, Registered, Server, blob_id, references};

/// No grace: what is condemned in one cycle goes in the next.
pub(crate) const AT_ONCE: Reclaim = Reclaim {
    gc_every: Duration::from_hours(1),
    gc_grace: Duration::ZERO,
    gc_remember: Duration::from_hours(1),
    gc_hold_blobs: 10_000,
    gc_hold_percent: 5,
    gc_batch: 3,
    gc_retry: Duration::ZERO,
    delete_every: Duration::from_hours(1),
    retention_every: Duration::from_hours(1),
};

/// A server whose jobs run when a test says so, with an operator and nodes that delete.
pub(crate) async fn server_with_nodes(zones: usize) -> (Server, Registered, Vec<Node>) {
    let server = Server::start_with(Options {
        registration: Some(Registration::Open),
        reclaim: AT_ONCE,
        ..Options::default()
    })
    .await;
    let operator = server.register_operator().await;
    let mut nodes = Vec::new();
    for number in 0..zones {
        nodes.push(Node::deleting(&server, &format!("zone-{number}")).await);
    }
    (server, operator, nodes)
}

/// One cycle, once the one that the program began with is over.
pub(crate) async fn cycle(server: &Server, reclaim: &Reclaim) -> Cycle {
    loop {
        if let Some(cycle) = garbage::collect(&server.state.pool, reclaim).await.unwrap() {
            return cycle;
        }
        tokio::task::yield_now().await;
    }
}

/// The states of blobs by their numbers, like `1 live, 2 deleting 2` with generations above 1.
async fn states(server: &Server) -> String {
    server
        .sql_value(
            "SELECT coalesce(string_agg(
                 ('x' || encode(substr(sha256, 1, 2), 'hex'))::bit(16)::integer || ' ' || state
                 || CASE generation WHEN 1 THEN '' ELSE ' ' || generation END, ', ' ORDER BY sha256), '')
             FROM blobs",
        )
        .await
}

/// A second snapshot without the blob, and the first one forgotten: nothing needs the blob any more.
async fn leave_unneeded(server: &Server, operator: &Registered, nodes: &[Node], number: u16) {
    operator.back_up(server, nodes, &[(number, 1), (9, 1)]).await;
    operator.back_up(server, nodes, &[(number, -1)]).await;
    operator.forget(server, &[(operator.source, 1)]).await.expect_status(StatusCode::OK);
}

fn stored(number: u16, generation: u32) -> StoredBlob {
    StoredBlob { id: blob_id(number), size: BLOB_BYTES_MIN, generation }
}

#[tokio::test]
async fn what_no_kept_snapshot_needs_is_condemned_then_deleted_by_every_node_then_forgotten() {
    let (server, operator, nodes) = server_with_nodes(2).await;
    operator.back_up(&server, &nodes, &[(1, 1), (9, 1)]).await;
    operator.back_up(&server, &nodes, &[(1, -1)]).await;
    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle::default(), "an older snapshot needs it");

    operator.forget(&server, &[(operator.source, 1)]).await.expect_status(StatusCode::OK);
    let did = cycle(&server, &AT_ONCE).await;
    assert_eq!(did, Cycle { removed_intervals: 1, condemned: 1, ..Cycle::default() });
    assert_eq!(states(&server).await, "1 condemned, 9 live");
    assert_eq!(deletes::deliver(&server.state).await.unwrap(), 0);

    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle { given_up: 1, ..Cycle::default() });
    assert_eq!(states(&server).await, "1 deleting 2, 9 live");
    assert!(nodes.iter().all(|node| node.disk.generation(&blob_id(1)) == Some(1)));
    assert_eq!(deletes::deliver(&server.state).await.unwrap(), 2);
    assert!(nodes.iter().all(|node| node.disk.generation(&blob_id(1)).is_none()));
    assert!(nodes.iter().all(|node| node.disk.generation(&blob_id(9)) == Some(1)));

    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle { deleted: 1, ..Cycle::default() });
    assert_eq!(states(&server).await, "1 deleted 2, 9 live");
    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle::default(), "its row stays for a while");
    server.sql("UPDATE blobs SET state_since = state_since - interval '1 hour'").await;
    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle { removed: 1, ..Cycle::default() });
    assert_eq!(states(&server).await, "9 live");
}

#[tokio::test]
async fn a_condemned_blob_waits_for_its_grace_and_a_plan_takes_it_back_as_it_was() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    leave_unneeded(&server, &operator, &nodes, 1).await;
    let patient = Reclaim { gc_grace: Duration::from_hours(24), ..AT_ONCE };
    assert_eq!(cycle(&server, &patient).await.condemned, 1);
    server.sql("UPDATE blobs SET state_since = state_since - interval '23 hours'").await;
    assert_eq!(cycle(&server, &patient).await.given_up, 0);
    let upload = operator.open(&server).await;
    let plan = operator.plan(&server, upload, &[blob_id(1)]).await;
    assert_eq!(unpack_ids(&plan.have).unwrap(), [blob_id(1)], "the vault holds it still");
    assert_eq!(states(&server).await, "1 live, 9 live");
    server.sql("UPDATE blobs SET state_since = state_since - interval '100 days'").await;
    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle::default());
    operator
        .try_commit(&server, upload, SnapshotFlags::default(), &references(&[(1, 1)]))
        .await
        .expect_status(StatusCode::OK);
    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle::default());
    assert_eq!(states(&server).await, "1 live, 9 live");
}

#[tokio::test]
async fn what_is_being_deleted_comes_back_under_a_new_generation_that_no_late_order_hits() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    leave_unneeded(&server, &operator, &nodes, 1).await;
    for _ in 0..2 {
        cycle(&server, &AT_ONCE).await;
    }
    assert_eq!(states(&server).await, "1 deleting 2, 9 live");
    let upload = operator.open(&server).await;
    let plan = operator.plan(&server, upload, &[blob_id(1)]).await;
    assert!(plan.have.0.is_empty(), "no vault holds it any more");
    assert_eq!(unpack_stored(&plan.groups[0].blobs).unwrap(), [stored(1, 2)]);
    operator.store(&server, upload, &nodes, &[blob_id(1)]).await;
    // The order for the first generation comes after the second was stored.
    assert_eq!(deletes::deliver(&server.state).await.unwrap(), 1);
    assert_eq!(nodes[0].disk.generation(&blob_id(1)), Some(2));
    operator
        .try_commit(&server, upload, SnapshotFlags::default(), &references(&[(1, 1)]))
        .await
        .expect_status(StatusCode::OK);
    assert_eq!(states(&server).await, "1 live 2, 9 live");
    assert_eq!(operator.locate(&server, &[blob_id(1)]).await.missing.0, Vec::<u8>::new());
}

#[tokio::test]
async fn a_receipt_from_before_the_deletion_counts_no_more() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    let upload = operator.open(&server).await;
    let plan = operator.plan(&server, upload, &[blob_id(1)]).await;
    let late = nodes[0].receipt(&server, &plan.groups[0].targets[0].grant, &[stored(1, 1)]);
    server.sql("UPDATE uploads SET expires_at = now()").await;
    assert_eq!(cycle(&server, &AT_ONCE).await, Cycle { ended_uploads: 1, condemned: 1, ..Cycle::default() });
    assert_eq!(cycle(&server, &AT_ONCE).await.given_up, 1);
    let upload = operator.open(&server).await;
    operator.plan(&server, upload, &[blob_id(1)]).await;
    let answer = operator.hand_in(&server, upload, vec![late.issue(&nodes[0].key)]).await;
    assert_eq!((answer.accepted, answer.refused.len()), (0, 1));
    assert_eq!(states(&server).await, "1 live 2");
}

/// A client that died may have left copies whose receipts nobody handed in.
#[tokio::test]
async fn what_an_upload_that_ended_left_on_nodes_goes_although_no_receipt_told_of_it() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    let upload = operator.open(&server).await;
    operator.plan(&server, upload, &[blob_id(1)]).await;
    nodes[0].disk.put(&[stored(1, 1)]);
    server.sql("UPDATE uploads SET expires_at = now()").await;
    for _ in 0..2 {
        cycle(&server, &AT_ONCE).await;
    }
    assert_eq!(deletes::deliver(&server.state).await.unwrap(), 1);
    assert_eq!(nodes[0].disk.generation(&blob_id(1)), None);
}

#[tokio::test]
async fn an_order_stays_until_its_node_has_done_it() {
    let (server, operator, nodes) = server_with_nodes(2).await;
    leave_unneeded(&server, &operator, &nodes, 1).await;
    for _ in 0..2 {
        cycle(&server, &AT_ONCE).await;
    }
    nodes[1].disk.set_stuck(true);
    assert_eq!(deletes::deliver(&server.state).await.unwrap(), 1);
    assert_eq!(cycle(&server, &AT_ONCE).await.deleted, 0);
    nodes[1].disk.set_stuck(false);
    assert_eq!(deletes::deliver(&server.state).await.unwrap(), 1);
    assert_eq!(cycle(&server, &AT_ONCE).await.deleted, 1);
    assert_eq!(server.sql_value("SELECT count(*)::text FROM replicas").await, "2", "those of the other blob");
}

#[tokio::test]
async fn a_cycle_that_would_take_too_much_waits_for_an_operator() {
    let (server, operator, nodes) = server_with_nodes(1).await;
    let careful = Reclaim { gc_hold_blobs: 2, gc_hold_percent: 50, ..AT_ONCE };
    let blobs: Vec<BlobId> = (1..=4).map(blob_id).collect();
    let upload = operator.open(&server).await;
    operator.store(&server, upload, &nodes, &blobs).await;
    server.sql("UPDATE uploads SET expires_at = now()").await;
    let held = Cycle { ended_uploads: 1, held: 4, ..Cycle::default() };
    assert_eq!(cycle(&server, &careful).await, held);
    assert_eq!(states(&server).await, "1 live, 2 live, 3 live, 4 live");
    assert_eq!(server.gc(&["status"]).await["held"]["blobs"], 4);
    assert_eq!(server.gc(&["approve"]).await["approved_blobs"], 4);
    let ran = server.gc(&["run", "--gc-hold-blobs", "2", "--gc-hold-percent", "50"]).await;
    assert_eq!((&ran["condemned"], &ran["held"]), (&4.into(), &0.into()));
    let status = server.gc(&["status"]).await;
    assert_eq!((&status["held"], &status["blobs"]["condemned"]), (&serde_json::Value::Null, &4.into()));
    assert_eq!(status["last_cycle"]["did"]["condemned"], 4);
    assert_eq!(server.gc(&["approve"]).await["approved_blobs"], serde_json::Value::Null);
}

/// Both in the middle of a cycle would be counted as one that takes half.
#[tokio::test]
async fn one_cycle_runs_at_a_time() {
    let (server, ..) = server_with_nodes(0).await;
    let mut lock = loop {
        let mut lock = server.state.pool.begin().await.unwrap();
        if coordinator::db::garbage::try_lock_cycle(&mut lock).await.unwrap() {
            break lock;
        }
    };
    assert_eq!(garbage::collect(&server.state.pool, &AT_ONCE).await.unwrap(), None);
    assert!(coordinator::db::garbage::try_lock_cycle(&mut lock).await.unwrap(), "its own");
    lock.rollback().await.unwrap();
    cycle(&server, &AT_ONCE).await;
}
