//! Policies: whose they are to change, what they would do, and that the job does just that.

use coordinator::jobs::retention;
use protocol::envelope::commit::{Kind, SnapshotFlags};
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::routes::coordinator as routes;
use protocol::snapshots::{RetentionPolicy, RetentionPreview, RetentionResponse};
use reqwest::StatusCode;

use crate::support::{Registered, Server, references};

const LAST_TWO: RetentionPolicy =
    RetentionPolicy { last: 2, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within_seconds: 0 };

async fn policy(server: &Server, person: &Registered) -> RetentionResponse {
    person.get(server, routes::RETENTION, &[&person.vault, &person.source]).await.json()
}

async fn preview(server: &Server, person: &Registered, policy: &RetentionPolicy) -> RetentionPreview {
    person.send(server, routes::PREVIEW_RETENTION, &[&person.vault, &person.source], policy).await.json()
}

async fn put(server: &Server, person: &Registered, policy: &RetentionPolicy) {
    let answer = person.send(server, routes::PUT_RETENTION, &[&person.vault, &person.source], policy).await;
    answer.expect_status(StatusCode::NO_CONTENT);
}

async fn kept(server: &Server, person: &Registered) -> Vec<u64> {
    let sources = person.snapshots(server).await.sources;
    sources.into_iter().flat_map(|of| of.kept).map(|snapshot| snapshot.seq).collect()
}

/// Snapshots without blobs, a day apart, the newest now; their numbers are 1 to `days`.
async fn back_up_daily(server: &Server, person: &Registered, days: u64) {
    for _ in 0..days {
        person.back_up(server, &[], &[]).await;
    }
    server
        .sql(
            "UPDATE commits SET received_at = now() - make_interval(days => (head_seq - seq)::integer)
             FROM vaults v WHERE v.id = vault_id AND kind = 1",
        )
        .await;
}

#[tokio::test]
async fn a_policy_is_previewed_then_put_then_applied() {
    let (server, operator, _) = Server::with_zones(1).await;
    back_up_daily(&server, &operator, 5).await;
    // Of a device, so that it is not the bin.
    server.sql("UPDATE sources SET owners = false").await;
    let default = policy(&server, &operator).await;
    assert_eq!((default.policy, default.is_default), (RetentionPolicy::default(), true));
    let preview = preview(&server, &operator, &LAST_TWO).await;
    assert_eq!((preview.kept, preview.forgotten), (vec![4, 5], vec![1, 2, 3]));
    assert_eq!(retention::apply(&server.state.pool).await.unwrap(), 0, "the default keeps seven days");
    put(&server, &operator, &LAST_TWO).await;
    assert!(!policy(&server, &operator).await.is_default);
    assert_eq!(retention::apply(&server.state.pool).await.unwrap(), 3);
    assert_eq!(kept(&server, &operator).await, [4, 5]);
    assert_eq!(retention::apply(&server.state.pool).await.unwrap(), 0);
}

#[tokio::test]
async fn the_bin_keeps_thirty_days_whatever_the_policy() {
    let (server, operator, _) = Server::with_zones(1).await;
    back_up_daily(&server, &operator, 33).await;
    assert!(policy(&server, &operator).await.uploads);
    put(&server, &operator, &LAST_TWO).await;
    assert_eq!(retention::apply(&server.state.pool).await.unwrap(), 3);
    assert_eq!(kept(&server, &operator).await, (4..=33).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_folder_of_a_device_with_full_rights_is_no_bin() {
    let (server, mut operator, _) = Server::with_zones(1).await;
    let device = operator.admit_to_own_vault(&server, Role::Full).await;
    for _ in 0..2 {
        device.back_up(&server, &[], &[]).await;
    }
    let place: [&dyn std::fmt::Display; 2] = [&device.vault, &device.source];
    let found: RetentionResponse = operator.get(&server, routes::RETENTION, &place).await.json();
    assert!(!found.uploads);
    operator.send(&server, routes::PUT_RETENTION, &place, &RetentionPolicy { last: 1, ..LAST_TWO }).await;
    assert_eq!(retention::apply(&server.state.pool).await.unwrap(), 1, "not kept for thirty days");
}

#[tokio::test]
async fn a_partial_snapshot_goes_when_the_next_one_arrives() {
    let (server, operator, _) = Server::with_zones(1).await;
    for (partial, after) in [(true, [1]), (true, [2]), (false, [3])] {
        let upload = operator.open(&server).await;
        let flags = SnapshotFlags { partial, baseline: false };
        operator.stage(&server, upload, 0, &references(&[])).await.expect_status(StatusCode::NO_CONTENT);
        operator.try_commit(&server, upload, flags, &[]).await.expect_status(StatusCode::OK);
        retention::apply(&server.state.pool).await.unwrap();
        assert_eq!(kept(&server, &operator).await, after);
    }
}

#[tokio::test]
async fn the_newest_snapshot_stays_also_of_a_closed_source() {
    let (server, operator, _) = Server::with_zones(1).await;
    back_up_daily(&server, &operator, 1).await;
    operator.append(&server, Kind::SourceClosed, operator.source).await.expect_status(StatusCode::OK);
    put(&server, &operator, &RetentionPolicy { last: 0, ..LAST_TWO }).await;
    server.sql("UPDATE commits SET received_at = received_at - interval '100 days'").await;
    assert_eq!(retention::apply(&server.state.pool).await.unwrap(), 0);
    assert_eq!(kept(&server, &operator).await, [1]);
}

#[tokio::test]
async fn a_policy_is_its_owners_alone_and_of_numbers_that_can_be_kept() {
    let (server, operator, _) = Server::with_zones(1).await;
    let member = server.register_member("member").await;
    back_up_daily(&server, &operator, 1).await;
    let place: [&dyn std::fmt::Display; 2] = [&operator.vault, &operator.source];
    for route in [routes::PUT_RETENTION, routes::PREVIEW_RETENTION] {
        member.send(&server, route, &place, &LAST_TWO).await.expect_code(ErrorCode::NotFound);
        for beyond in [
            RetentionPolicy { last: 1 << 31, ..LAST_TWO },
            RetentionPolicy { within_seconds: 1 << 63, ..LAST_TWO },
        ] {
            operator.send(&server, route, &place, &beyond).await.expect_code(ErrorCode::InvalidRequest);
        }
        let largest = RetentionPolicy { last: (1 << 31) - 1, within_seconds: (1 << 63) - 1, ..LAST_TWO };
        assert!(operator.send(&server, route, &place, &largest).await.status.is_success());
    }
    member.get(&server, routes::RETENTION, &place).await.expect_code(ErrorCode::NotFound);
}
