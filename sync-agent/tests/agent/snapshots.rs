//! What the commands say about snapshots, without restoring them.

use std::fs;

use serde_json::Value;

use crate::support::{Agent, Folder, World, noise};

async fn text(agent: &Agent, arguments: &[&str]) -> String {
    let output = agent.run(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All lines that a command printed with `--json`.
async fn objects(agent: &Agent, arguments: &[&str]) -> Vec<Value> {
    let printed = text(agent, &[arguments, &["--json"]].concat()).await;
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn seqs(agent: &Agent) -> Vec<String> {
    let listed = agent.json(&["snapshots"]).await;
    listed.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn snapshots_are_listed_looked_into_searched_and_compared() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let content = noise(1, 2000);
    let folder = Folder::new(&[("a.txt", &content), ("d/b.JPG", b"22"), ("d/\x1b[2Jevil", b"")]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    fs::write(folder.join("a.txt"), b"changed").unwrap();
    fs::rename(folder.join("d/b.JPG"), folder.join("c.JPG")).unwrap();
    folder.write("new/x", b"123");
    agent.json(&["backup"]).await;
    let seqs = seqs(&agent).await;
    let [first, second] = &seqs[..] else { panic!("two snapshots: {seqs:?}") };

    let listed = agent.json(&["snapshots"]).await;
    assert_eq!(listed[0]["paths"][0], folder.path().to_str().unwrap());
    assert_eq!(listed[0]["hostname"], "a laptop");
    assert_eq!(listed[0]["summary"]["total_bytes_processed"], 2002);
    let table = text(&agent, &["snapshots"]).await;
    assert!(table.starts_with("Snapshot  Time (UTC)           Folder"), "{table}");
    assert!(table.ends_with("2 snapshots\n"), "{table}");

    let names = text(&agent, &["ls", first]).await;
    assert_eq!(names, "a.txt\nd\nd/\\u{1b}[2Jevil\nd/b.JPG\n", "names do not command the terminal");
    assert_eq!(text(&agent, &["ls", "latest:new"]).await, "new/x\n");
    assert_eq!(text(&agent, &["ls", first, "--depth", "1"]).await, "a.txt\nd\n");
    let long = text(&agent, &["ls", "-l", &format!("{first}:a.txt")]).await;
    assert!(long.starts_with("-rw-r--r--         2000 "), "{long}");
    let nodes = objects(&agent, &["ls", first]).await;
    assert_eq!((&nodes[0]["message_type"], &nodes[1]["path"]), (&"snapshot".into(), &"/a.txt".into()));
    assert_eq!(nodes[1]["blake3"], blake3::hash(&content).to_hex().to_string());

    let found = agent.json(&["find", "*.jpg", "-i"]).await;
    let paths: Vec<_> = found.as_array().unwrap().iter().map(|it| &it["matches"][0]["path"]).collect();
    assert_eq!(paths, ["/c.JPG", "/d/b.JPG"], "newest first");
    let found = text(&agent, &["find", "d/*.JPG", "--snapshot", first]).await;
    assert_eq!(found.lines().skip(1).collect::<Vec<_>>(), ["d/b.JPG"]);

    let differences = text(&agent, &["diff", first, "latest"]).await;
    let lines: Vec<&str> = differences.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["M    /a.txt", "R    /d/b.JPG -> /c.JPG", "U    /d/", "+    /new/"]);
    let within = objects(&agent, &["diff", first, second, "new"]).await;
    assert_eq!(within.len(), 2, "{within:?}");
    assert_eq!((&within[0]["modifier"], &within[1]["added"]["bytes"]), (&"+".into(), &3.into()));

    let dumped = agent.run(&["dump", &format!("{first}:a.txt")]).await;
    assert!(dumped.status.success() && dumped.stdout == content);
    let zipped = agent.run(&["dump", &format!("{second}:new")]).await;
    assert!(zipped.stdout.starts_with(b"PK"));
}

#[tokio::test]
async fn what_is_not_there_is_said_and_ends_with_1() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let one = Folder::new(&[("a", b"1")]);
    let two = Folder::new(&[("b", b"2")]);
    agent.add(one.path()).await;
    let refused = async |arguments: &[&str]| {
        let output = agent.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(refused(&["ls", "latest"]).await, "error: there is no snapshot yet\n");
    agent.add(two.path()).await;
    agent.json(&["backup"]).await;
    let errors = refused(&["ls", "latest"]).await;
    assert!(errors.ends_with("say which with --source NAME, ID or PATH\n"), "{errors}");
    let source = ["--source", two.path().to_str().unwrap()];
    assert_eq!(text(&agent, &[&["ls", "latest"][..], &source].concat()).await, "b\n");
    let errors = refused(&[&["ls", "latest:nowhere"][..], &source].concat()).await;
    assert_eq!(errors, "error: nowhere does not exist\n");
    assert!(refused(&["ls", "99999"]).await.contains("there is no snapshot 99999"));
    assert!(refused(&["ls", "latest", "--source", "x"]).await.contains("no folder is called x"));
}

#[tokio::test]
async fn without_keys_these_commands_end_with_10_too() {
    let agent = Agent::new();
    let commands =
        [&["snapshots"][..], &["ls", "1"], &["find", "x"], &["restore", "1", "--target", "x"], &["check"]];
    for command in commands {
        assert_eq!(agent.run(command).await.status.code(), Some(10), "{command:?}");
    }
}
