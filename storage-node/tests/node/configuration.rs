//! How a node is configured, by the program itself.

use std::process::{Command, Output};

use testkit::{tempdir, write_private};

const EXAMPLE: &str = include_str!("../../../docs/configuration/node.toml");

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_triplicate-node"));
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn the_documented_options_are_those_of_the_program() {
    let output = run(&["config", "example"], &[]);
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, EXAMPLE, "run: triplicate-node config example > docs/configuration/node.toml");
}

#[test]
fn a_file_can_hold_all_that_a_node_needs() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("node.toml");
    let token = folder.path().join("token");
    write_private(&token, "let me in\n");
    let toml = format!(
        "data = '/srv/node'\npublic_url = 'http://a:1'\ncoordinator = 'http://b:2'\nzone = 7\npack_bytes = 1048576\n\
         join_token_file = '{}'",
        token.display()
    );
    write_private(&file, &toml);
    let check = |environment: &[(&str, &str)]| {
        let output = run(&["config", "check", "--config", file.to_str().unwrap()], environment);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, printed) = check(&[("TRIPLICATE_PACK_BYTES", "2097152")]);
    assert_eq!(code, Some(0), "{printed}");
    for line in [
        "data = \"/srv/node\"  # file",
        "pack_bytes = 2097152  # TRIPLICATE_PACK_BYTES",
        "# join_token is set",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    std::fs::remove_file(token).unwrap();
    let (code, printed) = check(&[]);
    assert_eq!(code, Some(2));
    assert!(printed.contains("error: cannot read the secret in "), "{printed}");
}

#[test]
fn a_node_without_what_it_needs_says_what_that_is() {
    let output = run(&["--data", "/nowhere"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(["--public-url", "--coordinator", "--zone"].iter().all(|flag| told.contains(flag)), "{told}");
}
