//! What accounts may hold, and what one that is full may do all the same.

use protocol::blob_list::{SizedBlob, pack_sized};
use protocol::envelope::commit::SnapshotFlags;
use protocol::error::ErrorCode;
use protocol::id::UploadId;
use protocol::refs::Reference;
use protocol::routes::coordinator as routes;
use protocol::uploads::PlanRequest;
use protocol::users::UsageResponse;
use reqwest::StatusCode;

use crate::support::{Answer, Cluster, id_of, soon};

const BLOB: u64 = 4160;

impl Cluster {
    async fn plan_more(&self, numbers: std::ops::Range<u16>) -> Answer {
        let upload = self.operator.open(&self.server).await;
        self.plan_in(upload, numbers).await
    }

    async fn plan_in(&self, upload: UploadId, numbers: std::ops::Range<u16>) -> Answer {
        let mut blobs: Vec<_> = numbers.map(|number| SizedBlob { id: id_of(number), size: 4160 }).collect();
        blobs.sort_unstable();
        let request = PlanRequest { blobs: pack_sized(&blobs), again: false };
        self.operator.send(&self.server, routes::PLAN, &[&upload], &request).await
    }

    async fn used(&self) -> u64 {
        self.answer(&["user", "list", "--json"]).await[0]["used_bytes"].as_u64().unwrap()
    }

    async fn set_quota(&self, bytes: u64) {
        self.answer(&["user", "set-quota", "operator", &bytes.to_string(), "--json"]).await;
    }

    /// Commits on top of the newest snapshot: these blobs come, and those go.
    async fn change(&self, upload: UploadId, come: std::ops::Range<u16>, go: std::ops::Range<u16>) -> Answer {
        let come = come.map(|number| Reference { blob: id_of(number), delta: 1 });
        let mut references: Vec<_> =
            come.chain(go.map(|number| Reference { blob: id_of(number), delta: -1 })).collect();
        references.sort_unstable_by_key(|reference| reference.blob);
        self.operator.try_commit(&self.server, upload, SnapshotFlags::default(), &references).await
    }
}

#[tokio::test]
async fn an_account_holds_no_more_than_its_quota_and_reads_on() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..10).await;
    assert_eq!(cluster.used().await, 10 * BLOB, "one copy of each counts");
    cluster.set_quota(12 * BLOB).await;
    let usage: UsageResponse = cluster.operator.get(&cluster.server, routes::USAGE, &[]).await.json();
    assert_eq!((usage.used_bytes, usage.quota_bytes), (10 * BLOB, Some(12 * BLOB)));
    cluster.plan_more(10..13).await.expect_code(ErrorCode::QuotaExceeded);
    // What is there already costs nothing, and exactly as much as there is room for fits.
    cluster.plan_more(0..10).await.expect_status(StatusCode::OK);
    cluster.back_up(10..12).await;
    assert_eq!(cluster.used().await, 12 * BLOB);
    let metrics = Answer::read(cluster.server.call(routes::METRICS, &[])).await.body;
    let metrics = String::from_utf8(metrics).unwrap();
    for name in ["stored", "quota"] {
        let account = cluster.operator.person.account;
        let series = format!("triplicate_account_{name}_bytes{{account=\"{account}\"}}");
        assert_eq!(testkit::prometheus::value(&metrics, &series), Some(12.0 * 4160.0));
    }
    cluster.plan_more(12..13).await.expect_code(ErrorCode::QuotaExceeded);
    cluster.answer(&["user", "set-quota", "operator", "none", "--json"]).await;
    cluster.plan_more(12..13).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn what_was_planned_at_once_is_judged_again_when_it_is_committed() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    let upload = cluster.operator.open(&cluster.server).await;
    cluster.store(&cluster.operator, upload, 0..10).await;
    cluster.set_quota(9 * BLOB).await;
    let commit = || cluster.change(upload, 0..10, 0..0);
    commit().await.expect_code(ErrorCode::QuotaExceeded);
    cluster.set_quota(10 * BLOB).await;
    commit().await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn what_is_collected_is_given_back_to_the_quota() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    let upload = cluster.operator.open(&cluster.server).await;
    cluster.store(&cluster.operator, upload, 0..10).await;
    assert_eq!(cluster.used().await, 10 * BLOB);
    cluster.server.sql("UPDATE uploads SET expires_at = now() - interval '1 second'").await;
    for _ in 0..2 {
        cluster.answer(&["gc", "run", "--gc-grace", "0", "--json"]).await;
    }
    assert_eq!(cluster.used().await, 0);
}

#[tokio::test]
async fn an_account_that_is_full_deletes_and_adds_nothing() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..10).await;
    // Far below what it holds already.
    cluster.set_quota(BLOB).await;
    cluster.plan_more(10..11).await.expect_code(ErrorCode::QuotaExceeded);
    let adds = cluster.operator.open(&cluster.server).await;
    cluster.change(adds, 0..0, 0..5).await.expect_code(ErrorCode::QuotaExceeded);
    let removes = cluster.operator.open_for(&cluster.server, true).await;
    cluster.store(&cluster.operator, removes, 10..11).await;
    cluster.change(removes, 10..11, 0..5).await.expect_status(StatusCode::OK);
    assert_eq!(cluster.used().await, 11 * BLOB);
    cluster.plan_more(11..12).await.expect_code(ErrorCode::QuotaExceeded);
}

#[tokio::test]
async fn deletions_of_a_full_account_have_a_reserve_that_is_whole_again_below_the_quota() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..10).await;
    cluster.set_quota(10 * BLOB).await;
    // Room for two blobs of 4160 bytes is left of 64 MiB.
    cluster.server.sql("UPDATE accounts SET overdraft_bytes = (64 << 20) - 2 * 4160").await;
    let removes = cluster.operator.open_for(&cluster.server, true).await;
    cluster.plan_in(removes, 10..13).await.expect_code(ErrorCode::QuotaExceeded);
    cluster.store(&cluster.operator, removes, 10..11).await;
    cluster.change(removes, 10..11, 0..2).await.expect_status(StatusCode::OK);
    // Counted when it was planned, and when it was committed.
    let again = cluster.operator.open_for(&cluster.server, true).await;
    cluster.plan_in(again, 11..12).await.expect_code(ErrorCode::QuotaExceeded);
    cluster.set_quota(12 * BLOB).await;
    cluster.plan_more(11..12).await.expect_status(StatusCode::OK);
    cluster.set_quota(10 * BLOB).await;
    cluster.plan_in(again, 11..12).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn what_others_planned_does_not_get_past_the_quota_as_a_deletion() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..10).await;
    let upload = cluster.operator.open(&cluster.server).await;
    cluster.store(&cluster.operator, upload, 10..20).await;
    cluster.set_quota(10 * BLOB).await;
    cluster.server.sql("UPDATE accounts SET overdraft_bytes = (64 << 20) - 9 * 4160").await;
    let removes = cluster.operator.open_for(&cluster.server, true).await;
    cluster.plan_in(removes, 10..20).await.expect_status(StatusCode::OK);
    cluster.change(removes, 10..20, 0..1).await.expect_code(ErrorCode::QuotaExceeded);
    cluster.change(removes, 10..19, 0..1).await.expect_status(StatusCode::OK);
}
