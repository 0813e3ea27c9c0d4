//! What accounts may take and do, and the log of it.

use std::collections::BTreeMap;
use std::time::Duration;

use coordinator::audit_log::AuditLogBounds;
use protocol::audit_log::{AuditEntry, AuditLogResponse};
use protocol::blob_list::{SizedBlob, pack_sized};
use protocol::envelope::commit::SnapshotFlags;
use protocol::error::ErrorCode;
use protocol::refs::Reference;
use protocol::routes::coordinator as routes;
use protocol::uploads::PlanRequest;
use reqwest::StatusCode;

use crate::support::{Answer, Cluster, Options, id_of, soon};

const BLOB: u64 = 4160;

impl Cluster {
    async fn plan_more(&self, numbers: std::ops::Range<u16>) -> Answer {
        let upload = self.operator.open(&self.server).await;
        let mut blobs: Vec<_> = numbers.map(|number| SizedBlob { id: id_of(number), size: 4160 }).collect();
        blobs.sort_unstable();
        let request = PlanRequest { blobs: pack_sized(&blobs), again: false };
        self.operator.send(&self.server, routes::PLAN, &[&upload], &request).await
    }

    async fn used(&self) -> u64 {
        self.answer(&["user", "list", "--json"]).await[0]["used_bytes"].as_u64().unwrap()
    }

    async fn audit_log(&self) -> Vec<AuditEntry> {
        let answer: AuditLogResponse = self.operator.get(&self.server, routes::AUDIT_LOG, &[]).await.json();
        answer.entries
    }
}

#[tokio::test]
async fn an_account_holds_no_more_than_its_quota_and_reads_on() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..10).await;
    assert_eq!(cluster.used().await, 10 * BLOB, "one copy of each counts");
    cluster.answer(&["user", "set-quota", "operator", &(12 * BLOB).to_string(), "--json"]).await;
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
    cluster.answer(&["user", "set-quota", "operator", &(9 * BLOB).to_string(), "--json"]).await;
    let mut references: Vec<_> = (0..10).map(|number| Reference { blob: id_of(number), delta: 1 }).collect();
    references.sort_unstable_by_key(|reference| reference.blob);
    let flags = SnapshotFlags::default();
    let commit = || cluster.operator.try_commit(&cluster.server, upload, flags, &references);
    commit().await.expect_code(ErrorCode::QuotaExceeded);
    cluster.answer(&["user", "set-quota", "operator", &(10 * BLOB).to_string(), "--json"]).await;
    commit().await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn there_is_always_an_operator_and_a_role_counts_at_once() {
    let cluster = Cluster::start(soon(), &["a"]).await;
    let member = cluster.server.register_member("member").await;
    let look = async || member.get(&cluster.server, routes::AUDIT_LOG, &[]).await;
    let change = async |login: &str, role: &str| cluster.run(&["user", "set-role", login, role]).await;
    let refused = change("operator", "member").await;
    assert!(String::from_utf8(refused.stderr).unwrap().contains("the only operator"));
    look().await.expect_code(ErrorCode::Forbidden);
    assert!(change("member", "operator").await.status.success());
    look().await.expect_status(StatusCode::OK);
    assert!(change("operator", "member").await.status.success());
    assert!(!change("member", "member").await.status.success());
    let nobody = change("nobody", "operator").await;
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("no account has the login"));
    let users = cluster.answer(&["user", "list", "--json"]).await;
    let roles: BTreeMap<_, _> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["login"].as_str().unwrap(), user["role"].as_str().unwrap()))
        .collect();
    assert_eq!(roles, BTreeMap::from([("member", "operator"), ("operator", "member")]));
}

#[tokio::test]
async fn the_log_says_who_did_what_from_where_and_no_secret() {
    let cluster = Cluster::start(soon(), &["a", "b"]).await;
    let id = cluster.nodes[1].id.to_string();
    let drain = cluster.operator.call(&cluster.server, routes::DRAIN_NODE, &[&id]);
    Answer::read(drain).await.expect_status(StatusCode::NO_CONTENT);
    cluster.answer(&["node", "undrain", &id, "--json"]).await;
    cluster.answer(&["user", "set-quota", "operator", "5G", "--json"]).await;
    let log = cluster.audit_log().await;
    let told: Vec<_> = log
        .iter()
        .rev()
        .map(|entry| {
            let [login, client, about] =
                [&entry.login, &entry.client, &entry.about].map(|text| text.as_deref().unwrap_or("-"));
            format!("{} {login} {client} {about}", entry.event)
        })
        .collect();
    let first = cluster.nodes[0].id;
    let expected = [
        "account_made operator 127.0.0.1 operator".to_owned(),
        "signed_in operator 127.0.0.1 -".to_owned(),
        format!("node_joined - 127.0.0.1 {first}"),
        format!("node_joined - 127.0.0.1 {id}"),
        format!("node_drained operator 127.0.0.1 {id}"),
        format!("node_undrained - - {id}"),
        "quota_changed operator - 5368709120".to_owned(),
    ];
    assert_eq!(told, expected);
    let all = serde_json::to_string(&log).unwrap();
    let (_, cookie) = cluster.operator.cookie.split_once('=').unwrap();
    assert!(!all.contains(cookie) && !all.contains(&cluster.server.join_token()));

    // From the middle on, and on the command line the same.
    let before: AuditLogResponse = {
        let path = format!("{}?before={}", routes::AUDIT_LOG.path, log[2].id);
        Answer::read(cluster.server.get(&path).header("cookie", &cluster.operator.cookie)).await.json()
    };
    assert_eq!(before.entries, log[3..]);
    let listed = cluster.answer(&["audit", "list", "--json"]).await;
    assert_eq!(serde_json::from_value::<Vec<AuditEntry>>(listed).unwrap(), log);
    let table = String::from_utf8(cluster.run(&["audit", "list"]).await.stdout).unwrap();
    assert_eq!(table.lines().count(), 1 + log.len());
}

#[tokio::test]
async fn a_failed_sign_in_is_in_the_log_without_what_was_typed() {
    let cluster = Cluster::start(soon(), &["a"]).await;
    for login in ["operator", "hunter2-typed-as-login"] {
        let request = protocol::sessions::LoginRequest {
            login: login.into(),
            auth_key: protocol::bytes::Base64Array([9; 32]),
        };
        let attempt = cluster.server.call(routes::LOGIN, &[]).header("x-triplicate", "1").json(&request);
        Answer::read(attempt).await.expect_code(ErrorCode::WrongCredentials);
    }
    let log = cluster.audit_log().await;
    let failed: Vec<_> = log.iter().filter(|entry| entry.event == "sign_in_failed").collect();
    assert_eq!(
        failed.iter().map(|entry| entry.login.as_deref()).collect::<Vec<_>>(),
        [None, Some("operator")]
    );
    assert!(!serde_json::to_string(&log).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn the_log_has_bounds() {
    let audit_log = AuditLogBounds {
        audit_log_entries: 2,
        audit_log_every: Duration::from_millis(50),
        ..AuditLogBounds::default()
    };
    let cluster = Cluster::start(Options { audit_log, ..soon() }, &["a", "b", "c"]).await;
    cluster.wait_for_sql("SELECT count(*)::text FROM audit_log", "2").await;
    assert_eq!(cluster.audit_log().await.iter().filter(|entry| entry.event == "node_joined").count(), 2);
    cluster.server.sql("UPDATE audit_log SET happened_at = now() - interval '366 days'").await;
    cluster.wait_for_sql("SELECT count(*)::text FROM audit_log", "0").await;
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
