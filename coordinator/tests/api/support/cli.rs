//! The coordinator's program, as an operator runs it beside the server.

use std::process::Output;

use super::Cluster;

impl Cluster {
    /// Runs the coordinator's program beside the server, on its database.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.run_on(&self.server.database_url(), arguments).await
    }

    /// The same on another database.
    pub(crate) async fn run_on(&self, database_url: &str, arguments: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_triplicate-coordinator"))
            .args(arguments)
            .env("TRIPLICATE_DATABASE_URL", database_url)
            .env("TRIPLICATE_DATA", self.server.folder.path().join("coordinator"))
            .output()
            .await
            .unwrap()
    }

    pub(crate) async fn answer(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
