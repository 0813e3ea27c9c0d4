//! Requests that meet in the database, and a database that cannot finish one.

use std::time::Duration;

use coordinator::db::{self, DbError};
use coordinator::jobs::sweep;
use coordinator::random;
use coordinator::upkeep::Upkeep;
use futures_util::future::join_all;
use protocol::envelope::commit::SnapshotFlags;
use protocol::error::ErrorCode;
use protocol::id::{BlobId, SourceId};
use protocol::refs::Reference;
use reqwest::StatusCode;

use crate::support::{Node, Options, Registered, Server, blob_id};

/// One device's backup: it stores the blobs and commits them, on top of whatever came before.
async fn back_up(server: &Server, person: &Registered, nodes: &[Node], blobs: &[BlobId]) {
    let source = random::id(SourceId::from_bytes);
    let references: Vec<_> = blobs.iter().map(|blob| Reference { blob: *blob, delta: 1 }).collect();
    let upload = person.open(server).await;
    person.store(server, upload, nodes, blobs).await;
    person.stage(server, upload, 0, &references).await.expect_status(StatusCode::NO_CONTENT);
    loop {
        let next = person.next(server).await;
        let snapshot = person.snapshot_of(source, next, SnapshotFlags::default(), &references);
        let answer = person.commit_envelope(server, upload, snapshot).await;
        if answer.status != StatusCode::CONFLICT {
            answer.expect_status(StatusCode::OK);
            return;
        }
        answer.expect_code(ErrorCode::ChainConflict);
    }
}

#[tokio::test]
async fn backups_of_the_same_blobs_at_once_all_succeed() {
    let (server, operator, nodes) = Server::with_zones(2).await;
    for round in 0..4_u16 {
        let devices = (0..4_u16).map(|device| {
            // Half of the blobs are every device's, the others are new to the cluster with each.
            let shared = (0..200).map(|number| round * 2000 + number * 2);
            let own = (0..200).map(move |number| round * 2000 + 401 + device * 400 + number * 2);
            let blobs: Vec<_> = shared.chain(own).map(blob_id).collect();
            let (server, operator, nodes) = (&server, &operator, &nodes);
            async move { back_up(server, operator, nodes, &blobs).await }
        });
        join_all(devices).await;
    }
    assert_eq!(operator.next(&server).await.0, 17);
}

/// A plan of what is there writes its roots alone: it neither waits for who has the blobs' rows, nor locks them.
#[tokio::test]
async fn a_plan_of_what_is_live_leaves_the_blobs_rows_alone() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    let blobs: Vec<_> = (1..=20).map(blob_id).collect();
    back_up(&server, &operator, &nodes, &blobs).await;
    let rows = "SELECT md5(string_agg(concat(ctid, xmin, xmax), ',' ORDER BY id)) FROM blobs";
    let before = server.sql_value(rows).await;
    let mut others = server.state.begin().await.unwrap();
    sqlx::query("SELECT id FROM blobs FOR UPDATE").execute(&mut *others).await.unwrap();
    let upload = operator.open(&server).await;
    operator.plan(&server, upload, &blobs).await;
    others.rollback().await.unwrap();
    let changed = "SELECT count(*)::text FROM upload_blobs";
    assert_eq!(server.sql_value(changed).await, "20");
    assert_ne!(server.sql_value(rows).await, before, "the lock of the others shows");
    let locked = server.sql_value(rows).await;
    let upload = operator.open(&server).await;
    operator.plan(&server, upload, &blobs).await;
    assert_eq!(server.sql_value(rows).await, locked);
}

#[tokio::test]
async fn what_the_database_broke_off_is_worth_repeating() {
    let (server, operator, _) = Server::with_zones(1).await;
    let upload = operator.open(&server).await;
    server.sql("CREATE TABLE faults (statement text)").await;
    server
        .sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE statement text;
             BEGIN
                 SELECT f.statement INTO statement FROM faults f;
                 EXECUTE statement;
                 RETURN NEW;
             END $$",
        )
        .await;
    server
        .sql("CREATE TRIGGER fail BEFORE INSERT ON upload_blobs FOR EACH ROW EXECUTE FUNCTION fail()")
        .await;
    let faults = [
        // A deadlock, and a transaction that could not be serialized.
        "INSERT INTO faults VALUES ('DO $d$ BEGIN RAISE SQLSTATE ''40P01''; END $d$')",
        "UPDATE faults SET statement = 'DO $d$ BEGIN RAISE SQLSTATE ''40001''; END $d$'",
        // The server was told to stop: it ends the connection.
        "UPDATE faults SET statement = 'SELECT pg_terminate_backend(pg_backend_pid())'",
    ];
    for fault in faults {
        server.sql(fault).await;
        let answer = operator.try_plan(&server, upload, &[blob_id(1)]).await;
        assert_eq!(answer.headers["retry-after"], "1", "{fault}");
        answer.expect_code(ErrorCode::Unavailable);
    }
    server.sql("UPDATE faults SET statement = 'SELECT 1'").await;
    operator.plan(&server, upload, &[blob_id(1)]).await;
}

#[tokio::test]
async fn a_coordinator_that_stands_still_in_a_transaction_holds_nobody_up() {
    let transaction_idle = Some(Duration::from_millis(500));
    let server = Server::start_with(Options { transaction_idle, ..Options::default() }).await;
    let operator = server.register_operator().await;
    Node::up(&server, "zone").await;
    let upload = operator.open(&server).await;
    operator.plan(&server, upload, &[blob_id(1)]).await;
    let mut standing = server.state.begin().await.unwrap();
    db::roots::lock_for_judging(&mut standing).await.unwrap();
    sqlx::query("SELECT id FROM blobs FOR UPDATE").execute(&mut *standing).await.unwrap();
    operator.plan(&server, upload, &[blob_id(1)]).await;
    // It learns of it when it goes on, and may try again.
    let late = sqlx::query("SELECT 1").execute(&mut *standing).await.unwrap_err();
    assert!(DbError::from(late).is_transient());
}

#[tokio::test]
async fn a_walk_ends_while_its_node_is_being_changed() {
    let never = Duration::from_hours(1);
    let upkeep = Upkeep { repair_period: never, ..Upkeep::default() };
    let server = Server::start_with(Options { upkeep, ..Options::default() }).await;
    Node::up(&server, "zone").await;
    server.sql("UPDATE nodes SET intent = 'drain'").await;
    // Whoever changes a node goes on to begin a walk over it, for which it would wait until the walk ends. The walk comes
    // last here, because the server's own first look may still be under way.
    let mut changing = server.state.begin().await.unwrap();
    sqlx::query("SELECT id FROM nodes FOR NO KEY UPDATE").execute(&mut *changing).await.unwrap();
    server.sql("INSERT INTO sweeps (node_id) SELECT id FROM nodes ON CONFLICT DO NOTHING").await;
    let patience = Duration::from_secs(50);
    let step = tokio::time::timeout(patience, sweep::step(&server.state));
    step.await.expect("it waits for the node").unwrap();
    let drained = "SELECT count(*)::text FROM nodes WHERE drained";
    assert_eq!(server.sql_value(drained).await, "0");
    changing.rollback().await.unwrap();
    // Nothing is forgotten: the walk is made again.
    let again = async {
        while server.sql_value(drained).await == "0" {
            sweep::step(&server.state).await.unwrap();
        }
    };
    tokio::time::timeout(patience, again).await.expect("it is never drained");
}
