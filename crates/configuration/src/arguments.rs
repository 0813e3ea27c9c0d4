//! The command line: what is configurable of it, and what every program has.

use std::fmt::Write as _;

use clap::{Arg, Command, value_parser};

use crate::secret::{SecretOption, variable};

pub(crate) const FILE_VARIABLE: &str = "TRIPLICATE_CONFIG";
/// The flag and the subcommand.
pub(crate) const CONFIG: &str = "config";

/// Adds `--config`, `config check`, `config example`, and the secrets to `--help`.
pub(crate) fn extend(command: Command, secrets: &[SecretOption]) -> Command {
    let file = Arg::new(CONFIG)
        .long(CONFIG)
        .env(FILE_VARIABLE)
        .value_name("FILE")
        .value_parser(value_parser!(std::path::PathBuf))
        .global(true)
        .help("A TOML file of options, under their flags' names with underscores");
    let globals: Vec<_> = command.get_arguments().filter(|arg| arg.is_global_set()).map(key).collect();
    let own = configurable(&command).into_iter().filter(|arg| !globals.contains(&key(arg)));
    let check = Command::new("check")
        .about("Show what is in force and where each value comes from, or say what is wrong")
        .args(own.map(|arg| arg.required(false)));
    let example =
        Command::new("example").about("Print a file of all options, explained, with their defaults");
    let config = Command::new(CONFIG)
        .about("See how the program is configured")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([check, example]);
    // Asking about the configuration needs nothing else.
    command.arg(file).subcommand(config).subcommand_negates_reqs(true).after_help(describe(secrets))
}

fn describe(secrets: &[SecretOption]) -> String {
    let mut text = String::new();
    for SecretOption { name, help, .. } in secrets {
        let variable = variable(name);
        let forms = format!("{variable}, {variable}_FILE, {variable}_COMMAND");
        let _ = writeln!(text, "\n  {forms}\n          {help}");
    }
    match secrets {
        [] => text,
        _ => format!("Secrets, from the environment or the file, never flags:\n{text}"),
    }
}

/// Every option that can be in the file: those with an environment variable, each once.
pub(crate) fn configurable(command: &Command) -> Vec<Arg> {
    let mut found: Vec<Arg> = Vec::new();
    let own = command.get_arguments().filter(|arg| is_configurable(arg)).cloned();
    let below = command.get_subcommands().filter(|sub| sub.get_name() != CONFIG).flat_map(configurable);
    for arg in own.chain(below) {
        if found.iter().all(|known| key(known) != key(&arg)) {
            found.push(arg);
        }
    }
    found
}

fn is_configurable(arg: &Arg) -> bool {
    arg.get_env().is_some() && arg.get_long().is_some() && arg.get_id() != CONFIG
}

/// An option's name in the file.
pub(crate) fn key(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().replace('-', "_")
}

/// Changes every configurable option, wherever it stands.
pub(crate) fn map(command: Command, change: &impl Fn(Arg) -> Arg) -> Command {
    let command = command.mut_args(|arg| if is_configurable(&arg) { change(arg) } else { arg });
    command.mut_subcommands(|sub| map(sub, change))
}
