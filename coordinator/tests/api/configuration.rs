//! How the coordinator is configured, by the program itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use testkit::{TempDir, tempdir, write_private};

const EXAMPLE: &str = include_str!("../../../docs/configuration/coordinator.toml");

/// A folder for files, and the program without anything of this process's own configuration.
struct Configured(TempDir);

impl Configured {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        write_private(&path, text);
        path
    }

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_triplicate-coordinator"));
        let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRIPLICATE_"));
        for (name, _) in own {
            command.env_remove(name);
        }
        command.args(arguments).envs(environment.iter().copied()).output().unwrap()
    }

    /// `config check` of a file, with what it prints and complains of.
    fn check(
        &self,
        toml: &str,
        environment: &[(&str, &str)],
        flags: &[&str],
    ) -> (Option<i32>, String, String) {
        let file = self.write("coordinator.toml", toml);
        let arguments = [&["--config", file.to_str().unwrap(), "config", "check"], flags].concat();
        let output = Self::run(&arguments, environment);
        let [printed, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), printed, told)
    }
}

#[test]
fn the_documented_options_are_those_of_the_program() {
    let output = Configured::run(&["config", "example"], &[]);
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed, EXAMPLE,
        "run: triplicate-coordinator config example > docs/configuration/coordinator.toml"
    );
}

#[test]
fn a_flag_goes_over_the_environment_and_that_over_the_file_and_that_over_the_default() {
    let toml = "listen = '127.0.0.1:1'\nreplicas = 2\noverdue_after = 60\ndata = '/file'\nlog_json = true";
    let environment = [
        ("TRIPLICATE_LISTEN", "127.0.0.1:2"),
        ("TRIPLICATE_REPLICAS", "3"),
        ("TRIPLICATE_DATABASE_URL", "postgres://secret"),
    ];
    let (code, printed, told) = Configured::new().check(toml, &environment, &["--listen", "127.0.0.1:3"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    for line in [
        "listen = \"127.0.0.1:3\"  # flag",
        "replicas = 3  # TRIPLICATE_REPLICAS",
        "overdue_after = 60  # file",
        "data = \"/file\"  # file",
        "log_json = true  # file",
        "registration = \"invite\"  # default",
        "# web is not set",
        "# database_url is set",
        "# metrics_token is not set",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    assert!(!printed.contains("postgres://"), "a secret is not printed");
}

#[test]
fn what_is_in_force_can_be_the_next_file() {
    let configured = Configured::new();
    let toml = "data = '/a\\b\"c'\nreplicas = 4\ndatabase_url_command = 'echo postgres://'";
    let (_, first, _) = configured.check(toml, &[], &[]);
    let again = format!("{first}\ndatabase_url_command = 'echo postgres://'");
    let (code, second, told) = configured.check(&again, &[], &[]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(values(&first), values(&second));
}

#[test]
fn what_is_wrong_or_missing_is_told_and_ends_with_2() {
    let configured = Configured::new();
    let (code, _, told) = configured.check("", &[], &[]);
    assert_eq!(code, Some(2));
    assert!(told.contains("error: data is missing: set --data, TRIPLICATE_DATA, or data in"), "{told}");
    assert!(told.contains("error: database_url is missing: set TRIPLICATE_DATABASE_URL, "), "{told}");
    for (toml, expected) in [
        ("listne = ''", "unknown key `listne`; did you mean `listen`?"),
        ("replicas = 9", "replicas: invalid value '9'"),
        ("public_url = 'http://a/b'", "public_url: invalid value 'http://a/b'"),
        ("json = true", "unknown key `json`"),
    ] {
        let (code, _, told) = configured.check(toml, &[], &[]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("coordinator.toml") && told.contains(expected), "{told}");
    }
    let output = Configured::run(&["node", "list", "--config", "/nowhere/file.toml"], &[]);
    assert_eq!(output.status.code(), Some(2), "a file that was named must be there");
}

#[test]
fn a_variable_that_is_no_option_is_mentioned() {
    let environment =
        [("TRIPLICATE_REPLICA", "2"), ("TRIPLICATE_DATABASE_URL", "x"), ("TRIPLICATE_DATA", "/d")];
    let (code, printed, _) = Configured::new().check("", &environment, &[]);
    assert_eq!(code, Some(0), "it may be another program's");
    let expected = "# TRIPLICATE_REPLICA is set and no option of this program; did you mean `REPLICAS`?";
    assert!(printed.contains(expected), "{printed}");
}

#[test]
fn secrets_are_no_flags_and_every_command_takes_them_from_the_file() {
    let configured = Configured::new();
    let flag =
        Configured::run(&["node", "list", "--database-url", "postgres://nobody@localhost:1/none"], &[]);
    assert_eq!(flag.status.code(), Some(2), "others would see it in the process list");
    let url = configured.write("url", "postgres://nobody@localhost:1/none");
    let toml = format!("database_url_file = '{}'\nreplicas = 2\nlisten = '127.0.0.1:1'", url.display());
    let file = configured.write("coordinator.toml", &toml);
    let listed = |environment: &[(&str, &str)]| {
        let output = Configured::run(&["--config", file.to_str().unwrap(), "node", "list"], environment);
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(listed(&[]).contains("cannot connect to the database"));
    let missing = listed(&[("TRIPLICATE_DATABASE_URL_FILE", "/nowhere")]);
    assert!(missing.contains("cannot read the secret in /nowhere"), "{missing}");
    let both = [("TRIPLICATE_DATABASE_URL_COMMAND", "true"), ("TRIPLICATE_DATABASE_URL", "x")];
    assert!(
        listed(&both).contains("TRIPLICATE_DATABASE_URL and TRIPLICATE_DATABASE_URL_COMMAND are both set")
    );
    std::fs::set_permissions(&url, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(listed(&[]).contains("others may read it: chmod 600"));
}
