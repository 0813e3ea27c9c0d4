//! `config check`: what is in force, as a file that says the same, with where each value comes from.

use std::fmt::Write as _;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::arguments::{FILE_VARIABLE, configurable, key};
use crate::file::{File, suggestion};
use crate::secret::{PREFIX, SecretOption, variable};
use crate::value::to_toml;
use crate::{SecretError, Settings};

/// The text, and what is wrong.
pub(crate) fn report(
    command: &Command,
    secrets: &[SecretOption],
    settings: &Settings,
    file: &File,
    matches: &[&ArgMatches],
) -> (String, Vec<String>) {
    let (mut text, mut problems) = (String::new(), Vec::new());
    for arg in configurable(command) {
        let key = key(&arg);
        match (strongest(&arg, matches), arg.is_required_set()) {
            (Some((source, values)), _) => {
                let place = match source {
                    ValueSource::CommandLine => "flag".to_owned(),
                    ValueSource::EnvVariable => variable(&key),
                    _ if file.has(&key) => "file".to_owned(),
                    _ => "default".to_owned(),
                };
                let _ = writeln!(text, "{key} = {}  # {place}", to_toml(&arg, &values));
            }
            (None, true) => problems.push(format!(
                "{key} is missing: set --{}, {}, or {key} in the configuration's file",
                arg.get_long().unwrap_or_default(),
                variable(&key)
            )),
            (None, false) => {
                let _ = writeln!(text, "# {key} is not set");
            }
        }
    }
    for secret in secrets {
        let word = match settings.secret(secret.name).read() {
            Ok(Some(_)) => "set",
            Ok(None) if secret.is_required => {
                problems.push(SecretError::Missing(secret.name.to_owned()).to_string());
                continue;
            }
            Ok(None) => "not set",
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let _ = writeln!(text, "# {} is {word}", secret.name);
    }
    for warning in unknown_variables(command, secrets) {
        let _ = writeln!(text, "# {warning}");
    }
    (text, problems)
}

/// The value that counts, of those that the program and the check were given.
fn strongest(arg: &Arg, matches: &[&ArgMatches]) -> Option<(ValueSource, Vec<String>)> {
    let id = arg.get_id().as_str();
    let found = matches.iter().filter_map(|matches| {
        let source = matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id))?;
        let values = matches.try_get_raw(id).ok().flatten()?;
        Some((source, values.map(|value| value.to_string_lossy().into_owned()).collect()))
    });
    found.max_by_key(|(source, _): &(ValueSource, Vec<String>)| *source)
}

/// Several programs may share an environment, so a name that this one does not know is no error; it may be a mistake.
fn unknown_variables(command: &Command, secrets: &[SecretOption]) -> Vec<String> {
    let options = configurable(command).iter().map(|arg| variable(&key(arg))).collect::<Vec<_>>();
    let secrets = secrets.iter().flat_map(SecretOption::keys).map(|key| variable(&key));
    let known: Vec<String> = options.into_iter().chain(secrets).chain([FILE_VARIABLE.to_owned()]).collect();
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = set.filter(|name| name.starts_with(PREFIX) && !known.contains(name));
    unknown
        .map(|name| {
            // All begin alike, so only the rest says which was meant.
            let rest = |name: &String| name.trim_start_matches(PREFIX).to_owned();
            let meant = suggestion(&rest(&name), known.iter().map(rest));
            format!("{name} is set and no option of this program{meant}")
        })
        .collect()
}
