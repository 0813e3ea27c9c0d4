//! The file: which of its keys are options, and their values as defaults of the command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use toml::{Table, Value};

use crate::ConfigError;
use crate::arguments::{configurable, key, map};
use crate::secret::{SecretOption, refuse_exposed};
use crate::value;

/// Less alike than this, a name is no suggestion.
const ALIKE: f64 = 0.8;

/// What a file says; nothing if there is none.
#[derive(Default)]
pub(crate) struct File {
    options: BTreeMap<String, Vec<String>>,
    secrets: BTreeMap<String, String>,
}

impl File {
    /// Reads a file, all of whose keys must be options of the command or secrets.
    pub(crate) fn read(
        path: &Path,
        command: &Command,
        secrets: &[SecretOption],
    ) -> Result<Self, ConfigError> {
        let told = |source| ConfigError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(told)?;
        let file = Self::parse(&text, path, command, secrets)?;
        let holds_secret = secrets.iter().any(|secret| file.secrets.contains_key(secret.name));
        if holds_secret {
            refuse_exposed(path)?;
        }
        Ok(file)
    }

    fn parse(
        text: &str,
        path: &Path,
        command: &Command,
        secrets: &[SecretOption],
    ) -> Result<Self, ConfigError> {
        let path_of = || PathBuf::from(path);
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Toml {
            path: path_of(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        let args = configurable(command);
        let secret_keys: Vec<String> = secrets.iter().flat_map(SecretOption::keys).collect();
        let mut file = Self::default();
        for (name, value) in table {
            let wrong = |message| ConfigError::Value { path: path_of(), key: name.clone(), message };
            if let Some(arg) = args.iter().find(|arg| key(arg) == name) {
                let texts = value::texts(arg, &value).map_err(wrong)?;
                file.options.insert(name, texts);
            } else if secret_keys.contains(&name) {
                let Value::String(text) = value else { return Err(wrong("expected a text".to_owned())) };
                file.secrets.insert(name, text);
            } else {
                let known = args.iter().map(key).chain(secret_keys);
                let suggestion = suggestion(&name, known);
                return Err(ConfigError::Unknown { path: path_of(), key: name, suggestion });
            }
        }
        Ok(file)
    }

    /// The values become defaults, over which environment and flags go.
    pub(crate) fn apply(&self, command: Command) -> Command {
        map(command, &|arg: Arg| match self.options.get(&key(&arg)) {
            Some(values) => arg.required(false).default_values(values.clone()),
            None => arg,
        })
    }

    /// Whether it has this option.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.options.contains_key(key)
    }

    /// What it says of a secret.
    pub(crate) fn secret(&self, key: &str) -> Option<String> {
        self.secrets.get(key).cloned()
    }
}

/// What a wrong name may have meant, as the end of a sentence.
pub(crate) fn suggestion(wrong: &str, known: impl Iterator<Item = String>) -> String {
    let alike = known.map(|name| (strsim::jaro_winkler(wrong, &name), name));
    let nearest = alike.filter(|(alike, _)| *alike > ALIKE).max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}
