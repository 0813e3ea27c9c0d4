//! What the coordinator tells Prometheus, and whom.

use std::time::Duration;

use configuration::SecretSource;
use coordinator::metrics::MetricsOptions;
use protocol::error::ErrorCode;
use protocol::routes::coordinator as routes;
use reqwest::StatusCode;
use testkit::prometheus::{promtool, value};

use crate::support::{Answer, Cluster, Options, Server, soon};

async fn scrape(server: &Server) -> String {
    let answer = Answer::read(server.call(routes::METRICS, &[])).await.expect_status(StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(answer.body).unwrap()
}

#[tokio::test]
async fn prometheus_understands_everything_and_no_secret_or_name_is_in_it() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..20).await;
    cluster.status().await;
    cluster.server.register_member("canary-login").await;
    let text = scrape(&cluster.server).await;
    promtool(&["check", "metrics"], &text);
    let (_, cookie) = cluster.operator.cookie.split_once('=').unwrap();
    let secrets = [cookie, "canary-login", &cluster.server.join_token(), &cluster.nodes[0].url];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in:\n{text}");
    }
    // Routes stand in it as the protocol lists them.
    assert!(text.contains(r#"route="/api/v1/uploads/{upload}/plan""#), "{text}");
    assert!(!text.contains(&cluster.operator.vault.to_string()));
    for family in coordinator::metrics::families() {
        // Only what a cluster without agents, reads and repairs can show.
        let later = ["triplicate_source_proven", "triplicate_account_quota", "triplicate_gc_blobs"];
        if !later.iter().any(|name| family.name.starts_with(name)) {
            assert!(text.contains(&format!("# TYPE {} ", family.name)), "{} is not told", family.name);
        }
    }
}

#[tokio::test]
async fn numbers_move_when_the_thing_happens() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    let before = scrape(&cluster.server).await;
    assert_eq!(value(&before, "triplicate_stored_bytes"), Some(0.0));
    cluster.back_up(0..20).await;
    let ids: Vec<_> = cluster.nodes.iter().map(|node| node.id).collect();
    let of = |name: &str, node: usize| format!("{name}{{node=\"{}\"}}", ids[node]);

    let after = scrape(&cluster.server).await;
    let told = |series: &str| value(&after, series);
    assert_eq!(told("triplicate_commits_total{kind=\"snapshot\"}"), Some(1.0));
    assert_eq!(told("triplicate_stored_bytes"), Some(20.0 * 4160.0));
    assert_eq!(told("triplicate_dedup_ratio"), Some(1.0));
    assert_eq!(told("triplicate_blobs{state=\"live\"}"), Some(20.0));
    assert_eq!(told("triplicate_replicas"), Some(3.0));
    assert_eq!(told("triplicate_underreplicated_blobs"), Some(0.0));
    assert_eq!(told(&of("triplicate_node_up", 1)), Some(1.0));
    assert_eq!(told(&of("triplicate_node_capacity_bytes", 1)), Some(2_f64.powi(40)));
    let snapshot =
        after.lines().find(|line| line.starts_with("triplicate_source_last_snapshot_timestamp_seconds{"));
    assert!(snapshot.unwrap().contains("writer=\"person\""), "{after}");

    // A node is gone for good, and there is no other zone for its copies.
    cluster.set_state(1, "out").await;
    cluster.wait_for_sql("SELECT count(*)::text FROM repairs WHERE waiting = 'zone'", "20").await;
    let after = scrape(&cluster.server).await;
    assert_eq!(value(&after, &of("triplicate_node_up", 1)), Some(0.0));
    assert_eq!(value(&after, "triplicate_underreplicated_blobs"), Some(20.0));
    assert_eq!(value(&after, "triplicate_repairs_without_zone"), Some(20.0));
    assert_eq!(value(&after, "triplicate_at_risk_blobs"), Some(0.0));
    assert_eq!(value(&after, "triplicate_repaired_blobs_total"), Some(0.0));

    cluster.set_state(1, "up").await;
    let mut cluster = cluster;
    cluster.add("d").await;
    cluster.set_state(1, "out").await;
    cluster.wait_for_rest().await;
    let after = scrape(&cluster.server).await;
    assert_eq!(value(&after, "triplicate_underreplicated_blobs"), Some(0.0));
    assert_eq!(value(&after, "triplicate_repaired_blobs_total"), Some(20.0));
}

#[tokio::test]
async fn metrics_take_the_token_where_one_is_set() {
    let metrics_token = SecretSource::value("let me look");
    let metrics = MetricsOptions { metrics_token, ..MetricsOptions::default() };
    let server = Server::start_with(Options { metrics, ..Options::default() }).await;
    let operator = server.register_operator().await;
    let ask = || server.call(routes::METRICS, &[]);
    let refused = [
        ask(),
        ask().bearer_auth("let me"),
        ask().bearer_auth(""),
        ask().header("cookie", &operator.cookie),
        ask().header("authorization", "Basic let me look"),
    ];
    for request in refused {
        Answer::read(request).await.expect_code(ErrorCode::Unauthenticated);
    }
    let answer = Answer::read(ask().bearer_auth("let me look")).await.expect_status(StatusCode::OK);
    assert!(!String::from_utf8(answer.body).unwrap().contains("let me look"));
}

#[tokio::test]
async fn without_a_token_only_this_machine_reads_metrics_and_nobody_through_a_proxy() {
    let server = Server::start().await;
    scrape(&server).await;
    let passed_on = server.call(routes::METRICS, &[]).header("x-forwarded-for", "192.0.2.1");
    Answer::read(passed_on).await.expect_code(ErrorCode::Forbidden);
}

#[tokio::test]
async fn the_database_is_asked_no_more_often_than_said_and_its_absence_is_told() {
    let metrics = MetricsOptions { metrics_age: Duration::from_hours(1), ..MetricsOptions::default() };
    let server = Server::start_with(Options { metrics, ..Options::default() }).await;
    assert!(scrape(&server).await.contains("triplicate_gc_held_blobs 0"));
    server.sql("UPDATE garbage_collection SET held_blobs = 5, held_at = now()").await;
    assert!(scrape(&server).await.contains("triplicate_gc_held_blobs 0"));

    server.sql("ALTER TABLE blobs RENAME TO blobs_elsewhere").await;
    let text = scrape(&server).await;
    assert_eq!(value(&text, "triplicate_database_up"), Some(0.0));
    assert_eq!(value(&text, "triplicate_gc_held_blobs"), Some(0.0));
    assert_eq!(value(&text, "triplicate_stored_bytes"), None);
}
