//! How the agent is configured, by the program itself.

use std::process::Output;

use crate::support::Agent;

const EXAMPLE: &str = include_str!("../../../docs/configuration/agent.toml");

async fn check(agent: &Agent, toml: &str, flags: &[&str]) -> (Option<i32>, String) {
    agent.configure(toml);
    let Output { status, stdout, stderr } = agent.run(&[&["config", "check"], flags].concat()).await;
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[tokio::test]
async fn the_documented_options_are_those_of_the_program() {
    let output = Agent::new().run(&["config", "example"]).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, EXAMPLE, "run: triplicate-agent config example > docs/configuration/agent.toml");
}

#[tokio::test]
async fn every_key_of_the_file_is_also_a_flag_and_that_is_stronger() {
    let agent = Agent::new();
    let toml = "watch = 'poll'\nupload_limit = '08:00-18:00 1M, unlimited'\nnever = ['/a', '/b']\nnice = 3";
    let (code, printed) = check(&agent, toml, &["--nice", "5"]).await;
    assert_eq!(code, Some(0), "{printed}");
    for line in [
        "watch = \"poll\"  # file",
        "upload_limit = \"08:00-18:00 1M, unlimited\"  # file",
        "never = [\"/a\", \"/b\"]  # file",
        "nice = 5  # flag",
        "prove_seconds = 604800  # default",
        "# store_key is not set",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
}

#[tokio::test]
async fn mistakes_are_told_and_not_ignored() {
    let agent = Agent::new();
    for (toml, expected) in [
        ("quiet_secs = 3", "unknown key `quiet_secs`; did you mean `quiet_seconds`?"),
        ("upload_limit = 'fast'", "upload_limit: "),
        ("poll_seconds = 0", "poll_seconds: "),
        ("prove_seconds = 0", "prove_seconds: "),
        ("nice = 20", "nice: "),
    ] {
        let (code, told) = check(&agent, toml, &[]).await;
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("agent.toml: ") && told.contains(expected), "{told}");
        assert_eq!(agent.run(&["status"]).await.status.code(), Some(2), "no verb goes on with it");
    }
}
