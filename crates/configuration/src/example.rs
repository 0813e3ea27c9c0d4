//! `config example`: a file of every option, explained, with its default, and all of it commented out.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::arguments::{configurable, key};
use crate::secret::{SecretOption, variable};
use crate::value::to_toml;

const WIDTH: usize = 100;

pub(crate) fn text(command: &Command, secrets: &[SecretOption]) -> String {
    let mut text = format!(
        "# {}: all options with their defaults. A flag is stronger than the environment, and that than this file.\n",
        command.get_name()
    );
    for arg in configurable(command) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        explain(&mut text, &help);
        let choices: Vec<_> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let is_flag = !arg.get_action().takes_values();
        if !choices.is_empty() && !is_flag {
            explain(&mut text, &format!("One of: {}.", choices.join(", ")));
        }
        let key = key(&arg);
        let required = if arg.is_required_set() { "; required" } else { "" };
        let flag = arg.get_long().unwrap_or_default();
        let _ = writeln!(text, "# (--{flag}, {}{required})", variable(&key));
        let _ = writeln!(text, "{}", format!("#{key} = {}", default(&arg)).trim_end());
    }
    for secret in secrets {
        explain(&mut text, secret.help);
        let required = if secret.is_required { "required, " } else { "" };
        let [value, file, from_command] = secret.keys();
        let _ = writeln!(text, "# (secret, {required}one of these; {} and so on)", variable(&value));
        let _ = writeln!(text, "#{value} =\n#{file} =\n#{from_command} =");
    }
    text
}

/// Nothing stands where there is no default.
fn default(arg: &Arg) -> String {
    let defaults = arg.get_default_values().iter();
    let values: Vec<String> = defaults.map(|value| value.to_string_lossy().into_owned()).collect();
    if arg.get_action().takes_values() {
        if values.is_empty() { String::new() } else { to_toml(arg, &values) }
    } else {
        values.first().cloned().unwrap_or_else(|| "false".to_owned())
    }
}

/// A blank line before a paragraph of its own, wrapped.
fn explain(text: &mut String, help: &str) {
    if !help.starts_with("One of: ") {
        text.push('\n');
    }
    let mut line = "#".to_owned();
    for word in help.split_whitespace() {
        if line.len() + word.len() >= WIDTH {
            let _ = writeln!(text, "{line}");
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
