//! The unit that runs the agent with its user's session.

use std::fs;

use crate::support::Agent;

#[tokio::test]
async fn the_unit_runs_this_program_with_this_state_and_configuration() {
    let agent = Agent::new();
    let odd = agent.state.path().join("100% \"odd\" $HOME");
    fs::create_dir(&odd).unwrap();
    let config = odd.join("agent.toml");
    fs::write(&config, "").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_triplicate-agent"));
    command.arg("--state").arg(&odd).arg("--config").arg(&config).args(["service", "install", "--print"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let unit = String::from_utf8(output.stdout).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let quoted = format!("{}/100%% \\\"odd\\\" $HOME", agent.state.path().display());
    let argument = quoted.replace('$', "$$");
    let expected = format!(
        "\"{}\" run --state \"{argument}\" --config \"{argument}/agent.toml\"",
        env!("CARGO_BIN_EXE_triplicate-agent"),
    );
    assert_eq!(start, expected);
    assert!(unit.contains(&format!("ReadWritePaths=\"{quoted}\"")), "{unit}");
}
