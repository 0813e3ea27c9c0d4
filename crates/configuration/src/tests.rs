//! Files as they should not be, and as they should. The order over the environment is tested by the programs' own tests,
//! because a test cannot change its environment.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, FromArgMatches as _, ValueEnum};

use super::*;

#[derive(Debug, PartialEq, clap::Parser)]
struct Line {
    /// Where to listen
    #[arg(long, env = "TRIPLICATE_UNIT_TEST_LISTEN", default_value = "127.0.0.1:1")]
    listen: std::net::SocketAddr,
    /// How many
    #[arg(long, env = "TRIPLICATE_UNIT_TEST_COPIES", value_parser = clap::value_parser!(u32).range(1..=8))]
    copies: u32,
    /// Which
    #[arg(long, env = "TRIPLICATE_UNIT_TEST_NEVER", value_delimiter = '\n')]
    never: Vec<PathBuf>,
    /// How
    #[arg(long, env = "TRIPLICATE_UNIT_TEST_MODE", default_value = "auto")]
    mode: Mode,
    /// Whether
    #[arg(long, env = "TRIPLICATE_UNIT_TEST_LOG_JSON")]
    log_json: bool,
    /// No option of the file
    #[arg(long)]
    once: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Auto,
    Poll,
}

const PROGRAM: Program = Program {
    secrets: &[SecretOption { name: "unit_test_token", help: "Lets in.", is_required: true }],
    usual_file: None,
};

fn command() -> Command {
    super::command::<Line>(&PROGRAM)
}

fn parse(toml: &str) -> Result<File, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.toml");
    write(&path, toml, 0o600);
    let file = File::read(&path, &command(), PROGRAM.secrets);
    file.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn line(toml: &str, arguments: &[&str]) -> Line {
    let command = parse(toml).unwrap().apply(command());
    let matches = command.try_get_matches_from([&["program"], arguments].concat()).unwrap();
    Line::from_arg_matches(&matches).unwrap()
}

#[test]
fn the_command_is_one_that_clap_takes() {
    command().debug_assert();
    Line::command().debug_assert();
}

#[test]
fn the_file_is_stronger_than_defaults_and_a_flag_stronger_than_the_file() {
    let toml = "listen = '127.0.0.1:2'\ncopies = 3\nnever = ['/a', '/b,c']\nmode = 'poll'\nlog_json = true";
    let expected = Line {
        listen: "127.0.0.1:2".parse().unwrap(),
        copies: 3,
        never: vec!["/a".into(), "/b,c".into()],
        mode: Mode::Poll,
        log_json: true,
        once: false,
    };
    assert_eq!(line(toml, &[]), expected);
    let flagged = line(toml, &["--copies", "4", "--never=/d"]);
    assert_eq!(flagged, Line { copies: 4, never: vec!["/d".into()], ..expected });
    assert_eq!(line("copies = 1", &[]).mode, Mode::Auto);
}

#[test]
fn a_key_that_is_no_option_is_an_error_with_the_nearest_one() {
    let refused = |toml| parse(toml).err().unwrap();
    assert_eq!(refused("listn = 'a'"), "file.toml: unknown key `listn`; did you mean `listen`?");
    assert_eq!(
        refused("unit_test_tokn_file = 'a'"),
        "file.toml: unknown key `unit_test_tokn_file`; did you mean `unit_test_token_file`?"
    );
    assert_eq!(refused("zzz = 1"), "file.toml: unknown key `zzz`");
    assert_eq!(refused("[server]\nlisten = 'a'"), "file.toml: unknown key `server`");
    assert!(
        refused("once = true").contains("unknown key `once`"),
        "what has no variable is for the command line"
    );
    assert!(refused("config = 'a'").contains("unknown key `config`"));
    assert!(refused("listen = ").contains("file.toml is not TOML"));
}

#[test]
fn a_value_that_an_option_does_not_take_is_an_error_that_names_it() {
    for (toml, expected) in [
        ("listen = 'here'", "file.toml: listen: invalid value 'here' for '--listen <LISTEN>'"),
        ("copies = 9", "file.toml: copies: invalid value '9' for '--copies <COPIES>': 9 is not in 1..=8"),
        ("copies = 'many'", "file.toml: copies: invalid value 'many'"),
        ("copies = [1]", "file.toml: copies: expected a text or a number, not a list"),
        ("copies = true", "file.toml: copies: expected a text or a number, not true or false"),
        ("copies = { a = 1 }", "file.toml: copies: expected a text or a number, not a table"),
        (
            "mode = 'fast'",
            "file.toml: mode: invalid value 'fast' for '--mode <MODE>' [possible values: auto, poll]",
        ),
        ("log_json = 'yes'", "file.toml: log_json: expected true or false"),
        ("never = [['a']]", "file.toml: never: expected a text or a number, not a list"),
        ("unit_test_token = 1", "file.toml: unit_test_token: expected a text"),
    ] {
        let told = parse(toml).err().unwrap();
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn a_secret_in_the_file_needs_a_file_that_nobody_else_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.toml");
    let read = || File::read(&path, &command(), PROGRAM.secrets);
    for mode in [0o640, 0o604, 0o620, 0o660] {
        write(&path, "unit_test_token = 'open'", mode);
        assert!(matches!(read(), Err(ConfigError::Secret(SecretError::Exposed(_)))), "{mode:o}");
    }
    write(&path, "unit_test_token = 'open'", 0o600);
    let source = PROGRAM.secrets[0].find(&read().unwrap()).unwrap();
    assert_eq!(source.read().unwrap().unwrap().expose(), "open");
    write(&path, "unit_test_token_file = 'elsewhere'", 0o644);
    assert!(read().is_ok(), "a path is no secret");
}

#[test]
fn a_secret_is_in_one_place() {
    let both = parse("unit_test_token = 'a'\nunit_test_token_command = 'echo a'").unwrap();
    let told = PROGRAM.secrets[0].find(&both).err().unwrap().to_string();
    assert_eq!(told, "unit_test_token and unit_test_token_command are both set; set one of them");
}

#[test]
fn a_secret_of_a_file_or_command_is_read_when_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let source = SecretSource::file(&path);
    let read = || source.read().map(|secret| secret.unwrap().expose().to_owned());
    assert!(matches!(read(), Err(SecretError::File { .. })));
    write(&path, "first\n", 0o600);
    assert_eq!(read().unwrap(), "first");
    write(&path, "second\n", 0o400);
    assert_eq!(read().unwrap(), "second");
    write(&path, " \n", 0o600);
    assert!(matches!(read(), Err(SecretError::Empty(_))));
    write(&path, "third", 0o644);
    let told = read().err().unwrap().to_string();
    assert!(told.contains(&format!("chmod 600 {}", path.display())), "{told}");

    let command = |text: &str| {
        let file = parse(&format!("unit_test_token_command = '{text}'")).unwrap();
        PROGRAM.secrets[0].find(&file).unwrap().read()
    };
    assert_eq!(command("echo open").unwrap().unwrap().expose(), "open");
    assert!(matches!(command("echo open; exit 3"), Err(SecretError::Command { .. })));
    assert!(matches!(command("true"), Err(SecretError::Empty(_))));
    let missing = SecretSource::default().require("unit_test_token").err().unwrap().to_string();
    assert!(missing.starts_with("unit_test_token is missing: set TRIPLICATE_UNIT_TEST_TOKEN, "), "{missing}");
}

/// Lines that would be in force, without what comments them out.
#[test]
fn the_example_is_a_file_that_says_what_holds_anyway() {
    let example = example::<Line>(&PROGRAM);
    let options = example.lines().filter(|line| !line.starts_with("# ") && !line.is_empty());
    let set: Vec<_> = options.map(|line| &line[1..]).filter(|line| !line.ends_with('=')).collect();
    assert_eq!(set, ["listen = \"127.0.0.1:1\"", "mode = \"auto\"", "log_json = false"]);
    let all = format!("{}\ncopies = 2", set.join("\n"));
    assert_eq!(line(&all, &[]), line("copies = 2", &[]));
}
