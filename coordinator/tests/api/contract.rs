//! Whatever anybody could send, made up by schemathesis from the description: no request may find a fault of the
//! server's, nor get an answer that the description does not tell of.

use testkit::long::scale;
use testkit::tools::installed;
use tokio::process::Command;

use crate::support::Server;

/// How it is called, and what is left out, with the reasons.
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/schemathesis.toml");
const DESCRIPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api/coordinator.json");

#[tokio::test]
async fn no_request_finds_a_fault_or_an_answer_that_is_not_described() {
    let (server, operator, _nodes) = Server::with_zones(3).await;
    let upload = operator.open(&server).await;
    let mut schemathesis = Command::new(installed("venv/bin/schemathesis"));
    schemathesis
        .args(["--config-file", CONFIGURATION, "run", DESCRIPTION, "--url", &server.origin])
        .args(["--max-examples", &scale(8, 1000).to_string()])
        .env("TRIPLICATE_COOKIE", &operator.cookie)
        .env("TRIPLICATE_VAULT", operator.vault.to_string())
        .env("TRIPLICATE_UPLOAD", upload.to_string())
        .current_dir(server.folder.path())
        .kill_on_drop(true);
    let output = schemathesis.output().await.expect("schemathesis runs; `./test` installs it");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", said.concat());
}
