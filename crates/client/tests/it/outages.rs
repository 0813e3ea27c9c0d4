//! The database crashes and comes back: what was acknowledged stays, and what was under way goes on.

use std::rc::Rc;

use client::Progress;
use protocol::nodes::NodeState;
use testkit::cluster::Cluster;
use testkit::postgres::crashable_database;
use testkit::{Signal, wait_until};
use tokio::sync::watch;

use crate::native::{Device, assert_restores, back_up, file, linked, noise};

/// Silence is noticed soon, and everything that follows from it in its own time.
const QUICK: [(&str, &str); 2] = [("TRIPLICATE_HEARTBEAT_MS", "300"), ("TRIPLICATE_SUSPECT_AFTER", "3")];

fn restart(all: &mut Cluster) {
    all.database_mut().server().restart().expect("PostgreSQL recovers from a crash");
}

async fn is_ready(origin: &str) -> bool {
    let answer = testkit::http().get(format!("{origin}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

fn log_has(all: &Cluster, text: &str) -> bool {
    let log = std::fs::read_to_string(all.folder().join("coordinator.log")).expect("it has a log");
    log.contains(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_way_outlives_a_crash_of_the_database() {
    let mut all = linked(crashable_database().await, 1, 3, &QUICK).await;
    let vault = Device::default().sign_up(&all).await.open_vault().await.expect("opens");
    let files = [("big", noise(1, 48 << 20)), ("small", noise(2, 5000))];
    let progress = Rc::new(Progress::default());
    let new_files = files.iter().map(|(name, content)| file(name, content)).collect();
    let origin = all.coordinator_origin(0);
    let outage = async {
        wait_until("a part is sent", async || progress.get().bytes_sent >= 8 << 20).await;
        all.database_mut().server().crash();
        wait_until("requests are told so", async || {
            let answer = testkit::http().get(format!("{origin}/readyz")).send().await.expect("it answers");
            answer.status() == 503 && answer.headers().contains_key("retry-after")
        })
        .await;
        restart(&mut all);
    };
    let (done, ()) = tokio::join!(vault.backup(new_files, &progress), outage);
    done.expect("it waits, and goes on");
    assert_restores(&Device::default().open(&all).await, &files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_crashes_of_the_database_under_load() {
    const CRASHES: usize = 3;
    let mut all = linked(crashable_database().await, 1, 3, &QUICK).await;
    let vault = Device::default().sign_up(&all).await.open_vault().await.expect("opens");
    let (done, crashes) = watch::channel(0);
    let (acknowledged, mut acknowledgements) = watch::channel(0);
    let load = async {
        let mut files = Vec::new();
        while *crashes.borrow() < CRASHES {
            let number = files.len() as u64;
            files.push((format!("file-{number}"), noise(number, 100_000)));
            let new = [(&*files[files.len() - 1].0, files[files.len() - 1].1.clone())];
            while let Err(error) = back_up(&vault, &new).await {
                assert!(error.is_retryable(), "{error}");
            }
            acknowledged.send_replace(files.len());
        }
        files
    };
    let origin = all.coordinator_origin(0);
    let outages = async {
        for crash in 1..=CRASHES {
            // In the middle of whatever follows the next acknowledgement.
            let next = *acknowledgements.borrow_and_update() + 1;
            acknowledgements.wait_for(|count| *count >= next).await.expect("the load goes on");
            all.database_mut().server().crash();
            restart(&mut all);
            wait_until("the same coordinator is back", async || is_ready(&origin).await).await;
            done.send_replace(crash);
        }
    };
    let (files, ()) = tokio::join!(load, outages);
    let files: Vec<_> = files.iter().map(|(name, content)| (&**name, content.clone())).collect();
    assert_restores(&Device::default().open(&all).await, &files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_down_for_the_databases_absence() {
    let mut all = linked(crashable_database().await, 1, 3, &QUICK).await;
    let account = Device::default().sign_up(&all).await;
    // Nobody is heard of when it comes back, nor, as far as the database knows, was for an hour.
    for node in 0..3 {
        all.signal_node(node, Signal::STOP);
    }
    all.database_mut().server().crash();
    wait_until("the absence is noticed", async || log_has(&all, "cannot watch nodes")).await;
    restart(&mut all);
    all.database().query("UPDATE nodes SET last_heartbeat_at = now() - interval '1 hour'");
    let states = "SELECT string_agg(DISTINCT state, ' ') FROM nodes";
    wait_until("their silence is noticed", async || all.database().query(states) == "suspect").await;
    for node in 0..3 {
        all.signal_node(node, Signal::CONT);
    }
    wait_until("all are up again", async || {
        let nodes = account.nodes().await.map(|answer| answer.nodes).unwrap_or_default();
        nodes.len() == 3 && nodes.iter().all(|node| node.state == NodeState::Up)
    })
    .await;
    assert!(!log_has(&all, "state=Down") && !log_has(&all, "state=Out"), "none was given up meanwhile");
}
