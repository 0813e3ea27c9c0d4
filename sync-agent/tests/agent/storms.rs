//! Many changes at once: what is in the vault afterwards is what was on the disk at a quiet moment, to the byte, and
//! stays so whatever comes later.

use std::path::Path;

use testkit::long::{for_each_seed, scale};
use testkit::tempdir;

use crate::support::{Agent, Folder, Weather, World, on_disk, wait_until_holds};

/// Quiet moments of one run, each after a storm.
const STORMS: usize = 2;

#[tokio::test]
async fn storms_in_two_folders_end_as_they_were_at_each_quiet_moment() {
    for_each_seed(2, 50, storm).await;
}

async fn storm(seed: u64) {
    let files = scale(200, 10_000);
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folders = [Folder::new(&[]), Folder::new(&[])];
    let mut weather = Weather::new(seed, &folders.each_ref().map(Folder::path));
    weather.fill(files);
    for folder in &folders {
        agent.add(folder.path()).await;
    }
    let _running = agent.start().await;
    let vault = world.vault().await;
    let mut moments = Vec::new();
    for _ in 0..STORMS {
        weather.rage(files / 3).await;
        for folder in &folders {
            let reference = on_disk(folder.path());
            wait_until_holds(&vault, folder.path(), &reference, &agent).await;
            moments.push((newest(&agent, folder.path()).await, reference));
        }
    }
    for (snapshot, reference) in moments {
        let target = tempdir().unwrap();
        let summary = agent.json(&["restore", &snapshot, "--target", target.path().to_str().unwrap()]).await;
        assert_eq!(summary["errors"], 0, "{summary}");
        assert!(on_disk(target.path()) == reference, "{snapshot} is not what was there then");
    }
}

async fn newest(agent: &Agent, folder: &Path) -> String {
    let snapshots = agent.json(&["snapshots"]).await;
    let of_folder = |it: &&serde_json::Value| it["paths"][0] == folder.to_str().unwrap();
    snapshots.as_array().unwrap().iter().rfind(of_folder).unwrap()["id"].as_str().unwrap().to_owned()
}
