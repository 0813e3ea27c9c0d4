//! The log of what concerns security.

use std::time::Duration;

use coordinator::audit_log::AuditLogBounds;
use protocol::audit_log::{AuditEntry, AuditLogResponse};
use protocol::error::ErrorCode;
use protocol::routes::coordinator as routes;
use protocol::snapshots::RetentionPolicy;
use reqwest::StatusCode;

use crate::support::{Answer, Cluster, Options, Registered, Server, soon};

impl Registered {
    pub(crate) async fn audit_log(&self, server: &Server) -> Vec<AuditEntry> {
        let answer: AuditLogResponse = self.get(server, routes::AUDIT_LOG, &[]).await.json();
        answer.entries
    }
}

/// What happened, oldest first: event, login, address and what it was done to.
pub(crate) fn told(log: &[AuditEntry]) -> Vec<String> {
    let line = |entry: &AuditEntry| {
        let [login, client, about] =
            [&entry.login, &entry.client, &entry.about].map(|text| text.as_deref().unwrap_or("-"));
        format!("{} {login} {client} {about}", entry.event)
    };
    log.iter().rev().map(line).collect()
}

#[tokio::test]
async fn the_log_says_who_did_what_from_where_and_no_secret() {
    let cluster = Cluster::start(soon(), &["a", "b"]).await;
    let id = cluster.nodes[1].id.to_string();
    let drain = cluster.operator.call(&cluster.server, routes::DRAIN_NODE, &[&id]);
    Answer::read(drain).await.expect_status(StatusCode::NO_CONTENT);
    cluster.answer(&["node", "undrain", &id, "--json"]).await;
    cluster.answer(&["user", "set-quota", "operator", "5G", "--json"]).await;
    let log = cluster.operator.audit_log(&cluster.server).await;
    let first = cluster.nodes[0].id;
    let expected = [
        "join_token_made - - -".to_owned(),
        "account_made operator 127.0.0.1 operator".to_owned(),
        "signed_in operator 127.0.0.1 -".to_owned(),
        format!("node_joined - 127.0.0.1 {first}"),
        format!("node_joined - 127.0.0.1 {id}"),
        format!("node_drained operator 127.0.0.1 {id}"),
        format!("node_undrained - - {id}"),
        "quota_changed - - operator 5368709120".to_owned(),
    ];
    assert_eq!(told(&log), expected);
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
    let log = cluster.operator.audit_log(&cluster.server).await;
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
    assert_eq!(
        cluster
            .operator
            .audit_log(&cluster.server)
            .await
            .iter()
            .filter(|entry| entry.event == "node_joined")
            .count(),
        2
    );
    cluster.server.sql("UPDATE audit_log SET happened_at = now() - interval '366 days'").await;
    cluster.wait_for_sql("SELECT count(*)::text FROM audit_log", "0").await;
}

#[tokio::test]
async fn the_log_says_who_signed_out_and_who_keeps_snapshots_otherwise() {
    let (server, operator, _) = Server::with_zones(1).await;
    let member = server.register_member("member").await;
    member.back_up(&server, &[], &[]).await;
    let place: [&dyn std::fmt::Display; 2] = [&member.vault, &member.source];
    let policy = RetentionPolicy::default();
    member.send(&server, routes::PUT_RETENTION, &place, &policy).await.expect_status(StatusCode::NO_CONTENT);
    Answer::read(member.call(&server, routes::LOGOUT, &[])).await.expect_status(StatusCode::NO_CONTENT);
    let log = told(&operator.audit_log(&server).await);
    let expected = [
        format!("retention_changed member 127.0.0.1 {}", member.source),
        "signed_out member 127.0.0.1 -".to_owned(),
    ];
    assert_eq!(log[log.len() - 2..], expected);
}
