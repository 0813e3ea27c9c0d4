//! How every program is configured. A flag is stronger than the environment, that is stronger than the file, and that is
//! stronger than the default.
//!
//! The program's clap type alone names options, explains them and has their defaults. An option that has an environment
//! variable can also be in the file, under its flag's name with underscores: the file's values become defaults of the
//! command, so that clap itself holds the order and `--help` stays true. Secrets are no options, because a process list
//! shows those; see [`SecretSource`].

mod arguments;
mod check;
mod example;
mod file;
mod secret;
mod value;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::exit;

use clap::{ArgMatches, Command, Parser};

use file::File;
pub use secret::{Secret, SecretError, SecretOption, SecretSource};

/// As clap's own for a wrong command line.
const WRONG: i32 = 2;

/// What is particular to a program.
#[derive(Default)]
pub struct Program {
    /// The secrets that it takes.
    pub secrets: &'static [SecretOption],
    /// The file that is read if none is named and this one is there.
    pub usual_file: Option<PathBuf>,
}

/// What else was configured than the program's options.
pub struct Settings {
    /// The file that was named.
    pub named_file: Option<PathBuf>,
    secrets: Vec<(&'static str, SecretSource)>,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not TOML: {message}")]
    Toml {
        /// Which.
        path: PathBuf,
        /// Where, and what is wrong.
        message: String,
    },
    /// The file has a key that is no option.
    #[error("{path}: unknown key `{key}`{suggestion}")]
    Unknown {
        /// Which.
        path: PathBuf,
        /// What it has.
        key: String,
        /// What it may have meant, or nothing.
        suggestion: String,
    },
    /// The file has a value that its option does not take.
    #[error("{path}: {key}: {message}")]
    Value {
        /// Which.
        path: PathBuf,
        /// The option.
        key: String,
        /// Why not.
        message: String,
    },
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Settings {
    /// Where this secret of the program comes from.
    ///
    /// # Panics
    /// If the program declared no such secret.
    pub fn secret(&self, name: &str) -> SecretSource {
        let declared = self.secrets.iter().find(|(known, _)| *known == name);
        declared.expect("a program asks for the secrets that it declares").1.clone()
    }
}

/// Reads the configuration of this process. `config check` and `config example` end it here, and so does what is wrong,
/// with a message.
pub fn parse<P: Parser>(program: &Program) -> (P, Settings) {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let plain = command::<P>(program);
    let (file, settings) = match read(&plain, program, &arguments) {
        Ok(read) => read,
        Err(error) => refuse(&error),
    };
    let mut command = file.apply(plain.clone());
    let matches = command.try_get_matches_from_mut(arguments).unwrap_or_else(|error| error.exit());
    if let Some((arguments::CONFIG, of_config)) = matches.subcommand() {
        answer(&plain, program, &settings, &file, [of_config, &matches]);
    }
    match P::from_arg_matches(&matches) {
        Ok(parsed) => (parsed, settings),
        Err(error) => error.format(&mut command).exit(),
    }
}

/// The whole command line of a program, with what this crate adds.
pub fn command<P: Parser>(program: &Program) -> Command {
    arguments::extend(P::command(), program.secrets)
}

/// What a program answers to `config example`.
pub fn example<P: Parser>(program: &Program) -> String {
    example::text(&command::<P>(program), program.secrets)
}

fn read(
    command: &Command,
    program: &Program,
    arguments: &[OsString],
) -> Result<(File, Settings), ConfigError> {
    let named = named_file(arguments);
    let usual = program.usual_file.as_deref().filter(|path| path.exists());
    let file = match named.as_deref().or(usual) {
        Some(path) => File::read(path, command, program.secrets)?,
        None => File::default(),
    };
    let mut secrets = Vec::new();
    for option in program.secrets {
        secrets.push((option.name, option.find(&file)?));
    }
    Ok((file, Settings { named_file: named, secrets }))
}

/// Found before clap looks at the arguments, because what the file says must be there by then.
fn named_file(arguments: &[OsString]) -> Option<PathBuf> {
    let mut rest = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    while let Some(argument) = rest.next() {
        if argument == "--config" {
            return rest.next().map(PathBuf::from);
        }
        if let Some(path) = argument.as_encoded_bytes().strip_prefix(b"--config=") {
            use std::os::unix::ffi::OsStrExt as _;
            return Some(Path::new(OsStr::from_bytes(path)).to_owned());
        }
    }
    std::env::var_os(arguments::FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// `config check` and `config example`.
fn answer(
    command: &Command,
    program: &Program,
    settings: &Settings,
    file: &File,
    [of_config, of_program]: [&ArgMatches; 2],
) -> ! {
    let (text, problems) = match of_config.subcommand() {
        Some(("check", of_check)) => {
            check::report(command, program.secrets, settings, file, &[of_check, of_program])
        }
        _ => (example::text(command, program.secrets), Vec::new()),
    };
    // A reader that went away, like `head`, is no fault of ours.
    let _ = std::io::stdout().write_all(text.as_bytes());
    for problem in &problems {
        complain(problem);
    }
    exit(if problems.is_empty() { 0 } else { WRONG })
}

fn refuse(error: &ConfigError) -> ! {
    complain(&error.to_string());
    exit(WRONG)
}

fn complain(problem: &str) {
    let _ = writeln!(std::io::stderr(), "error: {problem}");
}
