//! Values: what an option takes, as TOML has it.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};
use toml::Value;

/// The texts that clap reads for a value of the file.
///
/// # Errors
/// Why the option does not take it.
pub(crate) fn texts(arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
    let texts = match (value, arg.get_action()) {
        (Value::Boolean(is_set), ArgAction::SetTrue) => return Ok(vec![is_set.to_string()]),
        (_, ArgAction::SetTrue) => return Err("expected true or false".to_owned()),
        (Value::Array(values), ArgAction::Append) => values.iter().map(text).collect::<Result<_, _>>()?,
        (value, _) => vec![text(value)?],
    };
    try_parse(arg, &texts)?;
    Ok(texts)
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Err(format!("expected a text or a number, not {}", name(value)))
        }
    }
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        _ => "a table",
    }
}

/// Asks clap, with a command that has nothing but this option.
fn try_parse(arg: &Arg, texts: &[String]) -> Result<(), String> {
    let alone = arg.clone().global(false).required(false).env(None);
    let name = arg.get_long().unwrap_or_default();
    let command = Command::new("file").no_binary_name(true).disable_help_flag(true).arg(alone);
    let parsed = command.try_get_matches_from(texts.iter().map(|text| format!("--{name}={text}")));
    parsed.map(drop).map_err(|error| {
        let told = error.to_string();
        let told = told.split("\n\nFor more information").next().unwrap_or_default();
        let told: Vec<_> = told.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        told.join(" ").trim_start_matches("error: ").to_owned()
    })
}

/// Values as the file has them.
pub(crate) fn to_toml(arg: &Arg, values: &[String]) -> String {
    match (arg.get_action(), values) {
        (ArgAction::Append, values) => {
            let values: Vec<_> = values.iter().map(|value| scalar(value)).collect();
            format!("[{}]", values.join(", "))
        }
        (ArgAction::SetTrue, [value]) => value.clone(),
        (_, [value]) => scalar(value),
        (_, values) => scalar(&values.join(",")),
    }
}

fn scalar(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => text.to_owned(),
        _ => quote(text),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
