//! What all three programs tell Prometheus in one cluster, and what docs/ops makes of it.

use std::collections::BTreeSet;
use std::path::Path;

use testkit::prometheus::{mentioned, names, promtool, value};
use testkit::{free_port, wait_until};

use crate::support::{Folder, LOGIN, PASSPHRASE, World};

async fn scrape(origin: &str) -> String {
    let answer = testkit::http().get(format!("{origin}/metrics")).send().await.unwrap();
    answer.error_for_status().unwrap().text().await.unwrap()
}

#[tokio::test]
async fn rules_and_dashboard_use_what_the_programs_tell_and_nobody_is_named() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let port = free_port().unwrap();
    agent.configure(&format!("quiet_seconds = 1\nmetrics_listen = \"127.0.0.1:{port}\""));
    let running = agent.start().await;
    let folder = Folder::new(&[("canary-name.txt", b"canary content")]);
    agent.add(folder.path()).await;
    let of_agent = format!("http://127.0.0.1:{port}");
    let source = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("triplicate_agent_files{"))?;
        Some(line.split_once('{')?.1.split_once('}')?.0.to_owned())
    };
    wait_until("the folder is backed up", async || {
        let text = scrape(&of_agent).await;
        source(&text).is_some_and(|labels| {
            value(&text, &format!("triplicate_agent_backup_timestamp_seconds{{{labels}}}")) > Some(1.0e9)
        })
    })
    .await;

    let texts = [
        scrape(&of_agent).await,
        scrape(&world.cluster.origin).await,
        scrape(&world.cluster.node_url(0)).await,
    ];
    let labels = source(&texts[0]).unwrap();
    assert_eq!(value(&texts[0], &format!("triplicate_agent_files{{{labels}}}")), Some(1.0));
    assert_eq!(value(&texts[0], "triplicate_agent_online"), Some(1.0));
    let snapshot = format!("triplicate_source_last_snapshot_timestamp_seconds{{{labels},writer=\"device\"}}");
    assert!(value(&texts[1], &snapshot) > Some(1.0e9), "{}", texts[1]);
    for text in &texts {
        promtool(&["check", "metrics"], text);
        let folder = folder.path().file_name().unwrap().to_str().unwrap();
        let join_token =
            std::fs::read_to_string(world.cluster.coordinator_folder().join("join-token")).unwrap();
        for name in ["canary", folder, LOGIN, PASSPHRASE, "laptop", join_token.trim()] {
            assert!(!text.contains(name), "{name} is in:\n{text}");
        }
    }

    let told: BTreeSet<_> = texts.iter().flat_map(|text| names(text)).collect();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ops");
    for file in ["alerts.yml", "dashboard.json"] {
        let used = mentioned(&std::fs::read_to_string(docs.join(file)).unwrap());
        assert!(used.len() > 10, "{file} uses {used:?}");
        // These appear with the first thing that they count.
        let later = BTreeSet::from(["triplicate_gc_blobs_total".to_owned()]);
        let unknown: Vec<_> =
            used.iter().filter(|name| !told.contains(*name) && !later.contains(*name)).collect();
        assert!(unknown.is_empty(), "{file} uses {unknown:?}, which no program tells");
    }
    drop(running);
}

#[test]
fn the_alert_rules_do_what_their_own_tests_say() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ops");
    let file = |name: &str| docs.join(name).to_str().unwrap().to_owned();
    promtool(&["check", "rules", &file("alerts.yml")], "");
    promtool(&["test", "rules", &file("alerts.test.yml")], "");
    let dashboard = std::fs::read_to_string(file("dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(
        dashboard["panels"].as_array().unwrap().iter().all(|panel| panel["targets"][0]["expr"].is_string())
    );
}

#[tokio::test]
async fn the_agent_tells_nobody_elsewhere() {
    let world = World::start(1).await;
    let agent = world.admit().await;
    agent.configure("metrics_listen = \"0.0.0.0:0\"");
    let output = agent.run(&["run"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("must be one of loopback"));
}
