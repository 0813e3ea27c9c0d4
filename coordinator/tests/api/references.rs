//! What commits make of references: intervals by source and blob.

use protocol::envelope::commit::SnapshotFlags;
use protocol::error::ErrorCode;
use protocol::limits::REFS_PAGES_MAX;
use reqwest::StatusCode;

use crate::support::{Node, Registered, Server, blob_id, references};

const PLAIN: SnapshotFlags = SnapshotFlags { baseline: false, partial: false };
const BASELINE: SnapshotFlags = SnapshotFlags { baseline: true, partial: false };
const PARTIAL: SnapshotFlags = SnapshotFlags { baseline: false, partial: true };

/// Open intervals as `BLOB×COUNT since SEQ`, closed ones as `BLOB [FROM, TO)`.
async fn intervals(server: &Server) -> String {
    let number = "('x' || encode(substr(sha256, 1, 2), 'hex'))::bit(16)::integer";
    let query = format!(
        "SELECT coalesce(string_agg(line, '; ' ORDER BY line), '') FROM (
             SELECT {number} || '×' || count || ' since ' || since_seq AS line
             FROM refs JOIN blobs b ON b.id = blob_id
             UNION ALL
             SELECT {number} || ' [' || from_seq || ', ' || to_seq || ')'
             FROM ref_history JOIN blobs b ON b.id = blob_id) lines"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&server.state.pool).await.unwrap()
}

async fn commit_flagged(
    server: &Server,
    person: &Registered,
    nodes: &[Node],
    flags: SnapshotFlags,
    changes: &[(u16, i32)],
) -> StatusCode {
    let upload = person.open(server).await;
    let blobs: Vec<_> = changes.iter().map(|(number, _)| blob_id(*number)).collect();
    person.store(server, upload, nodes, &blobs).await;
    person.try_commit(server, upload, flags, &references(changes)).await.status
}

#[tokio::test]
async fn increments_open_and_close_intervals() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    operator.back_up(&server, &nodes, &[(1, 1), (2, 2)]).await;
    assert_eq!(intervals(&server).await, "1×1 since 1; 2×2 since 1");
    operator.back_up(&server, &nodes, &[(1, -1), (2, -1), (3, 1)]).await;
    assert_eq!(intervals(&server).await, "1 [1, 2); 2×1 since 1; 3×1 since 2");
    operator.back_up(&server, &nodes, &[(1, 1), (2, 4)]).await;
    assert_eq!(intervals(&server).await, "1 [1, 2); 1×1 since 3; 2×5 since 1; 3×1 since 2");
    operator.back_up(&server, &nodes, &[]).await;
    assert_eq!(intervals(&server).await, "1 [1, 2); 1×1 since 3; 2×5 since 1; 3×1 since 2");
}

#[tokio::test]
async fn a_baseline_replaces_the_counts_and_keeps_what_goes_on() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    operator.back_up(&server, &nodes, &[(1, 1), (2, 2)]).await;
    assert_eq!(commit_flagged(&server, &operator, &nodes, BASELINE, &[(2, 7), (3, 1)]).await, StatusCode::OK);
    assert_eq!(intervals(&server).await, "1 [1, 2); 2×7 since 1; 3×1 since 2");
    let upload = operator.open(&server).await;
    let answer = operator.try_commit(&server, upload, BASELINE, &references(&[(2, -1)])).await;
    answer.expect_code(ErrorCode::InvalidEnvelope);
}

#[tokio::test]
async fn counts_never_fall_below_none() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let before = intervals(&server).await;
    for changes in [&[(1, -2)][..], &[(9, -1)], &[(1, 1), (9, -1)]] {
        let upload = operator.open(&server).await;
        let answer = operator.try_commit(&server, upload, PLAIN, &references(changes)).await;
        assert_eq!(
            answer.expect_code(ErrorCode::InvalidEnvelope).message,
            "a blob would have fewer than no references"
        );
        assert_eq!(intervals(&server).await, before);
    }
}

#[tokio::test]
async fn what_is_referred_to_anew_must_be_planned_by_this_session() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    operator.back_up(&server, &nodes, &[(1, 1), (2, 1)]).await;
    operator.back_up(&server, &nodes, &[(1, -1)]).await;
    let upload = operator.open(&server).await;
    // One that the source still refers to needs no plan.
    let answer = operator.try_commit(&server, upload, PLAIN, &references(&[(1, 1), (2, 1)])).await;
    let missing = answer.expect_code(ErrorCode::BlobsMissing).missing.unwrap();
    assert_eq!(missing.0, blob_id(1).as_bytes());
    operator.plan(&server, upload, &[blob_id(1)]).await;
    let answer = operator.try_commit(&server, upload, PLAIN, &references(&[(1, 1), (2, 1)])).await;
    answer.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn page_0_begins_a_list_anew_and_may_be_empty() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    let upload = operator.open(&server).await;
    operator.store(&server, upload, &nodes, &[blob_id(1), blob_id(2)]).await;
    let both = references(&[(1, 1), (2, 1)]);
    for (page, range) in [(0, 0..1), (1, 1..2), (0, 0..1)] {
        operator.stage(&server, upload, page, &both[range]).await.expect_status(StatusCode::NO_CONTENT);
    }
    let (seq, prev) = operator.next(&server).await;
    let envelope = operator.snapshot(seq, prev, PLAIN, &both[..1]);
    operator.commit_envelope(&server, upload, envelope).await.expect_status(StatusCode::OK);
    assert_eq!(intervals(&server).await, "1×1 since 1");

    let upload = operator.open(&server).await;
    operator.stage(&server, upload, 1, &[]).await.expect_code(ErrorCode::TooLarge);
    operator.stage(&server, upload, 0, &[]).await.expect_status(StatusCode::NO_CONTENT);
    let (seq, prev) = operator.next(&server).await;
    let envelope = operator.snapshot(seq, prev, PLAIN, &[]);
    operator.commit_envelope(&server, upload, envelope).await.expect_status(StatusCode::OK);
    assert_eq!(intervals(&server).await, "1×1 since 1");
}

#[tokio::test]
async fn the_staged_pages_must_be_the_list_that_was_signed() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    let upload = operator.open(&server).await;
    operator.store(&server, upload, &nodes, &[blob_id(1), blob_id(2), blob_id(3)]).await;
    let all = references(&[(1, 1), (2, 1), (3, 1)]);
    let stage = async |page: u32, range: std::ops::Range<usize>| {
        operator.stage(&server, upload, page, &all[range]).await.expect_status(StatusCode::NO_CONTENT);
    };
    let commit = async || {
        let (seq, prev) = operator.next(&server).await;
        operator.commit_envelope(&server, upload, operator.snapshot(seq, prev, PLAIN, &all)).await
    };
    stage(0, 0..1).await;
    commit().await.expect_code(ErrorCode::InvalidEnvelope);
    stage(5, 0..2).await;
    let twice = commit().await.expect_code(ErrorCode::InvalidEnvelope);
    assert_eq!(twice.message, "the pages' ids do not ascend");
    // A page that is staged again replaces itself.
    stage(5, 1..3).await;
    commit().await.expect_status(StatusCode::OK);
    assert_eq!(intervals(&server).await, "1×1 since 1; 2×1 since 1; 3×1 since 1");
}

#[tokio::test]
async fn a_page_of_another_shape_is_refused() {
    let (server, operator, _) = Server::with_zones(0).await;
    let upload = operator.open(&server).await;
    let ten_thousand: Vec<_> = (1..=10_000).map(|number| (number, 1)).collect();
    let one_more: Vec<_> = (1..=10_001).map(|number| (number, 1)).collect();
    operator
        .stage(&server, upload, 0, &references(&[(2, 1), (1, 1)]))
        .await
        .expect_code(ErrorCode::InvalidRequest);
    operator.stage(&server, upload, 0, &references(&[(1, 0)])).await.expect_code(ErrorCode::InvalidRequest);
    operator.stage(&server, upload, 0, &references(&one_more)).await.expect_code(ErrorCode::TooLarge);
    operator
        .stage(&server, upload, REFS_PAGES_MAX, &references(&[(1, 1)]))
        .await
        .expect_code(ErrorCode::TooLarge);
    let last = operator.stage(&server, upload, REFS_PAGES_MAX - 1, &references(&ten_thousand)).await;
    last.expect_status(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_partial_snapshot_comes_only_before_a_complete_one() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    assert_eq!(commit_flagged(&server, &operator, &nodes, PARTIAL, &[(1, 1)]).await, StatusCode::OK);
    assert_eq!(commit_flagged(&server, &operator, &nodes, PARTIAL, &[(2, 1)]).await, StatusCode::OK);
    assert_eq!(commit_flagged(&server, &operator, &nodes, PLAIN, &[(3, 1)]).await, StatusCode::OK);
    let refused = commit_flagged(&server, &operator, &nodes, PARTIAL, &[(4, 1)]).await;
    assert_eq!(refused, StatusCode::UNPROCESSABLE_ENTITY);
}
